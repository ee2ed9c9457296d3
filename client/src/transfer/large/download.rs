//! A large download: say what is here, take what differs into the part, publish it.

#[cfg(test)]
mod tests;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use ferry_shared::{
    blocks,
    digest::{Digest, RootBuilder},
    entry::{Mtime, Version},
    frame::{self, Payload},
    limits::{BLOCK_SIZE, block_count, block_len},
    link::LinkError,
    message::{Reply, Request},
    pool::{Buffer, BufferPool},
    refusal::Refusal,
};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{After, unless_stopped};
use crate::{
    connection::{FrameReader, FrameWriter},
    error::ClientError,
    transfer::{
        active::Active,
        core::{Core, Shared, joined},
        event::ItemState,
        fit::Growth,
        item::{Done, Item, Over},
        link::{Incoming, Link, out_of_step},
        local::{
            flush,
            part::{Earlier, Part},
            system,
        },
        path::ItemPath,
        source::{self, Published},
        task::Task,
    },
};

/// Received blocks that wait for the disk.
const BLOCKS_AHEAD: usize = 3;
/// Have-frames that wait for the connection.
const HAVES_AHEAD: usize = 4;
/// Digests in a have-frame: the server can begin when it has the first of them.
const HAVES: usize = 64;

/// What the thread that writes is told.
enum ToDisk {
    Size(u64),
    Block(u64, Payload),
    End,
}

/// What the thread that writes has written.
struct Written {
    root: Digest,
    size: u64,
    transferred: u64,
    reused: u64,
}

/// How the exchange ended.
enum Ending {
    Sent {
        root: Digest,
        mtime: Mtime,
        mode: u32,
        version: Version,
    },
    Refused(Refusal),
    /// The thread that writes has ended; it says why.
    Disk,
}

/// Digests of the blocks that are here, in order, as far as the server was told of them.
#[derive(Default)]
struct Held {
    digests: Mutex<Vec<Digest>>,
    /// The server needs to hear of no more.
    enough: AtomicBool,
}

pub(super) async fn run(
    core: &Shared,
    link: &mut Link,
    item: &mut Item,
    active: &Arc<Active>,
) -> Result<After, ClientError> {
    active.restart();
    core.state(active, ItemState::Checking).await;
    let plan = Plan::of(item);
    let part = match joined(core.blocking(move || plan.open_part())).await {
        Ok(part) => Arc::new(part),
        Err(error) => return Ok(After::Failed(error)),
    };
    item.begun = true;
    let held = Arc::new(Held::default());
    let (haves, mut to_send) = mpsc::channel(HAVES_AHEAD);
    let hashing = Hasher {
        pool: core.pool.clone(),
        part: Arc::clone(&part),
        size: item.facts.size,
        held: Arc::clone(&held),
        out: haves,
    };
    let request = Request::Get { path: item.path.remote().clone(), blocks: None };
    let hashing = core.blocking(move || hashing.run(&request));
    let (blocks, inbox) = mpsc::channel(BLOCKS_AHEAD);
    let writing = Writer {
        part: Arc::clone(&part),
        path: item.path.clone(),
        held: Arc::clone(&held),
        active: Arc::clone(active),
        growth: item.growth.clone(),
    };
    let writing = core.blocking(move || writing.run(inbox));

    let sent = link.writer.meter();
    let sending = send(core, &mut link.writer, &mut to_send);
    let reading = read(core, &mut link.reader, &sent, active, &held, blocks);
    let both = async { tokio::try_join!(reading, sending) };
    let ending = unless_stopped(core, active, both).await;
    held.enough.store(true, Relaxed);
    drop(to_send);
    let (hashed, written) = (joined(hashing).await, joined(writing).await);
    match ending {
        Ok((Ending::Refused(refusal), ())) => Ok(After::Refused(refusal)),
        Ok((Ending::Disk, ())) => Err(written.err().unwrap_or_else(ClientError::closed)),
        Ok((Ending::Sent { root, mtime, mode, version }, ())) => {
            item.version = Some(version);
            core.state(active, ItemState::Flushing).await;
            let plan = Plan::of(item);
            let stop = active.stop.clone();
            let finished = core.blocking(move || plan.finish(part, written?, root, mtime, mode, &stop));
            Ok(joined(finished).await.unwrap_or_else(After::Failed))
        }
        Err(error) => Err(hashed.err().filter(|error| matches!(error, ClientError::Local { .. })).unwrap_or(error)),
    }
}

/// What the blocking steps need to know of the item.
struct Plan {
    task: Arc<Task>,
    path: ItemPath,
    over: Over,
    resume: bool,
}

impl Plan {
    fn of(item: &Item) -> Self {
        Self {
            task: Arc::clone(&item.task),
            path: item.path.clone(),
            over: item.over(),
            // What this very job left is proven like anything else.
            resume: item.task.options.resume || item.begun,
        }
    }

    /// The part, with whatever may be of use in it: an earlier attempt, else the older
    /// version that is to be replaced.
    fn open_part(&self) -> Result<Part, ClientError> {
        let open = || {
            let folder = source::folder(&self.task, self.path.folder())?;
            let earlier = if self.resume { Earlier::Keep } else { Earlier::Empty };
            let part = Part::open(&folder, self.path.local_name(), earlier, self.task.options.keep_attributes)?;
            if self.resume && self.over != Over::Nothing && part.file.metadata()?.len() == 0 {
                // What stands there may be no file: then it is of no use.
                if let Ok(old) = folder.open_file(self.path.local_name())
                    && old.metadata()?.len() >= BLOCK_SIZE
                {
                    system::copy_content(&old, &part.file)?;
                }
            }
            Ok(part)
        };
        open().map_err(|error| source::failed(&self.path, error))
    }

    /// Compares, makes durable and publishes what was written.
    fn finish(
        &self,
        part: Arc<Part>,
        written: Written,
        root: Digest,
        mtime: Mtime,
        mode: u32,
        stop: &CancellationToken,
    ) -> Result<After, ClientError> {
        if written.root != root {
            return Err(ClientError::Mismatch { expected: root, found: written.root });
        }
        let name = self.path.local_name();
        let finish = || {
            if part.file.metadata()?.len() > written.size {
                part.file.set_len(written.size)?;
            }
            if self.task.options.keep_attributes {
                part.set_attributes(mtime, self.task.options.mode_for(mode))?;
            }
            flush::file(&part.file)?;
            if stop.is_cancelled() {
                return Ok(After::Failed(ClientError::Cancelled));
            }
            match source::publish(&part, name, self.over)? {
                Published::InTheWay(found) => {
                    part.discard()?;
                    Ok(After::Found(found))
                }
                Published::Named => {
                    source::sync_names(&self.task, self.path.folder(), &part)?;
                    let Written { size, transferred, reused, .. } = written;
                    Ok(After::Arrived(Done { root, size, transferred, reused, grown: None }))
                }
            }
        };
        finish().map_err(|error| source::failed(&self.path, error))
    }
}

/// Sends what the thread that digests says is here.
async fn send(core: &Core, writer: &mut FrameWriter, haves: &mut mpsc::Receiver<Buffer>) -> Result<(), ClientError> {
    while let Some(frames) = haves.recv().await {
        core.send(writer, &frames, |_| {}).await?;
        if haves.is_empty() {
            writer.flush().await?;
        }
    }
    writer.flush().await?;
    Ok(())
}

/// Takes what the server sends and passes it to the disk.
async fn read(
    core: &Core,
    reader: &mut FrameReader,
    sent_bytes: &AtomicU64,
    active: &Active,
    held: &Held,
    disk: mpsc::Sender<ToDisk>,
) -> Result<Ending, ClientError> {
    let refused = |refusal| {
        held.enough.store(true, Relaxed);
        Ok(Ending::Refused(refusal))
    };
    let (size, mtime, mode, version) = match core.incoming_in_time(reader, sent_bytes, || true).await? {
        Incoming::Reply(Reply::Opened { size, mtime, mode, version }) => (size, mtime, mode, version),
        Incoming::Reply(Reply::Refused(refusal)) => return refused(refusal),
        other => return Err(out_of_step(&other)),
    };
    active.set_size(size);
    core.state(active, ItemState::Receiving).await;
    let mut told = ToDisk::Size(size);
    let mut sent = None;
    loop {
        if disk.send(told).await.is_err() {
            held.enough.store(true, Relaxed);
            return Ok(Ending::Disk);
        }
        if let Some(root) = sent {
            return Ok(Ending::Sent { root, mtime, mode, version });
        }
        told = match core.incoming_in_time(reader, sent_bytes, || true).await? {
            Incoming::Block { index, bytes } => ToDisk::Block(index, bytes),
            Incoming::Reply(Reply::Sent { root: Some(root), .. }) => {
                sent = Some(root);
                ToDisk::End
            }
            Incoming::Reply(Reply::Refused(refusal)) => return refused(refusal),
            other => return Err(out_of_step(&other)),
        };
    }
}

/// Digests what is here and tells the server, a few blocks at a time.
struct Hasher {
    pool: BufferPool,
    part: Arc<Part>,
    /// The file's size as it was seen. Should it be another by now, digests differ and the
    /// blocks are sent; those past its end the server passes over.
    size: u64,
    held: Arc<Held>,
    out: mpsc::Sender<Buffer>,
}

impl Hasher {
    fn run(&self, request: &Request) -> Result<(), ClientError> {
        let mut frames = self.pool.take();
        frame::put_message(&mut frames, request).map_err(LinkError::from)?;
        let length = self.part.file.metadata().map_or(0, |metadata| metadata.len());
        let (mut block, mut first, mut batch) = (self.pool.take(), 0, Vec::new());
        for index in 0..blocks::held_blocks(self.size, length) {
            if self.held.enough.load(Relaxed) {
                break;
            }
            // What cannot be read is not held.
            let Ok(digest) = blocks::held_digest(&self.part.file, self.size, index, &mut block) else { break };
            batch.push(digest);
            if batch.len() == HAVES {
                self.tell(&mut frames, first, &batch)?;
                self.hand_over(std::mem::replace(&mut frames, self.pool.take()))?;
                first = index + 1;
                batch.clear();
            }
        }
        if !batch.is_empty() {
            self.tell(&mut frames, first, &batch)?;
        }
        frame::put_have(&mut frames, 0, &[]).map_err(LinkError::from)?;
        self.hand_over(frames)
    }

    fn tell(&self, frames: &mut Buffer, first: u64, digests: &[Digest]) -> Result<(), ClientError> {
        // Before the server hears of them, so that they are known when it leaves them out.
        self.held.digests.lock().extend_from_slice(digests);
        Ok(frame::put_have(frames, first, digests).map_err(LinkError::from)?)
    }

    fn hand_over(&self, frames: Buffer) -> Result<(), ClientError> {
        self.out.blocking_send(frames).map_err(|_| ClientError::closed())
    }
}

/// Writes blocks to the part and merges their digests with those of the blocks that are kept.
struct Writer {
    part: Arc<Part>,
    path: ItemPath,
    held: Arc<Held>,
    active: Arc<Active>,
    growth: Option<Arc<Growth>>,
}

impl Writer {
    fn run(&self, mut inbox: mpsc::Receiver<ToDisk>) -> Result<Written, ClientError> {
        let Some(ToDisk::Size(size)) = inbox.blocking_recv() else { return Err(ClientError::closed()) };
        let file = &self.part.file;
        let mut length = file.metadata().map_err(|error| source::failed(&self.path, error))?.len();
        let mut root = RootBuilder::new();
        let (mut transferred, mut reused) = (0, 0);
        while let Some(told) = inbox.blocking_recv() {
            let (until, block) = match told {
                ToDisk::Block(index, bytes) => (index, Some(bytes)),
                ToDisk::End => (block_count(size), None),
                ToDisk::Size(_) => return Err(ClientError::Protocol("a file that begins twice".into())),
            };
            reused += self.keep(&mut root, until, size)?;
            let Some(bytes) = block else {
                return Ok(Written { root: root.root(), size, transferred, reused });
            };
            let digest =
                blocks::write_block(file, size, until, &bytes, &mut length).map_err(|error| match error.kind() {
                    io::ErrorKind::InvalidData => {
                        ClientError::Protocol(format!("block {until} is not one of the file's"))
                    }
                    _ => source::failed(&self.path, error),
                })?;
            if let Some(growth) = &self.growth {
                growth.arrived(length);
            }
            root.push(digest);
            let count = block_len(size, until).unwrap_or(0) as u64;
            self.active.moved(count);
            transferred += count;
        }
        Err(ClientError::closed())
    }

    /// Counts the blocks before `until` that the server left out as kept; their bytes.
    fn keep(&self, root: &mut RootBuilder, until: u64, size: u64) -> Result<u64, ClientError> {
        let mut kept = 0;
        if until < root.count() {
            return Err(ClientError::Protocol(format!("block {until} again")));
        }
        while root.count() < until {
            let index = root.count();
            let held = usize::try_from(index).ok().and_then(|index| self.held.digests.lock().get(index).copied());
            let Some(digest) = held else {
                return Err(ClientError::Protocol(format!("block {index} is missing")));
            };
            root.push(digest);
            kept += block_len(size, index).unwrap_or(0) as u64;
        }
        self.active.kept(kept);
        Ok(kept)
    }
}
