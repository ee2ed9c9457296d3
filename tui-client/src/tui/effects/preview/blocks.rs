//! The blocks that were read of a file, with gaps between them.

use std::collections::BTreeMap;

use ferry_shared::limits::{BLOCK_SIZE, block_count};

/// Some blocks of a file.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    size: Option<u64>,
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl Blocks {
    /// Takes a block of a file of `size` bytes.
    pub(super) fn insert(&mut self, index: u64, bytes: Vec<u8>, size: u64) {
        // The first answer counts, so that a file that grows meanwhile asks for no more.
        self.size.get_or_insert(size);
        self.blocks.insert(index, bytes);
    }

    /// The size of the whole file in bytes; 0 while nothing was read.
    pub(super) fn size(&self) -> u64 {
        self.size.unwrap_or(0)
    }

    /// Whether something was read.
    pub(super) fn is_begun(&self) -> bool {
        self.size.is_some()
    }

    /// The bytes of the first block.
    pub(super) fn head(&self) -> &[u8] {
        self.blocks.get(&0).map_or(&[], Vec::as_slice)
    }

    /// The first of the blocks up to `bytes` of the file that was not read.
    pub(super) fn missing_before(&self, bytes: u64) -> Option<u64> {
        self.missing(0, bytes)
    }

    /// The first of the blocks with the `length` bytes at `from` that was not read.
    pub(super) fn missing(&self, from: u64, length: u64) -> Option<u64> {
        let end = from.saturating_add(length).min(self.size());
        (from / BLOCK_SIZE..block_count(end)).find(|index| !self.blocks.contains_key(index))
    }

    /// The bytes from the begin up to the first gap, at most `most`.
    pub(super) fn start(&self, most: usize) -> Vec<u8> {
        self.range(0, most)
    }

    /// The bytes from a position on up to a gap, at most `most`.
    pub(super) fn range(&self, from: u64, most: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut at = from;
        while bytes.len() < most {
            let Some(block) = self.blocks.get(&(at / BLOCK_SIZE)) else { break };
            let start = usize::try_from(at % BLOCK_SIZE).unwrap_or(usize::MAX);
            let Some(part) = block.get(start..).filter(|part| !part.is_empty()) else { break };
            let part = &part[..part.len().min(most - bytes.len())];
            bytes.extend_from_slice(part);
            at = at.saturating_add(part.len() as u64);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_blocks_and_end_at_gaps() {
        let mut blocks = Blocks::default();
        assert!(!blocks.is_begun() && blocks.missing_before(u64::MAX).is_none());
        let size = 3 * BLOCK_SIZE + 5;
        let block = |byte: u8| vec![byte; 1 << 20];
        blocks.insert(0, block(b'a'), size);
        assert_eq!(blocks.missing_before(u64::MAX), Some(1));
        assert_eq!(blocks.missing_before(BLOCK_SIZE), None);
        blocks.insert(1, block(b'b'), size + 9);
        blocks.insert(3, vec![b'd'; 5], size);
        assert_eq!(blocks.size(), size);
        assert_eq!(blocks.range(BLOCK_SIZE - 2, 4), b"aabb");
        assert_eq!(blocks.start(usize::MAX).len(), 2 << 20);
        assert_eq!(blocks.range(3 * BLOCK_SIZE + 3, 99), b"dd");
        assert_eq!(blocks.missing(BLOCK_SIZE, 2 * BLOCK_SIZE), Some(2));
        assert_eq!(blocks.missing(3 * BLOCK_SIZE, 99 * BLOCK_SIZE), None);
        assert!(blocks.range(2 * BLOCK_SIZE, 4).is_empty() && blocks.range(u64::MAX, 4).is_empty());
    }
}
