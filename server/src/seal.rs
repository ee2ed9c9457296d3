//! The secret that clients must know before the server answers them.
#![expect(clippy::disallowed_methods, reason = "the secret is a file the operator names")]

use std::{io, path::Path, path::PathBuf, sync::Arc};

use arc_swap::ArcSwapOption;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ferry_shared::{
    binding::{self, Exported, SEAL_SECRET_MIN},
    secret::Secret,
    text_file,
};

/// The reason why the secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The disk's error.
    #[error("{}: {source}; login.seal names a file that the server's user can read", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The secret is short enough to be guessed.
    #[error(
        "{}: a secret of {length} bytes can be guessed; it needs {SEAL_SECRET_MIN}, such as 'openssl rand -base64 32' \
         writes",
        .path.display()
    )]
    Short {
        /// The file.
        path: PathBuf,
        /// The length of the secret in bytes.
        length: usize,
    },
}

/// The secret in force, if there is one.
#[derive(Debug, Default)]
pub struct Seal(ArcSwapOption<Secret>);

impl Seal {
    /// Requires this secret from now on, or none.
    pub fn set(&self, secret: Option<Secret>) {
        self.0.store(secret.map(Arc::new));
    }

    /// Whether clients must know a secret.
    #[must_use]
    pub fn is_demanded(&self) -> bool {
        self.0.load().is_some()
    }

    /// Whether a client may continue that sent `seal` on the connection with these exported bytes.
    #[must_use]
    pub fn admits(&self, seal: Option<&str>, exported: &Exported) -> bool {
        let Some(secret) = &*self.0.load() else { return true };
        let sent = seal.and_then(|seal| STANDARD.decode(seal).ok());
        sent.is_some_and(|sent| binding::is_sealed(secret, exported, &sent))
    }
}

/// The secret in a file: its text without surrounding whitespace. Blocks.
///
/// # Errors
/// [`SealError`].
pub(crate) fn read(path: Option<&Path>) -> Result<Option<Secret>, SealError> {
    let Some(path) = path else { return Ok(None) };
    let text = text_file::read(path).map_err(|source| SealError::Io { path: path.to_owned(), source })?;
    let text = Secret::new(text);
    let secret = Secret::new(text.expose().trim().to_owned());
    match secret.expose().len() {
        length if length < SEAL_SECRET_MIN => Err(SealError::Short { path: path.to_owned(), length }),
        _ => Ok(Some(secret)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_the_right_seal_is_admitted_once_one_is_demanded() {
        let (seal, exported) = (Seal::default(), [3; 32]);
        assert!(seal.admits(None, &exported) && !seal.is_demanded());
        let secret = Secret::new("0123456789abcdef".into());
        let right = STANDARD.encode(binding::seal(&secret, &exported));
        seal.set(Some(secret));
        assert!(seal.is_demanded() && seal.admits(Some(&right), &exported));
        assert!(!seal.admits(Some(&right), &[4; 32]));
        for wrong in [None, Some(""), Some("no base64!"), Some(&*STANDARD.encode([0; 32]))] {
            assert!(!seal.admits(wrong, &exported), "{wrong:?}");
        }
    }

    #[test]
    fn a_secret_is_the_text_of_its_file_and_not_too_short() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "  0123456789abcdef\n").unwrap();
        assert_eq!(read(Some(file.path())).unwrap().unwrap().expose(), "0123456789abcdef");
        fs::write(&file, "0123456789abcde \n").unwrap();
        let told = read(Some(file.path())).unwrap_err().to_string();
        assert!(told.contains("15 bytes"), "{told}");
        let told = read(Some(Path::new("/nowhere/seal"))).unwrap_err().to_string();
        assert!(told.contains("/nowhere/seal"), "{told}");
        assert!(read(None).unwrap().is_none());
    }
}
