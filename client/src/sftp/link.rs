//! One SFTP conversation on a channel: requests that are answered in any order, up to a limit at a time.
//!
//! A task reads and another one writes. Both end with the last handle, or with the first error, which then fails every
//! waiting request.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use ferry_shared::sftp::{Hello, Packet, Pairs, Reply, Request, TooLong, VERSION};
use parking_lot::Mutex;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, client::Msg};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    time,
};

use super::fault;
use crate::{error::ClientError, site::Surroundings, traffic::Traffic};

/// The number of requests without an answer.
pub(super) const IN_FLIGHT: usize = 64;
/// The number of encoded requests that wait for the connection.
const QUEUED: usize = 8;
/// Bytes of a write before its data, with the longest handle.
const HEAD: usize = 512;
/// The time that a server may take for work on its disk, in multiples of the time for other requests.
const DISK_WORK: u32 = 10;

/// The kind of work that a request causes, which decides how long the server may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Short,
    /// A flush or a copy on the server.
    Long,
}

impl Work {
    fn of(request: &Request) -> Self {
        match request {
            Request::Extended(_) | Request::Close { .. } => Self::Long,
            _ => Self::Short,
        }
    }
}

/// A request that waits for its answer.
struct Waiting {
    /// Absent if nobody waits for the answer.
    answer: Option<oneshot::Sender<Result<Reply, ClientError>>>,
    work: Work,
    /// Absent for requests that are owed.
    _permit: Option<OwnedSemaphorePermit>,
}

/// Requests that follow from others, such as the CLOSE of a file: no more of them than there were others.
#[derive(Default)]
struct Owed {
    requests: Mutex<Vec<Request>>,
    more: Notify,
}

impl Owed {
    fn add(&self, request: Request) {
        self.requests.lock().push(request);
        self.more.notify_one();
    }
}

type Pending = Mutex<HashMap<u32, Waiting>>;

struct Shared {
    next: Arc<AtomicU32>,
    owed: Arc<Owed>,
    pending: Arc<Pending>,
    room: Arc<Semaphore>,
    packets: mpsc::Sender<Bytes>,
    ended: watch::Receiver<Option<ClientError>>,
    hello: Hello,
}

/// A handle to the conversation; clones share it.
#[derive(Clone)]
pub(super) struct Link {
    shared: Arc<Shared>,
}

/// An answer that is to come.
pub(super) struct Answer {
    answer: oneshot::Receiver<Result<Reply, ClientError>>,
    ended: watch::Receiver<Option<ClientError>>,
}

impl Answer {
    /// Waits for the answer.
    ///
    /// # Errors
    /// The reason why the conversation ended before.
    pub(super) async fn get(self) -> Result<Reply, ClientError> {
        tokio::select! {
            biased;
            answer = self.answer => match answer {
                Ok(answer) => answer,
                Err(_) => Err(reason(self.ended).await),
            },
            // A request that was made just when the conversation ended is never answered, and nobody drops it.
            error = reason(self.ended.clone()) => Err(error),
        }
    }
}

impl Link {
    /// Starts the conversation on a channel whose subsystem is running.
    ///
    /// # Errors
    /// The server does not speak version 3, or the connection was lost.
    pub(super) async fn start(
        read: ChannelReadHalf,
        write: ChannelWriteHalf<Msg>,
        surroundings: &Surroundings,
        keep: Arc<dyn Send + Sync>,
    ) -> Result<Self, ClientError> {
        let Surroundings { traffic, tasks, stop, silence, .. } = surroundings;
        let mut incoming = Incoming { read, buffer: BytesMut::new(), traffic: Arc::clone(traffic) };
        let mut init = Vec::new();
        let ours = Hello { version: VERSION, extensions: Pairs::new() };
        ours.put_init(&mut init).map_err(|error| ClientError::Protocol(error.to_string()))?;
        write.data_bytes(init).await.map_err(fault::lost)?;
        let packet = time::timeout(*silence, incoming.packet())
            .await
            .map_err(|_| ClientError::Timeout("starting SFTP"))??
            .ok_or_else(ClientError::closed)?;
        let hello = Hello::decode_version(packet).map_err(|error| ClientError::Protocol(error.to_string()))?;
        if hello.version != VERSION {
            return Err(ClientError::Protocol(format!("it speaks SFTP version {}, not {VERSION}", hello.version)));
        }
        let (packets, queued) = mpsc::channel(QUEUED);
        let (end, ended) = watch::channel(None);
        let (end, pending) = (Arc::new(end), Arc::new(Pending::default()));
        let (owed, next) = (Arc::new(Owed::default()), Arc::new(AtomicU32::new(0)));
        let writing = Writing {
            write,
            queued,
            owed: Arc::clone(&owed),
            next: Arc::clone(&next),
            pending: Arc::clone(&pending),
            traffic: Arc::clone(traffic),
            end: Arc::clone(&end),
            keep,
        };
        tasks.spawn(writing.run(stop.clone()));
        let reading =
            Reading { incoming, pending: Arc::clone(&pending), owed: Arc::clone(&owed), silence: *silence, end };
        tasks.spawn(reading.run(stop.clone()));
        let room = Arc::new(Semaphore::new(IN_FLIGHT));
        let shared = Shared { next, owed, pending, room, packets, ended, hello };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The server's first packet.
    pub(super) fn hello(&self) -> &Hello {
        &self.shared.hello
    }

    /// Whether the conversation has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.shared.ended.borrow().is_some() || self.shared.ended.has_changed().is_err()
    }

    /// Waits for the end of the conversation.
    pub(super) async fn closed(&self) -> ClientError {
        reason(self.shared.ended.clone()).await
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// The reason why the conversation ended, or the answer is malformed.
    pub(super) async fn ask(&self, request: Request) -> Result<Reply, ClientError> {
        self.send(request).await?.get().await
    }

    /// Sends a request as soon as there are few enough without an answer.
    ///
    /// # Errors
    /// The reason why the conversation ended, or the request is too long.
    pub(super) async fn send(&self, request: Request) -> Result<Answer, ClientError> {
        let put = |packet: &mut Vec<u8>, id| request.put(packet, id);
        self.pass(put, Work::of(&request)).await
    }

    /// Sends a write of `data`, which is copied once.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub(super) async fn send_data(&self, handle: &[u8], offset: u64, data: &[u8]) -> Result<Answer, ClientError> {
        let put = |packet: &mut Vec<u8>, id| {
            packet.reserve_exact(data.len() + HEAD);
            Request::put_write_head(packet, id, handle, offset, data.len())?;
            packet.extend_from_slice(data);
            Ok(())
        };
        self.pass(put, Work::Short).await
    }

    async fn pass(
        &self,
        put: impl FnOnce(&mut Vec<u8>, u32) -> Result<(), TooLong>,
        work: Work,
    ) -> Result<Answer, ClientError> {
        let permit = self.permit().await?;
        let (told, answer) = oneshot::channel();
        let packet = self.register(put, work, told, permit)?;
        tokio::select! {
            biased;
            // The queue may be full and is not emptied any more.
            error = self.closed() => return Err(error),
            sent = self.shared.packets.send(packet) => if sent.is_err() {
                return Err(self.closed().await);
            },
        }
        Ok(Answer { answer, ended: self.shared.ended.clone() })
    }

    /// Sends a request that ends what another one began, without waiting, and ignores its answer. Nothing is sent if the
    /// connection is lost: a server closes the files of a channel with the channel.
    pub(super) fn post(&self, request: Request) {
        self.shared.owed.add(request);
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, ClientError> {
        tokio::select! {
            biased;
            error = self.closed() => Err(error),
            permit = Arc::clone(&self.shared.room).acquire_owned() => permit.map_err(|_| ClientError::Cancelled),
        }
    }

    fn register(
        &self,
        put: impl FnOnce(&mut Vec<u8>, u32) -> Result<(), TooLong>,
        work: Work,
        answer: oneshot::Sender<Result<Reply, ClientError>>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Bytes, ClientError> {
        let id = self.shared.next.fetch_add(1, Relaxed);
        let mut packet = Vec::new();
        put(&mut packet, id).map_err(|error| fault::bad_path(&error.to_string()))?;
        let waiting = Waiting { answer: Some(answer), work, _permit: Some(permit) };
        self.shared.pending.lock().insert(id, waiting);
        Ok(packet.into())
    }
}

/// The reason why the conversation ended.
async fn reason(mut ended: watch::Receiver<Option<ClientError>>) -> ClientError {
    ended.wait_for(Option::is_some).await.ok().and_then(|end| end.clone()).unwrap_or(ClientError::Cancelled)
}

/// The bytes from the server, cut into packets.
struct Incoming {
    read: ChannelReadHalf,
    buffer: BytesMut,
    traffic: Arc<Traffic>,
}

impl Incoming {
    /// The next packet; `None` at the end of the channel.
    async fn packet(&mut self) -> Result<Option<Packet>, ClientError> {
        loop {
            match Packet::take(&mut self.buffer) {
                Ok(Some(packet)) => return Ok(Some(packet)),
                Ok(None) => {}
                Err(error) => return Err(ClientError::Protocol(error.to_string())),
            }
            match self.read.wait().await {
                Some(ChannelMsg::Data { data }) => {
                    // First, because the wait may be cut short.
                    self.buffer.extend_from_slice(&data);
                    self.traffic.has_received(data.len() as u64).await;
                }
                Some(ChannelMsg::Eof | ChannelMsg::Close) | None => return Ok(None),
                // Text on standard error and exit codes are of no use.
                Some(_) => {}
            }
        }
    }
}

struct Reading {
    incoming: Incoming,
    pending: Arc<Pending>,
    owed: Arc<Owed>,
    silence: Duration,
    end: Arc<watch::Sender<Option<ClientError>>>,
}

impl Reading {
    async fn run(mut self, stop: tokio_util::sync::CancellationToken) {
        let end = Arc::clone(&self.end);
        let error = tokio::select! {
            biased;
            () = stop.cancelled() => ClientError::Cancelled,
            () = end.closed() => ClientError::Cancelled,
            error = self.read() => error,
        };
        finish(&end, error);
        // Wakes those who wait, now that the reason is known.
        self.pending.lock().clear();
    }

    async fn read(&mut self) -> ClientError {
        // The number of times in a row that nothing came for half of the time that is allowed.
        let mut silent = 0;
        loop {
            match time::timeout(self.silence / 2, self.incoming.packet()).await {
                Ok(Ok(Some(packet))) => {
                    silent = 0;
                    if let Err(error) = self.take(packet) {
                        return error;
                    }
                }
                Ok(Ok(None)) => return ClientError::closed(),
                Ok(Err(error)) => return error,
                Err(_) => {
                    silent = match self.patience() {
                        None => 0,
                        Some(patience) if silent >= 2 * patience => {
                            return ClientError::Timeout("waiting for the server");
                        }
                        Some(_) => silent + 1,
                    }
                }
            }
        }
    }

    /// How long the server may be silent now, in multiples of the usual time; `None` if it need not answer.
    fn patience(&self) -> Option<u32> {
        let pending = self.pending.lock();
        let works = pending.values().map(|waiting| if waiting.work == Work::Long { DISK_WORK } else { 1 });
        works.max()
    }

    fn take(&self, packet: Packet) -> Result<(), ClientError> {
        let (id, reply) = match Reply::decode(packet) {
            Ok((id, reply)) => (id, Ok(reply)),
            Err(invalid) => (invalid.id, Err(ClientError::Protocol(invalid.to_string()))),
        };
        let waiting = self.pending.lock().remove(&id);
        let Some(waiting) = waiting else {
            return Err(ClientError::Protocol(format!("an answer to request {id}, which was not made")));
        };
        let unwanted = match waiting.answer {
            Some(answer) => answer.send(reply).err(),
            None => None,
        };
        if let Some(Ok(Reply::Handle(handle))) = unwanted {
            // The file was opened for a call that has ended meanwhile.
            self.owed.add(Request::Close { handle });
        }
        Ok(())
    }
}

struct Writing {
    write: ChannelWriteHalf<Msg>,
    queued: mpsc::Receiver<Bytes>,
    owed: Arc<Owed>,
    next: Arc<AtomicU32>,
    pending: Arc<Pending>,
    traffic: Arc<Traffic>,
    end: Arc<watch::Sender<Option<ClientError>>>,
    /// Kept as long as the channel is in use.
    keep: Arc<dyn Send + Sync>,
}

impl Writing {
    async fn run(mut self, stop: tokio_util::sync::CancellationToken) {
        let mut ended = self.end.subscribe();
        let error = tokio::select! {
            biased;
            () = stop.cancelled() => ClientError::Cancelled,
            _ = ended.wait_for(Option::is_some) => ClientError::Cancelled,
            error = self.write() => error,
        };
        finish(&self.end, error);
        // The server may be gone.
        drop(self.write.close().await);
        drop(self.keep);
    }

    async fn write(&mut self) -> ClientError {
        loop {
            if let Err(error) = self.pay().await {
                return error;
            }
            let packet = tokio::select! {
                packet = self.queued.recv() => packet,
                () = self.owed.more.notified() => continue,
            };
            let sent = match packet {
                Some(packet) => self.send(packet).await,
                // The last handle is gone, which may have owed something.
                None => self.pay().await.and(Err(ClientError::Cancelled)),
            };
            if let Err(error) = sent {
                return error;
            }
        }
    }

    /// Sends the requests that are owed.
    async fn pay(&mut self) -> Result<(), ClientError> {
        let owed = std::mem::take(&mut *self.owed.requests.lock());
        for request in owed {
            let id = self.next.fetch_add(1, Relaxed);
            let mut packet = Vec::new();
            if request.put(&mut packet, id).is_ok() {
                let waiting = Waiting { answer: None, work: Work::of(&request), _permit: None };
                self.pending.lock().insert(id, waiting);
                self.send(packet.into()).await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, packet: Bytes) -> Result<(), ClientError> {
        let length = packet.len();
        self.traffic.may_send(length).await;
        self.write.data_bytes(packet).await.map_err(fault::lost)?;
        self.traffic.has_sent(length);
        Ok(())
    }
}

/// Sets the reason for the end, unless there is one.
fn finish(end: &watch::Sender<Option<ClientError>>, error: ClientError) {
    end.send_if_modified(|end| {
        let first = end.is_none();
        if first {
            *end = Some(error);
        }
        first
    });
}
