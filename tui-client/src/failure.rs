//! Why a command could not be done: the cause in a sentence, and what to do next.

use std::{io, path::PathBuf};

use ferry_client::{ClientError, transfer::FilterError};
use ferry_shared::{
    name::Escaped,
    path::{PathError, RemotePath},
    refusal::Code,
};

use crate::{
    address::AddressError,
    advice::Advice,
    exit::{self, Cause, Exit, Looking},
    fault::Kind,
    home::{HOME_VARIABLE, NoHome},
    secret::SecretError,
    sites::SitesError,
};

/// Why a command could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line asks for what does not fit together.
    #[error("{0}")]
    Usage(String),
    /// An address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A path is none.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A pattern of `--exclude` or `--include` is none.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The saved servers cannot be used.
    #[error(transparent)]
    Sites(#[from] SitesError),
    /// There is no place for the client's files.
    #[error(transparent)]
    NoHome(#[from] NoHome),
    /// There is no password.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The client library's word, about the server as a whole.
    #[error("{0}")]
    Server(Box<ClientError>),
    /// No account was made.
    #[error("{0}")]
    Register(Box<ClientError>),
    /// The client library's word, about one path.
    #[error("{}{error}", .about.as_ref().map(|about| format!("{about}: ")).unwrap_or_default())]
    Remote {
        /// The path.
        path: RemotePath,
        /// The path, for a person, unless the error names it.
        about: Option<String>,
        /// The kind of entry expected there.
        looking: Looking,
        /// The error.
        error: Box<ClientError>,
    },
    /// This machine's files.
    #[error("{}: {error}", Escaped(.path.as_os_str().as_encoded_bytes()))]
    Local {
        /// The file or folder.
        path: PathBuf,
        /// The kind of entry expected there.
        looking: Looking,
        /// The error.
        error: io::Error,
    },
    /// Several sources are to go into what is not there.
    #[error("{}: there is no such folder", Escaped(.0.as_os_str().as_encoded_bytes()))]
    NewFolder(PathBuf),
    /// Standard input is needed and closed.
    #[error("{0}")]
    NoInput(io::Error),
    /// Standard output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    /// The runtime could not be made.
    #[error("cannot start: {0}")]
    Start(io::Error),
}

impl Failure {
    /// The library's error about `path`.
    pub(crate) fn remote(path: &RemotePath, looking: Looking, error: ClientError) -> Self {
        let error = Box::new(error);
        match *error {
            // Its text names the file already, and it is not the remote one.
            ClientError::Local { .. } | ClientError::NoRoom { .. } => Self::Server(error),
            _ if is_about_link(&error) => Self::Server(error),
            _ => {
                let about = Some(path.display().to_string());
                let text = error.to_string();
                Self::Remote { path: path.clone(), about: about.filter(|about| !text.contains(about)), looking, error }
            }
        }
    }

    /// This machine's error about `path`.
    pub(crate) fn local(path: impl Into<PathBuf>, looking: Looking, error: io::Error) -> Self {
        Self::Local { path: path.into(), looking, error }
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Address(_) | Self::Path(_) | Self::Filter(_) => Exit::Usage,
            Self::Sites(SitesError::Io { .. } | SitesError::Syntax { .. }) => Exit::Other,
            Self::Sites(_) => Exit::Usage,
            Self::NoHome(_) | Self::Start(_) | Self::NoInput(_) => Exit::Other,
            Self::Output(error) => exit::of_io(error, Looking::File),
            Self::NewFolder(_) => Exit::NoFolder,
            Self::Secret(error) => error.exit(),
            Self::Server(error) | Self::Register(error) => exit::of_client(error, Looking::File),
            Self::Remote { looking, error, .. } => exit::of_client(error, *looking),
            Self::Local { looking, error, .. } => exit::of_io(error, *looking),
        }
    }

    /// The failure as a part of a command that does several things: a local file that cannot be read is no
    /// matter of login or permission there.
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

    /// Whether nobody is left who could read a message: the reader of our output went away.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        match self {
            Self::Output(error) => error.kind() == io::ErrorKind::BrokenPipe,
            Self::Server(error) => {
                matches!(&**error, ClientError::Local { error, .. } if error.kind() == io::ErrorKind::BrokenPipe)
            }
            _ => false,
        }
    }

    /// Whether no server is there, or not the right one, or not what was named on it.
    pub(crate) fn is_not_found(&self) -> bool {
        match self {
            Self::Server(error) | Self::Remote { error, .. } => match &**error {
                ClientError::Refused(refusal) => matches!(refusal.code, Code::NotFound | Code::LoginFailed),
                ClientError::Unreachable { .. } | ClientError::Insecure { .. } => true,
                _ => false,
            },
            _ => false,
        }
    }

    /// The advice, where the message gives none.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Usage(_) => Some("see `ferry help`".to_owned()),
            // Not a file's name: the cause says what to do.
            Self::Register(error) if matches!(&**error, ClientError::Refused(no) if no.code == Code::Exists) => None,
            Self::Server(error) | Self::Register(error) => Advice::about(error).command,
            Self::Remote { path, error, .. } => Advice::about(error).command.or_else(|| no_pattern(path, error)),
            Self::Sites(SitesError::Io { source, .. }) if Kind::of_io(source) == Kind::Denied => {
                Some(format!("{HOME_VARIABLE} names another folder for ferry's files"))
            }
            Self::NewFolder(path) => {
                Some(format!("a / at its end makes it: {}/", Escaped(path.as_os_str().as_encoded_bytes())))
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

/// Whether an error is about the connection or the account and not about any path.
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
        ClientError::Mismatch { .. } | ClientError::SourceChanged => false,
        _ => true,
    }
}

/// The advice for a missing path that looks like a pattern which a shell should have expanded.
fn no_pattern(path: &RemotePath, error: &ClientError) -> Option<String> {
    let is_pattern = path.as_bytes().iter().any(|byte| matches!(byte, b'*' | b'?'));
    (is_pattern && Kind::of(error) == Kind::Missing).then(|| {
        "get, rm, mv and cp take patterns, other verbs take * and ? as they are; `ferry find` shows what is there"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use ferry_shared::refusal::Refusal;

    use super::*;

    #[test]
    fn errors_of_a_path_name_it_and_errors_of_the_link_do_not() {
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
    fn a_missing_name_with_signs_of_a_pattern_is_explained_whatever_the_server_says() {
        let hint = |path: &str| {
            let path = RemotePath::from_wire(path.as_bytes()).unwrap();
            Failure::remote(&path, Looking::File, Refusal::new(Code::NotFound, "not there").into()).hint()
        };
        assert!(hint("a/*.txt").is_some_and(|hint| hint.contains("take patterns")));
        assert_eq!(hint("a/b.txt"), None);
    }

    #[test]
    fn a_reader_that_went_away_is_no_news() {
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
