//! One block of an upload: its chunks, and its digest.

use aws_lc_rs::digest::Context;
use ferry_shared::digest::{Digest, block_digest};

use crate::{error::ClientError, sftp::calls::Calls, site::BlockBytes};

/// Content up to this length is digested on the thread that has it.
const SHORT: u64 = 32 << 10;

/// The chunks of a block, each with its offset in the block.
pub(super) fn chunks<'a>(calls: &Calls, bytes: &'a [u8]) -> impl Iterator<Item = (u64, &'a [u8])> + use<'a> {
    let length = calls.facts.write;
    bytes.chunks(length).enumerate().map(move |(number, chunk)| ((number * length) as u64, chunk))
}

/// Computes the digest of a block, and adds the block to that of the whole file.
pub(super) async fn digested(
    size: u64,
    index: u64,
    bytes: BlockBytes,
    mut sha256: Option<Context>,
) -> Result<(Digest, BlockBytes, Option<Context>), ClientError> {
    let digest = move || {
        if let Some(sha256) = &mut sha256 {
            sha256.update(&bytes);
        }
        (block_digest(size, index, &bytes), bytes, sha256)
    };
    if size <= SHORT {
        return Ok(digest());
    }
    tokio::task::spawn_blocking(digest).await.map_err(|_| ClientError::Cancelled)
}
