//! The failures of commands: their cause in one sentence, and the next step.

use std::{io, path::PathBuf};

use ferry_client::{ClientError, Obstacle, transfer::FilterError};
use ferry_shared::{
    name::Escaped,
    path::{PathError, RemotePath},
    refusal::Code,
};

use crate::{
    address::AddressError,
    advice::Advice,
    defaults::DefaultsError,
    exit::{self, Cause, Exit, Looking},
    fault::Kind,
    home::{HOME_VARIABLE, NoHome},
    keyring::KeyringError,
    secret::SecretError,
    sites::SitesError,
};

/// The failure of a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line is contradictory or incomplete.
    #[error("{0}")]
    Usage(String),
    /// An address is invalid.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A path is invalid.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A pattern of `--exclude` or `--include` is invalid.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// A default of a flag cannot be used.
    #[error(transparent)]
    Defaults(#[from] DefaultsError),
    /// The saved servers cannot be used.
    #[error(transparent)]
    Sites(#[from] SitesError),
    /// There is no folder for the client's files.
    #[error(transparent)]
    NoHome(#[from] NoHome),
    /// The keyring of the system did not do what was asked.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// There is no password.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// An error of the client library that concerns the server as a whole.
    #[error("{0}")]
    Server(Box<ClientError>),
    /// No account was created.
    #[error("{0}")]
    Register(Box<ClientError>),
    /// An error of the client library that concerns one path.
    #[error("{}{error}", .about.as_ref().map(|about| format!("{about}: ")).unwrap_or_default())]
    Remote {
        /// The path.
        path: RemotePath,
        /// The path for display, unless the error names it.
        about: Option<String>,
        /// The kind of entry expected there.
        looking: Looking,
        /// The error.
        error: Box<ClientError>,
    },
    /// An error of a local file.
    #[error("{}: {error}", Escaped(.path.as_os_str().as_encoded_bytes()))]
    Local {
        /// The file or folder.
        path: PathBuf,
        /// The kind of entry expected there.
        looking: Looking,
        /// The error.
        error: io::Error,
    },
    /// The target folder of several sources does not exist.
    #[error("{}: there is no such folder", Escaped(.0.as_os_str().as_encoded_bytes()))]
    NewFolder(PathBuf),
    /// Standard input is required but closed.
    #[error("{0}")]
    NoInput(io::Error),
    /// Standard output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    /// An end of a sync cannot be used.
    #[error("{error}")]
    End {
        /// The kind of entry expected there.
        looking: Looking,
        /// The error.
        error: Box<ClientError>,
    },
    /// A file with paths or patterns cannot be used.
    #[error("{0}")]
    Pattern(String),
    /// A confirmation is required, and was not given.
    #[error("{0}")]
    Unconfirmed(String),
    /// Another run of the same command is under way.
    #[error("{0}")]
    Locked(String),
    /// The runtime could not be created.
    #[error("cannot start: {0}")]
    Start(io::Error),
}

impl Failure {
    /// The library's error about `path`.
    pub(crate) fn remote(path: &RemotePath, looking: Looking, error: ClientError) -> Self {
        let error = Box::new(error);
        match *error {
            // Its message already names the local file.
            ClientError::Local { .. } | ClientError::NoRoom { near: true, .. } => Self::Server(error),
            _ if is_about_link(&error) => Self::Server(error),
            _ => {
                let about = Some(path.display().to_string());
                let text = error.to_string();
                Self::Remote { path: path.clone(), about: about.filter(|about| !text.contains(about)), looking, error }
            }
        }
    }

    /// The local error about `path`.
    pub(crate) fn local(path: impl Into<PathBuf>, looking: Looking, error: io::Error) -> Self {
        Self::Local { path: path.into(), looking, error }
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Address(_) | Self::Path(_) | Self::Filter(_) | Self::Pattern(_) => Exit::Usage,
            Self::Defaults(_) => Exit::Usage,
            Self::Unconfirmed(_) | Self::Keyring(_) => Exit::Other,
            Self::Locked(_) => Exit::Network,
            Self::Sites(SitesError::Io { .. } | SitesError::Syntax { .. }) => Exit::Other,
            Self::Sites(_) => Exit::Usage,
            Self::NoHome(_) | Self::Start(_) | Self::NoInput(_) => Exit::Other,
            Self::Output(error) => exit::of_io(error, Looking::File),
            Self::NewFolder(_) => Exit::NoFolder,
            Self::Secret(error) => error.exit(),
            Self::Server(error) | Self::Register(error) => exit::of_client(error, Looking::File),
            Self::Remote { looking, error, .. } | Self::End { looking, error } => exit::of_client(error, *looking),
            Self::Local { looking, error, .. } => exit::of_io(error, *looking),
        }
    }

    /// The failure as a part of a command with several operations, in which an unreadable local file is not a login
    /// or permission problem.
    pub(crate) fn cause(&self) -> Cause {
        let local = match self {
            Self::Local { .. } => true,
            Self::Server(error) | Self::Remote { error, .. } => matches!(&**error, ClientError::Local { .. }),
            _ => false,
        };
        match self.exit() {
            exit @ Exit::Denied if local => Cause::Own(exit),
            exit => Cause::Any(exit),
        }
    }

    /// Whether the output was closed by its reader, so that no message can be read.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        match self {
            Self::Output(error) => error.kind() == io::ErrorKind::BrokenPipe,
            Self::Server(error) => {
                matches!(&**error, ClientError::Local { error, .. } if error.kind() == io::ErrorKind::BrokenPipe)
            }
            _ => false,
        }
    }

    /// Whether the server or the path was not found, or it is the wrong server.
    pub(crate) fn is_not_found(&self) -> bool {
        match self {
            Self::Server(error) | Self::Remote { error, .. } | Self::End { error, .. } => match &**error {
                ClientError::Refused(refusal) => matches!(refusal.code, Code::NotFound | Code::LoginFailed),
                ClientError::Unreachable { .. } | ClientError::Insecure { .. } => true,
                _ => false,
            },
            _ => false,
        }
    }

    /// The advice, unless the message contains it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Usage(_) => Some("see `ferry help`".to_owned()),
            // The text is not a file name: the cause contains the advice.
            Self::Register(error) if matches!(&**error, ClientError::Refused(no) if no.code == Code::Exists) => None,
            Self::Server(error) | Self::Register(error) | Self::End { error, .. } => Advice::about(error).command,
            Self::Remote { path, error, .. } => Advice::about(error).command.or_else(|| no_pattern(path, error)),
            Self::Sites(SitesError::Io { source, .. }) if Kind::of_io(source) == Kind::Denied => {
                Some(format!("set {HOME_VARIABLE} to use another folder for ferry's files"))
            }
            Self::NewFolder(path) => {
                Some(format!("end it with / to create the folder: {}/", Escaped(path.as_os_str().as_encoded_bytes())))
            }
            _ => None,
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Server(Box::new(error))
    }
}

/// Whether an error concerns the connection or the account instead of a path.
fn is_about_link(error: &ClientError) -> bool {
    match error {
        ClientError::Refused(refusal) => matches!(
            refusal.code,
            Code::Malformed
                | Code::Unsealed
                | Code::LoginFailed
                | Code::TooManyAttempts
                | Code::Busy
                | Code::AccountClosed
        ),
        ClientError::Obstructed { obstacle, .. } => {
            matches!(obstacle, Obstacle::Unreachable | Obstacle::Busy | Obstacle::Account | Obstacle::Cancelled)
        }
        ClientError::Mismatch { .. } | ClientError::SourceChanged | ClientError::NoRoom { .. } => false,
        _ => true,
    }
}

/// The advice for a missing path that looks like an unexpanded pattern.
fn no_pattern(path: &RemotePath, error: &ClientError) -> Option<String> {
    let is_pattern = path.as_bytes().iter().any(|byte| matches!(byte, b'*' | b'?'));
    (is_pattern && Kind::of(error) == Kind::Missing).then(|| {
        "get, rm, mv and cp accept patterns, other verbs take * and ? literally; `ferry find` finds the files"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use ferry_shared::refusal::Refusal;

    use super::*;

    #[test]
    fn errors_of_a_path_name_it_and_errors_of_the_connection_do_not() {
        let path = RemotePath::from_wire(b"a\x1bb").unwrap();
        let refused = |code| ClientError::from(Refusal::new(code, "no"));
        let text = |error| Failure::remote(&path, Looking::File, error).to_string();
        assert_eq!(text(refused(Code::NotFound)), r"/a\u{1b}b: no");
        let named = ClientError::from(Refusal::new(Code::NotFound, "/a\x1bb is not there"));
        assert_eq!(text(named), r"/a\u{1b}b is not there");
        assert_eq!(text(refused(Code::LoginFailed)), "no");
        assert_eq!(text(ClientError::Timeout("connecting")), "no answer while connecting");
    }

    #[test]
    fn a_missing_path_that_looks_like_a_pattern_is_explained_whatever_the_servers_message() {
        let hint = |path: &str| {
            let path = RemotePath::from_wire(path.as_bytes()).unwrap();
            Failure::remote(&path, Looking::File, Refusal::new(Code::NotFound, "not there").into()).hint()
        };
        assert!(hint("a/*.txt").is_some_and(|hint| hint.contains("accept patterns")));
        assert_eq!(hint("a/b.txt"), None);
    }

    #[test]
    fn a_closed_output_is_not_reported() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(Failure::Output(broken()).is_broken_pipe());
        assert!(Failure::from(ClientError::local("-", broken())).is_broken_pipe());
        assert!(!Failure::Output(io::ErrorKind::StorageFull.into()).is_broken_pipe());
    }

    #[test]
    fn a_missing_password_is_a_login_error() {
        assert_eq!(Failure::from(SecretError::NoTerminal).exit(), Exit::Denied);
    }
}
