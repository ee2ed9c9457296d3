//! Who the user is, and how that is proven to a server.

use ferry_shared::{message::request::Proof, secret::Secret};

/// What proves who the user is.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A password, sent only inside TLS and only after the server's key was trusted.
    Password(Secret),
}

impl Credential {
    /// The proof to offer in a login.
    pub(crate) fn proof(&self) -> Proof {
        match self {
            Self::Password(password) => Proof::Password(password.clone()),
        }
    }
}
