//! Where passwords come from: a file, standard input or the terminal, never the command line.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use ferry_shared::{secret::Secret, text_file};
use zeroize::Zeroizing;

use crate::{exit::Exit, exit::Looking, exit::of_io, streams, terminal};

/// Bytes a password may have; anything longer is a wrong file.
const LONGEST: usize = 1024;

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// A password is needed, none is given, and nobody can be asked.
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
    /// There is nothing, too much, or no text where the password should be.
    #[error("{0} holds no password: one line of text is needed, at most {LONGEST} bytes")]
    Unusable(String),
    /// It is text in another form than UTF-8.
    #[error("{shown} cannot be read: {why}; save it as UTF-8")]
    Encoding {
        /// The source of the text.
        shown: String,
        /// How it is seen.
        why: &'static str,
    },
    /// The new password was not typed the same twice.
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

/// Where the command line says that passwords come from.
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
        Some(format!("{}: everybody on this machine may read it (mode {mode:o}); chmod 600 it", path.display()))
    }

    /// A new password: asked twice at a prompt.
    ///
    /// # Errors
    /// [`SecretError`].
    pub(crate) fn read_new(&self, question: &str) -> Result<Secret, SecretError> {
        let new = self.read(question)?;
        if matches!(self, Self::Prompt) && prompt("The same again: ")? != new {
            return Err(SecretError::Differ);
        }
        Ok(new)
    }
}

fn prompt(question: &str) -> Result<Secret, SecretError> {
    terminal::ask_secret(question).map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => SecretError::Interrupted,
        _ => SecretError::Read(error),
    })
}

/// The mode of a file that everybody may read. Not of what is no file: a pipe of the shell is nobody else's.
#[cfg(unix)]
fn readable_by_all(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some(metadata.mode() & 0o777).filter(|mode| mode & 0o004 != 0)
}

/// Elsewhere the folder of a file decides who may read it.
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

/// One line, read byte by byte: what follows it on standard input is not ours to take.
fn first_line(source: &mut impl Read, shown: &str) -> Result<Secret, SecretError> {
    // Room for all from the start: growing would leave copies in memory that nobody wipes.
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
    fn a_password_is_one_line_without_its_end() {
        assert_eq!(line(b"pw").unwrap(), "pw");
        assert_eq!(line(b"pw\n").unwrap(), "pw");
        assert_eq!(line(b" p w \r\nmore").unwrap(), " p w ");
    }

    #[test]
    fn what_follows_the_line_stays_for_others() {
        let mut source = &b"old\nnew\nrest"[..];
        assert_eq!(first_line(&mut source, "").unwrap().expose(), "old");
        assert_eq!(first_line(&mut source, "").unwrap().expose(), "new");
        assert_eq!(source, b"rest");
    }

    #[test]
    fn a_wrong_file_is_told_and_not_sent() {
        for bad in [&b""[..], b"\n", text_file::BYTE_ORDER_MARK, &[b'x'; LONGEST + 1]] {
            assert!(matches!(line(bad), Err(SecretError::Unusable(_))));
        }
        assert!(line(&[b'x'; LONGEST]).is_ok());
    }

    #[test]
    fn what_windows_and_editors_write_is_read_or_refused_with_the_reason() {
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
    fn a_file_that_everybody_may_read_is_told() {
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
    fn a_missing_file_is_told_by_name() {
        let error = Source::File("/no/such/file".into()).read("").unwrap_err();
        assert!(error.to_string().contains("/no/such/file"));
        assert_eq!(error.exit(), Exit::NoFile);
    }
}
