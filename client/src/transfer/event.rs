//! What the engine tells about jobs, items and the link.

use std::time::{Duration, SystemTime};

use ferry_shared::{digest::Digest, message::Notice};

use super::{
    conflict::Conflict,
    job::{ItemId, JobId},
    path::ItemPath,
};
use crate::error::ClientError;

/// Something happened.
///
/// Files of one block or less come and go in thousands: they tell their end only, unless
/// they have to wait for an answer.
#[derive(Debug, Clone)]
pub enum Event {
    /// All of a job's source has been looked at; the totals are final.
    JobCounted {
        /// Which job.
        job: JobId,
        /// Files in it.
        files: u64,
        /// Folders in it.
        folders: u64,
        /// Bytes of the files.
        bytes: u64,
    },
    /// A file of more than one block, or of unknown size, is being worked on.
    ItemStarted {
        /// Its job.
        job: JobId,
        /// The item.
        item: ItemId,
        /// What it is.
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
    /// An item is through.
    ItemDone {
        /// Its job.
        job: JobId,
        /// The item.
        item: ItemId,
        /// What it is; where the two names differ (keep both), the one it got.
        path: ItemPath,
        /// What became of it.
        outcome: Outcome,
    },
    /// An item waits for [`Engine::answer`](super::Engine::answer); all else goes on.
    Asks {
        /// Its job.
        job: JobId,
        /// The item.
        item: ItemId,
        /// What is there already.
        conflict: Conflict,
    },
    /// All items of a job are through. A job whose failed items are retried tells this again.
    JobDone {
        /// Which job.
        job: JobId,
        /// What became of it.
        summary: Summary,
    },
    /// The connection to the server was lost or is back.
    Link(LinkEvent),
    /// The server has something to say.
    Notice(Notice),
    /// Nothing is left to do (asked, paused and failed items may be held).
    Idle,
}

/// What an item is at. Every state but the last three passes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ItemState {
    /// In the queue.
    Waiting,
    /// Finding out which of its blocks are there already.
    Checking,
    /// Its blocks go to the server.
    Sending,
    /// Its blocks come from the server.
    Receiving,
    /// Whole; being made durable.
    Flushing,
    /// Being read again and compared.
    Verifying,
    /// Held until it is resumed.
    Paused,
    /// Held until it is answered.
    Asking,
    /// Held until it is retried.
    Failed,
}

/// What became of an item.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The file is there: whole, its digest compared, durable.
    Verified {
        /// Its digest.
        root: Digest,
        /// Its size in bytes.
        size: u64,
        /// Bytes of it that travelled, whatever attempt of this job it was.
        transferred: u64,
        /// Bytes of it that were there already when the job began.
        reused: u64,
        /// The source grew while it was sent: this is its beginning, as it was.
        grown: Option<Grown>,
    },
    /// The same content, compared, is there already; nothing was changed.
    Equal {
        /// The file's size in bytes.
        size: u64,
    },
    /// What is there has the same size and date, and the rule goes by those; no content was compared.
    Unchanged {
        /// The file's size in bytes.
        size: u64,
    },
    /// The folder is there.
    Folder,
    /// Left out, on purpose.
    Skipped(Skip),
    /// A dry run would transfer it.
    Would {
        /// Bytes at most.
        size: u64,
        /// Whether something else is replaced by it.
        replaces: bool,
    },
    /// Not done.
    Failed(Failure),
}

/// A source that grew while it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grown {
    /// When it was as it is stored.
    pub at: SystemTime,
    /// Whether a second look at what was sent proved that; else its bytes may be of several times.
    pub proven: bool,
}

/// Why an item was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Skip {
    /// The rule, or the person asked, said so, because the target exists.
    Exists,
    /// The rule was newer-only and the target is not older.
    NotNewer,
    /// A symlink inside a folder, and nobody said what to do with those.
    Symlink,
    /// A symlink inside a folder, left out as was asked.
    LinkAsAsked,
    /// A symlink that leads back to a folder it is in.
    LinkLoop,
    /// A symlink on the server that leads to a folder: one inside a folder is not followed.
    LinkToFolder,
    /// `--include` or `--exclude` leaves it out, though it was named.
    Filtered,
    /// A FIFO, socket or device.
    Special,
    /// The other side cannot have a file of this name, or its path is too long there.
    UnusableName,
    /// What an unfinished download left, not a file of the user's.
    Unfinished,
    /// Cancelled.
    Cancelled,
}

/// Why an item was not done.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The cause.
    pub error: ClientError,
    /// Whether trying again may help.
    pub retryable: bool,
}

/// What became of a job.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Files that were verified or equal.
    pub files: u64,
    /// Of these, files that were equal already.
    pub equal: u64,
    /// Of these, files that grew while they were sent, and were not proven to be as they were at one time.
    pub unproven: u64,
    /// Files that were not compared: the same size and date was there already.
    pub unchanged: u64,
    /// Folders that are there.
    pub folders: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// Bytes of files that travelled.
    pub transferred: u64,
    /// Bytes of files that were there already.
    pub reused: u64,
    /// Items left out on purpose.
    pub skipped: u64,
    /// Items that failed.
    pub failed: u64,
    /// Whether the job was cancelled.
    pub cancelled: bool,
    /// Why the job as a whole could not be done (its source is not there, …).
    pub error: Option<ClientError>,
}

/// What became of the link.
#[derive(Debug, Clone)]
pub enum LinkEvent {
    /// It is lost, or could not be made.
    Lost {
        /// The cause.
        error: ClientError,
        /// When the next attempt is made.
        retry_in: Duration,
        /// How many attempts failed so far.
        attempt: u32,
    },
    /// It is back.
    Restored,
}
