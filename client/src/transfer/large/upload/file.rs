//! Reads a file's blocks and hands over those the server does not have; what changed meanwhile is read again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ferry_shared::{
    blocks,
    digest::{Digest, RootBuilder, block_digest},
    frame,
    limits::{block_count, block_len},
    link::LinkError,
    pool::{Buffer, BufferPool},
};
use tokio::sync::mpsc;

use super::{Piece, Sent, commit};
use crate::{
    error::ClientError,
    transfer::{
        active::Active,
        core::Shared,
        event::{Grown, ItemState},
        path::ItemPath,
        source::{self, Opened},
    },
};

/// How long the connection may be silent while equal blocks are read, or all of them again.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The last blocks wait until it is known whether what was read is of one time. Their bytes, a few now and then,
/// keep the connection alive meanwhile.
const HELD_BACK: u64 = 2;
/// So many pieces keep it alive for as long as one block can.
const PIECES: usize = 1024;

pub(super) struct BlockReader {
    pub(super) core: Shared,
    pub(super) active: Arc<Active>,
    pub(super) path: ItemPath,
    pub(super) opened: Opened,
    /// A file that grows is not read again.
    pub(super) unproven: bool,
    pub(super) have_blocks: u64,
    pub(super) held: mpsc::Receiver<Vec<Digest>>,
    pub(super) out: mpsc::Sender<Piece>,
}

/// One of the last blocks.
struct Last {
    frames: Buffer,
    /// How much of it was sent.
    sent: usize,
    length: u64,
    /// Whether the server has it.
    equal: bool,
}

impl Last {
    /// The next bytes of it, `most` or what is left.
    fn take(&mut self, most: usize, pool: &BufferPool) -> Buffer {
        if self.sent == 0 && most >= self.frames.len() {
            self.sent = self.frames.len();
            return std::mem::replace(&mut self.frames, pool.take());
        }
        let end = self.sent.saturating_add(most).min(self.frames.len());
        let mut bytes = pool.take();
        bytes.extend_from_slice(&self.frames[self.sent..end]);
        self.sent = end;
        bytes
    }
}

impl BlockReader {
    pub(super) fn run(mut self) -> Result<Sent, ClientError> {
        let size = self.opened.facts.size;
        let (mut transferred, mut reused) = (0, 0);
        let mut root = RootBuilder::new();
        let mut held = Vec::new().into_iter();
        let mut last_sent = Instant::now();
        let mut last = Vec::new();
        for index in 0..block_count(size) {
            let (frames, digest) = self.block(index)?;
            root.push(digest);
            let length = block_len(size, index).unwrap_or(0) as u64;
            let equal = index < self.have_blocks && self.next_held(&mut held)? == digest;
            if index + HELD_BACK >= block_count(size) {
                last.push(Last { frames, sent: 0, length, equal });
            } else if equal && last_sent.elapsed() < KEEP_ALIVE {
                reused += length;
                self.active.kept(length);
            } else {
                transferred += length;
                last_sent = Instant::now();
                self.hand_over(Piece { frames, commits: false })?;
            }
        }
        let root = root.root();
        let grown = self.settle(root, &mut last)?;
        for mut block in last {
            if block.equal && block.sent == 0 {
                reused += block.length;
                self.active.kept(block.length);
                continue;
            }
            transferred += block.length;
            let rest = block.take(block.frames.len(), &self.core.pool);
            self.hand_over(Piece { frames: rest, commits: false })?;
        }
        self.hand_over(Piece { frames: commit(&self.core.pool, size, root)?, commits: true })?;
        Ok(Sent { root, size, transferred, reused, grown, identity: Some(self.opened.identity) })
    }

    /// Looks whether the file is what was read; reads it again where that alone can tell.
    fn settle(&mut self, root: Digest, last: &mut [Last]) -> Result<Option<Grown>, ClientError> {
        let Self { core, active, path, opened, unproven, out, .. } = self;
        let mut last_sent = Instant::now();
        let each = |index| {
            if index == 0 {
                core.wait(core.state(active, ItemState::Verifying));
            }
            if out.is_closed() {
                return Err(ClientError::closed());
            }
            if last_sent.elapsed() >= KEEP_ALIVE
                && let Some(block) = last.iter_mut().find(|block| block.sent < block.frames.len())
            {
                last_sent = Instant::now();
                let frames = block.take(block.frames.len().div_ceil(PIECES), &core.pool);
                out.blocking_send(Piece { frames, commits: false }).map_err(|_| ClientError::closed())?;
            }
            Ok(())
        };
        source::settle(core, path, opened, root, *unproven, each)
    }

    /// One block, as a frame, and its digest.
    fn block(&self, index: u64) -> Result<(Buffer, Digest), ClientError> {
        let size = self.opened.facts.size;
        let mut frames = self.core.pool.take();
        let length = block_len(size, index).unwrap_or(0);
        frame::put_block_head(&mut frames, index, length).map_err(LinkError::from)?;
        let start = frames.len();
        let read = blocks::read_block(&self.opened.file, size, index, &mut frames);
        read.map_err(|error| source::read_error(&self.path, error))?;
        let digest = block_digest(size, index, &frames[start..]);
        if blocks::is_zero(&frames[start..]) {
            frames.clear();
            frame::put_block_head(&mut frames, index, 0).map_err(LinkError::from)?;
        }
        Ok((frames, digest))
    }

    /// The digest of the next block the server has.
    fn next_held(&mut self, held: &mut std::vec::IntoIter<Digest>) -> Result<Digest, ClientError> {
        if let Some(digest) = held.next() {
            return Ok(digest);
        }
        *held = self.held.blocking_recv().ok_or_else(ClientError::closed)?.into_iter();
        held.next().ok_or_else(ClientError::closed)
    }

    fn hand_over(&self, piece: Piece) -> Result<(), ClientError> {
        self.out.blocking_send(piece).map_err(|_| ClientError::closed())
    }
}
