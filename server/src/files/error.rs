//! The reasons why an operation on a user's files fails; each protocol decides how much of it the peer may learn.

use ferry_shared::path::{PathError, RemotePath};

use crate::{
    disk_fault::Fault,
    quota::{OverQuota, What},
    storage::StorageError,
};

/// An operation failed. Messages contain the user's own paths and no details of the server, except those of
/// [`Error::Disk`] and [`Error::Fault`], which are for the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path, or the entry there, does not allow the operation.
    #[error("{message}")]
    Path {
        /// The kind of fault.
        kind: PathFault,
        /// The same as text.
        message: String,
    },
    /// The quota is exceeded.
    #[error("{message}")]
    OverQuota {
        /// The same as text.
        message: String,
        /// The amount that is needed.
        needed: u64,
        /// The amount that is left.
        available: u64,
        /// The amount that unfinished uploads have reserved.
        held: u64,
        /// Whether these are files; else they are bytes.
        in_files: bool,
    },
    /// The account is read-only.
    #[error("this account is read-only: it can only view and download files")]
    ReadOnly,
    /// The uploaded data does not match its declaration.
    #[error("{reason}; {}", if *.kept { "what arrived is kept, send the rest again" } else { "nothing of it is kept, send it again" })]
    Mismatch {
        /// The part that does not match.
        reason: &'static str,
        /// Whether the part stays for a resume.
        kept: bool,
    },
    /// Blocks of an upload are out of order or have an impossible length: a fault of the peer.
    #[error("{0}")]
    Sequence(&'static str),
    /// The server's disk has no room.
    #[error("the server's disk is full: {needed} bytes needed, {free} free; tell its operator")]
    NoRoom {
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// The server's disk fails, whichever file is written.
    #[error("{what}: {source}")]
    Disk {
        /// The kind of problem.
        fault: Fault,
        /// The step that failed.
        what: &'static str,
        /// The error from the operating system.
        source: std::io::Error,
    },
    /// Other files of the same group failed first.
    #[error("the upload was not stored; send it again")]
    NotStored,
    /// The server is stopping.
    #[error("the server stopped this; try again")]
    Stopped,
    /// The user makes the server write much data that is thrown away again.
    #[error("the server wrote much that was thrown away again; try again later")]
    Wasteful {
        /// When to try again.
        seconds: u64,
    },
    /// A fault of the server itself.
    #[error(transparent)]
    Fault(Box<dyn std::error::Error + Send + Sync>),
}

/// A fault of a path, or of the entry there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFault {
    /// There is no entry.
    NotFound,
    /// There is an entry already.
    Exists,
    /// There is a folder where a file is needed.
    IsDirectory,
    /// The entry, or a parent of it, is not a folder.
    NotDirectory,
    /// The folder is not empty.
    NotEmpty,
    /// The path leads out of the home, names a device, or makes no sense.
    Bad,
    /// The entry does not have the expected version.
    Changed,
    /// A newer upload of the same path took the part over.
    Superseded,
    /// The file's own permissions deny the server access.
    Denied,
    /// The entry is on another filesystem: it can be read but not changed.
    OtherFilesystem,
    /// The path, or the file, exceeds the maximum length or size.
    TooLarge,
    /// The pattern of a search is invalid.
    BadPattern,
}

impl Error {
    /// The path, or the entry there, does not allow the operation.
    pub(super) fn path(kind: PathFault, message: impl Into<String>) -> Self {
        Self::Path { kind, message: message.into() }
    }

    /// The file changed while it was read.
    pub(super) fn read_changed() -> Self {
        Self::path(PathFault::Changed, "the file changed while it was read; try again")
    }

    /// A fault of the server itself.
    pub(crate) fn fault(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Fault(error.into())
    }

    /// Interprets an error while an open file is read: a file that ends early has changed.
    pub(super) fn of_reading(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::read_changed(),
            _ => Self::fault(error),
        }
    }

    /// The quota is exceeded because an unfinished upload would no longer replace the file whose space it counts
    /// on.
    pub(super) fn left_behind(part: &RemotePath, quota: OverQuota) -> Self {
        let message = format!("an unfinished upload of {} needs its room; discard it first: {quota}", part.display());
        Self::over_quota(message, quota)
    }

    fn over_quota(message: String, quota: OverQuota) -> Self {
        let OverQuota { what, needed, available, held } = quota;
        Self::OverQuota { message, needed, available, held, in_files: what == What::Files }
    }

    /// Whether there is no room, by the quota or on the disk.
    #[must_use]
    pub fn is_lack_of_room(&self) -> bool {
        match self {
            Self::OverQuota { .. } | Self::NoRoom { .. } => true,
            Self::Disk { fault, .. } => !matches!(fault, Fault::ReadOnly | Fault::Failing),
            _ => false,
        }
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
        // The path of a result, joined from valid paths.
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
