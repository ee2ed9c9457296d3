//! The frame of a block: a delta against the file on the server, compressed bytes, or the bytes as they are.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use ferry_shared::{chunks::Known, packing::Packing, pool::BufferPool};
use parking_lot::Mutex;

use crate::{
    error::ClientError,
    ferry::{batch::unsendable, pack},
    remote::{Chunk, Remote},
    site::BlockBytes,
};

/// A block of the source.
pub(super) struct Block {
    pub(super) index: u64,
    pub(super) bytes: BlockBytes,
    /// Whether the server has it.
    pub(super) equal: bool,
}

/// Encodes the blocks of a file, in order.
pub(super) struct Encoder<'a> {
    pool: &'a BufferPool,
    packing: Option<&'a Arc<Packing>>,
    /// The chunks of the file that is replaced.
    pub(super) known: Arc<Mutex<Known>>,
    /// Bytes that the server takes from that file.
    pub(super) reused: AtomicU64,
}

/// The steps of a delta, and how many bytes they take from the server's file; none if the block is sent as it is.
#[derive(Default)]
struct Steps {
    steps: Vec<u8>,
    reused: usize,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(remote: &'a Remote, pool: &'a BufferPool) -> Self {
        Self { pool, packing: remote.packing(), known: Arc::default(), reused: AtomicU64::new(0) }
    }

    /// Whether chunks of the server's file are known, so that the block after each is of use.
    pub(super) fn has_chunks(&self) -> bool {
        !self.known.lock().is_empty()
    }

    /// Takes note of a block that is not sent.
    pub(super) fn skip(&self, block: &Block) {
        self.known.lock().pass(block.index, &block.bytes);
    }

    /// The frame of a block, and how many of its bytes are not sent because the server has them.
    pub(super) async fn encode(&self, block: Block, behind: Option<&Block>) -> Result<(Chunk, u64), ClientError> {
        let Block { index, bytes, equal } = block;
        let packing = self.packing.filter(|packing| packing.is_worthwhile(bytes.len())).cloned();
        let has_chunks = self.has_chunks();
        if equal || bytes.is_zeros() || !(has_chunks || packing.is_some()) {
            return Ok((Chunk::block(index, bytes, self.pool).map_err(unsendable)?, 0));
        }
        let behind = behind.filter(|behind| has_chunks && behind.index == index + 1);
        let around = self.known.lock().around();
        let behind = behind.map_or(Vec::new(), |behind| behind.bytes[..behind.bytes.len().min(around)].to_vec());
        let known = Arc::clone(&self.known);
        let work = move || {
            let made = steps(&known, index, &bytes, &behind, packing.as_deref());
            (bytes, made)
        };
        let (bytes, Steps { steps, reused }) =
            tokio::task::spawn_blocking(work).await.map_err(|_| ClientError::Cancelled)?;
        if steps.is_empty() {
            return Ok((Chunk::block(index, bytes, self.pool).map_err(unsendable)?, 0));
        }
        self.reused.fetch_add(reused as u64, Relaxed);
        Ok((Chunk::delta(index, &steps, self.pool).map_err(unsendable)?, reused as u64))
    }
}

fn steps(known: &Mutex<Known>, index: u64, bytes: &[u8], behind: &[u8], packing: Option<&Packing>) -> Steps {
    let mut steps = Vec::new();
    let reused = known.lock().delta(index, bytes, behind, &mut steps);
    if reused == 0 {
        steps = packing.and_then(|packing| pack::steps(packing, bytes)).unwrap_or_default();
    }
    Steps { steps, reused }
}
