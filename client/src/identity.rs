//! The user's credentials, and the proofs made from them.

mod agent;
mod key_file;

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ferry_shared::{
    binding::{Exported, login_text},
    message::request::Proof,
    secret::Secret,
};

use crate::error::ClientError;
pub use crate::error::{AgentError, IdentityError};

pub use agent::AgentKey;
pub use key_file::{Identity, LockedKey, SigningKey, open};

/// A means of proving the user's identity.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A password, sent only inside TLS and only after the server's key was accepted.
    Password(Secret),
    /// A key in this process.
    Key(Arc<SigningKey>),
    /// A key in ssh-agent.
    Agent(AgentKey),
}

impl Credential {
    /// The proof for a login of `user` on the connection that exported these bytes.
    ///
    /// # Errors
    /// [`ClientError::Identity`] if the agent does not sign.
    pub(crate) async fn proof(&self, user: &str, exported: &Exported) -> Result<Proof, ClientError> {
        let text = login_text(user, exported);
        let (public_key, signature) = match self {
            Self::Password(password) => return Ok(Proof::Password(password.clone())),
            Self::Key(key) => (key.public_line(), key.sign(&text)),
            Self::Agent(key) => {
                let agent = key.clone();
                let signed = tokio::task::spawn_blocking(move || agent.sign(&text)).await;
                let signed = signed.unwrap_or_else(|stopped| Err(AgentError::Io(stopped.into())));
                let failed = |error| ClientError::Identity(Arc::new(IdentityError::Agent(error)));
                (key.public_line(), signed.map_err(failed)?)
            }
        };
        Ok(Proof::Key { public_key, signature: STANDARD.encode(signature) })
    }
}

/// An OpenSSH line for a key, from its SSH encoding (RFC 8709).
fn public_line(blob: &[u8]) -> String {
    format!("ssh-ed25519 {}", STANDARD.encode(blob))
}
