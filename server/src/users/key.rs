//! A public key a user may log in with, as OpenSSH writes it, and what it signed.

use std::{fmt, str::FromStr};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::text;

/// The only kind: short, fast, and without parameters to get wrong.
const KIND: &str = "ssh-ed25519";

/// An OpenSSH public key line: `ssh-ed25519`, base64, and a comment if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    line: String,
    key: KeyBytes,
}

/// The key itself, without its comment.
pub type KeyBytes = [u8; 32];

/// Text that is no such line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is a line '{KIND} AAAA… comment', as 'ssh-keygen -t ed25519' makes; other kinds are not taken")]
pub struct KeyError;

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let mut words = text.split_ascii_whitespace();
        let (Some(KIND), Some(encoded)) = (words.next(), words.next()) else { return Err(KeyError) };
        let bytes = STANDARD.decode(encoded).map_err(|_| KeyError)?;
        // RFC 8709: two strings, the kind and the 32 bytes of the key, each after its length.
        let (kind, rest) = take_string(&bytes).ok_or(KeyError)?;
        let (key, rest) = take_string(rest).ok_or(KeyError)?;
        let whole = kind == KIND.as_bytes() && rest.is_empty();
        let printable = !text.chars().any(char::is_control);
        match KeyBytes::try_from(key) {
            Ok(key) if whole && printable => Ok(Self { line: text.to_owned(), key }),
            _ => Err(KeyError),
        }
    }
}

impl PublicKey {
    /// The key, without its comment.
    #[must_use]
    pub fn key(&self) -> KeyBytes {
        self.key
    }

    /// Whether a person means this key by `text`: its comment, its base64, or the whole line.
    #[must_use]
    pub fn is_called(&self, text: &str) -> bool {
        let mut words = self.line.splitn(3, ' ').skip(1);
        self.line == text || words.any(|word| word.trim() == text)
    }

    /// Whether `signature` (base64) is this key's over `text` (RFC 8032, Ed25519).
    #[must_use]
    pub fn signed(&self, text: &[u8], signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        UnparsedPublicKey::new(&ED25519, self.key).verify(text, &signature).is_ok()
    }
}

/// The fingerprint of a key, as `ssh-keygen -l` prints it.
#[must_use]
pub fn fingerprint(key: &KeyBytes) -> String {
    let mut wire = Vec::new();
    for part in [KIND.as_bytes(), key] {
        wire.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        wire.extend(part);
    }
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(wire)))
}

fn take_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.line)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl user@laptop";

    #[test]
    fn accepts_what_ssh_keygen_writes() {
        assert_eq!(LINE.parse::<PublicKey>().unwrap().to_string(), LINE);
        assert!(format!("{LINE}\n").parse::<PublicKey>().is_ok());
    }

    #[test]
    fn only_what_this_key_signed_is_its() {
        use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
        let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
        let mut blob = vec![0, 0, 0, 11];
        blob.extend_from_slice(KIND.as_bytes());
        blob.extend_from_slice(&[0, 0, 0, 32]);
        blob.extend_from_slice(pair.public_key().as_ref());
        let key: PublicKey = format!("{KIND} {} comment", STANDARD.encode(blob)).parse().unwrap();
        let signature = STANDARD.encode(pair.sign(b"text"));
        assert!(key.signed(b"text", &signature));
        assert!(!key.signed(b"test", &signature));
        assert!(!LINE.parse::<PublicKey>().unwrap().signed(b"text", &signature));
        for wrong in ["", "AAAA", "not base64"] {
            assert!(!key.signed(b"text", wrong));
        }
    }

    #[test]
    fn refuses_other_kinds_and_damaged_keys() {
        let (kind, rest) = LINE.split_once(' ').unwrap();
        let key = rest.split(' ').next().unwrap();
        for line in [
            String::new(),
            key.to_owned(),
            format!("ssh-rsa {rest}"),
            format!("{kind} {}", &key[..key.len() - 4]),
            format!("{kind} {key}AAAA"),
            format!("{kind} not-base64"),
            "-----BEGIN OPENSSH PRIVATE KEY-----".to_owned(),
        ] {
            assert_eq!(line.parse::<PublicKey>(), Err(KeyError), "{line}");
        }
    }
}
