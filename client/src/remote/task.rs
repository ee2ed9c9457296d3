//! The task that owns a connection: one side writes requests, the other one passes on answers.
//!
//! Both sides run in one task, and neither is interrupted within a frame.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use ferry_shared::{
    delta,
    frame::{Frame, Payload, put_message, unpack_message},
    link::LinkError,
    message::{Notice, Reply, Request},
    packing::Packing,
    refusal::Code,
};
use parking_lot::Mutex;
use tokio::{
    sync::{
        OwnedSemaphorePermit, broadcast, mpsc,
        oneshot::{self, error::TryRecvError},
        watch,
    },
    time,
};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{
    CALLS,
    chunk::Chunk,
    waiter::{Incoming, Waiter},
};
use crate::{
    connection::{self, FrameReader, FrameWriter},
    error::ClientError,
    traffic::Traffic,
};

/// Time without a call after which the client sends a ping.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Time limit for closing the connection.
const GOODBYE: Duration = Duration::from_secs(2);
/// The maximum number of unanswered requests; further ones wait. A single call has fewer.
const UNANSWERED: usize = 1024;

/// Requests to the server: complete frames, and the waiters for their answers, in order.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) frames: Vec<Chunk>,
    pub(crate) waiters: Vec<Waiter>,
    /// Further frames of this call, sent before those of the next call.
    pub(crate) more: Option<More>,
    /// Released when the frames are written.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// Frames of a call that are produced during the call.
#[derive(Debug)]
pub(crate) struct More {
    chunks: mpsc::Receiver<Chunk>,
    sent: oneshot::Sender<bool>,
}

impl More {
    /// At most `ahead` chunks wait to be written. They end with the chunk that is marked as the last, or when the
    /// sender is dropped; the receiver is then told whether all of them are written. If the transfer of their file is to
    /// end, only the frame that was begun is.
    pub(crate) fn new(ahead: usize) -> (mpsc::Sender<Chunk>, oneshot::Receiver<bool>, Self) {
        let (sender, chunks) = mpsc::channel(ahead);
        let (sent, told) = oneshot::channel();
        (sender, told, Self { chunks, sent })
    }
}

impl Call {
    /// A single request with one answer.
    pub(crate) fn new(frames: Chunk, waiter: Waiter) -> Self {
        Self { frames: vec![frames], waiters: vec![waiter], more: None, permit: None }
    }
}

/// The state of the task.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) reader: FrameReader,
    pub(super) writer: FrameWriter,
    /// Waits for the answer to a request that was sent before.
    pub(super) first: Option<Waiter>,
    pub(super) calls: mpsc::Receiver<Call>,
    pub(super) notices: broadcast::Sender<Notice>,
    pub(super) stop: CancellationToken,
    pub(super) end: watch::Sender<Option<ClientError>>,
    pub(super) traffic: Arc<Traffic>,
    /// Learns how fast the link is.
    pub(super) link: Option<Arc<Packing>>,
    pub(super) silence: Duration,
}

/// The state of the writing side that the reading side needs to detect a server that hangs.
#[derive(Debug, Default)]
struct Sending {
    /// Incremented for each request, and when this side's next frames are available.
    steps: AtomicU64,
    /// Whether the current call waits for this side's next frames.
    waits_for_us: AtomicBool,
}

impl Task {
    /// Runs until the connection is lost or stopped, or all handles are dropped. Pending calls then get the reason
    /// from `end`.
    pub(super) async fn run(self) {
        let Self { reader, mut writer, first, mut calls, notices, stop, end, traffic, link, silence } = self;
        let (pending, waiters) = mpsc::channel(UNANSWERED);
        let sending = Sending::default();
        let why = {
            let sent = writer.meter();
            let oldest = Oldest { waiters, current: first };
            let reading = Reading { reader, sent, oldest, traffic: &traffic, silence, sending: &sending };
            let writing =
                Writing { writer: &mut writer, pending, traffic: &traffic, link: link.as_deref(), sending: &sending };
            let (mut reading, mut writing) = (pin!(reading.run(&notices)), pin!(writing.run(&mut calls)));
            tokio::select! {
                biased;
                () = stop.cancelled() => ClientError::Cancelled,
                // If both have failed, the reason is in what the server sent.
                why = &mut reading => why,
                why = &mut writing => why,
            }
        };
        tracing::debug!(%why, "the connection has ended");
        end.send_replace(Some(why));
        drop(calls);
        if !matches!(time::timeout(GOODBYE, writer.close()).await, Ok(Ok(()))) {
            tracing::debug!("the connection was lost before it could be closed");
        }
    }
}

struct Reading<'a> {
    reader: FrameReader,
    /// The number of bytes written so far.
    sent: Arc<AtomicU64>,
    oldest: Oldest,
    traffic: &'a Traffic,
    silence: Duration,
    sending: &'a Sending,
}

/// The waiters for answers, in order.
struct Oldest {
    waiters: mpsc::Receiver<Waiter>,
    /// The oldest waiter, once it has been inspected.
    current: Option<Waiter>,
}

impl Oldest {
    /// The oldest waiter, if there is any.
    fn look(&mut self) -> Option<&mut Waiter> {
        if self.current.is_none() {
            self.current = self.waiters.try_recv().ok();
        }
        self.current.as_mut()
    }

    fn take(&mut self) -> Option<Waiter> {
        self.look();
        self.current.take()
    }
}

impl Reading<'_> {
    /// Passes each answer to the oldest waiter, and notices to their receivers.
    async fn run(mut self, notices: &broadcast::Sender<Notice>) -> ClientError {
        loop {
            let incoming = match self.next().await {
                Ok(Incoming::Reply(Reply::Notice(notice))) => {
                    let _nobody_listens = notices.send(notice);
                    continue;
                }
                Ok(incoming) => incoming,
                Err(why) => return why,
            };
            // Nothing follows it; whichever request it answers, it is the reason why the connection ends.
            let last = match &incoming {
                Incoming::Reply(Reply::Refused(refusal)) if refusal.code == Code::AccountClosed => {
                    Some(refusal.clone().into())
                }
                _ => None,
            };
            let Some(waiter) = self.oldest.take() else { return unasked(incoming) };
            match waiter.take(incoming).await {
                Ok(waiter) => self.oldest.current = waiter,
                Err(why) => return last.unwrap_or(why),
            }
            if let Some(last) = last {
                return last;
            }
        }
    }

    async fn next(&mut self) -> Result<Incoming, ClientError> {
        let before = self.reader.received();
        let frame = self.frame().await?;
        let received = self.traffic.has_received(self.reader.received().saturating_sub(before));
        match self.oldest.look().and_then(|waiter| waiter.pausing()) {
            // The bytes that have arrived are passed on at once: nothing follows it.
            Some(pausing) => tokio::select! {
                biased;
                () = received => {}
                () = pausing.cancelled() => {}
            },
            None => received.await,
        }
        match frame {
            Some(Frame::Message(json)) => connection::decode(&json).map(Incoming::Reply),
            Some(Frame::PackedMessage(packed)) => {
                let json = unpack_message(&packed).map_err(LinkError::from)?;
                connection::decode(&json).map(Incoming::Reply)
            }
            Some(Frame::Block { index, bytes }) => Ok(Incoming::Block { index, bytes }),
            Some(Frame::Have { digests, .. }) => Ok(Incoming::Have { digests }),
            Some(Frame::Delta { index, steps }) if delta::needs_basis(&steps) => Ok(Incoming::Delta { index, steps }),
            Some(Frame::Delta { index, steps }) => Ok(Incoming::Block { index, bytes: unpacked(steps).await? }),
            Some(Frame::Chunks(described)) => Ok(Incoming::Chunks(described)),
            None => Err(ClientError::closed()),
        }
    }

    /// Returns the next frame. Times out if the server could answer the oldest request at once, but no bytes are sent
    /// or received for too long.
    async fn frame(&mut self) -> Result<Option<Frame>, ClientError> {
        let Self { reader, sent, oldest, silence, sending, .. } = self;
        let received = reader.meter();
        let oldest = Mutex::new(oldest);
        let mut arriving = |index, bytes| {
            if let Some(waiter) = oldest.lock().look() {
                waiter.arriving(index, bytes);
            }
        };
        let moved = || (received.load(Relaxed), sent.load(Relaxed), sending.steps.load(Relaxed));
        let mut next = pin!(reader.next_observed(&mut arriving));
        loop {
            let before = moved();
            tokio::select! {
                biased;
                frame = &mut next => return Ok(frame?),
                () = time::sleep(*silence) => {}
            }
            let is_due =
                oldest.lock().look().is_some_and(|waiter| waiter.is_due()) && !sending.waits_for_us.load(Relaxed);
            if is_due && moved() == before {
                return Err(ClientError::Timeout("waiting for the server's next bytes"));
            }
        }
    }
}

/// The block in a delta without a basis.
///
/// # Errors
/// [`ClientError::Protocol`] if it is invalid.
async fn unpacked(steps: Payload) -> Result<Payload, ClientError> {
    let unpack = move || {
        let mut block = Vec::new();
        delta::apply(&steps, None, &mut block).map(|_| Payload::Shared(block.into()))
    };
    let unpacked = tokio::task::spawn_blocking(unpack).await.map_err(|_| ClientError::Cancelled)?;
    unpacked.map_err(|error| ClientError::Protocol(error.to_string()))
}

/// Handles a message without a request: the server may only announce why it closes the connection.
fn unasked(incoming: Incoming) -> ClientError {
    match incoming {
        Incoming::Reply(Reply::Refused(refusal)) => refusal.into(),
        _ => ClientError::Protocol("an answer without a request".into()),
    }
}

struct Writing<'a> {
    writer: &'a mut FrameWriter,
    pending: mpsc::Sender<Waiter>,
    traffic: &'a Traffic,
    link: Option<&'a Packing>,
    sending: &'a Sending,
}

impl Writing<'_> {
    /// Writes requests as they arrive, and a ping if there have been none for a while.
    async fn run(mut self, calls: &mut mpsc::Receiver<Call>) -> ClientError {
        let mut pong: Option<oneshot::Receiver<()>> = None;
        let mut batch = Vec::new();
        loop {
            match time::timeout(KEEP_ALIVE, calls.recv_many(&mut batch, CALLS)).await {
                Ok(0) => return ClientError::Cancelled,
                Ok(_) => {}
                // A ping may wait long behind a long request; a second one is of no use.
                Err(_) if pong.as_mut().is_some_and(|pong| pong.try_recv() == Err(TryRecvError::Empty)) => continue,
                Err(_) => match ping() {
                    Ok((call, answer)) => {
                        batch.push(call);
                        pong = Some(answer);
                    }
                    Err(error) => return error.into(),
                },
            }
            if let Err(why) = self.send(&mut batch).await {
                return why;
            }
        }
    }

    /// Queues the waiters of each call before its frames are sent, because the answer may arrive immediately.
    async fn send(&mut self, batch: &mut Vec<Call>) -> Result<(), ClientError> {
        for Call { frames, waiters, more, permit } in batch.drain(..) {
            for waiter in waiters {
                self.queue(waiter).await?;
            }
            for chunk in frames {
                self.write(&chunk).await?;
            }
            drop(permit);
            if let Some(more) = more {
                self.write_more(more).await?;
            }
        }
        Ok(self.writer.flush().await?)
    }

    async fn queue(&mut self, waiter: Waiter) -> Result<(), ClientError> {
        self.sending.steps.fetch_add(1, Relaxed);
        match self.pending.try_send(waiter) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(waiter)) => {
                // The server answers only requests that have been sent.
                self.writer.flush().await?;
                self.pending.send(waiter).await.map_err(|_| ClientError::closed())
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(ClientError::closed()),
        }
    }

    async fn write_more(&mut self, More { mut chunks, sent }: More) -> Result<(), ClientError> {
        let mut whole = true;
        loop {
            let chunk = match chunks.try_recv() {
                Ok(chunk) => chunk,
                Err(_) => {
                    self.writer.flush().await?;
                    self.sending.waits_for_us.store(true, Relaxed);
                    let chunk = chunks.recv().await;
                    self.sending.steps.fetch_add(1, Relaxed);
                    self.sending.waits_for_us.store(false, Relaxed);
                    let Some(chunk) = chunk else { break };
                    chunk
                }
            };
            whole &= !chunk.is_unwanted();
            if whole {
                self.write(&chunk).await?;
            }
            if chunk.is_last() {
                break;
            }
        }
        self.writer.flush().await?;
        let _nobody_waits = sent.send(whole);
        Ok(())
    }

    /// Writes frames at the permitted rate.
    async fn write(&mut self, chunk: &Chunk) -> Result<(), ClientError> {
        // Use pieces of equal length: otherwise a block with its header would end with a piece of a few bytes.
        let pieces = chunk.len().div_ceil(self.traffic.chunk()).max(1);
        let mut written = 0;
        let begun = Instant::now();
        for piece in chunk.chunks(chunk.len().div_ceil(pieces).max(1)) {
            self.traffic.may_send(piece.len()).await;
            self.writer.write(piece).await?;
            self.traffic.has_sent(piece.len());
            chunk.written(written, written + piece.len());
            written += piece.len();
        }
        if let Some(link) = self.link {
            link.sent(written, begun.elapsed());
        }
        Ok(())
    }
}

fn ping() -> Result<(Call, oneshot::Receiver<()>), LinkError> {
    let mut frames = Zeroizing::new(Vec::new());
    put_message(&mut frames, &Request::Ping)?;
    let (sender, pong) = oneshot::channel();
    Ok((Call::new(Chunk::secret(frames), Waiter::Pong(sender)), pong))
}
