//! Compression with zstd (RFC 8878) of what is at most a frame long, and how it is undone within limits.

use std::io;

/// How much effort is spent on compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The least, for messages.
    Least,
    /// Little, for links on which time matters as much as bytes.
    Fast,
    /// About four times as much, for an eighth fewer bytes of text.
    Small,
}

impl Level {
    /// The level of zstd.
    fn number(self) -> i32 {
        match self {
            Self::Least => 1,
            Self::Fast => 3,
            Self::Small => 6,
        }
    }
}

/// The window of zstd as a power of two: a megabyte. A decoder refuses more.
const WINDOW: u32 = 20;

/// Appends `bytes` compressed if that takes at most seven eighths of their space; returns the length, or `None` if nothing
/// was appended.
pub(crate) fn pack(bytes: &[u8], out: &mut Vec<u8>, level: Level) -> Option<usize> {
    let start = out.len();
    out.resize(start + bytes.len() / 8 * 7, 0);
    // A compressor that runs out of space has nothing to gain.
    let packed = zstd::bulk::compress_to_buffer(bytes, &mut out[start..], level.number()).ok();
    out.truncate(start + packed.unwrap_or(0));
    packed
}

/// Fills `out` with what `packed` holds.
///
/// # Errors
/// If it is not compressed data of exactly this length.
pub(crate) fn unpack(packed: &[u8], out: &mut [u8]) -> io::Result<()> {
    let mut decoder = zstd::bulk::Decompressor::new()?;
    decoder.window_log_max(WINDOW)?;
    match decoder.decompress_to_buffer(packed, out)? {
        length if length == out.len() => Ok(()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Appends a length, which is that of a frame at most, in three bytes.
pub(crate) fn put_length(out: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    out.extend_from_slice(&length[1..]);
}

/// Splits a length off `bytes`.
pub(crate) fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let (length, rest) = bytes.split_first_chunk::<3>()?;
    *bytes = rest;
    Some(u32::from_be_bytes([0, length[0], length[1], length[2]]) as usize)
}
