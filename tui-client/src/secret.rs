//! Reads passwords from a file, standard input or the terminal, never from the command line.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use ferry_client::{
    ClientError, Obstacle,
    sftp::{SecretQuestion, Secrets},
    trust::BoxFuture,
};
use ferry_shared::{name::Escaped, secret::Secret, text_file};
use parking_lot::Mutex;
use zeroize::Zeroizing;

use crate::{args::Login, exit::Exit, exit::Looking, exit::of_io, streams, terminal};

/// The maximum length of a password; longer text comes from a wrong file.
const LONGEST: usize = 1024;

/// The reason why there is no password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// A password is needed, but none is given and there is no terminal.
    #[error("a password is needed and there is no terminal to ask on; use --password-file or --password-stdin")]
    NoTerminal,
    /// The password file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// Standard input or the terminal cannot be read.
    #[error("cannot read the password: {0}")]
    Read(io::Error),
    /// Ctrl-C at the prompt.
    #[error("stopped")]
    Interrupted,
    /// The source of the password is empty, too long or not text.
    #[error("{0} contains no password: it must be one line of text of at most {LONGEST} bytes")]
    Unusable(String),
    /// The text is not UTF-8.
    #[error("{shown} cannot be read: {why}; save it as UTF-8")]
    Encoding {
        /// The source of the text.
        shown: String,
        /// The detected encoding.
        why: &'static str,
    },
    /// The repeated new password differs.
    #[error("the two new passwords differ; nothing was changed")]
    Differ,
}

impl SecretError {
    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::NoTerminal | Self::Unusable(_) | Self::Encoding { .. } => Exit::Denied,
            Self::File { error, .. } => of_io(error, Looking::File),
            Self::Read(_) | Self::Differ => Exit::Other,
            Self::Interrupted => Exit::Interrupted,
        }
    }
}

/// The source of passwords according to the command line.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Lines of standard input.
    Stdin,
    /// The first line of a file.
    File(PathBuf),
    /// A prompt, if there is a terminal.
    Prompt,
}

impl Source {
    /// The source that the flags of a login name.
    pub(crate) fn of(login: &Login) -> Self {
        match &login.password_file {
            Some(file) => Self::File(file.clone()),
            None if login.password_stdin => Self::Stdin,
            None => Self::Prompt,
        }
    }

    /// The password; `question` is what a prompt shows.
    ///
    /// # Errors
    /// [`SecretError`].
    pub(crate) fn read(&self, question: &str) -> Result<Secret, SecretError> {
        match self {
            Self::Stdin => first_line(&mut streams::input().map_err(SecretError::Read)?.lock(), "standard input"),
            Self::File(path) => from_file(path),
            Self::Prompt if terminal::is_attended() => prompt(question),
            Self::Prompt => Err(SecretError::NoTerminal),
        }
    }

    /// A warning about a file that other users can read; `None` if there is none.
    pub(crate) fn exposed(&self) -> Option<String> {
        let Self::File(path) = self else { return None };
        let mode = readable_by_all(path)?;
        Some(format!("{}: other users can read it (mode {mode:o}); run chmod 600", path.display()))
    }

    /// A new password: asked twice at a prompt.
    ///
    /// # Errors
    /// [`SecretError`].
    pub(crate) fn read_new(&self, question: &str) -> Result<Secret, SecretError> {
        let new = self.read(question)?;
        if matches!(self, Self::Prompt) && prompt("Repeat the new password: ")? != new {
            return Err(SecretError::Differ);
        }
        Ok(new)
    }
}

/// Answers the questions of a login to an SSH server.
pub(crate) struct Answering {
    source: Source,
    /// The first line of a file or of standard input, which is read once.
    line: Mutex<Option<Secret>>,
    /// A password from the keyring, which is given once.
    stored: Mutex<Option<Secret>>,
}

impl Answering {
    /// Answers from `source`.
    pub(crate) fn new(source: Source) -> Self {
        Self { source, line: Mutex::default(), stored: Mutex::default() }
    }

    /// Answers with a password from the keyring, and everything else at a prompt.
    pub(crate) fn stored(password: Secret) -> Self {
        Self { stored: Mutex::new(Some(password)), ..Self::new(Source::Prompt) }
    }

    /// Whether there is a password without a prompt.
    pub(crate) fn is_at_hand(&self) -> bool {
        !matches!(self.source, Source::Prompt) || self.stored.lock().is_some()
    }

    fn read(&self, question: &str) -> Result<Option<Secret>, SecretError> {
        match self.source {
            Source::Prompt if !terminal::is_attended() => return Ok(None),
            Source::Prompt => return prompt(question).map(Some),
            _ => {}
        }
        let mut line = self.line.lock();
        if line.is_none() {
            *line = Some(self.source.read(question)?);
        }
        Ok(line.clone())
    }
}

impl Secrets for Answering {
    fn answer<'a>(&'a self, question: &'a SecretQuestion) -> BoxFuture<'a, Result<Option<Secret>, ClientError>> {
        let is_prompt = matches!(self.source, Source::Prompt);
        let takes_password = match question {
            SecretQuestion::Password { is_target, .. } => *is_target,
            SecretQuestion::Interactive { is_target, echo, .. } => *is_target && !echo,
            SecretQuestion::Passphrase { .. } => false,
        };
        if takes_password && let Some(password) = self.stored.lock().take() {
            return Box::pin(async { Ok(Some(password)) });
        }
        let text = match question {
            SecretQuestion::Password { account, is_target } if is_prompt || *is_target => {
                Some(format!("Password of {}: ", Escaped(account.as_bytes())))
            }
            SecretQuestion::Passphrase { file } => Some(format!("Passphrase of {}: ", file.display())),
            // The server may ask for anything: a password from a file answers only what is not shown.
            SecretQuestion::Interactive { account, is_target, text, echo } if is_prompt || (*is_target && !echo) => {
                Some(format!("{}: {} ", Escaped(account.as_bytes()), Escaped(text.as_bytes())))
            }
            _ => None,
        };
        Box::pin(async move {
            let Some(text) = text else { return Ok(None) };
            // A prompt blocks; the login waits for it anyway.
            let read = tokio::task::block_in_place(|| self.read(&text));
            read.map_err(|error| match error {
                SecretError::Interrupted => ClientError::Cancelled,
                other => ClientError::obstructed(Obstacle::Account, other.to_string()),
            })
        })
    }
}

fn prompt(question: &str) -> Result<Secret, SecretError> {
    terminal::ask_secret(question).map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => SecretError::Interrupted,
        _ => SecretError::Read(error),
    })
}

/// The mode of a regular file that everybody may read. Others, such as a pipe of the shell, are private.
#[cfg(unix)]
fn readable_by_all(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some(metadata.mode() & 0o777).filter(|mode| mode & 0o004 != 0)
}

/// On other systems, access depends on the folder of the file.
#[cfg(not(unix))]
fn readable_by_all(_: &Path) -> Option<u32> {
    None
}

fn from_file(path: &Path) -> Result<Secret, SecretError> {
    let file = |error| SecretError::File { path: path.to_owned(), error };
    first_line(&mut File::open(path).map_err(file)?, &path.display().to_string()).map_err(|error| match error {
        SecretError::Read(error) => file(error),
        other => other,
    })
}

/// Reads one line byte by byte, because the rest of standard input is for others.
fn first_line(source: &mut impl Read, shown: &str) -> Result<Secret, SecretError> {
    // Allocate the full capacity first: growing would leave copies in memory.
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    let mut byte = [0];
    while line.len() <= LONGEST {
        match source.read(&mut byte) {
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) => line.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(SecretError::Read(error)),
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    if let Some(why) = text_file::foreign(&line) {
        return Err(SecretError::Encoding { shown: shown.to_owned(), why });
    }
    match std::str::from_utf8(text_file::without_mark(&line)) {
        Ok(text) if !text.is_empty() && text.len() <= LONGEST => Ok(Secret::new(text.to_owned())),
        _ => Err(SecretError::Unusable(shown.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(mut bytes: &[u8]) -> Result<String, SecretError> {
        first_line(&mut bytes, "test").map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn a_password_is_one_line_without_the_newline() {
        assert_eq!(line(b"pw").unwrap(), "pw");
        assert_eq!(line(b"pw\n").unwrap(), "pw");
        assert_eq!(line(b" p w \r\nmore").unwrap(), " p w ");
    }

    #[test]
    fn input_after_the_password_line_is_left_unread() {
        let mut source = &b"old\nnew\nrest"[..];
        assert_eq!(first_line(&mut source, "").unwrap().expose(), "old");
        assert_eq!(first_line(&mut source, "").unwrap().expose(), "new");
        assert_eq!(source, b"rest");
    }

    #[test]
    fn a_wrong_file_is_reported_and_not_sent() {
        for bad in [&b""[..], b"\n", text_file::BYTE_ORDER_MARK, &[b'x'; LONGEST + 1]] {
            assert!(matches!(line(bad), Err(SecretError::Unusable(_))));
        }
        assert!(line(&[b'x'; LONGEST]).is_ok());
    }

    #[test]
    fn files_written_by_windows_and_editors_are_read_or_refused_with_the_reason() {
        assert_eq!(line(b"\xef\xbb\xbfpw\r\n").unwrap(), "pw");
        for (bytes, reason) in [
            (&b"\xff\xfep\0w\0\r\0\n\0"[..], "UTF-16"),
            (b"\xfe\xff\0p\0w\0\r\0\n", "UTF-16"),
            (b"p\0w\0\r\0\n\0", "UTF-16"),
            (b"p\xe4ss\n", "not UTF-8"),
        ] {
            let error = line(bytes).unwrap_err();
            assert!(error.to_string().contains(reason), "{bytes:?}: {error}");
            assert_eq!(error.exit(), Exit::Denied);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_everybody_may_read_causes_a_warning() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pw");
        std::fs::write(&path, "x").unwrap();
        for (mode, told) in [(0o600, false), (0o640, false), (0o644, true), (0o404, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Source::File(path.clone()).exposed().is_some(), told, "{mode:o}");
        }
        assert_eq!(Source::File("/dev/null".into()).exposed(), None);
        assert_eq!(Source::Stdin.exposed(), None);
    }

    #[test]
    fn a_missing_file_is_reported_by_name() {
        let error = Source::File("/no/such/file".into()).read("").unwrap_err();
        assert!(error.to_string().contains("/no/such/file"));
        assert_eq!(error.exit(), Exit::NoFile);
    }
}
