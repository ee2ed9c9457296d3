//! A large upload: declare, hear what the server has, send what differs, commit.

mod file;

use std::{io::Read, sync::Arc};

use ferry_shared::{
    digest::{Digest, RootBuilder, chaining_value},
    frame,
    limits::{BLOCK_LEN, BLOCK_SIZE},
    link::LinkError,
    message::{
        Reply, Request,
        request::{Basis, Put},
    },
    pool::{Buffer, BufferPool},
    refusal::Refusal,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use self::file::BlockReader;
use super::{After, unless_stopped};
use crate::{
    connection::{FrameReader, FrameWriter},
    error::ClientError,
    transfer::{
        active::Active,
        core::{Core, Shared, joined},
        event::{Grown, ItemState},
        item::{Done, Item, Step, Stream},
        link::{Incoming, Link, out_of_step},
        local::identity::Identity,
        source,
    },
};

/// Blocks read ahead of the connection.
const BLOCKS_AHEAD: usize = 2;
/// Have-frames kept for the thread that compares.
const HAVES_AHEAD: usize = 4;

/// Frames to send, and whether they end the upload.
struct Piece {
    frames: Buffer,
    commits: bool,
}

/// What the thread that reads has sent when all is sent.
#[derive(Debug, Clone, Copy)]
struct Sent {
    root: Digest,
    size: u64,
    transferred: u64,
    reused: u64,
    grown: Option<Grown>,
    /// The state of the file that was read.
    identity: Option<Identity>,
}

/// How the exchange of blocks ended.
enum Ending {
    /// Everything was sent and this is the answer.
    Answered(Reply),
    /// The server refused before everything was sent.
    Early(Refusal),
    /// The thread that reads stopped before the end; it says why.
    Unfinished,
}

/// The thread that reads: of our runtime for a file, its own for a stream, which may block for ever.
enum Reading {
    File(JoinHandle<Result<Sent, ClientError>>),
    Stream(oneshot::Receiver<Result<Sent, ClientError>>),
}

impl Reading {
    async fn ended(self) -> Result<Sent, ClientError> {
        match self {
            Self::File(thread) => joined(thread).await,
            Self::Stream(thread) => thread.await.unwrap_or_else(|_| Err(ClientError::closed())),
        }
    }
}

pub(super) async fn run(
    core: &Shared,
    link: &mut Link,
    item: &mut Item,
    active: &Arc<Active>,
) -> Result<After, ClientError> {
    active.restart();
    // From here on it is for the server to say whether it fits.
    item.growth = None;
    let mut opened = None;
    if item.stream.is_none() {
        let (task, path) = (Arc::clone(&item.task), item.path.clone());
        match joined(core.blocking(move || source::open(&task, &path))).await {
            Ok(file) => {
                item.set_source(&file);
                if file.facts.size <= BLOCK_SIZE {
                    return Ok(After::Shrunk);
                }
                active.set_counted_size(file.facts.size);
                opened = Some(file);
            }
            Err(error) => return Ok(After::Failed(error)),
        }
    }
    let declared = put(&core.pool, item)?;
    let have_blocks = match unless_stopped(core, active, declare(core, link, &declared)).await? {
        Ok(have_blocks) => have_blocks,
        Err(refusal) => return Ok(After::Refused(refusal)),
    };
    item.begun = true;
    core.state(active, if have_blocks > 0 { ItemState::Checking } else { ItemState::Sending }).await;
    let (haves, held) = mpsc::channel(HAVES_AHEAD);
    let (out, mut pieces) = mpsc::channel(BLOCKS_AHEAD);
    let reading = match (item.stream.take(), opened) {
        (Some(Stream::Source(from)), _) => read_stream(core.pool.clone(), from, out)?,
        (_, Some(opened)) => {
            let (core, active, path) = (Arc::clone(core), Arc::clone(active), item.path.clone());
            let unproven = item.task.options.growing;
            let reader =
                BlockReader { core: Arc::clone(&core), active, path, opened, unproven, have_blocks, held, out };
            Reading::File(core.blocking(move || reader.run()))
        }
        (_, None) => return Err(ClientError::Cancelled),
    };
    let ending = exchange(core, link, active, &mut pieces, haves, have_blocks);
    let ending = unless_stopped(core, active, ending).await;
    pieces.close();
    drop(pieces);
    conclude(ending, reading, item).await
}

async fn conclude(
    ending: Result<Ending, ClientError>,
    reading: Reading,
    item: &mut Item,
) -> Result<After, ClientError> {
    // A stream may not end for a long time: nobody waits for one whose upload is over.
    let waits = matches!(reading, Reading::File(_)) || matches!(ending, Ok(Ending::Answered(_) | Ending::Unfinished));
    let sent = if waits { reading.ended().await } else { Err(ClientError::closed()) };
    match (ending?, sent) {
        (Ending::Answered(Reply::Stored { root, size, .. }), Ok(sent)) => {
            if root != sent.root || size != sent.size {
                return Ok(After::Failed(ClientError::Mismatch { expected: sent.root, found: root }));
            }
            let Sent { root, size, transferred, reused, grown, identity } = sent;
            item.identity = identity;
            Ok(After::Arrived(Done { root, size, transferred, reused, grown }))
        }
        (Ending::Answered(Reply::Refused(refusal)), _) => Ok(After::Refused(refusal)),
        (Ending::Answered(reply), _) => Err(out_of_step(&Incoming::Reply(reply))),
        (Ending::Early(refusal), _) => Err(refusal.into()),
        (Ending::Unfinished, Err(error)) => Err(error),
        (Ending::Unfinished, Ok(_)) => Err(ClientError::closed()),
    }
}

/// The upload's declaration, as a frame.
fn put(pool: &BufferPool, item: &Item) -> Result<Buffer, ClientError> {
    let file = !item.task.is_stream();
    let keep = item.task.options.keep_attributes && file;
    let replace = matches!(item.step, Step::Replace(_));
    let put = Put {
        path: item.path.remote().clone(),
        size: file.then_some(item.facts.size),
        mtime: keep.then_some(item.facts.mtime),
        mode: keep.then(|| item.task.options.mode_for(item.mode)),
        if_exists: item.if_exists(),
        parents: item.makes_parents(),
        basis: match item.task.options.resume {
            true if file && replace => Basis::Current,
            true if file => Basis::Staged,
            // What this very job staged is proven like anything else.
            false if file && item.begun => Basis::Staged,
            _ => Basis::None,
        },
    };
    let mut frames = pool.take();
    frame::put_message(&mut frames, &Request::Put(put)).map_err(LinkError::from)?;
    Ok(frames)
}

/// Declares the upload; how many blocks the server has something for.
async fn declare(core: &Core, link: &mut Link, put: &[u8]) -> Result<Result<u64, Refusal>, ClientError> {
    core.send(&mut link.writer, put, |_| {}).await?;
    link.writer.flush().await?;
    match core.incoming(&mut link.reader).await? {
        Incoming::Reply(Reply::Ready { have_blocks, .. }) => Ok(Ok(have_blocks)),
        Incoming::Reply(Reply::Refused(refusal)) => Ok(Err(refusal)),
        other => Err(out_of_step(&other)),
    }
}

/// Sends what the thread reads, and takes what the server says meanwhile.
async fn exchange(
    core: &Core,
    link: &mut Link,
    active: &Active,
    pieces: &mut mpsc::Receiver<Piece>,
    haves: mpsc::Sender<Vec<Digest>>,
    have_blocks: u64,
) -> Result<Ending, ClientError> {
    let sending = send(core, &mut link.writer, active, pieces);
    let reading = read(core, &mut link.reader, haves, have_blocks);
    let (mut sending, mut reading) = (std::pin::pin!(sending), std::pin::pin!(reading));
    let committed = tokio::select! {
        biased;
        reply = &mut reading => return Ok(match reply? {
            Reply::Refused(refusal) => Ending::Early(refusal),
            reply => Ending::Answered(reply),
        }),
        committed = &mut sending => committed?,
    };
    if !committed {
        return Ok(Ending::Unfinished);
    }
    core.state(active, ItemState::Flushing).await;
    reading.await.map(Ending::Answered)
}

/// Sends pieces until there are no more; whether the last one commits.
async fn send(
    core: &Core,
    writer: &mut FrameWriter,
    active: &Active,
    pieces: &mut mpsc::Receiver<Piece>,
) -> Result<bool, ClientError> {
    let mut committed = false;
    while let Some(Piece { frames, commits }) = pieces.recv().await {
        core.state(active, ItemState::Sending).await;
        core.send(writer, &frames, |bytes| active.moved(bytes as u64)).await?;
        committed = commits;
    }
    writer.flush().await?;
    Ok(committed)
}

/// Passes on the digests of what the server has; then its answer.
async fn read(
    core: &Core,
    reader: &mut FrameReader,
    haves: mpsc::Sender<Vec<Digest>>,
    mut left: u64,
) -> Result<Reply, ClientError> {
    loop {
        match core.incoming(reader).await? {
            Incoming::Have { digests, .. } if !digests.is_empty() && digests.len() as u64 <= left => {
                left -= digests.len() as u64;
                // The thread may be through already: it needs none beyond the file's end.
                drop(haves.send(digests).await);
            }
            Incoming::Reply(reply) => return Ok(reply),
            other => return Err(out_of_step(&other)),
        }
    }
}

fn commit(pool: &BufferPool, size: u64, root: Digest) -> Result<Buffer, ClientError> {
    let mut frames = pool.take();
    frame::put_message(&mut frames, &Request::Commit { size, root }).map_err(LinkError::from)?;
    Ok(frames)
}

fn read_stream(pool: BufferPool, from: Box<dyn Read + Send>, out: mpsc::Sender<Piece>) -> Result<Reading, ClientError> {
    let (tell, told) = oneshot::channel();
    let work = move || {
        // Nobody waits for the outcome of an upload that is over.
        drop(tell.send(send_stream(&pool, from, &out)));
    };
    let thread = std::thread::Builder::new().name("ferry stream".into()).spawn(work);
    thread.map_err(|error| ClientError::local("", error))?;
    Ok(Reading::Stream(told))
}

/// Sends a stream to its end. Only at the end is it known whether its first block is its
/// only one, so that block is digested both ways.
fn send_stream(
    pool: &BufferPool,
    mut from: Box<dyn Read + Send>,
    out: &mpsc::Sender<Piece>,
) -> Result<Sent, ClientError> {
    const HEAD: usize = 12;
    let (mut root, mut only, mut size) = (RootBuilder::new(), Digest::of(b""), 0u64);
    loop {
        let mut frames = pool.take();
        frames.resize(HEAD, 0);
        let read = from.by_ref().take(BLOCK_SIZE).read_to_end(&mut frames);
        let length = read.map_err(|error| ClientError::local("-", error))?;
        if length > 0 {
            let index = root.count();
            let mut head = Vec::with_capacity(HEAD);
            frame::put_block_head(&mut head, index, length).map_err(LinkError::from)?;
            frames[..HEAD].copy_from_slice(&head);
            if index == 0 {
                only = Digest::of(&frames[HEAD..]);
            }
            root.push(chaining_value(index, &frames[HEAD..]));
            size += length as u64;
            out.blocking_send(Piece { frames, commits: false }).map_err(|_| ClientError::closed())?;
        }
        if length < BLOCK_LEN {
            break;
        }
    }
    let root = if root.count() > 1 { root.root() } else { only };
    let last = Piece { frames: commit(pool, size, root)?, commits: true };
    out.blocking_send(last).map_err(|_| ClientError::closed())?;
    Ok(Sent { root, size, transferred: size, reused: 0, grown: None, identity: None })
}
