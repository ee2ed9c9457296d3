//! Invites: tokens of which only a hash is stored, with the terms for accounts made with them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ferry_shared::secret::Secret;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::moment::Moment;
use crate::size::ByteCount;

/// Random bytes of a token.
const TOKEN_LEN: usize = 24;
/// Letters of an invite's short name: the start of its hash.
const ID_LEN: usize = 12;

/// The terms of an invite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invite {
    /// Bytes the account may have; null for no limit.
    #[serde(default)]
    pub quota: Option<ByteCount>,
    /// Accounts that can still be made with it.
    pub uses: u32,
    /// When it expires; null for never.
    #[serde(default)]
    pub expires: Option<Moment>,
}

impl Invite {
    /// Whether an account can be made with it now.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.uses > 0 && self.expires.is_none_or(|end| Moment::now() < end)
    }
}

/// The system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("no random bytes from the system")]
pub struct NoRandomness;

/// A new token, and the hash that is stored.
///
/// # Errors
/// [`NoRandomness`].
pub fn token() -> Result<(Secret, String), NoRandomness> {
    let mut bytes = [0; TOKEN_LEN];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    let token = Secret::new(URL_SAFE_NO_PAD.encode(bytes));
    let hash = hash(&token);
    Ok((token, hash))
}

/// The hash that is stored for a token. A token is random, so a plain hash reveals nothing.
#[must_use]
pub fn hash(token: &Secret) -> String {
    let digest = Sha256::digest(token.expose().trim().as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The short name of the invite with this hash.
#[must_use]
pub fn id(hash: &str) -> &str {
    hash.get(..ID_LEN).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_are_known_by_their_hash_only() {
        let ((one, one_hash), (two, two_hash)) = (token().unwrap(), token().unwrap());
        assert!(one.expose() != two.expose() && one_hash != two_hash);
        assert_eq!(hash(&Secret::new(format!("{}\n", one.expose()))), one_hash);
        assert_eq!(id(&one_hash).len(), ID_LEN);
    }

    #[test]
    fn an_invite_is_used_up_and_ends() {
        let invite =
            |uses, expires: Option<&str>| Invite { quota: None, uses, expires: expires.map(|at| at.parse().unwrap()) };
        assert!(invite(1, None).is_valid() && invite(1, Some("2999-01-01")).is_valid());
        assert!(!invite(0, None).is_valid() && !invite(1, Some("2020-01-01")).is_valid());
    }
}
