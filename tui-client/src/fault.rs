//! The kinds of errors, which determine exit codes, `--json` codes and the browser's advice.

use std::io;

use ferry_client::{ClientError, Obstacle};
use ferry_shared::refusal::Code;

/// The kind of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    /// Any other error.
    #[default]
    Other,
    /// Nothing of that name exists.
    Missing,
    /// A file where a folder is required.
    NotFolder,
    /// A folder where a file is required.
    IsFolder,
    /// Something of that name already exists.
    Exists,
    /// The path is not valid for the server.
    BadPath,
    /// The user name, password or key was not accepted, or the account was closed.
    Login,
    /// The server, or the user's share of it, is temporarily full.
    Busy,
    /// Not allowed, or the server's or user's key cannot be used.
    Denied,
    /// The server's key differs from the known one.
    ChangedKey,
    /// The disk or the quota is full.
    Space,
    /// The local filesystem does not support files of this size.
    FileTooLarge,
    /// The server cannot be reached, or the connection was lost.
    Offline,
    /// The caller stopped the operation.
    Stopped,
    /// The file changed meanwhile.
    Changed,
    /// The received content differs from the sent content.
    Mismatch,
    /// The output was closed by its reader.
    ReaderLeft,
}

impl Kind {
    /// The kind of an error of the client library.
    pub(crate) fn of(error: &ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => Self::of_refusal(refusal.code),
            ClientError::Obstructed { obstacle, .. } => Self::of_obstacle(*obstacle),
            ClientError::Local { error, .. } => Self::of_io(error),
            ClientError::ChangedKey { .. } | ClientError::RevokedKey { .. } | ClientError::WrongKey { .. } => {
                Self::ChangedKey
            }
            ClientError::UntrustedKey { .. }
            | ClientError::DeclinedKey { .. }
            | ClientError::KnownServers { .. }
            | ClientError::Identity(_)
            | ClientError::Seal { .. } => Self::Denied,
            ClientError::NoRoom { .. } => Self::Space,
            ClientError::Mismatch { .. } => Self::Mismatch,
            ClientError::SourceChanged => Self::Changed,
            ClientError::Cancelled => Self::Stopped,
            ClientError::Lost(_) | ClientError::Unreachable { .. } | ClientError::Timeout(_) => Self::Offline,
            ClientError::Insecure { .. } | ClientError::Protocol(_) => Self::Other,
        }
    }

    /// The kind of a server's refusal.
    pub(crate) fn of_refusal(code: Code) -> Self {
        match code {
            Code::NotFound => Self::Missing,
            Code::NotDirectory => Self::NotFolder,
            Code::IsDirectory => Self::IsFolder,
            Code::Exists => Self::Exists,
            Code::BadPath => Self::BadPath,
            Code::LoginFailed | Code::AccountClosed => Self::Login,
            Code::TooManyAttempts | Code::Busy => Self::Busy,
            Code::Unsealed | Code::NotAllowed => Self::Denied,
            Code::OverQuota | Code::DiskFull => Self::Space,
            Code::Changed => Self::Changed,
            Code::Mismatch => Self::Mismatch,
            Code::Malformed
            | Code::Unsupported
            | Code::NotEmpty
            | Code::Superseded
            | Code::TooLarge
            | Code::DiskReadOnly
            | Code::DiskFailing
            | Code::OtherFilesystem
            | Code::Internal
            | Code::Unknown => Self::Other,
        }
    }

    /// The kind of an obstacle at any site.
    fn of_obstacle(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::NotFound => Self::Missing,
            Obstacle::NotFolder => Self::NotFolder,
            Obstacle::IsFolder => Self::IsFolder,
            Obstacle::Exists => Self::Exists,
            Obstacle::BadPath => Self::BadPath,
            Obstacle::Busy => Self::Busy,
            Obstacle::Account => Self::Login,
            Obstacle::Denied => Self::Denied,
            Obstacle::OverQuota | Obstacle::DiskFull => Self::Space,
            Obstacle::Changed => Self::Changed,
            Obstacle::Mismatch => Self::Mismatch,
            Obstacle::Unreachable => Self::Offline,
            Obstacle::Cancelled => Self::Stopped,
            Obstacle::NotEmpty
            | Obstacle::ReadOnly
            | Obstacle::Superseded
            | Obstacle::Unsupported
            | Obstacle::Fault => Self::Other,
        }
    }

    /// The kind of an error of local files.
    pub(crate) fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::NotADirectory => Self::NotFolder,
            io::ErrorKind::IsADirectory => Self::IsFolder,
            io::ErrorKind::AlreadyExists => Self::Exists,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Denied,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Space,
            io::ErrorKind::FileTooLarge => Self::FileTooLarge,
            io::ErrorKind::BrokenPipe => Self::ReaderLeft,
            _ => Self::Other,
        }
    }

    /// Whether there was no connection.
    pub(crate) fn is_offline(self) -> bool {
        matches!(self, Self::Offline | Self::Stopped)
    }
}

/// The `--json` code of an error of the client library: the server's code if the server refused.
pub(crate) fn word(error: &ClientError) -> &'static str {
    match error {
        ClientError::Refused(refusal) => refusal.code.as_str(),
        ClientError::Obstructed { obstacle, .. } => word_of_obstacle(*obstacle),
        ClientError::Local { error, .. } => word_of_io(error),
        ClientError::UntrustedKey { .. } => "unknown_key",
        ClientError::DeclinedKey { .. } => "declined_key",
        ClientError::ChangedKey { .. } => "changed_key",
        ClientError::RevokedKey { .. } => "revoked_key",
        ClientError::WrongKey { .. } => "wrong_key",
        ClientError::KnownServers { .. } => "known_servers",
        ClientError::Identity(_) => "identity",
        ClientError::Seal { .. } => "seal",
        ClientError::Lost(_) => "lost",
        ClientError::Unreachable { .. } => "unreachable",
        ClientError::Insecure { .. } => "insecure",
        ClientError::Timeout(_) => "timeout",
        ClientError::Protocol(_) => "protocol",
        ClientError::NoRoom { quota: true, .. } => Code::OverQuota.as_str(),
        ClientError::NoRoom { near: false, .. } => Code::DiskFull.as_str(),
        ClientError::NoRoom { .. } => "no_room",
        ClientError::Mismatch { .. } => "mismatch",
        ClientError::SourceChanged => "other",
        ClientError::Cancelled => "stopped",
    }
}

/// The code of an error of local files: the server's code for the same error, if there is one.
pub(crate) fn word_of_io(error: &io::Error) -> &'static str {
    match Kind::of_io(error) {
        Kind::Missing => Code::NotFound.as_str(),
        Kind::NotFolder => Code::NotDirectory.as_str(),
        Kind::IsFolder => Code::IsDirectory.as_str(),
        Kind::Exists => Code::Exists.as_str(),
        Kind::Denied => Code::NotAllowed.as_str(),
        Kind::Space => Code::DiskFull.as_str(),
        _ => "local",
    }
}

/// The code of an obstacle: the server's code for the same error, if there is one.
fn word_of_obstacle(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::NotFound => Code::NotFound.as_str(),
        Obstacle::Exists => Code::Exists.as_str(),
        Obstacle::IsFolder => Code::IsDirectory.as_str(),
        Obstacle::NotFolder => Code::NotDirectory.as_str(),
        Obstacle::NotEmpty => Code::NotEmpty.as_str(),
        Obstacle::BadPath => Code::BadPath.as_str(),
        Obstacle::OverQuota => Code::OverQuota.as_str(),
        Obstacle::DiskFull => Code::DiskFull.as_str(),
        Obstacle::ReadOnly => Code::DiskReadOnly.as_str(),
        Obstacle::Denied => Code::NotAllowed.as_str(),
        Obstacle::Changed => Code::Changed.as_str(),
        Obstacle::Mismatch => Code::Mismatch.as_str(),
        Obstacle::Superseded => Code::Superseded.as_str(),
        Obstacle::Unsupported => Code::Unsupported.as_str(),
        Obstacle::Busy => Code::Busy.as_str(),
        Obstacle::Account => Code::AccountClosed.as_str(),
        Obstacle::Unreachable => "unreachable",
        Obstacle::Cancelled => "stopped",
        Obstacle::Fault => "other",
    }
}
