//! Why an operation on a user's files was not done; each protocol decides what of it the peer may learn.

use ferry_shared::path::{PathError, RemotePath};

use crate::{
    disk_fault::Fault,
    quota::{OverQuota, What},
    storage::StorageError,
};

/// Why it was not done. Messages hold the user's own paths and nothing of the server's, but for those of
/// [`Error::Disk`] and [`Error::Fault`], which are for the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A path, or what it names, does not allow it.
    #[error("{message}")]
    Path {
        /// In what way.
        kind: PathFault,
        /// The same in words.
        message: String,
    },
    /// It does not fit the quota.
    #[error("{message}")]
    OverQuota {
        /// The same in words.
        message: String,
        /// The amount it needs.
        needed: u64,
        /// The amount that is left.
        available: u64,
        /// The amount that unfinished uploads hold.
        held: u64,
        /// Whether these are files; else they are bytes.
        in_files: bool,
    },
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
    /// The server's disk has no room for it.
    #[error("the server's disk is full: {needed} bytes needed, {free} free; tell its operator")]
    NoRoom {
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// The server's disk does not do it, whatever file it is.
    #[error("{what}: {source}")]
    Disk {
        /// The kind of trouble.
        fault: Fault,
        /// The step that failed.
        what: &'static str,
        /// The disk's own error.
        source: std::io::Error,
    },
    /// Others of its group failed first.
    #[error("the upload was not stored; send it again")]
    NotStored,
    /// The server is ending.
    #[error("the server stopped this; try again")]
    Stopped,
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

/// The fault of a path, or of what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFault {
    /// There is nothing.
    NotFound,
    /// There is something already.
    Exists,
    /// There is a folder where a file is needed.
    IsDirectory,
    /// It, or something above it, is no folder.
    NotDirectory,
    /// The folder is not empty.
    NotEmpty,
    /// It leads out of the home, is a device, or cannot be meant.
    Bad,
    /// It is not the version that it was.
    Changed,
    /// A newer upload of the same path took over.
    Superseded,
    /// The file's own permissions forbid it to the server.
    Denied,
    /// It is on another filesystem: it can be read and not changed.
    OtherFilesystem,
    /// The path, or the file, is larger than any can be.
    TooLarge,
    /// The pattern of a search is none.
    BadPattern,
}

impl Error {
    /// A path, or what it names, does not allow it.
    pub(super) fn path(kind: PathFault, message: impl Into<String>) -> Self {
        Self::Path { kind, message: message.into() }
    }

    /// The file was not the same at the end of reading it.
    pub(super) fn read_changed() -> Self {
        Self::path(PathFault::Changed, "the file changed while it was read; try again")
    }

    /// A fault of the server's own.
    pub(crate) fn fault(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Fault(error.into())
    }

    /// The meaning of an error of reading an open file: a file that ended early has changed.
    pub(super) fn of_reading(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::read_changed(),
            _ => Self::fault(error),
        }
    }

    /// Over the quota, where an unfinished upload would lose the file whose room it counts on.
    pub(super) fn left_behind(part: &RemotePath, quota: OverQuota) -> Self {
        let message = format!("an unfinished upload of {} needs its room; discard it first: {quota}", part.display());
        Self::over_quota(message, quota)
    }

    fn over_quota(message: String, quota: OverQuota) -> Self {
        let OverQuota { what, needed, available, held } = quota;
        Self::OverQuota { message, needed, available, held, in_files: what == What::Files }
    }

    /// Whether there is nothing at the path.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Path { kind: PathFault::NotFound, .. })
    }
}

impl From<OverQuota> for Error {
    fn from(quota: OverQuota) -> Self {
        Self::over_quota(quota.to_string(), quota)
    }
}

impl From<PathError> for Error {
    fn from(error: PathError) -> Self {
        // The path of a result, put together of paths that were good.
        Self::path(PathFault::TooLarge, error.to_string())
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        use StorageError as E;
        let kind = match error {
            E::NotFound(_) => PathFault::NotFound,
            E::Exists(_) => PathFault::Exists,
            E::IsDirectory(_) => PathFault::IsDirectory,
            E::NotDirectory(_) => PathFault::NotDirectory,
            E::NotEmpty(_) => PathFault::NotEmpty,
            E::Outside(_) | E::BadPath(_) | E::NotAFile(_) => PathFault::Bad,
            E::Changed(_) => PathFault::Changed,
            E::Superseded(_) => PathFault::Superseded,
            E::Denied(_) => PathFault::Denied,
            E::OtherFilesystem(_) => PathFault::OtherFilesystem,
            E::TooLong(_) => PathFault::TooLarge,
            E::BadPattern(_) => PathFault::BadPattern,
            E::Disk { fault, what, source } => return Self::Disk { fault, what, source },
            E::Stopped => return Self::Stopped,
            E::NoSuchUser | E::InUse | E::Unsafe(_) | E::Io { .. } => return Self::fault(error),
        };
        Self::path(kind, error.to_string())
    }
}
