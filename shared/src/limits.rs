//! Every number on which both sides must agree.

/// The default TCP port of a server.
pub const DEFAULT_PORT: u16 = 7021;
/// The TLS application protocol; the handshake refuses a peer that does not offer it.
pub const ALPN: &[u8] = b"ferry/1";

/// Bytes in a block: 1 MiB. Only a file's last block may be shorter.
pub const BLOCK_SIZE: u64 = 1 << 20;
/// [`BLOCK_SIZE`] as a buffer length.
pub const BLOCK_LEN: usize = 1 << 20;
/// Bytes in a block or have index.
pub const INDEX_LEN: usize = 8;
/// The maximum number of block digests in one have-frame.
pub const HAVE_MAX: usize = 1024;

/// Bytes in a frame header: one for the kind, three for the length.
pub const HEADER_LEN: usize = 4;
/// Payload bytes of a message before the peer is logged in.
pub const MESSAGE_MAX_BEFORE_LOGIN: usize = 4 << 10;
/// Payload bytes of a message after login.
pub const MESSAGE_MAX: usize = 1 << 20;
/// Payload bytes of a block frame.
pub const BLOCK_FRAME_MAX: usize = INDEX_LEN + BLOCK_LEN;
/// Payload bytes of a delta: a block and its steps; a longer one would be sent as it is.
pub const DELTA_FRAME_MAX: usize = BLOCK_FRAME_MAX;
/// The maximum number of chunks in one chunks-frame.
pub const CHUNKS_MAX: usize = 4096;
/// Bytes of a chunk's description.
pub const CHUNK_LEN: usize = 9;
/// Payload bytes of a chunks-frame: an offset, the average length, and the chunks.
pub const CHUNKS_FRAME_MAX: usize = INDEX_LEN + 1 + CHUNKS_MAX * CHUNK_LEN;
/// Payload bytes of a have-frame.
pub const HAVE_FRAME_MAX: usize = INDEX_LEN + HAVE_MAX * 32;

/// Bytes in a name.
pub const NAME_MAX: usize = 255;
/// Bytes in a path, separators included.
pub const PATH_MAX: usize = 4096;
/// Bytes in the pattern of a search.
pub const PATTERN_MAX: usize = 1024;
/// Names in a path.
pub const DEPTH_MAX: usize = 128;
/// Entries in one page of a listing.
pub const PAGE_MAX: usize = 1000;
/// The largest file size: the maximum of a signed 64-bit offset.
pub const FILE_SIZE_MAX: u64 = i64::MAX as u64;
/// Bytes reserved at a time for an upload of unknown size: 64 MiB.
pub const RESERVE_STEP: u64 = 64 << 20;

/// The number of blocks in a file of `size` bytes; an empty file has none.
#[must_use]
pub const fn block_count(size: u64) -> u64 {
    size.div_ceil(BLOCK_SIZE)
}

/// The length in bytes of block `index` of a file of `size` bytes; `None` past the end.
#[must_use]
pub const fn block_len(size: u64, index: u64) -> Option<usize> {
    if index >= block_count(size) {
        return None;
    }
    let left = size - index * BLOCK_SIZE;
    if left >= BLOCK_SIZE {
        Some(BLOCK_LEN)
    } else {
        #[expect(clippy::cast_possible_truncation, reason = "below 1 MiB here")]
        Some(left as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_a_file_exactly() {
        for size in [0, 1, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 5 * BLOCK_SIZE, u64::MAX] {
            let count = block_count(size);
            let last = count.checked_sub(1).and_then(|last| block_len(size, last));
            let covered = count.saturating_sub(1) as u128 * BLOCK_SIZE as u128 + last.unwrap_or(0) as u128;
            assert_eq!(covered, size as u128);
            assert_eq!(block_len(size, count), None);
        }
    }
}
