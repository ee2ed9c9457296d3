//! Why an operation on a user's files was not done; each protocol decides what of it the peer may learn.

use ferry_shared::path::{PathError, RemotePath};

use crate::{quota::OverQuota, storage::StorageError};

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The storage's reason.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It does not fit the quota.
    #[error(transparent)]
    Quota(#[from] OverQuota),
    /// The account is read-only.
    #[error("this account may look and download only")]
    ReadOnly,
    /// An upload that arrived is not what was declared.
    #[error("{reason}; {}", if *.kept { "what arrived is kept, send the rest again" } else { "nothing of it is kept, send it again" })]
    Mismatch {
        /// In what way.
        reason: &'static str,
        /// Whether the part stays for a resume.
        kept: bool,
    },
    /// Blocks of an upload in an order or of a length that none can have: the peer's fault.
    #[error("{0}")]
    Sequence(&'static str),
    /// The file was not the same at the end.
    #[error("the file changed while it was read; try again")]
    ReadChanged,
    /// An unfinished upload would lose the file whose room it counts on.
    #[error("an unfinished upload of {} needs its room; discard it first: {quota}", .part.display())]
    LeftBehind {
        /// Its target.
        part: RemotePath,
        /// What it would hold.
        quota: OverQuota,
    },
    /// A folder cannot be copied into itself.
    #[error("{} is inside {}", .to.display(), .from.display())]
    IntoItself {
        /// The folder.
        from: RemotePath,
        /// Where it was to be copied to.
        to: RemotePath,
    },
    /// The server's disk has no room for it.
    #[error("the server's disk is full: {needed} bytes needed, {free} free; tell its operator")]
    NoRoom {
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// No file can be that large.
    #[error("no file can be that large")]
    TooLarge,
    /// A path of the result would be too long.
    #[error(transparent)]
    TooLong(#[from] PathError),
    /// There is no such unfinished upload.
    #[error("no unfinished upload of {}", .0.display())]
    NoUpload(RemotePath),
    /// Others of its group failed first.
    #[error("the upload was not stored; send it again")]
    NotStored,
    /// The user makes the server write much that is thrown away again.
    #[error("the server wrote much that was thrown away again; try again later")]
    Wasteful {
        /// When to try again.
        seconds: u64,
    },
    /// A fault of the server's own.
    #[error(transparent)]
    Fault(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// A fault of the server's own.
    pub(crate) fn fault(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Fault(error.into())
    }

    /// The meaning of an error of reading an open file: a file that ended early has changed.
    pub(crate) fn of_reading(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::ReadChanged,
            _ => Self::fault(error),
        }
    }
}
