//! The keys by which SSH clients recognise the server: made once, beside the key for TLS.
#![expect(clippy::disallowed_methods, reason = "the server's keys are files of its own")]

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use russh::keys::{
    Algorithm, EcdsaCurve, HashAlg, PrivateKey,
    key::safe_rng,
    ssh_key::{self, LineEnding},
};

use crate::private_file;

/// The files, and the types of their keys. Ed25519 is the one that people compare; a few old clients know only the
/// other.
const FILES: [(&str, Algorithm); 2] = [
    ("ssh_host_ed25519_key", Algorithm::Ed25519),
    ("ssh_host_ecdsa_key", Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }),
];

/// The reason why there are no host keys.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file holds no usable key.
    #[error(
        "{} is damaged ({why}): restore it from a backup; without one remove it, and the next start makes a new key, \
         which every SFTP client has to accept",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The fault.
        why: String,
    },
    /// No key could be made.
    #[error("cannot make an SSH host key: {0}")]
    Make(#[from] ssh_key::Error),
}

/// The host keys.
#[derive(Debug, Clone)]
pub struct HostKeys(Vec<PrivateKey>);

impl HostKeys {
    /// The keys in `data/identity`; missing ones are made, and existing ones never replaced.
    ///
    /// # Errors
    /// [`HostKeyError`].
    pub fn load_or_create(data: &Path) -> Result<Self, HostKeyError> {
        let folder = folder(data);
        let one = |(name, algorithm): (&str, Algorithm)| match read(&folder.join(name), &algorithm)? {
            Some(key) => Ok(key),
            None => make(&folder, name, algorithm),
        };
        FILES.into_iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// Checks the keys that exist.
    ///
    /// # Errors
    /// [`HostKeyError`].
    pub fn check(data: &Path) -> Result<(), HostKeyError> {
        FILES.into_iter().try_for_each(|(name, algorithm)| read(&folder(data).join(name), &algorithm).map(drop))
    }

    /// The fingerprint that clients show at their first connection, as `ssh-keygen -l` prints it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.0.first().map(|key| key.fingerprint(HashAlg::Sha256).to_string()).unwrap_or_default()
    }

    /// The keys, the preferred one first.
    #[must_use]
    pub(crate) fn keys(&self) -> Vec<PrivateKey> {
        self.0.clone()
    }
}

/// The paths of the files.
#[must_use]
pub(crate) fn files(data: &Path) -> [PathBuf; FILES.len()] {
    FILES.map(|(name, _)| folder(data).join(name))
}

fn folder(data: &Path) -> PathBuf {
    data.join("identity")
}

/// Reads a key; `None` if its file does not exist.
fn read(path: &Path, algorithm: &Algorithm) -> Result<Option<PrivateKey>, HostKeyError> {
    let damaged = |why: String| HostKeyError::Damaged { path: path.to_owned(), why };
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(path)(source)),
    };
    let key = PrivateKey::from_openssh(&text).map_err(|error| damaged(error.to_string()))?;
    if key.is_encrypted() {
        return Err(damaged("it has a passphrase".to_owned()));
    }
    match key.algorithm() == *algorithm {
        true => Ok(Some(key)),
        false => Err(damaged(format!("it is a key of the type {}, not {algorithm}", key.algorithm()))),
    }
}

fn make(folder: &Path, name: &str, algorithm: Algorithm) -> Result<PrivateKey, HostKeyError> {
    let path = folder.join(name);
    private_file::make_folder(folder).map_err(failed(folder))?;
    // Two first starts at the same time must not use two keys.
    let _locked = private_file::lock(&path).map_err(failed(&private_file::lock_path(&path)))?;
    if let Some(key) = read(&path, &algorithm)? {
        return Ok(key);
    }
    private_file::remove_leftovers(&path).map_err(failed(folder))?;
    let key = PrivateKey::random(&mut safe_rng(), algorithm)?;
    private_file::replace(&path, key.to_openssh(LineEnding::LF)?.as_bytes()).map_err(failed(&path))?;
    Ok(key)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> HostKeyError + use<> {
    let path = path.to_owned();
    move |source| HostKeyError::File { path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn keys_are_made_once_and_read_by_nobody_else() {
        let data = tempfile::tempdir().unwrap();
        HostKeys::check(data.path()).unwrap();
        let made = HostKeys::load_or_create(data.path()).unwrap();
        assert!(made.fingerprint().starts_with("SHA256:"));
        let again = HostKeys::load_or_create(data.path()).unwrap();
        assert_eq!(made.0, again.0);
        for path in files(data.path()) {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(fs::read_to_string(&path).unwrap().starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
        }
    }

    #[test]
    fn a_damaged_key_or_one_of_another_type_is_told_and_kept() {
        let data = tempfile::tempdir().unwrap();
        HostKeys::load_or_create(data.path()).unwrap();
        let [ed25519, ecdsa] = files(data.path());
        for (content, why) in [(String::new(), "damaged"), (fs::read_to_string(&ecdsa).unwrap(), "ecdsa-sha2-nistp256")]
        {
            fs::write(&ed25519, &content).unwrap();
            let error = HostKeys::load_or_create(data.path()).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("ssh_host_ed25519_key"), "{error}");
            assert_eq!(HostKeys::check(data.path()).unwrap_err().to_string(), error);
            assert_eq!(fs::read_to_string(&ed25519).unwrap(), content);
        }
    }
}
