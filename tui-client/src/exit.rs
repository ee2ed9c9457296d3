//! The exit codes, and which code every error maps to: the only file that knows.
//!
//! | code | means |
//! |---|---|
//! | 0 | done and verified |
//! | 1 | other |
//! | 2 | usage |
//! | 3 | folder missing |
//! | 4 | file missing |
//! | 5 | network or a busy server, worth trying again |
//! | 6 | finished, but some items failed or were skipped |
//! | 7 | login, server key or permission |
//! | 8 | over quota or disk full |
//! | 11 | digest mismatch |
//! | 12 | differences found |
//! | 130, 143 | interrupted by SIGINT, SIGTERM; what was staged is kept |

use std::{io, process::ExitCode};

use ferry_client::ClientError;
use ferry_shared::refusal::Code;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done and verified.
    Done = 0,
    /// Anything without a code of its own.
    Other = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A folder is missing.
    NoFolder = 3,
    /// A file is missing.
    NoFile = 4,
    /// The network failed or the server is busy.
    Network = 5,
    /// Some items failed or were skipped.
    Partial = 6,
    /// Login, server key or permission.
    Denied = 7,
    /// Over quota or disk full.
    NoSpace = 8,
    /// A digest does not match.
    Mismatch = 11,
    /// Differences were found.
    Differences = 12,
    /// Stopped by SIGINT.
    Interrupted = 130,
    /// Stopped by SIGTERM.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What was looked for: tells which code something missing has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looking {
    /// A folder.
    Folder,
    /// A file, or anything.
    File,
}

impl Looking {
    fn missing(self) -> Exit {
        match self {
            Self::Folder => Exit::NoFolder,
            Self::File => Exit::NoFile,
        }
    }
}

/// The code of an error of the client library.
pub(crate) fn of_client(error: &ClientError, looking: Looking) -> Exit {
    match error {
        ClientError::Refused(refusal) => of_refusal(refusal.code, looking),
        ClientError::UntrustedKey { .. }
        | ClientError::DeclinedKey { .. }
        | ClientError::ChangedKey { .. }
        | ClientError::WrongKey { .. }
        | ClientError::KnownServers { .. }
        | ClientError::Identity(_)
        | ClientError::Seal { .. } => Exit::Denied,
        ClientError::Local { error, .. } => of_io(error, looking),
        ClientError::Mismatch { .. } => Exit::Mismatch,
        ClientError::Cancelled => Exit::Interrupted,
        ClientError::Lost(_) | ClientError::Unreachable { .. } | ClientError::Timeout(_) => Exit::Network,
        _ if error.is_transient() => Exit::Network,
        _ => Exit::Other,
    }
}

/// The code of a server's refusal.
pub(crate) fn of_refusal(code: Code, looking: Looking) -> Exit {
    match code {
        Code::Unsealed | Code::LoginFailed | Code::TooManyAttempts | Code::AccountClosed | Code::NotAllowed => {
            Exit::Denied
        }
        Code::NotFound => looking.missing(),
        Code::NotDirectory => Exit::NoFolder,
        Code::IsDirectory => Exit::NoFile,
        Code::BadPath => Exit::Usage,
        Code::OverQuota | Code::DiskFull => Exit::NoSpace,
        Code::Busy | Code::Changed => Exit::Network,
        Code::Mismatch => Exit::Mismatch,
        Code::Malformed
        | Code::Unsupported
        | Code::Exists
        | Code::NotEmpty
        | Code::Superseded
        | Code::TooLarge
        | Code::Internal
        | Code::Unknown => Exit::Other,
    }
}

/// The code of an error of this machine's files.
pub(crate) fn of_io(error: &io::Error, looking: Looking) -> Exit {
    match error.kind() {
        io::ErrorKind::NotFound => looking.missing(),
        io::ErrorKind::NotADirectory => Exit::NoFolder,
        io::ErrorKind::IsADirectory => Exit::NoFile,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Exit::Denied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Exit::NoSpace,
        _ => Exit::Other,
    }
}

#[cfg(test)]
mod tests {
    use ferry_shared::refusal::Refusal;

    use super::*;

    #[test]
    fn every_refusal_has_its_code() {
        let code = |code| of_refusal(code, Looking::File) as u8;
        let table = Code::ALL.map(|refusal| (refusal.as_str(), code(refusal)));
        let expected = [
            ("malformed", 1),
            ("unsupported", 1),
            ("unsealed", 7),
            ("login_failed", 7),
            ("too_many_attempts", 7),
            ("busy", 5),
            ("account_closed", 7),
            ("not_allowed", 7),
            ("not_found", 4),
            ("exists", 1),
            ("is_directory", 4),
            ("not_directory", 3),
            ("not_empty", 1),
            ("bad_path", 2),
            ("over_quota", 8),
            ("disk_full", 8),
            ("superseded", 1),
            ("changed", 5),
            ("mismatch", 11),
            ("too_large", 1),
            ("internal", 1),
        ];
        assert_eq!(table, expected);
        assert_eq!(of_refusal(Code::NotFound, Looking::Folder), Exit::NoFolder);
    }

    #[test]
    fn lost_links_are_worth_trying_again() {
        assert_eq!(of_client(&ClientError::closed(), Looking::File), Exit::Network);
        assert_eq!(of_client(&ClientError::Timeout("waiting"), Looking::File), Exit::Network);
        let full = ClientError::from(Refusal::new(Code::OverQuota, "full"));
        assert_eq!(of_client(&full, Looking::File), Exit::NoSpace);
    }

    #[test]
    fn this_machines_errors_have_the_same_codes() {
        let of = |kind: io::ErrorKind, looking| of_io(&kind.into(), looking);
        assert_eq!(of(io::ErrorKind::NotFound, Looking::File), Exit::NoFile);
        assert_eq!(of(io::ErrorKind::NotFound, Looking::Folder), Exit::NoFolder);
        assert_eq!(of(io::ErrorKind::PermissionDenied, Looking::File), Exit::Denied);
        assert_eq!(of(io::ErrorKind::StorageFull, Looking::File), Exit::NoSpace);
    }
}
