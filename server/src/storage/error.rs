//! Errors of the users' disk, grouped by how the user can react to them.

use std::io;

use ferry_shared::path::RemotePath;
use rustix::{fd::AsFd, io::Errno};

use crate::disk_fault::Fault;

/// An operation of the storage failed. The error never contains a real path: users may learn its kind and the
/// [`RemotePath`]; `what` and `source` are for the log.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// There is nothing at the path.
    #[error("{} is not there", .0.display())]
    NotFound(RemotePath),
    /// Something exists at the path already.
    #[error("{} exists already", .0.display())]
    Exists(RemotePath),
    /// A folder where a file is needed.
    #[error("{} is a folder", .0.display())]
    IsDirectory(RemotePath),
    /// The entry, or one of its parent folders, is not a folder.
    #[error("{} is not a folder, or something above it is not", .0.display())]
    NotDirectory(RemotePath),
    /// The folder is not empty.
    #[error("{} is not empty", .0.display())]
    NotEmpty(RemotePath),
    /// A symlink leads out of the home, or symlinks form a loop.
    #[error("{} leads out of the home", .0.display())]
    Outside(RemotePath),
    /// A path that makes no sense: the home where a name is needed, or a folder moved into itself.
    #[error("{} cannot be used for this", .0.display())]
    BadPath(RemotePath),
    /// A FIFO, socket or device.
    #[error("{} is neither file nor folder", .0.display())]
    NotAFile(RemotePath),
    /// The entry does not have the expected version.
    #[error("{} changed meanwhile", .0.display())]
    Changed(RemotePath),
    /// A newer upload of the same path took this part over.
    #[error("a newer upload of {} took over", .0.display())]
    Superseded(RemotePath),
    /// The file's own permissions deny the server access.
    #[error("the server has no permission to do this to {}", .0.display())]
    Denied(RemotePath),
    /// Another filesystem is mounted there, or above: its contents can be read but not changed.
    #[error("{} is on another filesystem of the server: it can be downloaded and not changed", .0.display())]
    OtherFilesystem(RemotePath),
    /// The disk itself fails, whichever file is used.
    #[error("{what}: {source}")]
    Disk {
        /// The kind of problem.
        fault: Fault,
        /// The operation that failed.
        what: &'static str,
        /// The error from the operating system.
        source: io::Error,
    },
    /// A name or path too long for the server's filesystem.
    #[error("{} is too long for the server's disk", .0.display())]
    TooLong(RemotePath),
    /// The pattern of a search is invalid.
    #[error("bad pattern: {0}")]
    BadPattern(String),
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
    /// The user does not exist on the disk, or the name cannot be a user's.
    #[error("no such user")]
    NoSuchUser,
    /// Another server uses this data folder.
    #[error("another process uses this data folder")]
    InUse,
    /// Something of a user's is not as the server made it, for example a home that is a symlink.
    #[error("{0}")]
    Unsafe(String),
    /// Any other error from the operating system.
    #[error("{what}: {source}")]
    Io {
        /// The operation that failed.
        what: &'static str,
        /// The error from the operating system.
        source: io::Error,
    },
}

impl StorageError {
    /// Classifies an error from the operating system about `path`.
    pub(super) fn at(path: &RemotePath, what: &'static str, error: impl Into<io::Error>) -> Self {
        let source = error.into();
        let path = || path.clone();
        let Some(errno) = Errno::from_io_error(&source) else {
            // For an attempt to leave the home, cap-std makes an error of its own, without an errno.
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
            // A rename from one filesystem to another, or of a mount point.
            Errno::XDEV | Errno::BUSY => Self::OtherFilesystem(path()),
            Errno::ACCESS | Errno::PERM => Self::Denied(path()),
            Errno::NXIO | Errno::OPNOTSUPP => Self::NotAFile(path()),
            Errno::NAMETOOLONG => Self::TooLong(path()),
            Errno::INVAL => Self::BadPath(path()),
            _ => Self::own(what, source),
        }
    }

    /// Classifies an error from the operating system about a file of the server's own.
    pub(super) fn own(what: &'static str, error: impl Into<io::Error>) -> Self {
        let source = error.into();
        match Errno::from_io_error(&source).and_then(Fault::of) {
            Some(fault) => Self::Disk { fault, what, source },
            None => Self::Io { what, source },
        }
    }

    /// Refines an error of creating something on the disk of `folder`.
    pub(super) fn making(self, folder: impl AsFd) -> Self {
        match self {
            Self::Disk { fault, what, source } => Self::Disk { fault: fault.making(folder), what, source },
            other => other,
        }
    }

    /// There is less room than users must leave free, although the disk has some left.
    pub(super) fn full(what: &'static str) -> Self {
        let source = io::Error::new(io::ErrorKind::StorageFull, "users have to leave the rest free (limits.min_free)");
        Self::Disk { fault: Fault::Full, what, source }
    }
}
