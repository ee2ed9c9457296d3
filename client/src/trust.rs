//! Decides which server keys to accept: pinned keys, known keys, keys certified by a platform root, or keys that the
//! user accepts.

mod judge;
mod known;
mod platform;
mod private_file;
mod verifier;

use std::{fmt, pin::Pin, sync::Arc};

pub use ferry_shared::fingerprint::Fingerprint;

pub(crate) use judge::{Judge, Verdict};
pub(crate) use known::KnownServers;
pub(crate) use verifier::SignatureVerifier;

/// A boxed future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The server keys to accept. A key that differs from the known one is accepted only if the server's certificate has
/// a chain from its name to a root of this computer.
#[derive(Clone)]
pub enum Trust {
    /// Known keys; the user decides about others.
    Ask(Arc<dyn TrustPrompt>),
    /// Known keys, and any key of a server that is not known yet.
    AcceptNew,
    /// This key only.
    Pinned(Fingerprint),
    /// Known keys only.
    KnownOnly,
}

/// A user interface that asks whether a server's key is right.
pub trait TrustPrompt: Send + Sync {
    /// Shows the question and waits for the answer. Nothing has been sent to the server yet.
    fn accept<'a>(&'a self, question: &'a TrustQuestion) -> BoxFuture<'a, bool>;
}

/// The key to decide about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustQuestion {
    /// The server, as `host:port`.
    pub host: String,
    /// The server's key.
    pub fingerprint: Fingerprint,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(_) => f.write_str("Ask"),
            Self::AcceptNew => f.write_str("AcceptNew"),
            Self::Pinned(key) => write!(f, "Pinned({key})"),
            Self::KnownOnly => f.write_str("KnownOnly"),
        }
    }
}
