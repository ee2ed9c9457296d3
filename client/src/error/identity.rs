//! The errors of keys and of ssh-agent.

use std::{io, path::PathBuf};

/// The reason why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// Others on this computer can read the private key.
    #[error("{}: others can read this private key; `chmod 600` it first", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The file contains no usable key.
    #[error("{}: {reason}; create a key with `ssh-keygen -t ed25519`", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// Why the file contains no usable key.
        reason: String,
    },
    /// The passphrase is wrong.
    #[error("{}: the passphrase is wrong", path.display())]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// The file contains only the public key, and ssh-agent does not hold the private key.
    #[error("{}: this is a public key, and ssh-agent does not hold its private key; run `ssh-add` first", path.display())]
    NotInAgent {
        /// The file.
        path: PathBuf,
    },
    /// ssh-agent cannot be reached, or does not sign.
    #[error(transparent)]
    Agent(#[from] AgentError),
}

/// An error of ssh-agent.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The agent cannot be reached, or closed the connection.
    #[error("ssh-agent: {0}")]
    Io(#[from] io::Error),
    /// The agent refused, or sent an invalid answer.
    #[error("ssh-agent does not sign with this key")]
    Refused,
}
