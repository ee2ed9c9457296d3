//! Bytes that are written front to back, digested block by block as they arrive.

use std::collections::BTreeMap;

use ferry_shared::{
    digest::{Digest, RootBuilder, chaining_value},
    limits::{BLOCK_LEN, BLOCK_SIZE},
};

/// Bytes that may arrive ahead of others: clients send pieces from several threads, slightly out of order.
const AHEAD: usize = 4 << 20;

/// Bytes of a rest that is not in the memory of a whole block yet.
const LITTLE: usize = 64 << 10;
/// The memory of a larger rest: a block, and what arrives with its last bytes. Growing by doubling would take more.
const ROOM: usize = BLOCK_LEN + (256 << 10);

/// The front of a file that grows at its end. Whole blocks leave it; the rest of at most one block, and pieces that
/// arrived early, are in memory.
#[derive(Debug)]
pub(super) struct Front {
    /// The digests of the blocks before `start`; `None` if some of them were not digested as they arrived.
    root: Option<RootBuilder>,
    /// The plain digest of the first block, for a file that has no other.
    first_plain: Option<Digest>,
    start: u64,
    tail: Vec<u8>,
    ahead: BTreeMap<u64, Vec<u8>>,
    ahead_bytes: usize,
}

impl Front {
    /// A file without bytes.
    pub(super) fn new() -> Self {
        Self { root: Some(RootBuilder::new()), ..Self::from(0) }
    }

    /// A file whose first `start` bytes, a multiple of the block size, were written earlier.
    pub(super) fn from(start: u64) -> Self {
        let (tail, ahead) = (Vec::new(), BTreeMap::new());
        Self { root: None, first_plain: None, start, tail, ahead, ahead_bytes: 0 }
    }

    /// The offset of its first byte in memory.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// The bytes from `start` on.
    pub(super) fn tail(&self) -> &[u8] {
        &self.tail
    }

    /// The bytes in memory.
    pub(super) fn buffered(&self) -> usize {
        self.tail.len() + self.ahead_bytes
    }

    /// Whether everything before the end has arrived.
    pub(super) fn is_gapless(&self) -> bool {
        self.ahead.is_empty()
    }

    /// The end of the bytes that have no gap before them.
    pub(super) fn end(&self) -> u64 {
        self.start + self.tail.len() as u64
    }

    /// Takes bytes that continue the front, change its rest in memory, or arrive a little early; `false` if it
    /// cannot.
    pub(super) fn put(&mut self, offset: u64, bytes: &[u8]) -> bool {
        let Some(at) = offset.checked_sub(self.start) else { return false };
        let end = self.end();
        if offset > end {
            return self.put_ahead(offset, bytes);
        }
        if !self.ahead.is_empty() && self.ahead.keys().next().is_some_and(|next| offset + bytes.len() as u64 > *next) {
            return false;
        }
        // It is at most one block.
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let (over, more) = bytes.split_at(bytes.len().min(self.tail.len() - at));
        self.tail[at..at + over.len()].copy_from_slice(over);
        let length = self.tail.len() + more.len();
        if length > LITTLE && length > self.tail.capacity() && length <= ROOM {
            self.tail.reserve_exact(ROOM - self.tail.len());
        }
        self.tail.extend_from_slice(more);
        while let Some(entry) = self.ahead.first_entry() {
            if *entry.key() != self.start + self.tail.len() as u64 {
                break;
            }
            let next = entry.remove();
            self.ahead_bytes -= next.len();
            self.tail.extend_from_slice(&next);
        }
        true
    }

    fn put_ahead(&mut self, offset: u64, bytes: &[u8]) -> bool {
        let end = offset + bytes.len() as u64;
        let before = self.ahead.range(..end).next_back();
        let overlaps = before.is_some_and(|(at, there)| at + there.len() as u64 > offset);
        if overlaps || self.ahead_bytes + bytes.len() > AHEAD || offset - self.end() > AHEAD as u64 {
            return false;
        }
        self.ahead_bytes += bytes.len();
        self.ahead.insert(offset, bytes.to_vec());
        true
    }

    /// The next whole block, and the offset at which it must be written.
    pub(super) fn block(&self) -> Option<(u64, &[u8])> {
        self.tail.get(..BLOCK_LEN).map(|block| (self.start, block))
    }

    /// Digests the block that was written, and removes it from memory.
    pub(super) fn advance(&mut self) {
        let Some(block) = self.tail.get(..BLOCK_LEN) else { return };
        if let Some(root) = &mut self.root {
            let index = self.start / BLOCK_SIZE;
            if index == 0 {
                self.first_plain = Some(Digest::of(block));
            }
            root.push(chaining_value(index, block));
        }
        self.tail.drain(..BLOCK_LEN);
        self.start += BLOCK_SIZE;
    }

    /// Cuts the file at `size`; `false` if whole blocks that left the memory would have to be cut.
    pub(super) fn cut(&mut self, size: u64) -> bool {
        let Some(length) = size.checked_sub(self.start).filter(|_| size <= self.end()) else { return false };
        self.tail.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        self.ahead.clear();
        self.ahead_bytes = 0;
        true
    }

    /// The pieces in memory and their offsets, in order.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let tail = (!self.tail.is_empty()).then_some((self.start, &*self.tail));
        tail.into_iter().chain(self.ahead.iter().map(|(at, bytes)| (*at, &**bytes)))
    }

    /// The digest of the whole file, if all of it was digested as it arrived and no gap is left.
    pub(super) fn digest(&self) -> Option<Digest> {
        let mut root = self.root.clone().filter(|_| self.is_gapless())?;
        if self.start == 0 {
            return Some(Digest::of(&self.tail));
        }
        if !self.tail.is_empty() {
            root.push(chaining_value(self.start / BLOCK_SIZE, &self.tail));
        } else if self.start == BLOCK_SIZE {
            return self.first_plain;
        }
        Some(root.root())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn data(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i / 3 * 7 + i).to_le_bytes()[0]).collect()
    }

    /// Puts pieces of a file in this order, and collects the whole blocks.
    fn through(data: &[u8], pieces: &[(usize, usize)]) -> Option<(Vec<u8>, Front)> {
        let (mut front, mut disk) = (Front::new(), Vec::new());
        for &(from, to) in pieces {
            if !front.put(from as u64, &data[from..to]) {
                return None;
            }
            while let Some((at, block)) = front.block() {
                assert_eq!(at, disk.len() as u64);
                disk.extend_from_slice(block);
                front.advance();
            }
        }
        Some((disk, front))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn pieces_a_little_out_of_order_make_the_file_and_its_digest(
            length in 0..3 * BLOCK_LEN + 5, piece in 60_000..300_000usize, swaps in prop::collection::vec(0..64usize, 0..20)
        ) {
            let data = data(length);
            let mut pieces: Vec<_> =
                (0..length.div_ceil(piece)).map(|i| (i * piece, length.min((i + 1) * piece))).collect();
            for swap in swaps {
                if swap + 1 < pieces.len() {
                    pieces.swap(swap, swap + 1);
                }
            }
            let (disk, front) = through(&data, &pieces).expect("within the window");
            prop_assert_eq!(front.digest(), Some(Digest::of(&data)));
            prop_assert_eq!([disk.as_slice(), front.tail()].concat(), data);
        }
    }

    #[test]
    fn bytes_far_ahead_and_bytes_already_gone_are_not_taken() {
        let data = data(3 * BLOCK_LEN);
        assert!(through(&data, &[(0, BLOCK_LEN), (0, 5)]).is_none());
        assert!(!Front::new().put(AHEAD as u64 + 1, b"x"));
        let mut front = Front::new();
        assert!(front.put(10, b"xyz") && !front.put(12, b"z") && !front.put(8, b"xyz"));
        // A gap has no digest, and what arrived early is not lost.
        assert_eq!((front.digest(), front.is_gapless()), (None, false));
        assert_eq!(front.pieces().collect::<Vec<_>>(), [(10, &b"xyz"[..])]);
        assert!(front.put(0, b"0123456789") && front.tail() == b"0123456789xyz");
    }

    #[test]
    fn the_rest_in_memory_can_be_changed_and_cut() {
        let mut front = Front::new();
        assert!(front.put(0, b"hello") && front.put(3, b"LOW") && front.cut(5));
        assert_eq!((front.tail(), front.digest()), (&b"helLO"[..], Some(Digest::of(b"helLO"))));
        assert!(!front.cut(6));
    }
}
