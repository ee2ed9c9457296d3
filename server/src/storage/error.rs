//! What can go wrong on the users' disk, grouped by what the user can do about it.

use std::io;

use ferry_shared::path::RemotePath;
use rustix::{fd::AsFd, io::Errno};

use crate::disk_fault::Fault;

/// Why storage did not do it. Never holds a real path: what a user may learn is in the kind
/// and the [`RemotePath`]; `what` and `source` are for the log.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Nothing there.
    #[error("{} is not there", .0.display())]
    NotFound(RemotePath),
    /// Something is already there.
    #[error("{} exists already", .0.display())]
    Exists(RemotePath),
    /// A folder where a file is needed.
    #[error("{} is a folder", .0.display())]
    IsDirectory(RemotePath),
    /// It, or one of the folders above it, is no folder.
    #[error("{} is not a folder, or something above it is not", .0.display())]
    NotDirectory(RemotePath),
    /// The folder holds something.
    #[error("{} is not empty", .0.display())]
    NotEmpty(RemotePath),
    /// A link on the way leads out of the home, or in a circle.
    #[error("{} leads out of the home", .0.display())]
    Outside(RemotePath),
    /// A path that cannot be meant: the home where a name is needed, a folder into itself.
    #[error("{} cannot be used for this", .0.display())]
    BadPath(RemotePath),
    /// A FIFO, socket or device.
    #[error("{} is neither file nor folder", .0.display())]
    NotAFile(RemotePath),
    /// It is not the version it was.
    #[error("{} changed meanwhile", .0.display())]
    Changed(RemotePath),
    /// A newer upload of the same path took this part over.
    #[error("a newer upload of {} took over", .0.display())]
    Superseded(RemotePath),
    /// The file's own permissions forbid it to the server.
    #[error("the server may not do this to {}", .0.display())]
    Denied(RemotePath),
    /// Another filesystem is mounted there, or above: what is on it can be read, and not changed from here.
    #[error("{} is on another filesystem of the server: it can be downloaded and not changed", .0.display())]
    OtherFilesystem(RemotePath),
    /// It is the disk that does not do it, for whatever file.
    #[error("{what}: {source}")]
    Disk {
        /// What is wrong with it.
        fault: Fault,
        /// What was being done.
        what: &'static str,
        /// What the disk said.
        source: io::Error,
    },
    /// A name or path too long for the server's filesystem.
    #[error("{} is too long for the server's disk", .0.display())]
    TooLong(RemotePath),
    /// The pattern of a search is not one.
    #[error("bad pattern: {0}")]
    BadPattern(String),
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
    /// No such user on the disk, or a name no user can have.
    #[error("no such user")]
    NoSuchUser,
    /// Another server uses this data folder.
    #[error("another process uses this data folder")]
    InUse,
    /// Something of a user's is not what the server made it, such as a home that is a symlink.
    #[error("{0}")]
    Unsafe(String),
    /// Anything else the disk says.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the disk said.
        source: io::Error,
    },
}

impl StorageError {
    /// Names what the disk said about `path`.
    pub(super) fn at(path: &RemotePath, what: &'static str, error: impl Into<io::Error>) -> Self {
        let source = error.into();
        let path = || path.clone();
        let Some(errno) = Errno::from_io_error(&source) else {
            // cap-std makes its own error, without a number, of an attempt to leave.
            return match source.kind() {
                io::ErrorKind::PermissionDenied => Self::Outside(path()),
                _ => Self::Io { what, source },
            };
        };
        match errno {
            Errno::NOENT => Self::NotFound(path()),
            Errno::EXIST => Self::Exists(path()),
            Errno::ISDIR => Self::IsDirectory(path()),
            Errno::NOTDIR => Self::NotDirectory(path()),
            Errno::NOTEMPTY => Self::NotEmpty(path()),
            Errno::LOOP => Self::Outside(path()),
            // A rename from one filesystem to another, or of what another one is mounted on.
            Errno::XDEV | Errno::BUSY => Self::OtherFilesystem(path()),
            Errno::ACCESS | Errno::PERM => Self::Denied(path()),
            Errno::NXIO | Errno::OPNOTSUPP => Self::NotAFile(path()),
            Errno::NAMETOOLONG => Self::TooLong(path()),
            Errno::INVAL => Self::BadPath(path()),
            _ => Self::own(what, source),
        }
    }

    /// Names what the disk said about something of the server's own.
    pub(super) fn own(what: &'static str, error: impl Into<io::Error>) -> Self {
        let source = error.into();
        match Errno::from_io_error(&source).and_then(Fault::of) {
            Some(fault) => Self::Disk { fault, what, source },
            None => Self::Io { what, source },
        }
    }

    /// The same, where something was to be made on the disk of `folder`.
    pub(super) fn making(self, folder: impl AsFd) -> Self {
        match self {
            Self::Disk { fault, what, source } => Self::Disk { fault: fault.making(folder), what, source },
            other => other,
        }
    }

    /// There is not so much room as users need, though the disk has some left.
    pub(super) fn full(what: &'static str) -> Self {
        let source = io::Error::new(io::ErrorKind::StorageFull, "users have to leave the rest free (limits.min_free)");
        Self::Disk { fault: Fault::Full, what, source }
    }
}
