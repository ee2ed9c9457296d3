//! Writes a streamed file: reports the digests of existing blocks, writes the others to the part and publishes it.

#[cfg(test)]
mod tests;

use std::{io, sync::Arc};

use ferry_shared::{
    blocks,
    digest::Digest,
    limits::{BLOCK_SIZE, block_count, block_len},
    pool::BufferPool,
};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{
    flush,
    landing::{Create, Target, Targets},
    part::{Earlier, Part},
    place::failed,
    publish::{Published, in_the_way, publish},
    root::{Blocks, is_block_len},
    system,
    threads::{Call, Stop},
};
use crate::{
    error::ClientError,
    site::{BlockBytes, End, Opened, Over, Phase, Piece, Put, Stored, Watch},
};

/// The number of digests per message. The source can begin after the first message.
const DIGESTS_PER_MESSAGE: usize = 64;

/// The digests of existing blocks that were reported to the source, in order.
type Held = Arc<Mutex<Vec<Digest>>>;

/// Writes a file as the call of a session.
pub(super) async fn run(
    mut call: Call<'_>,
    pool: BufferPool,
    put: Put,
    pieces: mpsc::Receiver<Piece>,
    told: mpsc::Sender<Vec<Digest>>,
    watch: Arc<dyn Watch>,
) -> Result<Stored, ClientError> {
    let put = Arc::new(put);
    let open = {
        let (put, watch) = (Arc::clone(&put), Arc::clone(&watch));
        call.start(move || {
            watch.phase(Phase::Checking);
            Destination::open(&put)
        })
    };
    let destination = match open.await {
        Ok(destination) => Arc::new(destination),
        Err(error) => {
            call.end().await;
            return Err(error);
        }
    };
    let held = Held::default();
    let hashing_stop = call.stop().child();
    let hasher = Hasher {
        pool,
        destination: Arc::clone(&destination),
        size: put.expected.size,
        held: Arc::clone(&held),
        told,
        stop: hashing_stop.clone(),
    };
    // Its result is not needed: blocks without a reported digest are sent.
    drop(call.start(move || hasher.run()));
    let writer = Writer { destination, put, held, watch, stop: call.stop().clone() };
    let stored = call.start(move || writer.run(pieces)).await;
    hashing_stop.set();
    call.end().await;
    stored
}

/// The target and its part.
#[derive(Debug)]
struct Destination {
    target: Target,
    part: Part,
}

impl Destination {
    /// Opens the part, which contains an earlier attempt or else a copy of the version to replace, if either can be
    /// used.
    fn open(put: &Put) -> Result<Self, ClientError> {
        Self::open_part(put).map_err(|error| failed(&put.at, error))
    }

    fn open_part(put: &Put) -> io::Result<Self> {
        let target = Targets::default().get(&put.at, create(put))?;
        let name = target.name()?;
        // The blocks of a part of this job are compared by digest like all others.
        let resume = put.resume || put.begun;
        let earlier = if resume { Earlier::Keep } else { Earlier::Empty };
        let part = Part::open(&target.folder, name, earlier, put.keep_attributes)?;
        if resume && !matches!(put.over, Over::Nothing) && part.file.metadata()?.len() == 0 {
            // An error here only means that there is no file to copy.
            if let Ok(old) = target.folder.open_file(name)
                && old.metadata()?.len() >= BLOCK_SIZE
            {
                system::copy_content(&old, &part.file)?;
            }
        }
        Ok(Self { target, part })
    }

    /// Verifies the written file, makes it durable and publishes it.
    fn finish(
        &self,
        put: &Put,
        opened: &Opened,
        written: &Stored,
        end: &End,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), ClientError> {
        let found = written.root.unwrap_or(end.root);
        if found != end.root {
            return Err(ClientError::Mismatch { expected: end.root, found });
        }
        let prepare = || {
            if self.part.file.metadata()?.len() > written.size {
                self.part.file.set_len(written.size)?;
            }
            if let (Some(mtime), Some(mode)) = (put.mtime_for(opened.mtime), put.mode_for(opened.mode)) {
                self.part.set_attributes(mtime, mode)?;
            }
            flush::file(&self.part.file)
        };
        prepare().map_err(|error| failed(&put.at, error))?;
        if stop() {
            return Err(ClientError::Cancelled);
        }
        let name = || match publish(&self.part, &self.target, &put.over)? {
            Published::InTheWay => self.part.discard().map(|()| Published::InTheWay),
            Published::Named => self.target.landing.sync_names(put.at.below(), &self.part).map(|()| Published::Named),
        };
        match name().map_err(|error| failed(&put.at, error))? {
            Published::Named => Ok(()),
            Published::InTheWay => Err(in_the_way(&put.at, &put.over)),
        }
    }
}

/// The parent folders that may be created for a file.
pub(super) fn create(put: &Put) -> Create {
    if put.parents { Create::All { private: put.keep_attributes } } else { Create::None }
}

/// Computes the digests of existing blocks and reports them to the source in batches.
struct Hasher {
    pool: BufferPool,
    destination: Arc<Destination>,
    /// The expected size of the file. If it changed meanwhile, the digest of its last block differs and the block is
    /// sent; the source ignores digests past its end.
    size: u64,
    held: Held,
    told: mpsc::Sender<Vec<Digest>>,
    stop: Stop,
}

impl Hasher {
    fn run(self) -> Result<(), ClientError> {
        let file = &self.destination.part.file;
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        let (mut block, mut batch) = (self.pool.take(), Vec::new());
        for index in 0..blocks::held_blocks(self.size, length) {
            self.stop.check()?;
            // Unreadable blocks are sent.
            let Ok(digest) = blocks::held_digest(file, self.size, index, &mut block) else { break };
            batch.push(digest);
            if batch.len() == DIGESTS_PER_MESSAGE {
                self.report(std::mem::take(&mut batch))?;
            }
        }
        if batch.is_empty() { Ok(()) } else { self.report(batch) }
    }

    fn report(&self, digests: Vec<Digest>) -> Result<(), ClientError> {
        // Record them before the source knows them, so that the writer finds them when the source omits blocks.
        self.held.lock().extend_from_slice(&digests);
        self.stop.send(&self.told, digests)
    }
}

/// Writes blocks to the part and merges their digests with those of the kept blocks.
struct Writer {
    destination: Arc<Destination>,
    put: Arc<Put>,
    held: Held,
    watch: Arc<dyn Watch>,
    stop: Stop,
}

impl Writer {
    fn run(self, mut pieces: mpsc::Receiver<Piece>) -> Result<Stored, ClientError> {
        let Some(Piece::Opened(opened)) = self.stop.receive(&mut pieces) else { return Err(ClientError::Cancelled) };
        self.watch.phase(Phase::Receiving);
        let file = &self.destination.part.file;
        let failed = |error| failed(&self.put.at, error);
        let mut length = file.metadata().map_err(failed)?.len();
        let mut blocks = Blocks::new(opened.size);
        // Counts the bytes of a file of unknown size.
        let mut size = 0;
        while let Some(piece) = self.stop.receive(&mut pieces) {
            match piece {
                Piece::Block { index, equal: true, .. } => {
                    self.keep(&mut blocks, index.saturating_add(1), opened.size)?
                }
                Piece::Block { index, bytes, equal: false } => {
                    self.keep(&mut blocks, index, opened.size)?;
                    size += self.write(&mut blocks, opened.size, &bytes, &mut length)?;
                }
                Piece::End(end) => {
                    let size = opened.size.unwrap_or(size);
                    self.keep(&mut blocks, block_count(size), opened.size)?;
                    if end.size != size {
                        return Err(ClientError::Protocol(format!("a file of {size} bytes ends after {}", end.size)));
                    }
                    self.watch.phase(Phase::Flushing);
                    let stored = Stored { root: Some(blocks.root()), size, reused: 0 };
                    let stopped = || self.stop.is_set() || self.watch.is_stopped();
                    self.destination.finish(&self.put, &opened, &stored, &end, &stopped)?;
                    return Ok(stored);
                }
                Piece::Opened(_) => return Err(ClientError::Protocol("a file has two beginnings".into())),
            }
        }
        Err(ClientError::Cancelled)
    }

    /// Writes the next block and returns its length.
    fn write(
        &self,
        blocks: &mut Blocks,
        size: Option<u64>,
        bytes: &BlockBytes,
        length: &mut u64,
    ) -> Result<u64, ClientError> {
        let index = blocks.count();
        if !is_block_len(size, index, bytes.len()) {
            return Err(ClientError::Protocol(format!("block {index} is not one of the file's")));
        }
        let (file, count) = (&self.destination.part.file, bytes.len() as u64);
        let written = match size {
            Some(size) => {
                // Leave a hole if possible.
                let bytes = if bytes.is_zeros() { &[][..] } else { bytes };
                blocks::write_block(file, size, index, bytes, length).map(|digest| blocks.push_digest(digest))
            }
            None => {
                let start = index.saturating_mul(BLOCK_SIZE);
                *length = (*length).max(start.saturating_add(count));
                blocks::write_all_at(file, bytes, start).map(|()| {
                    blocks.push(bytes);
                })
            }
        };
        written.map_err(|error| failed(&self.put.at, error))?;
        self.watch.grown_to(*length);
        self.watch.moved(count);
        Ok(count)
    }

    /// Adds the existing blocks before `until`, which the source omitted.
    fn keep(&self, blocks: &mut Blocks, until: u64, size: Option<u64>) -> Result<(), ClientError> {
        if until < blocks.count() {
            return Err(ClientError::Protocol(format!("block {until} again")));
        }
        while blocks.count() < until {
            let index = blocks.count();
            let known = size.is_some_and(|size| block_len(size, index).is_some());
            let held = usize::try_from(index).ok().filter(|_| known);
            let Some(digest) = held.and_then(|index| self.held.lock().get(index).copied()) else {
                return Err(ClientError::Protocol(format!("block {index} is missing")));
            };
            blocks.push_digest(digest);
        }
        Ok(())
    }
}
