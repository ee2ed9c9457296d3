//! The causes of failed operations, common to all kinds of sites.

use std::io;

use ferry_shared::refusal::Code;

/// The cause of a failed operation, by the possible remedies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// Nothing exists there.
    NotFound,
    /// Something already exists there.
    Exists,
    /// A folder, but a file is required.
    IsFolder,
    /// A file, but a folder is required.
    NotFolder,
    /// The folder is not empty.
    NotEmpty,
    /// The path or name is not usable at this site, or names neither a file nor a folder.
    BadPath,
    /// The user's quota is exhausted.
    OverQuota,
    /// The disk is full.
    DiskFull,
    /// Nothing can be changed there: the disk or its file system is read-only.
    ReadOnly,
    /// The user may not do this.
    Denied,
    /// The file differs from the one that was seen.
    Changed,
    /// The received content differs from the sent content.
    Mismatch,
    /// A newer transfer of the same file has taken over, or is using the file.
    Superseded,
    /// The site cannot do this at all.
    Unsupported,
    /// The site accepts no more work for now.
    Busy,
    /// The login was refused, or the account was closed.
    Account,
    /// The site cannot be reached, or the connection to it was lost.
    Unreachable,
    /// The caller stopped the operation.
    Cancelled,
    /// Any other cause, such as a failing disk.
    Fault,
}

impl From<Code> for Obstacle {
    fn from(code: Code) -> Self {
        match code {
            Code::NotFound => Self::NotFound,
            Code::Exists => Self::Exists,
            Code::IsDirectory => Self::IsFolder,
            Code::NotDirectory => Self::NotFolder,
            Code::NotEmpty => Self::NotEmpty,
            Code::BadPath | Code::TooLarge => Self::BadPath,
            Code::OverQuota => Self::OverQuota,
            Code::DiskFull => Self::DiskFull,
            Code::DiskReadOnly | Code::OtherFilesystem => Self::ReadOnly,
            Code::NotAllowed => Self::Denied,
            Code::Changed => Self::Changed,
            Code::Mismatch => Self::Mismatch,
            Code::Superseded => Self::Superseded,
            Code::Unsupported => Self::Unsupported,
            Code::Busy | Code::TooManyAttempts => Self::Busy,
            Code::LoginFailed | Code::AccountClosed | Code::Unsealed => Self::Account,
            Code::Malformed | Code::DiskFailing | Code::Internal | Code::Unknown => Self::Fault,
        }
    }
}

impl From<io::ErrorKind> for Obstacle {
    fn from(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::AlreadyExists => Self::Exists,
            io::ErrorKind::IsADirectory => Self::IsFolder,
            io::ErrorKind::NotADirectory => Self::NotFolder,
            io::ErrorKind::DirectoryNotEmpty => Self::NotEmpty,
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => Self::BadPath,
            io::ErrorKind::QuotaExceeded => Self::OverQuota,
            io::ErrorKind::StorageFull => Self::DiskFull,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            io::ErrorKind::PermissionDenied => Self::Denied,
            io::ErrorKind::ResourceBusy => Self::Superseded,
            io::ErrorKind::Unsupported => Self::Unsupported,
            _ => Self::Fault,
        }
    }
}
