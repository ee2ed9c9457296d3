//! Compression of files of at most one block.

use ferry_shared::packing::Packing;

use crate::{error::ClientError, remote::Remote, site::BlockBytes};

/// Files from this length on are compressed.
const LEAST: usize = 512;
/// Files from this length on are compressed on a thread.
const LONG: usize = 64 << 10;

/// The bytes, and the steps of a delta that holds them compressed, if that is worthwhile.
///
/// # Errors
/// [`ClientError::Cancelled`] if the runtime ends.
pub(super) async fn packed(remote: &Remote, bytes: BlockBytes) -> Result<(BlockBytes, Option<Vec<u8>>), ClientError> {
    let length = if bytes.is_zeros() { 0 } else { bytes.len() };
    match remote.packing().filter(|packing| length >= LEAST && packing.is_worthwhile(length)).cloned() {
        None => Ok((bytes, None)),
        Some(packing) if length < LONG => {
            let steps = steps(&packing, &bytes);
            Ok((bytes, steps))
        }
        Some(packing) => {
            let work = move || {
                let steps = steps(&packing, &bytes);
                (bytes, steps)
            };
            tokio::task::spawn_blocking(work).await.map_err(|_| ClientError::Cancelled)
        }
    }
}

/// A delta with the bytes compressed; `None` if that is not shorter.
pub(super) fn steps(packing: &Packing, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut steps = Vec::new();
    packing.put(&mut steps, bytes).then_some(steps)
}
