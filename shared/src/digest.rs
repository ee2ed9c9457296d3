//! BLAKE3 digests of files and of their blocks, and how blocks merge into the root.
//!
//! A block's digest is its BLAKE3 chaining value at its offset in the file, so block
//! digests merge into the very root `b3sum` prints and no byte is hashed twice
//! (BLAKE3 specification, section 2.1; `blake3::hazmat`). A file of one block or none
//! has a root only: `blake3::hash`, which is also its one block's digest.

use std::{fmt, str::FromStr};

use blake3::{
    Hasher,
    hazmat::{HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits::{BLOCK_SIZE, block_count};

/// A 32-byte digest, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 hexadecimal digits")]
pub struct DigestError;

impl Digest {
    /// The plain BLAKE3 hash of `bytes`: the root of a file of one block or none.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

/// The digest of block `index` of a file of `size` bytes, where `bytes` is that block.
///
/// `bytes` must not be empty unless the file is.
#[must_use]
pub fn block_digest(size: u64, index: u64, bytes: &[u8]) -> Digest {
    if size <= BLOCK_SIZE { Digest::of(bytes) } else { chaining_value(index, bytes) }
}

/// The chaining value of a block of a file of more than one block.
///
/// For streams of unknown size: the digest of the first block depends on whether a second one follows.
#[must_use]
pub fn chaining_value(index: u64, bytes: &[u8]) -> Digest {
    Digest(Hasher::new().set_input_offset(index * BLOCK_SIZE).update(bytes).finalize_non_root())
}

/// Merges the block digests of a file of more than one block, in order, into its root.
///
/// Holds one digest for each level of the tree, at most 64, whatever the file's size.
#[derive(Debug, Clone, Default)]
pub struct RootBuilder {
    /// Complete subtrees, left to right; sizes are the one bits of `count`, high to low.
    stack: Vec<[u8; 32]>,
    count: u64,
    /// The last block pushed, kept apart because the root's right edge merges differently.
    last: Option<Digest>,
}

impl RootBuilder {
    /// A builder that has seen no block.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of blocks pushed.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count + u64::from(self.last.is_some())
    }

    /// Adds the next block's digest.
    pub fn push(&mut self, digest: Digest) {
        if let Some(previous) = self.last.replace(digest) {
            let mut subtree = previous.0;
            self.count += 1;
            // As many merges as the new count has trailing zero bits: each completes a subtree.
            for _ in 0..self.count.trailing_zeros() {
                if let Some(left) = self.stack.pop() {
                    subtree = merge_subtrees_non_root(&left, &subtree, Mode::Hash);
                }
            }
            self.stack.push(subtree);
        }
    }

    /// The root. For a single block, its digest as given (see [`block_digest`]); without blocks, the hash of
    /// nothing.
    #[must_use]
    pub fn root(&self) -> Digest {
        let Some(last) = self.last else { return Digest::of(b"") };
        let mut right = last.0;
        for (depth, left) in self.stack.iter().enumerate().rev() {
            if depth == 0 {
                return Digest(*merge_subtrees_root(left, &right, Mode::Hash).as_bytes());
            }
            right = merge_subtrees_non_root(left, &right, Mode::Hash);
        }
        last
    }
}

/// The root of a file of `size` bytes from the digests of its blocks, in order.
///
/// `None` if their number differs from the file's block count.
#[must_use]
pub fn merge(size: u64, digests: &[Digest]) -> Option<Digest> {
    if digests.len() as u64 != block_count(size) {
        return None;
    }
    let mut builder = RootBuilder::new();
    digests.iter().for_each(|digest| builder.push(*digest));
    Some(builder.root())
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Digest {
    type Err = DigestError;
    fn from_str(text: &str) -> Result<Self, DigestError> {
        blake3::Hash::from_hex(text).map(|hash| Self(*hash.as_bytes())).map_err(|_| DigestError)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::BLOCK_LEN;

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i / 7 * 31 + i).to_le_bytes()[0]).collect()
    }

    fn digests(data: &[u8]) -> Vec<Digest> {
        let size = data.len() as u64;
        data.chunks(BLOCK_LEN).enumerate().map(|(i, block)| block_digest(size, i as u64, block)).collect()
    }

    #[test]
    fn merged_block_digests_equal_the_plain_hash() {
        let ends = [0, 1, BLOCK_LEN - 1, BLOCK_LEN, BLOCK_LEN + 1, 2 * BLOCK_LEN, 3 * BLOCK_LEN + 17];
        for len in ends.into_iter().chain((4..19).map(|n| n * BLOCK_LEN + 5)) {
            let data = bytes(len);
            assert_eq!(merge(len as u64, &digests(&data)), Some(Digest::of(&data)), "{len} bytes");
        }
    }

    #[test]
    fn a_wrong_number_of_digests_has_no_root() {
        assert_eq!(merge(BLOCK_SIZE + 1, &[Digest([0; 32])]), None);
    }

    #[test]
    fn equal_blocks_at_other_places_have_other_digests() {
        let block = vec![7; BLOCK_LEN];
        assert_ne!(block_digest(3 * BLOCK_SIZE, 0, &block), block_digest(3 * BLOCK_SIZE, 1, &block));
    }

    #[test]
    fn hexadecimal_round_trips() {
        let digest = Digest::of(b"x");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!("zz".parse::<Digest>(), Err(DigestError));
    }
}
