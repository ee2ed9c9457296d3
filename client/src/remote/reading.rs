//! A file's blocks, as they come, digested on the way.

use std::{ops::Deref, sync::Arc};

use ferry_shared::{
    blocks::zeros,
    digest::{Digest, RootBuilder, block_digest},
    entry::{Mtime, Version},
    frame::Payload,
    limits::{block_count, block_len},
    message::request::BlockRange,
};
use tokio::sync::mpsc;

use super::{Shared, waiter::Part};
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
    /// Bytes of the whole file.
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
    /// Absent for a range, whose digest means nothing.
    root: Option<RootBuilder>,
    finished: bool,
}

impl BlockStream {
    /// Waits for the head of the answer.
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

    /// The next block; `None` after the last one. A whole file whose digest is not the one
    /// the server declares ends with [`ClientError::Mismatch`] instead.
    ///
    /// A cancelled call may lose a block; the stream is then of no more use.
    pub async fn next(&mut self) -> Option<Result<Block, ClientError>> {
        if self.finished {
            return None;
        }
        let result = match self.parts.recv().await {
            Some(Part::Block { index, bytes }) => self.take(index, bytes).await.map(Some),
            Some(Part::Sent { root }) => self.finish(root).map(|()| None),
            Some(Part::Refused(refusal)) => Err(refusal.into()),
            Some(Part::Opened { .. }) => Err(self.shared.broken("get")),
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

/// The first block to come and the one after the last.
pub(super) fn span(size: u64, range: Option<BlockRange>) -> (u64, u64) {
    let count = block_count(size);
    match range {
        None => (0, count),
        Some(range) => {
            let first = range.first.min(count);
            (first, range.first.saturating_add(range.count).min(count).max(first))
        }
    }
}

#[cfg(test)]
mod tests {
    use ferry_shared::limits::BLOCK_SIZE;

    use super::*;

    #[test]
    fn a_range_is_cut_at_the_end_of_the_file() {
        let size = 3 * BLOCK_SIZE + 1;
        let range = |first, count| span(size, Some(BlockRange { first, count }));
        assert_eq!(span(size, None), (0, 4));
        assert_eq!(range(1, 2), (1, 3));
        assert_eq!(range(3, u64::MAX), (3, 4));
        assert_eq!(range(9, 1), (4, 4));
        assert_eq!(span(0, None), (0, 0));
    }
}
