//! The answer to an upload of several blocks: the digests of the server's blocks, and the result.

use ferry_shared::{chunks::Described, digest::Digest, message::Reply, refusal::Refusal};
use tokio::sync::mpsc;

use super::{Incoming, Waiter};
use crate::{connection, error::ClientError};

/// A part of the answer to a `Put`.
#[derive(Debug)]
pub(crate) enum UploadPart {
    /// The server accepts the upload and will send this number of digests.
    Ready { have_blocks: u64 },
    /// The digests of the server's next blocks.
    Have(Vec<Digest>),
    /// Chunks of the file that is replaced.
    Chunks(Described),
    /// The file is stored.
    Stored { root: Digest, size: u64 },
    /// The upload was refused.
    Refused(Refusal),
}

/// The waiter for the answer to a `Put`.
#[derive(Debug)]
pub(crate) struct UploadWaiter {
    parts: mpsc::Sender<UploadPart>,
    /// The number of digests still to come; unknown until the server is ready.
    left: Option<u64>,
}

impl UploadWaiter {
    pub(crate) fn new(parts: mpsc::Sender<UploadPart>) -> Self {
        Self { parts, left: None }
    }

    pub(super) async fn take(mut self, incoming: Incoming) -> Result<Option<Waiter>, ClientError> {
        let part = match (incoming, self.left) {
            (Incoming::Reply(Reply::Ready { have_blocks, .. }), None) => {
                self.left = Some(have_blocks);
                UploadPart::Ready { have_blocks }
            }
            (Incoming::Have { digests }, Some(left)) if !digests.is_empty() && digests.len() as u64 <= left => {
                self.left = Some(left - digests.len() as u64);
                UploadPart::Have(digests)
            }
            (Incoming::Chunks(described), Some(_)) => UploadPart::Chunks(described),
            (Incoming::Reply(Reply::Stored { root, size, .. }), Some(_)) => UploadPart::Stored { root, size },
            (Incoming::Reply(Reply::Refused(refusal)), _) => UploadPart::Refused(refusal),
            _ => return Err(connection::unexpected("put")),
        };
        let last = matches!(part, UploadPart::Stored { .. } | UploadPart::Refused(_));
        // The receiver may be gone; the answer must be consumed anyway.
        let _gone = self.parts.send(part).await;
        Ok((!last).then_some(Waiter::Upload(self)))
    }
}
