//! The stream of the blocks of a file, which are digested as they arrive.

use std::{ops::Deref, sync::Arc};

use ferry_shared::{
    blocks::zeros,
    digest::{Digest, RootBuilder, block_digest},
    entry::{Mtime, Version},
    frame::Payload,
    limits::block_len,
    message::request::BlockRange,
};
use tokio::sync::mpsc;

use super::{
    Shared,
    waiter::{Part, span},
};
use crate::error::ClientError;

/// A block of a file.
#[derive(Debug)]
pub struct Block {
    /// Its index in the file.
    pub index: u64,
    bytes: Payload,
    length: usize,
}

impl Deref for Block {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        if self.bytes.is_empty() { zeros(self.length) } else { &self.bytes }
    }
}

/// The blocks of a file, or of a range of it, in order.
#[derive(Debug)]
pub struct BlockStream {
    /// The size of the whole file in bytes.
    pub size: u64,
    /// Its modification time.
    pub mtime: Mtime,
    /// Its permission bits.
    pub mode: u32,
    /// Its version.
    pub version: Version,
    parts: mpsc::Receiver<Part>,
    shared: Arc<Shared>,
    next: u64,
    end: u64,
    /// Absent for a range, which has no digest to compare.
    root: Option<RootBuilder>,
    finished: bool,
}

impl BlockStream {
    /// Waits for the first part of the answer.
    pub(super) async fn open(
        mut parts: mpsc::Receiver<Part>,
        range: Option<BlockRange>,
        shared: Arc<Shared>,
    ) -> Result<Self, ClientError> {
        let (size, mtime, mode, version) = match parts.recv().await {
            Some(Part::Opened { size, mtime, mode, version }) => (size, mtime, mode, version),
            Some(Part::Refused(refusal)) => return Err(refusal.into()),
            Some(_) => return Err(shared.broken("get")),
            None => return Err(shared.end().await),
        };
        let (next, end) = span(size, range);
        let root = range.is_none().then(RootBuilder::new);
        Ok(Self { size, mtime, mode, version, parts, shared, next, end, root, finished: false })
    }

    /// Returns the next block; `None` after the last one. If the digest of a whole file differs from the one that the
    /// server declares, the last result is [`ClientError::Mismatch`] instead.
    ///
    /// This method is not cancel safe: a cancelled call may lose a block, after which the stream cannot be used.
    pub async fn next(&mut self) -> Option<Result<Block, ClientError>> {
        if self.finished {
            return None;
        }
        let result = match self.parts.recv().await {
            Some(Part::Block { index, bytes }) => self.take(index, bytes).await.map(Some),
            Some(Part::Sent { root }) => self.finish(root).map(|()| None),
            Some(Part::Refused(refusal)) => Err(refusal.into()),
            Some(Part::Opened { .. } | Part::Delta { .. }) => Err(self.shared.broken("get")),
            None => Err(self.shared.end().await),
        };
        self.finished = !matches!(result, Ok(Some(_)));
        result.transpose()
    }

    async fn take(&mut self, index: u64, bytes: Payload) -> Result<Block, ClientError> {
        let length = block_len(self.size, index).unwrap_or(0);
        if index != self.next || index >= self.end || !(bytes.is_empty() || bytes.len() == length) {
            return Err(self.shared.broken("get"));
        }
        self.next += 1;
        let block = Block { index, bytes, length };
        let Some(root) = &mut self.root else { return Ok(block) };
        let size = self.size;
        let digested = tokio::task::spawn_blocking(move || (block_digest(size, index, &block), block)).await;
        let (digest, block) = digested.map_err(|_| ClientError::Cancelled)?;
        root.push(digest);
        Ok(block)
    }

    fn finish(&self, declared: Option<Digest>) -> Result<(), ClientError> {
        if self.next < self.end {
            return Err(self.shared.broken("get"));
        }
        let Some(root) = &self.root else { return Ok(()) };
        let expected = declared.ok_or_else(|| self.shared.broken("get"))?;
        let found = root.root();
        if found == expected { Ok(()) } else { Err(ClientError::Mismatch { expected, found }) }
    }
}
