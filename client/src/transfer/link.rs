//! The engine's connections: opened when there is work, kept a moment for the next, and
//! what comes over them.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
    time::{Duration, Instant},
};

use ferry_shared::{
    digest::Digest,
    frame::{self, Frame, Payload},
    link::LinkError,
    message::{Reply, Request, reply::Usage},
    refusal::Code,
};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{core::Core, event::Event, fit::Room};
use crate::{
    connect::Connector,
    connection::{FrameReader, FrameWriter},
    error::ClientError,
    reconnect::Backoff,
};

/// How long a connection without work is kept.
const KEEP: Duration = Duration::from_secs(5);

/// An open connection on which nothing is under way.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) reader: FrameReader,
    pub(super) writer: FrameWriter,
    _open: Counted,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum NoLink {
    /// The engine stops.
    Stopped,
    /// Not now: somebody else tries, or the server lets no more in. Others go on.
    Enough,
    /// The server cannot be reached, or lets nobody in.
    Failed(ClientError),
}

/// What the server sends that is not a notice.
#[derive(Debug)]
pub(super) enum Incoming {
    Reply(Reply),
    Block { index: u64, bytes: Payload },
    Have { first: u64, digests: Vec<Digest> },
}

#[derive(Debug)]
pub(super) struct Links {
    connector: Connector,
    idle: Mutex<Vec<(Instant, Link)>>,
    open: Arc<AtomicUsize>,
    /// Whether somebody tries to reach the server again.
    probing: watch::Sender<bool>,
    /// Whether it was told that the server cannot be reached, and not yet that it can.
    lost: AtomicBool,
    room: Mutex<Option<Room>>,
}

/// Counts an open connection for as long as it lives.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Links {
    pub(super) fn new(connector: Connector) -> Self {
        Self {
            connector,
            idle: Mutex::default(),
            open: Arc::default(),
            probing: watch::Sender::new(false),
            lost: AtomicBool::new(false),
            room: Mutex::default(),
        }
    }

    /// How many are open.
    pub(super) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    pub(super) fn is_probing(&self) -> bool {
        *self.probing.borrow()
    }

    /// Keeps a connection on which nothing is under way.
    pub(super) fn put(&self, link: Link) {
        let mut idle = self.idle.lock();
        idle.retain(|(since, _)| since.elapsed() < KEEP);
        idle.push((Instant::now(), link));
    }

    /// Closes the connections nobody used for a while; the time until the next is due.
    pub(super) fn close_old(&self) -> Option<Duration> {
        let mut idle = self.idle.lock();
        idle.retain(|(since, _)| since.elapsed() < KEEP);
        idle.iter().map(|(since, _)| KEEP.saturating_sub(since.elapsed())).min()
    }

    pub(super) fn close_all(&self) {
        self.idle.lock().clear();
    }

    fn take_idle(&self) -> Option<Link> {
        let mut idle = self.idle.lock();
        idle.retain(|(since, _)| since.elapsed() < KEEP);
        idle.pop().map(|(_, link)| link)
    }

    /// What is free on the server, as far as that is known.
    pub(super) fn room(&self) -> Option<Room> {
        *self.room.lock()
    }

    /// The account is like this after `sent` bytes.
    pub(super) fn note_room(&self, usage: Usage, sent: u64) -> Room {
        *self.room.lock().insert(Room::new(usage, sent))
    }

    async fn dial(&self, sent: &AtomicU64) -> Result<Link, ClientError> {
        let connection = self.connector.open().await?;
        self.note_room(connection.logged_in.usage, sent.load(Relaxed));
        self.open.fetch_add(1, Relaxed);
        Ok(Link { reader: connection.reader, writer: connection.writer, _open: Counted(Arc::clone(&self.open)) })
    }
}

impl Core {
    /// A connection: one that is kept, else a new one. When the server cannot be reached,
    /// one caller tries again for as long as it makes sense.
    pub(super) async fn link(&self) -> Result<Link, NoLink> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(NoLink::Stopped),
            result = self.find_link() => result,
        }
    }

    /// A connection, also if others have to be waited for.
    pub(super) async fn link_in_turn(&self) -> Result<Link, NoLink> {
        loop {
            match self.link().await {
                Err(NoLink::Enough) if self.links.is_probing() => {
                    // The sender is ours: waiting cannot fail.
                    drop(self.links.probing.subscribe().wait_for(|probing| !probing).await);
                }
                Err(NoLink::Enough) => tokio::time::sleep(Duration::from_millis(100)).await,
                result => return result,
            }
        }
    }

    async fn find_link(&self) -> Result<Link, NoLink> {
        while let Some(mut link) = self.links.take_idle() {
            if self.is_alive(&mut link).await {
                return Ok(link);
            }
        }
        if self.links.is_probing() {
            return Err(NoLink::Enough);
        }
        match self.links.dial(&self.sent).await {
            Ok(link) => {
                // Whoever tried for long may have given up, and told nobody that it is back.
                self.reached_again();
                Ok(link)
            }
            Err(ClientError::Refused(refusal)) if refusal.code == Code::Busy && self.links.open() > 0 => {
                self.queue.limit_transfers(self.links.open());
                Err(NoLink::Enough)
            }
            Err(error) => self.probe(error).await,
        }
    }

    async fn probe(&self, mut error: ClientError) -> Result<Link, NoLink> {
        if self.links.probing.send_replace(true) {
            return Err(NoLink::Enough);
        }
        let _ended = Probe(self);
        let mut backoff = Backoff::new(self.patience);
        loop {
            let Some(delay) = backoff.next_delay(&error) else { return Err(NoLink::Failed(error)) };
            self.links.lost.store(true, Relaxed);
            self.queue.link_lost(error, delay, backoff.attempt());
            tokio::time::sleep(delay).await;
            match self.links.dial(&self.sent).await {
                Ok(link) => {
                    self.reached_again();
                    return Ok(link);
                }
                Err(again) => error = again,
            }
        }
    }

    /// Tells that the server is back, if it was told that it cannot be reached.
    fn reached_again(&self) {
        if self.links.lost.swap(false, Relaxed) {
            self.queue.link_restored();
        }
    }

    /// Whether nothing but notices came while the connection was kept.
    async fn is_alive(&self, link: &mut Link) -> bool {
        let mut next = pin!(self.incoming(&mut link.reader));
        std::future::poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx).is_pending())).await
    }

    /// The next reply, block or have-frame, however long that takes; notices are passed on.
    pub(super) async fn incoming(&self, reader: &mut FrameReader) -> Result<Incoming, ClientError> {
        self.incoming_in_time(reader, &AtomicU64::new(0), || false).await
    }

    /// The same from a server that has no reason to be silent while `due` says so: neither
    /// received bytes nor those of `sent` may stand still for too long.
    pub(super) async fn incoming_in_time(
        &self,
        reader: &mut FrameReader,
        sent: &AtomicU64,
        due: impl Fn() -> bool,
    ) -> Result<Incoming, ClientError> {
        loop {
            let before = reader.received();
            let frame = self.frame_in_time(reader, sent, &due).await?.ok_or_else(ClientError::closed)?;
            let bytes = reader.received().saturating_sub(before);
            self.received.fetch_add(bytes, Relaxed);
            self.throttle.down(usize::try_from(bytes).unwrap_or(usize::MAX)).await;
            let json = match frame {
                Frame::Block { index, bytes } => return Ok(Incoming::Block { index, bytes }),
                Frame::Have { first, digests } => return Ok(Incoming::Have { first, digests }),
                Frame::Message(json) => json,
            };
            match serde_json::from_slice(&json) {
                Ok(Reply::Notice(notice)) => self.emit(Event::Notice(notice)).await,
                Ok(reply) => return Ok(Incoming::Reply(reply)),
                Err(error) => return Err(ClientError::Protocol(error.to_string())),
            }
        }
    }

    /// Sends a request that is alone on its connection.
    pub(super) async fn request(&self, link: &mut Link, request: &Request) -> Result<(), ClientError> {
        let mut frames = self.pool.take();
        frame::put_message(&mut frames, request).map_err(LinkError::from)?;
        self.send(&mut link.writer, &frames, |_| {}).await?;
        Ok(link.writer.flush().await?)
    }

    /// What the server answers to the one request that is under way, which takes it no time.
    pub(super) async fn answer(&self, link: &mut Link) -> Result<Incoming, ClientError> {
        self.incoming_in_time(&mut link.reader, &link.writer.meter(), || true).await
    }

    async fn frame_in_time(
        &self,
        reader: &mut FrameReader,
        sent: &AtomicU64,
        due: impl Fn() -> bool,
    ) -> Result<Option<Frame>, ClientError> {
        let received = reader.meter();
        let moved = || (received.load(Relaxed), sent.load(Relaxed));
        let mut next = pin!(reader.next());
        loop {
            let before = moved();
            tokio::select! {
                biased;
                frame = &mut next => return Ok(frame?),
                () = tokio::time::sleep(self.silence) => {
                    if due() && moved() == before {
                        return Err(ClientError::Timeout("waiting for the server's next bytes"));
                    }
                }
            }
        }
    }

    /// Writes frames, held back to the rate; `sent` hears of every piece.
    pub(super) async fn send(
        &self,
        writer: &mut FrameWriter,
        frames: &[u8],
        mut sent: impl FnMut(usize),
    ) -> Result<(), ClientError> {
        // Pieces of one length: a block and its head would else end in a piece of a few bytes.
        let pieces = frames.len().div_ceil(self.throttle.chunk()).max(1);
        for piece in frames.chunks(frames.len().div_ceil(pieces).max(1)) {
            self.throttle.up(piece.len()).await;
            writer.write(piece).await?;
            self.sent.fetch_add(piece.len() as u64, Relaxed);
            sent(piece.len());
        }
        Ok(())
    }
}

/// Lets the others try again when this one is through, or was stopped.
struct Probe<'a>(&'a Core);

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        self.0.links.probing.send_replace(false);
        self.0.queue.changed.notify_one();
    }
}

/// What is answered where something else is due.
pub(super) fn out_of_step(incoming: &Incoming) -> ClientError {
    let what = match incoming {
        Incoming::Reply(reply) => format!("an answer to nothing that was asked: {reply:?}"),
        Incoming::Block { index, .. } => format!("block {index} that nobody asked for"),
        Incoming::Have { first, .. } => format!("digests of block {first} that nobody asked for"),
    };
    ClientError::Protocol(what)
}
