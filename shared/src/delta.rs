//! Deltas: a block written as bytes, as compressed bytes, and as ranges of a file that the receiver has, the basis.
//!
//! A delta consists of steps. Each begins with a byte for its kind; numbers are big-endian.
//!
//! | kind | then | stands for |
//! |---|---|---|
//! | 0 | length (3 bytes), the bytes | these bytes |
//! | 1 | length (3 bytes), compressed length (3 bytes), a zstd frame | the bytes in the frame |
//! | 2 | length (3 bytes), offset (8 bytes) | this range of the basis |
//!
//! A delta proves nothing: the receiver digests the block that it makes, as any other.

use std::fs::File;

use bytes::Buf as _;

pub use crate::pack::Level;
use crate::{
    blocks,
    limits::BLOCK_LEN,
    pack::{pack, put_length, take_length, unpack},
};

/// The maximum number of compressed steps in a delta: each costs its receiver much more than its bytes.
const PACKED_MAX: usize = 8;

const BYTES: u8 = 0;
const PACKED: u8 = 1;
const BASIS: u8 = 2;

/// The reason why a delta is not valid. The connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a delta {0}")]
pub struct BadDelta(&'static str);

/// Appends a step of bytes; nothing for no bytes.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    if !bytes.is_empty() {
        out.push(BYTES);
        put_length(out, bytes.len());
        out.extend_from_slice(bytes);
    }
}

/// Appends a step of a range of the basis.
pub fn put_range(out: &mut Vec<u8>, offset: u64, length: usize) {
    out.push(BASIS);
    put_length(out, length);
    out.extend_from_slice(&offset.to_be_bytes());
}

/// Appends a step of compressed bytes if that takes at most seven eighths of their space; returns whether it did.
pub fn put_packed(out: &mut Vec<u8>, bytes: &[u8], level: Level) -> bool {
    let start = out.len();
    out.push(PACKED);
    put_length(out, bytes.len());
    put_length(out, 0);
    let data = out.len();
    let Some(packed) = pack(bytes, out, level) else {
        out.truncate(start);
        return false;
    };
    let length = u32::try_from(packed).unwrap_or(u32::MAX).to_be_bytes();
    out[data - 3..data].copy_from_slice(&length[1..]);
    true
}

/// Appends the block that a delta describes to `out`, at most [`BLOCK_LEN`] bytes, and returns how many are the basis'.
///
/// Bytes of the basis that are not there or cannot be read are zeros: the digest of the file then tells that it is not the one that
/// was sent, and the block is sent again.
///
/// # Errors
/// [`BadDelta`] if it is not a delta of a block, or needs a basis that there is not.
pub fn apply(mut delta: &[u8], basis: Option<&File>, out: &mut Vec<u8>) -> Result<u64, BadDelta> {
    if delta.is_empty() {
        return Err(BadDelta("without a step"));
    }
    let (end, mut reused, mut packed_steps) = (out.len() + BLOCK_LEN, 0, 0);
    while !delta.is_empty() {
        let kind = delta.get_u8();
        let step = take_length(&mut delta).ok_or(BadDelta("that is cut off"))?;
        let start = out.len();
        if step == 0 || step > end - start {
            return Err(BadDelta("with a step of the wrong length"));
        }
        match kind {
            BYTES => {
                let (bytes, rest) = delta.split_at_checked(step).ok_or(BadDelta("that is cut off"))?;
                out.extend_from_slice(bytes);
                delta = rest;
            }
            PACKED if packed_steps == PACKED_MAX => return Err(BadDelta("with too many compressed steps")),
            PACKED => {
                packed_steps += 1;
                let packed = take_length(&mut delta).ok_or(BadDelta("that is cut off"))?;
                let (bytes, rest) = delta.split_at_checked(packed).ok_or(BadDelta("that is cut off"))?;
                out.resize(start + step, 0);
                unpack(bytes, &mut out[start..]).map_err(|_| BadDelta("that cannot be unpacked"))?;
                delta = rest;
            }
            BASIS => {
                let offset = delta.try_get_u64().map_err(|_| BadDelta("that is cut off"))?;
                let basis = basis.ok_or(BadDelta("without a basis"))?;
                reused += step as u64;
                out.resize(start + step, 0);
                let _zeros = blocks::read_exact_at(basis, &mut out[start..], offset);
            }
            _ => return Err(BadDelta("of an unknown kind")),
        }
    }
    Ok(reused)
}

/// Whether a delta refers to a basis, as far as it is valid.
#[must_use]
pub fn needs_basis(mut delta: &[u8]) -> bool {
    while let Some((&kind, rest)) = delta.split_first() {
        delta = rest;
        let Some(length) = take_length(&mut delta) else { return false };
        let skipped = match kind {
            BASIS => return true,
            BYTES => length,
            PACKED => take_length(&mut delta).unwrap_or(0),
            _ => return false,
        };
        delta = delta.get(skipped..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(delta: &[u8], basis: Option<&File>) -> Result<Vec<u8>, BadDelta> {
        let mut out = b"before".to_vec();
        apply(delta, basis, &mut out)?;
        Ok(out.split_off(6))
    }

    fn basis(bytes: &[u8]) -> File {
        let file = tempfile::tempfile().unwrap();
        blocks::write_all_at(&file, bytes, 0).unwrap();
        file
    }

    #[test]
    fn a_block_is_made_of_all_kinds_of_steps() {
        let mut delta = Vec::new();
        put_bytes(&mut delta, b"new ");
        put_range(&mut delta, 4, 6);
        assert!(put_packed(&mut delta, &[b'x'; 1000], Level::Fast));
        assert!(delta.len() < 80, "{}", delta.len());
        assert!(needs_basis(&delta));
        let made = applied(&delta, Some(&basis(b"the basis of it"))).unwrap();
        assert_eq!(made[..10], *b"new basis ");
        assert_eq!(made[10..], [b'x'; 1000]);
    }

    #[test]
    fn random_bytes_are_not_packed_and_leave_no_trace() {
        let mut random = vec![0; 10_000];
        blake3::Hasher::new().finalize_xof().fill(&mut random);
        let mut out = b"x".to_vec();
        assert!(!put_packed(&mut out, &random, Level::Fast));
        assert!(!put_packed(&mut out, b"short", Level::Fast));
        assert_eq!(out, b"x");
    }

    #[test]
    fn deltas_that_are_no_block_are_refused() {
        assert_eq!(applied(&[], None), Err(BadDelta("without a step")));
        let mut three = Vec::new();
        put_bytes(&mut three, b"abc");
        assert_eq!(applied(&three, None).unwrap(), b"abc");
        assert_eq!(applied(&three[..6], None), Err(BadDelta("that is cut off")));
        assert_eq!(applied(&[9, 0, 0, 1], None), Err(BadDelta("of an unknown kind")));
        assert_eq!(applied(&[0, 0, 0, 0], None), Err(BadDelta("with a step of the wrong length")));
        assert_eq!(applied(&[0, 0], None), Err(BadDelta("that is cut off")));
        let mut range = Vec::new();
        put_range(&mut range, u64::MAX, 3);
        assert_eq!(applied(&range, None), Err(BadDelta("without a basis")));
        assert_eq!(applied(&range[..9], Some(&basis(b""))), Err(BadDelta("that is cut off")));
        // No more than a block comes out, however it is written.
        let mut whole = Vec::new();
        put_range(&mut whole, 0, BLOCK_LEN);
        assert_eq!(applied(&whole, Some(&basis(b""))).unwrap().len(), BLOCK_LEN);
        put_bytes(&mut whole, b"x");
        assert_eq!(applied(&whole, Some(&basis(b""))), Err(BadDelta("with a step of the wrong length")));
        whole.clear();
        put_range(&mut whole, 0, BLOCK_LEN + 1);
        assert_eq!(applied(&whole, Some(&basis(b""))), Err(BadDelta("with a step of the wrong length")));
    }

    #[test]
    fn packed_bytes_of_another_length_or_with_faults_are_refused() {
        let mut packed = Vec::new();
        assert!(put_packed(&mut packed, &[7; 5000], Level::Fast));
        assert!(!needs_basis(&packed));
        assert_eq!(applied(&packed, None).unwrap(), [7; 5000]);
        // More or fewer bytes come out than the step says.
        for length in [4999_u32, 5001] {
            let mut other = packed.clone();
            other[1..4].copy_from_slice(&length.to_be_bytes()[1..]);
            assert_eq!(applied(&other, None), Err(BadDelta("that cannot be unpacked")));
        }
        for (times, expected) in [(8, Ok(400)), (9, Err(BadDelta("with too many compressed steps")))] {
            let mut many = Vec::new();
            (0..times).for_each(|_| assert!(put_packed(&mut many, &[7; 50], Level::Fast)));
            assert_eq!(applied(&many, None).map(|made| made.len()), expected);
        }
        let mut cut = packed.clone();
        cut.pop();
        assert_eq!(applied(&cut, None), Err(BadDelta("that is cut off")));
        let last = packed.len() - 9;
        packed[last..].fill(0xff);
        assert!(applied(&packed, None).is_err());
    }

    #[test]
    fn what_the_basis_does_not_have_is_zeros() {
        let mut delta = Vec::new();
        put_range(&mut delta, 2, 4);
        put_range(&mut delta, 100, 2);
        let made = applied(&delta, Some(&basis(b"abc"))).unwrap();
        assert_eq!(made.len(), 6);
        assert_eq!(made[4..], [0, 0]);
    }
}
