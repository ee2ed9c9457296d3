//! Reads a file and passes on the blocks that the target does not have. A file that may have changed meanwhile is read
//! again.

#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ferry_shared::{
    blocks,
    digest::{Digest, RootBuilder, block_digest},
    limits::{block_count, block_len},
    pool::BufferPool,
};
use tokio::sync::mpsc;

use super::{
    landing::Targets,
    remembered::Remembered,
    source::{self, OpenFile},
    threads::Stop,
};
use crate::{
    error::ClientError,
    site::{BlockBytes, Content, End, Get, HEADROOM, Location, Phase, Piece, Version, Watch},
};

/// The maximum time without a block for the target while equal blocks are read.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The number of last blocks that are always passed on, even if they are equal. A remote target holds them back until
/// the read is verified, and sends their bytes meanwhile to keep its connection alive.
const ALWAYS: u64 = 2;

/// Reads a file on a thread.
pub(super) struct Reader {
    pub(super) pool: BufferPool,
    pub(super) remembered: Option<Remembered>,
    pub(super) get: Get,
    pub(super) held: mpsc::Receiver<Vec<Digest>>,
    pub(super) pieces: mpsc::Sender<Piece>,
    pub(super) watch: Arc<dyn Watch>,
    pub(super) stop: Stop,
    pub(super) keep_alive: Duration,
}

/// The digests of the target's blocks, in order.
struct Held {
    from: mpsc::Receiver<Vec<Digest>>,
    batch: std::vec::IntoIter<Digest>,
}

impl Held {
    /// Returns the next digest; `None` after the last one.
    fn next(&mut self, stop: &Stop) -> Option<Digest> {
        loop {
            match self.batch.next() {
                Some(digest) => return Some(digest),
                None => self.batch = stop.receive(&mut self.from)?.into_iter(),
            }
        }
    }
}

impl Reader {
    pub(super) fn new(
        pool: BufferPool,
        remembered: Option<Remembered>,
        get: Get,
        held: mpsc::Receiver<Vec<Digest>>,
        pieces: mpsc::Sender<Piece>,
        watch: Arc<dyn Watch>,
        stop: Stop,
    ) -> Self {
        Self { pool, remembered, get, held, pieces, watch, stop, keep_alive: KEEP_ALIVE }
    }

    pub(super) fn run(self) -> Result<End, ClientError> {
        let Self { pool, remembered, get, held, pieces, watch, stop, keep_alive } = self;
        let at = &get.at;
        let mut opened = source::open(&mut Targets::default(), at)?;
        let told = opened.told();
        watch.opened(&told);
        stop.send(&pieces, Piece::Opened(told))?;
        let size = opened.facts.size;
        let count = block_count(size);
        let (mut transferred, mut reused, mut root) = (0, 0, RootBuilder::new());
        let mut held = Some(Held { from: held, batch: Vec::new().into_iter() });
        let mut last_sent = Instant::now();
        // The last block, if it is equal and was not passed on, and whether the last one differs.
        let (mut before, mut differed) = (None, false);
        let pausing = watch.pausing();
        for index in 0..count {
            let (bytes, digest) = read_block(&pool, at, &opened, index)?;
            root.push(digest);
            let theirs = held.as_mut().and_then(|held| held.next(&stop));
            if theirs.is_none() {
                held = None;
            }
            stop.check()?;
            if pausing.is_cancelled() {
                return Err(ClientError::Cancelled);
            }
            let length = block_len(size, index).unwrap_or(0) as u64;
            let equal = theirs == Some(digest);
            let is_last = index.saturating_add(ALWAYS) >= count;
            if equal && (is_last || last_sent.elapsed() < keep_alive) {
                reused += length;
                watch.kept(length);
                if !is_last && !differed {
                    if pieces.is_closed() {
                        return Err(ClientError::Cancelled);
                    }
                    before = Some((index, bytes));
                    continue;
                }
                differed = false;
                stop.send(&pieces, Piece::Block { index, bytes, equal: true })?;
            } else {
                transferred += length;
                last_sent = Instant::now();
                differed = theirs.is_some();
                // The equal blocks around it help a target to find bytes that have moved.
                if let Some((index, bytes)) = before.take().filter(|_| !equal) {
                    stop.send(&pieces, Piece::Block { index, bytes, equal: true })?;
                }
                stop.send(&pieces, Piece::Block { index, bytes, equal: false })?;
            }
            before = None;
        }
        // Digests past the end of the file are not needed.
        drop(held);
        let root = root.root();
        let each = |index| {
            if index == 0 {
                watch.phase(Phase::Verifying);
            }
            if pieces.is_closed() { Err(ClientError::Cancelled) } else { stop.check() }
        };
        let grown = source::settle(&pool, at, &mut opened, root, get.growing, each)?;
        if let Some(remembered) = remembered.filter(|_| grown.is_none()) {
            remembered.note(&opened, &root);
        }
        // The current state of a grown file includes bytes that were not read.
        let version = grown.is_none().then(|| Version::new(opened.identity));
        let end = End { root, size, transferred, reused, grown, version };
        stop.send(&pieces, Piece::End(end.clone()))?;
        Ok(end)
    }
}

/// Reads one block, with space for a header before it, and returns it with its digest.
fn read_block(
    pool: &BufferPool,
    at: &Location,
    opened: &OpenFile,
    index: u64,
) -> Result<(BlockBytes, Digest), ClientError> {
    let mut buffer = pool.take();
    buffer.resize(HEADROOM, 0);
    opened.read_block(at, index, &mut buffer)?;
    let bytes = &buffer[HEADROOM..];
    let digest = block_digest(opened.facts.size, index, bytes);
    if blocks::is_zero(bytes) {
        return Ok((BlockBytes::Zeros(bytes.len()), digest));
    }
    Ok((BlockBytes::Pooled { buffer, start: HEADROOM }, digest))
}

/// Reads a whole open file of at most one block.
pub(super) fn content(
    pool: &BufferPool,
    remembered: Option<&Remembered>,
    at: &Location,
    mut opened: OpenFile,
    growing: bool,
    mut each: impl FnMut() -> Result<(), ClientError>,
) -> Result<Content, ClientError> {
    let told = opened.told();
    let (bytes, root) = match opened.facts.size {
        0 => (BlockBytes::Zeros(0), Digest::of(b"")),
        _ => read_block(pool, at, &opened, 0)?,
    };
    let grown = source::settle(pool, at, &mut opened, root, growing, |_| each())?;
    if let Some(remembered) = remembered.filter(|_| grown.is_none()) {
        remembered.note(&opened, &root);
    }
    let version = grown.is_none().then(|| Version::new(opened.identity));
    Ok(Content { opened: crate::site::Opened { version, ..told }, bytes, root, grown })
}
