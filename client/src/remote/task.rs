//! The task that owns a connection: one side writes requests, the other hands out answers.
//!
//! Both run in one task and neither is ever cut off in the middle of a frame.

use std::{
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use ferry_shared::{
    frame::{Frame, put_message},
    link::LinkError,
    message::{Notice, Reply, Request},
};
use tokio::{
    sync::{
        broadcast, mpsc,
        oneshot::{self, error::TryRecvError},
        watch,
    },
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{
    CALLS,
    waiter::{Incoming, Waiter},
};
use crate::{
    connection::{self, FrameReader, FrameWriter},
    error::ClientError,
};

/// Silence after which the server is told that the client is still there.
const SILENCE: Duration = Duration::from_secs(20);
/// How long a ping may go unanswered while nothing else is.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// A request on its way to the server: whole frames, and who waits for the answer.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) frames: Zeroizing<Vec<u8>>,
    pub(super) waiter: Waiter,
}

/// All the task owns.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) reader: FrameReader,
    pub(super) writer: FrameWriter,
    pub(super) calls: mpsc::Receiver<Call>,
    pub(super) notices: broadcast::Sender<Notice>,
    pub(super) stop: CancellationToken,
    pub(super) end: watch::Sender<Option<ClientError>>,
}

impl Task {
    /// Runs until the connection is lost, stopped, or wanted by nobody any more. Whoever
    /// still waits then learns why from `end`.
    pub(super) async fn run(self) {
        let Self { mut reader, mut writer, mut calls, notices, stop, end } = self;
        let (pending, waiters) = mpsc::channel(CALLS);
        let unanswered = AtomicUsize::new(0);
        let why = {
            let mut reading = pin!(read(&mut reader, waiters, &notices, &unanswered));
            let mut writing = pin!(write(&mut writer, &mut calls, pending, &unanswered));
            tokio::select! {
                why = &mut reading => why,
                why = &mut writing => why,
                () = stop.cancelled() => ClientError::Cancelled,
            }
        };
        tracing::debug!(%why, "the connection has ended");
        end.send_replace(Some(why));
        drop(calls);
        if !matches!(time::timeout(GOODBYE, writer.close()).await, Ok(Ok(()))) {
            tracing::debug!("the connection was gone before it could be closed");
        }
    }
}

/// Hands each answer to the oldest waiter, notices to whoever listens.
async fn read(
    reader: &mut FrameReader,
    mut waiters: mpsc::Receiver<Waiter>,
    notices: &broadcast::Sender<Notice>,
    unanswered: &AtomicUsize,
) -> ClientError {
    let mut current = None;
    loop {
        let incoming = match next(reader).await {
            Ok(Incoming::Reply(Reply::Notice(notice))) => {
                let _nobody_listens = notices.send(notice);
                continue;
            }
            Ok(incoming) => incoming,
            Err(why) => return why,
        };
        let Some(waiter) = current.take().or_else(|| waiters.try_recv().ok()) else { return unasked(incoming) };
        let counts = !matches!(waiter, Waiter::Pong(_));
        match waiter.take(incoming).await {
            Ok(None) if counts => {
                unanswered.fetch_sub(1, Ordering::Relaxed);
            }
            Ok(waiter) => current = waiter,
            Err(why) => return why,
        }
    }
}

async fn next(reader: &mut FrameReader) -> Result<Incoming, ClientError> {
    match reader.next().await? {
        Some(Frame::Message(json)) => connection::decode(&json).map(Incoming::Reply),
        Some(Frame::Block { index, bytes }) => Ok(Incoming::Block { index, bytes }),
        Some(Frame::Have { .. }) => Err(ClientError::Protocol("digests nobody asked for".into())),
        None => Err(ClientError::closed()),
    }
}

/// A server may say why it is about to close; it may say nothing else unasked.
fn unasked(incoming: Incoming) -> ClientError {
    match incoming {
        Incoming::Reply(Reply::Refused(refusal)) => refusal.into(),
        _ => ClientError::Protocol("an answer nobody asked for".into()),
    }
}

/// Writes requests as they come, and a ping when none have for a while.
async fn write(
    writer: &mut FrameWriter,
    calls: &mut mpsc::Receiver<Call>,
    pending: mpsc::Sender<Waiter>,
    unanswered: &AtomicUsize,
) -> ClientError {
    let mut ping: Option<Ping> = None;
    let mut batch = Vec::new();
    loop {
        match time::timeout(SILENCE, calls.recv_many(&mut batch, CALLS)).await {
            Ok(0) => return ClientError::Cancelled,
            Ok(count) => {
                unanswered.fetch_add(count, Ordering::Relaxed);
            }
            Err(_) => match ping.as_mut().and_then(Ping::unanswered_for) {
                // Behind a long request a ping may wait long, too.
                Some(waited) if waited >= PATIENCE && unanswered.load(Ordering::Relaxed) == 0 => {
                    return ClientError::Timeout("asking whether the server is there");
                }
                Some(_) => {}
                None => match Ping::new() {
                    Ok((call, sent)) => {
                        batch.push(call);
                        ping = Some(sent);
                    }
                    Err(error) => return error.into(),
                },
            },
        }
        if let Err(why) = send(writer, &mut batch, &pending).await {
            return why;
        }
    }
}

/// Queues each call's waiter before its frames go out: the answer may be quick.
async fn send(
    writer: &mut FrameWriter,
    batch: &mut Vec<Call>,
    pending: &mpsc::Sender<Waiter>,
) -> Result<(), ClientError> {
    if batch.is_empty() {
        return Ok(());
    }
    for Call { frames, waiter } in batch.drain(..) {
        pending.send(waiter).await.map_err(|_| ClientError::closed())?;
        writer.write(&frames).await?;
    }
    Ok(writer.flush().await?)
}

/// A ping on its way.
struct Ping {
    pong: oneshot::Receiver<()>,
    since: Instant,
}

impl Ping {
    fn new() -> Result<(Call, Self), LinkError> {
        let mut frames = Zeroizing::new(Vec::new());
        put_message(&mut frames, &Request::Ping)?;
        let (sender, pong) = oneshot::channel();
        Ok((Call { frames, waiter: Waiter::Pong(sender) }, Self { pong, since: Instant::now() }))
    }

    fn unanswered_for(&mut self) -> Option<Duration> {
        matches!(self.pong.try_recv(), Err(TryRecvError::Empty)).then(|| self.since.elapsed())
    }
}
