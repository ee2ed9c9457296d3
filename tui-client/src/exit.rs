//! The exit codes, and which code each kind of error has.
//!
//! | code | means |
//! |---|---|
//! | 0 | done and verified |
//! | 1 | other |
//! | 2 | usage |
//! | 3 | folder missing |
//! | 4 | file missing |
//! | 5 | network failure or a busy server; a retry may help |
//! | 6 | finished, but some items failed |
//! | 7 | login, server key or permission |
//! | 8 | over quota or disk full |
//! | 11 | digest mismatch |
//! | 12 | differences found |
//! | 125 | the output of a remote command was longer than the server allows |
//! | 127 | no such remote command |
//! | 130, 143 | interrupted by SIGINT, SIGTERM; received data is kept |
//! | 141 | the output was closed by its reader |
//!
//! Of several failures, the first of 130, 143, 7, 8, 11, 5, 6 counts; a single failure has its own code.

use std::{io, process::ExitCode};

use ferry_client::ClientError;

use crate::fault::Kind;

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
    /// Some items failed.
    Partial = 6,
    /// Login, server key or permission.
    Denied = 7,
    /// Over quota or disk full.
    NoSpace = 8,
    /// A digest does not match.
    Mismatch = 11,
    /// Differences were found.
    Differences = 12,
    /// The server stopped a remote command.
    CommandStopped = 125,
    /// The server has no such command.
    NoCommand = 127,
    /// Stopped by SIGINT.
    Interrupted = 130,
    /// The output was closed by its reader.
    Unread = 141,
    /// Stopped by SIGTERM.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The codes that outrank others, the strongest first: one of them counts even if other items succeeded.
const FIRST: [Exit; 6] =
    [Exit::Interrupted, Exit::Terminated, Exit::Denied, Exit::NoSpace, Exit::Mismatch, Exit::Network];

/// The failure of one of several operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// With a code that may apply to the whole command.
    Any(Exit),
    /// With a code that applies only to this operation, such as an unreadable local file.
    Own(Exit),
}

impl Cause {
    fn exit(self) -> Exit {
        let (Self::Any(exit) | Self::Own(exit)) = self;
        exit
    }
}

impl From<Exit> for Cause {
    fn from(exit: Exit) -> Self {
        Self::Any(exit)
    }
}

/// The code of several operations, some of which failed; `done` tells whether others succeeded.
pub(crate) fn of_several(done: bool, failed: &[Cause]) -> Exit {
    let first = FIRST.into_iter().find(|exit| failed.contains(&Cause::Any(*exit)));
    match failed.split_first() {
        None => Exit::Done,
        Some((one, rest)) => first.unwrap_or_else(|| {
            let alone = !done && rest.iter().all(|other| other.exit() == one.exit());
            if alone { one.exit() } else { Exit::Partial }
        }),
    }
}

/// The kind of entry expected, which decides the code of a missing one.
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

impl Exit {
    /// The code of a remote command that ended with this status: the same, if it is one that commands have.
    pub(crate) fn of_command(status: u8) -> Self {
        match status {
            0 => Self::Done,
            2 => Self::Usage,
            125 => Self::CommandStopped,
            127 => Self::NoCommand,
            _ => Self::Other,
        }
    }

    /// The code of an error of this kind, if `looking` was expected.
    pub(crate) fn of(kind: Kind, looking: Looking) -> Self {
        match kind {
            Kind::Missing => looking.missing(),
            Kind::NotFolder => Self::NoFolder,
            Kind::IsFolder => Self::NoFile,
            Kind::BadPath => Self::Usage,
            Kind::Login | Kind::Denied | Kind::ChangedKey => Self::Denied,
            Kind::Space | Kind::FileTooLarge => Self::NoSpace,
            Kind::Busy | Kind::Offline | Kind::Changed => Self::Network,
            Kind::Mismatch => Self::Mismatch,
            Kind::Stopped => Self::Interrupted,
            Kind::ReaderLeft => Self::Unread,
            Kind::Exists | Kind::Other => Self::Other,
        }
    }
}

/// The code of an error of the client library.
pub(crate) fn of_client(error: &ClientError, looking: Looking) -> Exit {
    Exit::of(Kind::of(error), looking)
}

/// The code of an error of local files.
pub(crate) fn of_io(error: &io::Error, looking: Looking) -> Exit {
    Exit::of(Kind::of_io(error), looking)
}

#[cfg(test)]
mod tests {
    use ferry_shared::refusal::{Code, Refusal};

    use super::*;

    #[test]
    fn every_refusal_has_its_code() {
        let code = |code| Exit::of(Kind::of_refusal(code), Looking::File) as u8;
        let table = Code::ALL.map(|refusal| (refusal.as_str(), code(refusal)));
        let expected = [
            ("malformed", 1),
            ("unsupported", 1),
            ("unsealed", 7),
            ("login_failed", 7),
            ("too_many_attempts", 5),
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
            ("disk_read_only", 1),
            ("disk_failing", 1),
            ("other_filesystem", 1),
            ("superseded", 1),
            ("changed", 5),
            ("mismatch", 11),
            ("too_large", 1),
            ("internal", 1),
        ];
        assert_eq!(table, expected);
        assert_eq!(Exit::of(Kind::of_refusal(Code::NotFound), Looking::Folder), Exit::NoFolder);
    }

    #[test]
    fn of_several_codes_the_most_serious_one_counts() {
        let all = |done, codes: &[Exit]| of_several(done, &codes.iter().copied().map(Cause::Any).collect::<Vec<_>>());
        let order = [Exit::Interrupted, Exit::Denied, Exit::NoSpace, Exit::Mismatch, Exit::Network, Exit::NoFile];
        for at in 0..order.len() - 1 {
            for done in [false, true] {
                let mut codes = order[at..].to_vec();
                assert_eq!(all(done, &codes), order[at]);
                codes.reverse();
                assert_eq!(all(done, &codes), order[at]);
            }
        }
        assert_eq!(all(true, &[]), Exit::Done);
        assert_eq!(all(false, &[Exit::NoFile, Exit::NoFile]), Exit::NoFile);
        assert_eq!(all(true, &[Exit::NoFile]), Exit::Partial);
        assert_eq!(all(false, &[Exit::NoFile, Exit::Other]), Exit::Partial);
    }

    #[test]
    fn the_code_of_one_file_counts_only_for_a_single_failure() {
        let unreadable = Cause::Own(Exit::Denied);
        assert_eq!(of_several(false, &[unreadable, unreadable]), Exit::Denied);
        assert_eq!(of_several(true, &[unreadable]), Exit::Partial);
        assert_eq!(of_several(false, &[unreadable, Cause::Any(Exit::Network)]), Exit::Network);
    }

    #[test]
    fn lost_connections_have_the_code_for_a_retry() {
        assert_eq!(of_client(&ClientError::closed(), Looking::File), Exit::Network);
        assert_eq!(of_client(&ClientError::Timeout("waiting"), Looking::File), Exit::Network);
        let full = ClientError::from(Refusal::new(Code::OverQuota, "full"));
        assert_eq!(of_client(&full, Looking::File), Exit::NoSpace);
    }

    #[test]
    fn local_errors_have_the_same_codes() {
        let of = |kind: io::ErrorKind, looking| of_io(&kind.into(), looking);
        assert_eq!(of(io::ErrorKind::NotFound, Looking::File), Exit::NoFile);
        assert_eq!(of(io::ErrorKind::NotFound, Looking::Folder), Exit::NoFolder);
        assert_eq!(of(io::ErrorKind::PermissionDenied, Looking::File), Exit::Denied);
        assert_eq!(of(io::ErrorKind::StorageFull, Looking::File), Exit::NoSpace);
        assert_eq!(of(io::ErrorKind::BrokenPipe, Looking::File), Exit::Unread);
        let full = ClientError::NoRoom { at: "x".into(), quota: false, near: true, needed: 2, available: 1, held: 0 };
        assert_eq!(of_client(&full, Looking::File), Exit::NoSpace);
    }
}
