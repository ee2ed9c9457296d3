//! The events of the engine: changes of jobs, items and connections.

use std::time::Duration;

use ferry_shared::digest::Digest;

pub use super::conflict::Skip;
use super::{
    conflict::Conflict,
    job::{ItemId, JobId},
    path::ItemPath,
};
use crate::error::ClientError;
use crate::site::FileFacts;
pub use crate::site::{Grown, Proof};

/// An event of the engine.
///
/// Files of one block or less are too many for more than one event: they report only their end, unless they wait for
/// an answer.
#[derive(Debug, Clone)]
pub enum Event {
    /// A job's source has been scanned completely; the totals are known.
    JobCounted {
        /// The job.
        job: JobId,
        /// Files in it.
        files: u64,
        /// Folders in it.
        folders: u64,
        /// Bytes of the files.
        bytes: u64,
    },
    /// The transfer of a file of more than one block, or of unknown size, has started.
    ItemStarted {
        /// Its job.
        job: JobId,
        /// The item.
        item: ItemId,
        /// Its path.
        path: ItemPath,
        /// Its size, unless the source is a stream.
        size: Option<u64>,
    },
    /// An item entered a state.
    ItemState {
        /// The item.
        item: ItemId,
        /// The state.
        state: ItemState,
    },
    /// An item is done.
    ItemDone {
        /// Its job.
        job: JobId,
        /// The item.
        item: ItemId,
        /// Its path; if both files are kept, with its new name.
        path: ItemPath,
        /// Its size and date at the source, as far as they are known.
        facts: FileFacts,
        /// Its outcome.
        outcome: Outcome,
    },
    /// An item waits for [`Engine::answer`](super::Engine::answer); other items continue.
    Asks {
        /// Its job.
        job: JobId,
        /// The item.
        item: ItemId,
        /// The existing file, and the one to transfer.
        conflict: Conflict,
    },
    /// All items of a piece are done and none failed; its folders have their dates.
    PieceDone {
        /// Its job.
        job: JobId,
        /// The piece's index in the job.
        piece: usize,
    },
    /// A piece as a whole cannot be transferred, for example because its source does not exist; the others can.
    PieceFailed {
        /// Its job.
        job: JobId,
        /// The piece's index in the job.
        piece: usize,
        /// The cause.
        error: ClientError,
    },
    /// All items of a job are done. Emitted again after failed items were retried.
    JobDone {
        /// The job.
        job: JobId,
        /// Its result.
        summary: Summary,
    },
    /// The connection to a site was lost or restored.
    Link(LinkEvent),
    /// No work is left, apart from items that are paused, failed or waiting for an answer.
    Idle,
}

/// The state of an item. All states but the last three end by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ItemState {
    /// In the queue.
    Waiting,
    /// Finding out which of its blocks the target has already.
    Checking,
    /// Its blocks go to the server.
    Sending,
    /// Its blocks come from the server.
    Receiving,
    /// Complete; being made durable.
    Flushing,
    /// Being read back and compared.
    Verifying,
    /// Held until it is resumed.
    Paused,
    /// Held until it is answered.
    Asking,
    /// Held until it is retried.
    Failed,
}

/// The outcome of an item.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The file is complete and durable at its target.
    Verified {
        /// Its digest.
        root: Digest,
        /// Its size in bytes.
        size: u64,
        /// Bytes of it that were sent, in all attempts of this job.
        transferred: u64,
        /// Bytes of it that the target had before the job began.
        reused: u64,
        /// Set if the source grew while it was sent, so that the target is only its beginning.
        grown: Option<Grown>,
        /// The proof that the target has the source's content.
        proof: Proof,
    },
    /// The target had the same content, as a comparison showed; no content was sent.
    Equal {
        /// The file's size in bytes.
        size: u64,
        /// Whether the comparison was of remembered digests: both files are unchanged since they were read.
        remembered: bool,
    },
    /// The target has the same size and date, which is enough for the rule; no content was compared.
    Unchanged {
        /// The file's size in bytes.
        size: u64,
    },
    /// The folder exists at its target.
    Folder,
    /// The target is a symbolic link with the same text as the source.
    Link,
    /// Left out, on purpose.
    Skipped(Skip),
    /// A dry run would transfer it.
    Would {
        /// The most bytes to send.
        size: u64,
        /// Whether it replaces an existing file.
        replaces: bool,
    },
    /// Failed.
    Failed(Failure),
}

/// The reason why an item failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The cause.
    pub error: ClientError,
    /// Whether a retry may succeed.
    pub retryable: bool,
}

/// The result of a job.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Files that were verified or equal.
    pub files: u64,
    /// Of these, files that were equal already.
    pub equal: u64,
    /// Of these, files that grew while they were sent, without proof that their content existed at one time.
    pub unproven: u64,
    /// Files that were not compared, because their targets had the same size and date.
    pub unchanged: u64,
    /// Folders that exist at the target.
    pub folders: u64,
    /// Symbolic links that are the same at the target.
    pub links: u64,
    /// Bytes of the files that were verified or equal.
    pub bytes: u64,
    /// Bytes of files that were sent.
    pub transferred: u64,
    /// Bytes of files that the target had before.
    pub reused: u64,
    /// Items left out on purpose.
    pub skipped: u64,
    /// Items that failed.
    pub failed: u64,
    /// Whether the job was cancelled.
    pub cancelled: bool,
    /// Pieces that failed as a whole.
    pub failed_pieces: u64,
    /// The error of the job as a whole, or of the first of those pieces.
    pub error: Option<ClientError>,
    /// The weakest proof of its files; absent if none was transferred.
    pub proof: Option<Proof>,
}

impl Summary {
    /// Whether everything was transferred.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.failed == 0 && self.skipped == 0 && self.failed_pieces == 0 && !self.cancelled && self.error.is_none()
    }
}

/// A change of the connection to a site.
#[derive(Debug, Clone)]
pub enum LinkEvent {
    /// The connection was lost or could not be opened.
    Lost {
        /// The site's name.
        site: String,
        /// The cause.
        error: ClientError,
        /// The delay before the next attempt.
        retry_in: Duration,
        /// The number of attempts that have failed so far.
        attempt: u32,
    },
    /// The connection was restored.
    Restored {
        /// The site's name.
        site: String,
    },
}
