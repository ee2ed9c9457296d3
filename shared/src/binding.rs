//! Proofs bound to one TLS connection, so that none can be replayed or relayed.
//!
//! Both sides derive the same bytes from the connection's keys (RFC 8446, section 7.5);
//! nobody in between can make them be the same on two connections.

/// The exporter label of what a key signs.
pub const LOGIN_LABEL: &[u8] = b"EXPORTER-ferry-login";
/// Bytes exported for a binding.
pub const EXPORTED_LEN: usize = 32;
/// What every signed login begins with, so that no other signature can be taken for one.
const LOGIN_PREFIX: &[u8] = b"ferry-login-v1";

/// Bytes that only the two ends of one TLS connection know.
pub type Exported = [u8; EXPORTED_LEN];

/// What a key signs to log `user` in on the connection with these exported bytes.
#[must_use]
pub fn login_text(user: &str, exported: &Exported) -> Vec<u8> {
    [LOGIN_PREFIX, user.as_bytes(), exported].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_connection_are_both_in_it() {
        let text = login_text("anna", &[7; 32]);
        assert_eq!(text, [&b"ferry-login-v1anna"[..], &[7; 32]].concat());
        assert_ne!(text, login_text("anne", &[7; 32]));
        assert_ne!(text, login_text("anna", &[8; 32]));
    }
}
