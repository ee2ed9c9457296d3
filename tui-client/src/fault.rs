//! Errors, sorted once for all that is decided by them: exit codes, words of `--json`, and the browser's next step.

use std::io;

use ferry_client::ClientError;
use ferry_shared::refusal::Code;

/// The kind of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    /// Any other.
    #[default]
    Other,
    /// There is nothing of that name.
    Missing,
    /// A file where a folder is needed.
    NotFolder,
    /// A folder where a file is needed.
    IsFolder,
    /// Something of that name is there already.
    Exists,
    /// The server takes the path for none.
    BadPath,
    /// The user's name, password or key was not accepted.
    Login,
    /// The server, or this user's share of it, is full for now.
    Busy,
    /// Not allowed, or the server's key or the user's own cannot be used.
    Denied,
    /// The server's key is not the known one.
    ChangedKey,
    /// It does not fit on the disk or into the quota.
    Space,
    /// This machine's filesystem cannot hold so large a file.
    FileTooLarge,
    /// The server cannot be reached, or the connection was lost.
    Offline,
    /// The caller stopped it.
    Stopped,
    /// The file changed meanwhile.
    Changed,
    /// The received content differs from the sent content.
    Mismatch,
    /// The reader of the output left.
    ReaderLeft,
}

impl Kind {
    /// The kind of an error of the client library.
    pub(crate) fn of(error: &ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => Self::of_refusal(refusal.code),
            ClientError::Local { error, .. } => Self::of_io(error),
            ClientError::ChangedKey { .. } | ClientError::WrongKey { .. } => Self::ChangedKey,
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
            Code::LoginFailed => Self::Login,
            Code::TooManyAttempts | Code::Busy => Self::Busy,
            Code::Unsealed | Code::AccountClosed | Code::NotAllowed => Self::Denied,
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

    /// The kind of an error of this machine's files.
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

    /// Whether there was no connection to do it with.
    pub(crate) fn is_offline(self) -> bool {
        matches!(self, Self::Offline | Self::Stopped)
    }
}

/// The word that programs read for an error of the client library: the server's code where the server refused.
pub(crate) fn word(error: &ClientError) -> &'static str {
    match error {
        ClientError::Refused(refusal) => refusal.code.as_str(),
        ClientError::Local { error, .. } => word_of_io(error),
        ClientError::UntrustedKey { .. } => "unknown_key",
        ClientError::DeclinedKey { .. } => "declined_key",
        ClientError::ChangedKey { .. } => "changed_key",
        ClientError::WrongKey { .. } => "wrong_key",
        ClientError::KnownServers { .. } => "known_servers",
        ClientError::Identity(_) => "identity",
        ClientError::Seal { .. } => "seal",
        ClientError::Lost(_) => "lost",
        ClientError::Unreachable { .. } => "unreachable",
        ClientError::Insecure { .. } => "insecure",
        ClientError::Timeout(_) => "timeout",
        ClientError::Protocol(_) => "protocol",
        ClientError::NoRoom { .. } => "no_room",
        ClientError::Mismatch { .. } => "mismatch",
        ClientError::SourceChanged => "other",
        ClientError::Cancelled => "stopped",
    }
}

/// The word for an error of this machine's files: the server's for the same, where it has one.
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
