//! A download whose bytes are written out in order instead of kept: each block is checked
//! against nothing but the whole at the end, so who reads them must wait for the outcome.

use std::sync::atomic::AtomicU64;

use ferry_shared::{
    blocks,
    digest::{Digest, block_digest, merge},
    frame::{self, Payload},
    limits::{HAVE_MAX, block_count, block_len},
    link::LinkError,
    message::{Reply, Request},
    refusal::Refusal,
};
use tokio::sync::{mpsc, oneshot};

use super::{After, unless_stopped};
use crate::{
    connection::FrameReader,
    error::ClientError,
    transfer::{
        active::Active,
        core::Core,
        event::ItemState,
        item::{Done, Item, Sink, Stream},
        link::{Incoming, Link, out_of_step},
    },
};

/// Received blocks that wait to be written out.
const BLOCKS_AHEAD: usize = 3;

/// How the exchange ended.
enum Ending {
    Sent {
        root: Digest,
        size: u64,
    },
    Refused(Refusal),
    /// The thread that writes has ended; it says why.
    Broken,
}

/// What the thread that writes is told.
enum ToSink {
    Size(u64),
    Block(u64, Payload),
}

pub(super) async fn run(core: &Core, link: &mut Link, item: &mut Item, active: &Active) -> Result<After, ClientError> {
    active.restart();
    let Some(Stream::Sink(sink)) = item.stream.take() else { return Err(ClientError::Cancelled) };
    item.begun = true;
    let frames = ask(core, item, &sink.written)?;
    let (blocks, inbox) = mpsc::channel(BLOCKS_AHEAD);
    let (tell, written) = oneshot::channel();
    let work = move || {
        let mut sink = sink;
        let result = write(&mut sink, inbox);
        // Nobody waits for a thread that blocks when the engine stops.
        drop(tell.send((sink, result)));
    };
    let thread = std::thread::Builder::new().name("ferry stream".into()).spawn(work);
    thread.map_err(|error| ClientError::local("", error))?;
    let exchange = async {
        core.send(&mut link.writer, &frames, |_| {}).await?;
        link.writer.flush().await?;
        let sent = link.writer.meter();
        read(core, &mut link.reader, &sent, active, blocks).await
    };
    let ending = unless_stopped(core, active, exchange).await;
    let written = async { written.await.map_err(|_| ClientError::closed()) };
    let (sink, result) = unless_stopped(core, active, written).await?;
    let transferred = active.done();
    let digests = sink.written.len();
    let root = |size| merge(size, &sink.written);
    match (ending, result) {
        (_, Err(error)) => Err(error),
        (Ok(Ending::Broken), Ok(())) => Err(ClientError::closed()),
        (Ok(Ending::Sent { root: expected, size }), Ok(())) => match root(size) {
            Some(found) if found == expected => Ok(After::Arrived(Done {
                root: found,
                size,
                transferred,
                reused: size.saturating_sub(transferred),
                grown: None,
            })),
            Some(found) => Ok(After::Failed(ClientError::Mismatch { expected, found })),
            // It is shorter by now, and what was written out cannot be taken back.
            None if block_count(size) < digests as u64 => Ok(After::Failed(ClientError::SourceChanged)),
            None => Err(ClientError::Protocol(format!("the file ends after {digests} blocks"))),
        },
        (Ok(Ending::Refused(refusal)), Ok(())) => {
            item.stream = Some(Stream::Sink(sink));
            Ok(After::Refused(refusal))
        }
        (Err(error), Ok(())) => {
            item.stream = Some(Stream::Sink(sink));
            Err(error)
        }
    }
}

/// The request, and the digests of what was written out already.
fn ask(core: &Core, item: &Item, written: &[Digest]) -> Result<ferry_shared::pool::Buffer, ClientError> {
    let mut frames = core.pool.take();
    let request = Request::Get { path: item.path.remote().clone(), blocks: None };
    frame::put_message(&mut frames, &request).map_err(LinkError::from)?;
    let mut first = 0;
    for digests in written.chunks(HAVE_MAX) {
        frame::put_have(&mut frames, first, digests).map_err(LinkError::from)?;
        first += digests.len() as u64;
    }
    frame::put_have(&mut frames, first, &[]).map_err(LinkError::from)?;
    Ok(frames)
}

async fn read(
    core: &Core,
    reader: &mut FrameReader,
    sent_bytes: &AtomicU64,
    active: &Active,
    sink: mpsc::Sender<ToSink>,
) -> Result<Ending, ClientError> {
    let size = match core.incoming_in_time(reader, sent_bytes, || true).await? {
        Incoming::Reply(Reply::Opened { size, .. }) => size,
        Incoming::Reply(Reply::Refused(refusal)) => return Ok(Ending::Refused(refusal)),
        other => return Err(out_of_step(&other)),
    };
    active.set_size(size);
    core.state(active, ItemState::Receiving).await;
    let mut told = ToSink::Size(size);
    loop {
        if sink.send(told).await.is_err() {
            return Ok(Ending::Broken);
        }
        told = match core.incoming_in_time(reader, sent_bytes, || true).await? {
            Incoming::Block { index, bytes } => {
                active.moved(block_len(size, index).unwrap_or(0) as u64);
                ToSink::Block(index, bytes)
            }
            Incoming::Reply(Reply::Sent { root: Some(root), .. }) => return Ok(Ending::Sent { root, size }),
            Incoming::Reply(Reply::Refused(refusal)) => return Ok(Ending::Refused(refusal)),
            other => return Err(out_of_step(&other)),
        };
    }
}

/// Writes blocks out until no more come.
fn write(sink: &mut Sink, mut inbox: mpsc::Receiver<ToSink>) -> Result<(), ClientError> {
    let mut size = 0;
    while let Some(told) = inbox.blocking_recv() {
        let (index, bytes) = match told {
            ToSink::Size(opened) => {
                size = opened;
                continue;
            }
            ToSink::Block(index, bytes) => (index, bytes),
        };
        let length = block_len(size, index).unwrap_or(0);
        let bytes = if bytes.is_empty() { blocks::zeros(length) } else { &bytes };
        let written = usize::try_from(index).ok().and_then(|index| sink.written.get(index));
        if let Some(digest) = written {
            if *digest == block_digest(size, index, bytes) {
                // Sent only so that the connection is not silent.
                continue;
            }
            // What was written out cannot be taken back.
            return Err(ClientError::SourceChanged);
        }
        if index > sink.written.len() as u64 || length == 0 || bytes.len() != length {
            return Err(ClientError::Protocol(format!("block {index} is not the next")));
        }
        sink.to.write_all(bytes).map_err(|error| ClientError::local("-", error))?;
        sink.written.push(block_digest(size, index, bytes));
    }
    sink.to.flush().map_err(|error| ClientError::local("-", error))
}
