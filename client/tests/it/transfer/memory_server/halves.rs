//! Blocks that are sent in halves, each when the test permits it.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::fake::Peer;

/// The permits for halves of blocks; `None` if blocks are sent at once. Closing the semaphore breaks the connection.
pub(crate) type Halves = Option<Arc<Semaphore>>;

/// Waits for a permit; `None` if the connection is to break, or the client has closed it.
pub(super) async fn permit(peer: &mut Peer, halves: &Halves) -> Option<()> {
    let Some(halves) = halves else { return Some(()) };
    tokio::select! {
        biased;
        _ = peer.frame() => None,
        permit = halves.acquire() => permit.ok().map(|permit| permit.forget()),
    }
}

/// Sends the first half of a frame, which was permitted, and then the second one.
pub(super) async fn send(peer: &mut Peer, frame: &[u8], halves: &Halves) -> Option<()> {
    let (first, second) = frame.split_at(frame.len() / 2);
    peer.writer.write(first).await.ok()?;
    if halves.is_some() {
        peer.writer.flush().await.ok()?;
        permit(peer, halves).await?;
    }
    peer.writer.write(second).await.ok()
}
