//! A key in a file, as `ssh-keygen -t ed25519` makes it.

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
    AgentError, AgentKey, Credential,
    agent::{Agent, Held},
    public_line,
};

/// Bytes a key file may have; anything longer is a wrong file.
const LONGEST: u64 = 64 << 10;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Others on this computer can read the private key.
    #[error("{}: others can read this private key; `chmod 600` it first", path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
    },
    /// There is no key in the file that can be used.
    #[error("{}: {reason}; a key is made by `ssh-keygen -t ed25519`", path.display())]
    NoKey {
        /// Which.
        path: PathBuf,
        /// What is there instead.
        reason: String,
    },
    /// The passphrase does not open the key.
    #[error("{}: the passphrase is wrong", path.display())]
    WrongPassphrase {
        /// Which.
        path: PathBuf,
    },
    /// Only the public half is there, and ssh-agent does not hold the key.
    #[error("{}: this is a public key, and ssh-agent does not hold its private half; `ssh-add` it first", path.display())]
    NotInAgent {
        /// Which.
        path: PathBuf,
    },
    /// ssh-agent cannot be asked, or does not sign.
    #[error(transparent)]
    Agent(#[from] AgentError),
}

/// A key that can sign.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    line: String,
}

/// What a key file came to.
#[derive(Debug)]
pub enum Identity {
    /// It can be used.
    Ready(Credential),
    /// It needs its passphrase first.
    Locked(LockedKey),
}

/// A key whose passphrase is needed.
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

/// Opens the key in the file at `path`, private or public. ssh-agent is asked for a key that
/// is locked here, and for one of which only the public half is here. Blocks.
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
            return Err(no_key("only keys of the kind ed25519 can be used"));
        }
        let found = held(&public)?;
        return found.map(Identity::Ready).ok_or_else(|| IdentityError::NotInAgent { path: path.to_owned() });
    }
    let key = PrivateKey::from_openssh(text.as_bytes()).map_err(|_| no_key("there is no OpenSSH key in it"))?;
    if key.algorithm() != Algorithm::Ed25519 {
        return Err(no_key("only keys of the kind ed25519 can be used"));
    }
    if exposed {
        return Err(IdentityError::Exposed { path: path.to_owned() });
    }
    if !key.is_encrypted() {
        return signing(&key).map(Identity::Ready).ok_or_else(|| no_key("the key in it is damaged"));
    }
    // An agent that cannot be asked is no reason not to ask for the passphrase.
    match held(key.public_key()) {
        Ok(Some(credential)) => Ok(Identity::Ready(credential)),
        Ok(None) | Err(_) => Ok(Identity::Locked(LockedKey { path: path.to_owned(), key: Box::new(key) })),
    }
}

impl LockedKey {
    /// Opens it with its passphrase. Slow on purpose: blocks for a good part of a second.
    ///
    /// # Errors
    /// [`IdentityError::WrongPassphrase`].
    pub fn unlock(&self, passphrase: &Secret) -> Result<Credential, IdentityError> {
        let opened = self.key.decrypt(passphrase.expose());
        let wrong = || IdentityError::WrongPassphrase { path: self.path.clone() };
        opened.ok().and_then(|key| signing(&key)).ok_or_else(wrong)
    }

    /// The file it is in.
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

/// The key in ssh-agent, if it runs and holds it.
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

/// Who may read a file is not told by bits there.
#[cfg(not(unix))]
fn is_exposed(_file: &File) -> io::Result<bool> {
    Ok(false)
}
