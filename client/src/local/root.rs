//! The digest of content that arrives block by block, with or without a known size.

use ferry_shared::{
    digest::{Digest, RootBuilder, block_digest, chaining_value},
    limits::BLOCK_SIZE,
};

/// Computes the digest of consecutive blocks. If the size is unknown, the first block may turn out to be the only one,
/// which has a different digest, so both are computed.
#[derive(Debug)]
pub(super) struct Blocks {
    size: Option<u64>,
    root: RootBuilder,
    only: Digest,
}

impl Blocks {
    pub(super) fn new(size: Option<u64>) -> Self {
        Self { size, root: RootBuilder::new(), only: Digest::of(b"") }
    }

    /// The number of blocks so far.
    pub(super) fn count(&self) -> u64 {
        self.root.count()
    }

    /// The digest of block `index`.
    pub(super) fn digest(&self, index: u64, bytes: &[u8]) -> Digest {
        match self.size {
            Some(size) => block_digest(size, index, bytes),
            None => chaining_value(index, bytes),
        }
    }

    /// Adds the next block and returns its digest.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Digest {
        let digest = self.digest(self.count(), bytes);
        if self.size.is_none() && self.count() == 0 {
            self.only = Digest::of(bytes);
        }
        self.root.push(digest);
        digest
    }

    /// Adds the next block by its digest. The size must be known.
    pub(super) fn push_digest(&mut self, digest: Digest) {
        self.root.push(digest);
    }

    /// The digest of the whole content.
    pub(super) fn root(&self) -> Digest {
        if self.size.is_none() && self.count() <= 1 { self.only } else { self.root.root() }
    }
}

/// Whether block `index` may have `length` bytes: exactly its length if the size is known, otherwise at most a full
/// block.
pub(super) fn is_block_len(size: Option<u64>, index: u64, length: usize) -> bool {
    match size {
        Some(size) => ferry_shared::limits::block_len(size, index) == Some(length),
        None => length > 0 && length as u64 <= BLOCK_SIZE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_same_whether_or_not_the_size_is_known() {
        for size in [0, 1, BLOCK_SIZE, BLOCK_SIZE + 1, 3 * BLOCK_SIZE] {
            let content: Vec<u8> = (0..size).map(|i| (i / 7).to_le_bytes()[0]).collect();
            for known in [Some(size), None] {
                let mut blocks = Blocks::new(known);
                content.chunks(1 << 20).for_each(|block| {
                    blocks.push(block);
                });
                assert_eq!(blocks.root(), Digest::of(&content), "{size}, {known:?}");
            }
        }
    }
}
