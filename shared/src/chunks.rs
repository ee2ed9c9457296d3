//! Content-defined chunks: ranges of a file whose limits follow its bytes, so that they are found again where bytes were put
//! in or taken out before them.
//!
//! The receiver of a file describes the chunks of its basis, and the sender finds them in the new file. That two chunks are
//! equal is a guess from 48 bits of their digests; the digests of blocks and of the file are the proof.
//!
//! The limits are those of FastCDC (W. Xia et al., *The Design of Fast Content-Defined Chunking for Data Deduplication Based
//! Storage Systems*, 2020). Another way to cut is not wrong, but finds less.

use std::{
    collections::HashMap,
    fs::File,
    ops::{Range, RangeInclusive},
};

use bytes::{Buf as _, Bytes};
use fastcdc::v2020::FastCDC;

use crate::{
    blocks, delta,
    digest::Digest,
    limits::{BLOCK_LEN, CHUNK_LEN, CHUNKS_MAX, block_count},
};

/// Bytes of a digest that identify a chunk.
const ID: usize = 6;
/// The limits of the average length of a chunk, as powers of two: 8 KiB and 256 KiB.
const AVERAGES: RangeInclusive<u8> = 13..=18;
/// The number of chunks of a basis that are described, more or less: 32 KiB each for 4 GiB.
const DESCRIBED: u64 = 1 << 17;
/// The maximum number of chunks that a sender keeps; more are of no use to it.
const KEPT: usize = 3 << 16;
/// Blocks of a basis that are described beyond twice the length of the new file.
const USEFUL: u64 = 64;
/// The number of chunks before and behind a block that are looked at, so that the limits in the block are the same as in
/// the whole file.
const AROUND: usize = 8;

/// The average length of chunks, which is a power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Average(u8);

impl Average {
    /// The average for the chunks of a file of `size` bytes.
    #[must_use]
    pub fn of(size: u64) -> Self {
        let least = size.div_ceil(DESCRIBED).max(1).next_power_of_two();
        let power = u8::try_from(least.trailing_zeros()).unwrap_or(u8::MAX);
        Self(power.clamp(*AVERAGES.start(), *AVERAGES.end()))
    }

    fn length(self) -> usize {
        1 << self.0
    }
}

/// A chunk of a basis: its length in bytes, and the beginning of its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    length: u32,
    id: [u8; ID],
}

impl Chunk {
    fn of(bytes: &[u8]) -> Self {
        let Digest(digest) = Digest::of(bytes);
        let id = *digest.first_chunk().unwrap_or(&[0; ID]);
        Self { length: u32::try_from(bytes.len()).unwrap_or(u32::MAX), id }
    }
}

/// Descriptions of consecutive chunks of a basis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The offset of the first one.
    pub first: u64,
    /// Their average length.
    pub average: Average,
    /// The chunks.
    pub chunks: Vec<Chunk>,
}

impl Described {
    /// Appends the payload of a frame, without its index: the average as a power of two, then each chunk's length (3 bytes)
    /// and identification.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.average.0);
        for Chunk { length, id } in &self.chunks {
            out.extend_from_slice(&length.to_be_bytes()[1..]);
            out.extend_from_slice(id);
        }
    }

    /// The descriptions in a payload, without its index; `None` if it has none of these.
    pub(crate) fn decode(first: u64, mut payload: Bytes) -> Option<Self> {
        let average = Some(payload.try_get_u8().ok()?).filter(|power| AVERAGES.contains(power)).map(Average)?;
        let (chunks, rest) = payload.as_chunks::<CHUNK_LEN>();
        if !rest.is_empty() {
            return None;
        }
        let chunks =
            chunks.iter().map(|&[a, b, c, ref id @ ..]| Chunk { length: u32::from_be_bytes([0, a, b, c]), id: *id });
        Some(Self { first, average, chunks: chunks.collect() })
    }
}

/// Where bytes of a file are cut into chunks.
fn cut(bytes: &[u8], average: Average) -> impl Iterator<Item = Range<usize>> {
    let length = average.length();
    FastCDC::new(bytes, length / 4, length, length * 4).map(|chunk| chunk.offset..chunk.offset + chunk.length)
}

/// Cuts a basis that is read block by block, and describes its chunks.
#[derive(Debug)]
pub struct Describer {
    average: Average,
    size: u64,
    /// The next block, and the number of blocks.
    next: u64,
    count: u64,
    /// The offset of `rest`.
    at: u64,
    /// Bytes whose last chunk may be longer.
    rest: Vec<u8>,
    described: u64,
}

impl Describer {
    /// Describes a file of `size` bytes, as far as it may be of use for a file of `new` bytes: a short file that replaces a long
    /// one is not worth reading all of that.
    #[must_use]
    pub fn new(size: u64, new: u64) -> Self {
        let useful = block_count(new).saturating_mul(2).saturating_add(USEFUL);
        let (average, count) = (Average::of(size), block_count(size).min(useful));
        Self { average, size, next: 0, count, at: 0, rest: Vec::new(), described: 0 }
    }

    /// The index of the block to be taken next; `None` if all that a sender keeps is described.
    #[must_use]
    pub fn next_block(&self) -> Option<u64> {
        (self.next < self.count && self.described < DESCRIBED).then_some(self.next)
    }

    /// Describes the chunks of the next blocks of the file, at most `most` blocks; `None` once all are described. Nothing is
    /// described from a block on that cannot be read. `buffer` is scratch space.
    pub fn read(&mut self, file: &File, most: u64, buffer: &mut Vec<u8>) -> Option<Described> {
        let mut described = None;
        for _ in 0..most {
            let Some(index) = self.next_block() else { break };
            buffer.clear();
            if blocks::read_block(file, self.size, index, buffer).is_err() {
                self.next = self.count;
                break;
            }
            self.take(buffer, &mut described);
        }
        described
    }

    /// Takes the next block, and adds the chunks that end in it to `described`.
    pub fn take(&mut self, block: &[u8], described: &mut Option<Described>) {
        self.next += 1;
        let is_last = self.next >= self.count;
        let described =
            described.get_or_insert_with(|| Described { first: self.at, average: self.average, chunks: Vec::new() });
        self.rest.extend_from_slice(block);
        let mut done = 0;
        for range in cut(&self.rest, self.average) {
            // Bytes that follow may belong to it.
            if !is_last && range.end == self.rest.len() {
                break;
            }
            done = range.end;
            described.chunks.push(Chunk::of(&self.rest[range]));
            self.described += 1;
        }
        self.at += done as u64;
        self.rest.drain(..done);
    }
}

/// Splits descriptions into as many as fit a frame each.
pub fn frames(described: Described) -> impl Iterator<Item = Described> {
    let Described { mut first, average, chunks } = described;
    let mut left = chunks;
    std::iter::from_fn(move || {
        if left.is_empty() {
            return None;
        }
        let rest = left.split_off(left.len().min(CHUNKS_MAX));
        let chunks = std::mem::replace(&mut left, rest);
        let begin = first;
        first += chunks.iter().map(|chunk| u64::from(chunk.length)).sum::<u64>();
        Some(Described { first: begin, average, chunks })
    })
}

/// The chunks of the receiver's basis, as far as they are known to the sender.
#[derive(Debug, Default)]
pub struct Known {
    average: Option<Average>,
    offsets: HashMap<Chunk, u64>,
    /// The index of the block that was passed last, and its last bytes.
    before: Option<(u64, Vec<u8>)>,
}

impl std::hash::Hash for Chunk {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write(&self.id);
    }
}

impl Known {
    /// Takes descriptions; those over a limit, or of another average than the first, are dropped.
    pub fn take(&mut self, described: &Described) {
        let average = *self.average.get_or_insert(described.average);
        let mut offset = described.first;
        for chunk in &described.chunks {
            if average == described.average && self.offsets.len() < KEPT {
                // Of equal chunks the first one will do.
                self.offsets.entry(*chunk).or_insert(offset);
            }
            offset = offset.saturating_add(u64::from(chunk.length));
        }
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// The number of bytes of the block before and of the block behind another one that are looked at.
    #[must_use]
    pub fn around(&self) -> usize {
        self.average.map_or(0, |average| (average.length() * AROUND).min(BLOCK_LEN))
    }

    /// Takes note of a block that need not be sent, but comes before the next one.
    pub fn pass(&mut self, index: u64, block: &[u8]) {
        let tail = &block[block.len().saturating_sub(self.around())..];
        let (at, before) = self.before.get_or_insert_default();
        *at = index;
        before.clear();
        before.extend_from_slice(tail);
    }

    /// Appends a delta for a block of the file; `behind` is the block after it, or empty. Returns the number of bytes that
    /// it takes from the basis, and appends nothing if they are fewer than an eighth of the block.
    pub fn delta(&mut self, index: u64, block: &[u8], behind: &[u8], out: &mut Vec<u8>) -> usize {
        let taken = self.compare(index, block, behind, out);
        self.pass(index, block);
        taken
    }

    fn compare(&self, index: u64, block: &[u8], behind: &[u8], out: &mut Vec<u8>) -> usize {
        let Some(average) = self.average.filter(|_| !self.is_empty() && block.len() <= BLOCK_LEN) else { return 0 };
        let before = self.before.as_ref().filter(|(at, _)| at + 1 == index).map_or(&[][..], |(_, before)| before);
        let behind = &behind[..behind.len().min(self.around())];
        let window = [before, block, behind].concat();
        let (first, end) = (before.len(), before.len() + block.len());
        let start = out.len();
        let mut ranges: Vec<(Range<usize>, u64)> = Vec::new();
        for range in cut(&window, average) {
            let (from, to) = (range.start.max(first), range.end.min(end));
            if from >= to {
                continue;
            }
            let Some(offset) = self.offsets.get(&Chunk::of(&window[range.clone()])) else { continue };
            let offset = offset.saturating_add((from - range.start) as u64);
            match ranges.last_mut() {
                // It goes on where the one before ends, there and here.
                Some((last, at)) if last.end == from && at.saturating_add(last.len() as u64) == offset => last.end = to,
                _ => ranges.push((from..to, offset)),
            }
        }
        let known: usize = ranges.iter().map(|(range, _)| range.len()).sum();
        if known < block.len() / 8 || known == 0 {
            return 0;
        }
        let mut done = first;
        for (range, offset) in ranges {
            delta::put_bytes(out, &window[done..range.start]);
            delta::put_range(out, offset, range.len());
            done = range.end;
        }
        delta::put_bytes(out, &window[done..end]);
        if out.len() - start >= block.len() {
            out.truncate(start);
            return 0;
        }
        known
    }
}

const _: () = assert!(4 << *AVERAGES.end() <= BLOCK_LEN, "a chunk is no longer than a block");

#[cfg(test)]
mod tests {
    use super::*;

    fn random(length: usize, seed: u64) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
        bytes
    }

    fn known(basis: &[u8]) -> Known {
        let (mut describer, mut known) = (Describer::new(basis.len() as u64, basis.len() as u64), Known::default());
        if basis.is_empty() {
            return known;
        }
        let mut described = None;
        for block in basis.chunks(BLOCK_LEN) {
            describer.take(block, &mut described);
        }
        frames(described.unwrap()).for_each(|described| known.take(&described));
        known
    }

    /// The new file as a receiver makes it, and the bytes that were sent as they are.
    fn sent(basis: &[u8], new: &[u8]) -> (Vec<u8>, usize) {
        let mut known = known(basis);
        let file = tempfile::tempfile().unwrap();
        crate::blocks::write_all_at(&file, basis, 0).unwrap();
        let blocks: Vec<&[u8]> = new.chunks(BLOCK_LEN).collect();
        let (mut made, mut literal) = (Vec::new(), 0);
        for (at, block) in blocks.iter().enumerate() {
            let behind = blocks.get(at + 1).copied().unwrap_or_default();
            let mut delta = Vec::new();
            let taken = known.delta(at as u64, block, behind, &mut delta);
            literal += block.len() - taken;
            match taken {
                0 => made.extend_from_slice(block),
                _ => assert_eq!(delta::apply(&delta, Some(&file), &mut made), Ok(taken as u64)),
            }
        }
        (made, literal)
    }

    #[test]
    fn bytes_put_in_at_the_start_cost_one_chunk() {
        let basis = random(8 << 20, 1);
        let new = [&b"inserted"[..], &basis].concat();
        let (made, literal) = sent(&basis, &new);
        assert!(made == new);
        assert!(literal <= 16 << 10, "{literal}");
    }

    #[test]
    fn bytes_taken_out_and_changed_here_and_there_cost_a_chunk_or_two_each() {
        let basis = random(8 << 20, 2);
        let mut new = basis.clone();
        new.drain(3_000_000..3_000_100);
        for at in [100, 1_500_000, 5_000_000, 7_900_000] {
            new[at..at + 4096].fill(b'x');
        }
        let (made, literal) = sent(&basis, &new);
        assert!(made == new);
        assert!(literal <= 5 * (20 << 10), "{literal}");
    }

    #[test]
    fn a_file_that_has_nothing_in_common_is_sent_as_it_is() {
        let (basis, new) = (random(3 << 20, 3), random(3 << 20, 4));
        assert_eq!(sent(&basis, &new).1, new.len());
        assert_eq!(sent(b"", &new).1, new.len());
    }

    #[test]
    fn chunks_cover_the_basis_as_if_it_were_cut_at_once() {
        let basis = random((3 << 20) + 5, 5);
        let average = Average::of(basis.len() as u64);
        let whole: Vec<Chunk> = cut(&basis, average).map(|range| Chunk::of(&basis[range])).collect();
        let mut describer = Describer::new(basis.len() as u64, basis.len() as u64);
        let mut chunks = Vec::new();
        for (index, block) in basis.chunks(BLOCK_LEN).enumerate() {
            assert_eq!(describer.next_block(), Some(index as u64));
            let mut described = None;
            describer.take(block, &mut described);
            let described = described.unwrap();
            assert_eq!(described.first, chunks.iter().map(|chunk: &Chunk| u64::from(chunk.length)).sum::<u64>());
            chunks.extend(described.chunks);
        }
        assert_eq!(describer.next_block(), None);
        assert_eq!(chunks.iter().map(|chunk| u64::from(chunk.length)).sum::<u64>(), basis.len() as u64);
        assert_eq!(chunks, whole);
    }

    #[test]
    fn a_basis_much_longer_than_the_new_file_is_described_in_part() {
        let mut describer = Describer::new(1 << 40, 3 << 20);
        describer.next = 69;
        assert_eq!(describer.next_block(), Some(69));
        describer.next = 70;
        assert_eq!(describer.next_block(), None);
    }

    #[test]
    fn the_average_grows_with_the_file_and_the_number_of_chunks_does_not() {
        assert_eq!(Average::of(0), Average(13));
        assert_eq!(Average::of(1 << 30), Average(13));
        assert_eq!(Average::of((1 << 30) + 1), Average(14));
        assert_eq!(Average::of(4 << 30), Average(15));
        assert_eq!(Average::of(u64::MAX), Average(18));
        let mut known = Known::default();
        let chunks: Vec<Chunk> =
            (0..KEPT as u64 + 9).map(|at| Chunk { length: 9, id: at.to_be_bytes()[2..].try_into().unwrap() }).collect();
        known.take(&Described { first: 0, average: Average(13), chunks });
        assert_eq!(known.offsets.len(), KEPT);
    }
}
