//! Which servers to believe: pinned, known from before, vouched for by the platform, or asked about.

mod judge;
mod known;
mod platform;
mod private_file;
mod verifier;

use std::{fmt, pin::Pin, sync::Arc};

pub use ferry_shared::fingerprint::Fingerprint;

pub(crate) use judge::{Judge, Verdict};
pub(crate) use verifier::SignatureVerifier;

/// A boxed future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Which server keys to accept. Another key than the known one never is, unless the server's
/// certificate leads from its name to a root of this computer.
#[derive(Clone)]
pub enum Trust {
    /// Known keys; a person decides about others.
    Ask(Arc<dyn TrustPrompt>),
    /// Known keys, and whatever key a server shows the first time.
    AcceptNew,
    /// This key only.
    Pinned(Fingerprint),
    /// Known keys only.
    KnownOnly,
}

/// A person who can say whether a server's key is the right one.
pub trait TrustPrompt: Send + Sync {
    /// Shows the question and waits for the answer. Nothing was sent to the server yet.
    fn accept<'a>(&'a self, question: &'a TrustQuestion) -> BoxFuture<'a, bool>;
}

/// What to decide about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustQuestion {
    /// The server, as `host:port`.
    pub host: String,
    /// The key it showed.
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
