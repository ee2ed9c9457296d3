//! Key files, as created by `ssh-keygen -t ed25519`.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::signature::Ed25519KeyPair;
use ferry_shared::{secret::Secret, text_file};
use ssh_key::{Algorithm, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use super::{
    AgentKey, Credential,
    agent::{Agent, Held},
    public_line,
};
use crate::error::{AgentError, IdentityError};

/// The maximum length of a key file; a longer file is not a key.
const LONGEST: u64 = 64 << 10;

/// A key that can sign.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    line: String,
}

/// The result of opening a key file.
#[derive(Debug)]
pub enum Identity {
    /// The key is ready for use.
    Ready(Credential),
    /// The key needs its passphrase first.
    Locked(LockedKey),
}

/// An encrypted key without its passphrase.
#[derive(Debug)]
pub struct LockedKey {
    path: PathBuf,
    key: Box<PrivateKey>,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.line)
    }
}

impl SigningKey {
    pub(super) fn sign(&self, text: &[u8]) -> Vec<u8> {
        self.pair.sign(text).as_ref().to_vec()
    }

    pub(super) fn public_line(&self) -> String {
        self.line.clone()
    }
}

/// Opens the private or public key in the file at `path`. Uses ssh-agent for an encrypted key, and for a key of which
/// the file contains only the public part. Blocks.
///
/// # Errors
/// [`IdentityError`].
pub fn open(path: &Path) -> Result<Identity, IdentityError> {
    let read = |error| IdentityError::Read { path: path.to_owned(), error };
    let file = File::open(path).map_err(read)?;
    let exposed = is_exposed(&file).map_err(read)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(LONGEST).read_to_end(&mut bytes).map_err(read)?;
    let text = Zeroizing::new(text_file::decode(bytes.to_vec()).map_err(read)?);
    let no_key = |reason: &str| IdentityError::NoKey { path: path.to_owned(), reason: reason.to_owned() };
    if let Ok(public) = PublicKey::from_openssh(&text) {
        if public.algorithm() != Algorithm::Ed25519 {
            return Err(no_key("only keys of type ed25519 are supported"));
        }
        let found = held(&public)?;
        return found.map(Identity::Ready).ok_or_else(|| IdentityError::NotInAgent { path: path.to_owned() });
    }
    let key = PrivateKey::from_openssh(text.as_bytes()).map_err(|_| no_key("the file contains no OpenSSH key"))?;
    if key.algorithm() != Algorithm::Ed25519 {
        return Err(no_key("only keys of type ed25519 are supported"));
    }
    if exposed {
        return Err(IdentityError::Exposed { path: path.to_owned() });
    }
    if !key.is_encrypted() {
        return signing(&key).map(Identity::Ready).ok_or_else(|| no_key("the key in the file is damaged"));
    }
    // If the agent cannot be reached, the user can still enter the passphrase.
    match held(key.public_key()) {
        Ok(Some(credential)) => Ok(Identity::Ready(credential)),
        Ok(None) | Err(_) => Ok(Identity::Locked(LockedKey { path: path.to_owned(), key: Box::new(key) })),
    }
}

impl LockedKey {
    /// Decrypts the key with its passphrase. Blocks for a considerable part of a second, because the hash is slow on
    /// purpose.
    ///
    /// # Errors
    /// [`IdentityError::WrongPassphrase`].
    pub fn unlock(&self, passphrase: &Secret) -> Result<Credential, IdentityError> {
        let opened = self.key.decrypt(passphrase.expose());
        let wrong = || IdentityError::WrongPassphrase { path: self.path.clone() };
        opened.ok().and_then(|key| signing(&key)).ok_or_else(wrong)
    }

    /// The key's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn signing(key: &PrivateKey) -> Option<Credential> {
    let pair = key.key_data().ed25519()?;
    let seed = Zeroizing::new(pair.private.to_bytes());
    let line = public_line(&key.public_key().to_bytes().ok()?);
    let pair = Ed25519KeyPair::from_seed_and_public_key(&*seed, pair.public.as_ref()).ok()?;
    Some(Credential::Key(Arc::new(SigningKey { pair, line })))
}

/// The key in ssh-agent, if the agent is running and holds it.
fn held(public: &PublicKey) -> Result<Option<Credential>, AgentError> {
    let Some(agent) = Agent::of_process() else { return Ok(None) };
    let Ok(blob) = public.to_bytes() else { return Ok(None) };
    let holds = agent.keys()?.iter().any(|Held { blob: held, .. }| *held == blob);
    Ok(holds.then(|| Credential::Agent(AgentKey::new(agent, blob))))
}

#[cfg(unix)]
fn is_exposed(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(file.metadata()?.mode() & 0o077 != 0)
}

/// Other systems do not express read access in mode bits.
#[cfg(not(unix))]
fn is_exposed(_file: &File) -> io::Result<bool> {
    Ok(false)
}
