//! Converts files to digested blocks and back: the same code for both sides and both directions.
//!
//! Everything here blocks on the disk; run it off the async threads. The functions take open files and know no
//! paths.

use std::{fs::File, io};

use crate::{
    digest::{Digest, block_digest},
    limits::{BLOCK_LEN, BLOCK_SIZE, block_count, block_len},
};

/// A block of zeros, for digesting and writing blocks that are sent without bytes.
static ZEROS: [u8; BLOCK_LEN] = [0; BLOCK_LEN];

/// Whether all of `bytes` are zero.
#[must_use]
pub fn is_zero(bytes: &[u8]) -> bool {
    // The first byte decides in nearly every case; the full comparison is a single memcmp.
    bytes.len() <= BLOCK_LEN && bytes.first().is_none_or(|b| *b == 0) && bytes == &ZEROS[..bytes.len()]
}

/// The zeros that a block frame without bytes stands for, given the length of the block.
#[must_use]
pub fn zeros(length: usize) -> &'static [u8] {
    &ZEROS[..length.min(BLOCK_LEN)]
}

/// Appends block `index` of a file of `size` bytes to `out`.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] if the file is now shorter than `size`, [`io::ErrorKind::InvalidInput`] for an
/// index past the end, or an error of the disk.
pub fn read_block(file: &File, size: u64, index: u64, out: &mut Vec<u8>) -> io::Result<()> {
    let length = block_len(size, index).ok_or(io::ErrorKind::InvalidInput)?;
    append_at(file, length, index * BLOCK_SIZE, out)
}

/// Writes block `index` and returns its digest as a block of a file of `size` bytes.
///
/// `bytes` may be empty for a block of zeros; beyond the present end of the file this leaves a hole, so sparse
/// files stay sparse. `length` is the present length of the file and is updated.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if `bytes` does not have the length of that block, or an error of the disk.
pub fn write_block(file: &File, size: u64, index: u64, bytes: &[u8], length: &mut u64) -> io::Result<Digest> {
    let expected = block_len(size, index).ok_or(io::ErrorKind::InvalidData)?;
    let start = index * BLOCK_SIZE;
    let end = start + expected as u64;
    if bytes.is_empty() && expected > 0 {
        if start >= *length {
            file.set_len(end)?;
        } else {
            write_all_at(file, zeros(expected), start)?;
        }
        *length = end.max(*length);
        return Ok(block_digest(size, index, zeros(expected)));
    }
    if bytes.len() != expected {
        return Err(io::ErrorKind::InvalidData.into());
    }
    write_all_at(file, bytes, start)?;
    *length = end.max(*length);
    Ok(block_digest(size, index, bytes))
}

/// The number of leading blocks of a file of `size` bytes that a part of `length` bytes contains completely.
#[must_use]
pub fn held_blocks(size: u64, length: u64) -> u64 {
    if length >= size { block_count(size) } else { length / BLOCK_SIZE }
}

/// The digest of block `index` of a part, as a block of a file of `size` bytes.
///
/// `buffer` is scratch space.
///
/// # Errors
/// Those of [`read_block`].
pub fn held_digest(file: &File, size: u64, index: u64, buffer: &mut Vec<u8>) -> io::Result<Digest> {
    buffer.clear();
    read_block(file, size, index, buffer)?;
    Ok(block_digest(size, index, buffer))
}

/// Fills `out` from `offset` on; if the file is too short, the error is [`io::ErrorKind::UnexpectedEof`].
///
/// # Errors
/// An error of the disk.
pub fn read_exact_at(file: &File, mut out: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !out.is_empty() {
        match read_at(file, out, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                out = &mut out[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes all of `bytes` at `offset`.
///
/// # Errors
/// An error of the disk.
pub fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match write_at(file, bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes = &bytes[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Appends `length` bytes from `offset` on, without filling the buffer with zeros first.
#[cfg(unix)]
fn append_at(file: &File, length: usize, offset: u64, out: &mut Vec<u8>) -> io::Result<()> {
    let start = out.len();
    out.reserve(length);
    while out.len() - start < length {
        let done = out.len() - start;
        // This may read past the block into spare capacity; the excess is truncated below.
        match rustix::io::pread(file, rustix::buffer::spare_capacity(out), offset + done as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    out.truncate(start + length);
    Ok(())
}

#[cfg(not(unix))]
fn append_at(file: &File, length: usize, offset: u64, out: &mut Vec<u8>) -> io::Result<()> {
    let start = out.len();
    out.resize(start + length, 0);
    read_exact_at(file, &mut out[start..], offset)
}

#[cfg(unix)]
fn read_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, out, offset)
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, out, offset)
}

#[cfg(windows)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, offset)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::digest::RootBuilder;

    #[test]
    fn a_file_taken_apart_and_put_together_is_the_same_file() {
        // A buffer with spare capacity must not receive the bytes after the block.
        for size in [1, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 3 * BLOCK_SIZE + 5] {
            let data: Vec<u8> = (0..size).map(|i| (i / 3).to_le_bytes()[0]).collect();
            let (from, to) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
            write_all_at(&from, &data, 0).unwrap();
            let (mut root, mut length) = (RootBuilder::new(), 0);
            for index in 0..block_count(size) {
                let mut block = Vec::with_capacity(3 * BLOCK_LEN);
                read_block(&from, size, index, &mut block).unwrap();
                root.push(write_block(&to, size, index, &block, &mut length).unwrap());
            }
            let mut copy = vec![0; data.len()];
            read_exact_at(&to, &mut copy, 0).unwrap();
            assert!(copy == data && length == size && root.root() == Digest::of(&data));
        }
    }

    #[test]
    fn a_file_that_became_shorter_is_reported() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(BLOCK_SIZE).unwrap();
        let error = read_block(&file, 2 * BLOCK_SIZE, 1, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn zero_blocks_stay_holes_but_overwrite_what_was_there() {
        let size = 4 * BLOCK_SIZE;
        let fresh = tempfile::tempfile().unwrap();
        let mut length = 0;
        for index in 0..4 {
            write_block(&fresh, size, index, &[], &mut length).unwrap();
        }
        assert_eq!(fresh.metadata().unwrap().len(), size);
        assert_eq!(fresh.metadata().unwrap().blocks(), 0);

        let used = tempfile::tempfile().unwrap();
        write_all_at(&used, &vec![7; BLOCK_LEN], 0).unwrap();
        write_block(&used, size, 0, &[], &mut { BLOCK_SIZE }).unwrap();
        let mut block = vec![1; BLOCK_LEN];
        read_exact_at(&used, &mut block, 0).unwrap();
        assert!(is_zero(&block));
    }

    /// Any block may be zeros, including the last one: the returned length is that of the file.
    #[test]
    fn the_length_follows_every_block_and_never_shrinks() {
        let size = 3 * BLOCK_SIZE + 7;
        let bytes = vec![9; BLOCK_LEN];
        for zeros in 0..16_u32 {
            let file = tempfile::tempfile().unwrap();
            let mut length = 0;
            for index in 0..4 {
                let whole = &bytes[..block_len(size, index).unwrap()];
                let sent = if zeros >> index & 1 == 1 { &[] } else { whole };
                write_block(&file, size, index, sent, &mut length).unwrap();
                assert_eq!(length, size.min((index + 1) * BLOCK_SIZE), "zeros {zeros:04b}, block {index}");
                assert_eq!(file.metadata().unwrap().len(), length, "zeros {zeros:04b}, block {index}");
            }
            for again in [&[][..], &bytes] {
                write_block(&file, size, 0, again, &mut length).unwrap();
                assert_eq!((length, file.metadata().unwrap().len()), (size, size));
            }
        }
    }

    #[test]
    fn zeros_over_the_end_of_a_part_replace_its_tail_and_lengthen_it() {
        let size = 2 * BLOCK_SIZE;
        let file = tempfile::tempfile().unwrap();
        write_all_at(&file, &vec![7; BLOCK_LEN + 5], 0).unwrap();
        let mut length = BLOCK_SIZE + 5;
        let digest = write_block(&file, size, 1, &[], &mut length).unwrap();
        assert_eq!((length, file.metadata().unwrap().len()), (size, size));
        let mut block = vec![3];
        assert_eq!(held_digest(&file, size, 1, &mut block).unwrap(), digest);
        assert!(block.len() == BLOCK_LEN && is_zero(&block));
    }

    #[test]
    fn only_zeros_of_a_block_at_most_are_taken_for_zeros() {
        let mut bytes = vec![0; BLOCK_LEN];
        assert!(is_zero(&[]) && is_zero(&bytes));
        for place in [0, 1, BLOCK_LEN - 1] {
            bytes[place] = 1;
            assert!(!is_zero(&bytes), "{place}");
            bytes[place] = 0;
        }
        bytes.push(0);
        assert!(!is_zero(&bytes));
        assert_eq!(zeros(BLOCK_LEN + 1).len(), BLOCK_LEN);
    }

    #[test]
    fn a_block_past_the_end_is_not_read() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(9).unwrap();
        let error = read_block(&file, 9, 1, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_block_of_another_length_is_refused() {
        let file = tempfile::tempfile().unwrap();
        let wrong = |size, index, bytes: &[u8]| write_block(&file, size, index, bytes, &mut 0).unwrap_err().kind();
        assert_eq!(wrong(10, 0, b"short"), io::ErrorKind::InvalidData);
        assert_eq!(wrong(10, 1, b"past the end"), io::ErrorKind::InvalidData);
        assert_eq!(wrong(10, u64::MAX, b"far past the end"), io::ErrorKind::InvalidData);
    }

    #[test]
    fn only_whole_blocks_count_as_held() {
        assert_eq!(held_blocks(3 * BLOCK_SIZE, BLOCK_SIZE + 5), 1);
        assert_eq!(held_blocks(BLOCK_SIZE + 5, BLOCK_SIZE + 5), 2);
        assert_eq!(held_blocks(BLOCK_SIZE + 5, BLOCK_SIZE + 4), 1);
        assert_eq!(held_blocks(5, 4 * BLOCK_SIZE), 1);
        assert_eq!(held_blocks(0, 9), 0);
    }
}
