//! Proofs bound to one TLS connection, so that none can be replayed or relayed.
//!
//! Both sides derive the same bytes from the connection's keys (RFC 8446, section 7.5); nobody in between can make
//! them equal on two connections.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::secret::Secret;

/// The exporter label of the bytes that a client seals with the server's secret.
pub const SEAL_LABEL: &[u8] = b"EXPORTER-ferry-seal";
/// The minimum length of the secret in bytes; a shorter one could be guessed.
pub const SEAL_SECRET_MIN: usize = 16;
/// The exporter label of the bytes that a key signs.
pub const LOGIN_LABEL: &[u8] = b"EXPORTER-ferry-login";
/// Bytes exported for a binding.
pub const EXPORTED_LEN: usize = 32;
/// The prefix of the text for a signed login, so that no other signature can be used as one.
const LOGIN_PREFIX: &[u8] = b"ferry-login-v1";

/// Bytes that only the two ends of one TLS connection know.
pub type Exported = [u8; EXPORTED_LEN];

/// The text that a key signs to log `user` in on the connection with these exported bytes.
#[must_use]
pub fn login_text(user: &str, exported: &Exported) -> Vec<u8> {
    [LOGIN_PREFIX, user.as_bytes(), exported].concat()
}

/// The proof that one end of the connection with these exported bytes knows `secret`: HMAC-SHA-256 (RFC 2104).
#[must_use]
pub fn seal(secret: &Secret, exported: &Exported) -> [u8; 32] {
    sealing(secret, exported).finalize().into_bytes().into()
}

/// Whether `seal` equals the result of [`seal`]. Takes the same time wherever they differ.
#[must_use]
pub fn is_sealed(secret: &Secret, exported: &Exported, seal: &[u8]) -> bool {
    sealing(secret, exported).verify_slice(seal).is_ok()
}

fn sealing(secret: &Secret, exported: &Exported) -> Hmac<Sha256> {
    // The key must fill one block of the hash; longer secrets are digested first, as the RFC specifies.
    let mut key = hmac::digest::Key::<Hmac<Sha256>>::default();
    let bytes = secret.expose().as_bytes();
    if bytes.len() > key.len() {
        key[..32].copy_from_slice(&<Sha256 as sha2::Digest>::digest(bytes));
    } else {
        key[..bytes.len()].copy_from_slice(bytes);
    }
    Hmac::new(&key).chain_update(exported)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Computed with Python's hmac module over 32 bytes of 7.
    const SHORT: &str = "a9b74162b350a48a76a7715447ae7c8810b4c72dde3a83348436e7ff16a8eb93";
    const LONG: &str = "cf95353eed31329e08428b37fcce49c040b2061a10ce50fc5ee24d9729448cfb";

    #[test]
    fn a_seal_is_the_hmac_that_others_compute() {
        let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        for (secret, expected) in [("a shared secret of ours".to_owned(), SHORT), ("long".repeat(40), LONG)] {
            assert_eq!(hex(seal(&Secret::new(secret), &[7; 32])), expected);
        }
    }

    #[test]
    fn a_seal_holds_for_one_secret_and_one_connection() {
        let (secret, other) = (Secret::new("a".repeat(16)), Secret::new("b".repeat(16)));
        let sealed = seal(&secret, &[1; 32]);
        assert!(is_sealed(&secret, &[1; 32], &sealed));
        assert!(!is_sealed(&other, &[1; 32], &sealed));
        assert!(!is_sealed(&secret, &[2; 32], &sealed));
        assert!(!is_sealed(&secret, &[1; 32], &sealed[..31]));
        assert!(!is_sealed(&secret, &[1; 32], &[]));
    }

    #[test]
    fn user_and_connection_are_both_in_it() {
        let text = login_text("anna", &[7; 32]);
        assert_eq!(text, [&b"ferry-login-v1anna"[..], &[7; 32]].concat());
        assert_ne!(text, login_text("anne", &[7; 32]));
        assert_ne!(text, login_text("anna", &[8; 32]));
    }
}
