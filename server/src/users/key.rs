//! A public key for login, in the format of OpenSSH, and the verification of its signatures.

use std::{fmt, str::FromStr};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::text;

/// The only supported type: short, fast, and without parameters that could be wrong.
const KIND: &str = "ssh-ed25519";
/// The bytes before a key of this type in the SSH encoding (RFC 8709): the length and name of the type, and the
/// length of the key.
const PREFIX: &[u8] = b"\0\0\0\x0bssh-ed25519\0\0\0\x20";

/// An OpenSSH public key line: `ssh-ed25519`, base64, and an optional comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    line: String,
    key: KeyBytes,
}

/// The key itself, without its comment.
pub type KeyBytes = [u8; 32];

/// The text is not such a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is a line '{KIND} AAAA… comment', as 'ssh-keygen -t ed25519' makes; other types are not supported")]
pub struct KeyError;

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let mut words = text.split_ascii_whitespace();
        let (Some(KIND), Some(encoded)) = (words.next(), words.next()) else { return Err(KeyError) };
        let bytes = STANDARD.decode(encoded).map_err(|_| KeyError)?;
        let key = bytes.strip_prefix(PREFIX).and_then(|key| KeyBytes::try_from(key).ok());
        match key {
            Some(key) if !text.contains(char::is_control) => Ok(Self { line: text.to_owned(), key }),
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

    /// Whether `text` refers to this key: its comment, its base64, or the whole line.
    #[must_use]
    pub fn is_called(&self, text: &str) -> bool {
        let mut words = self.line.splitn(3, ' ').skip(1);
        self.line == text || words.any(|word| word.trim() == text)
    }

    /// Whether `signature` (base64) is a valid signature of `text` by this key (RFC 8032, Ed25519).
    #[must_use]
    pub fn signed(&self, text: &[u8], signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        UnparsedPublicKey::new(&ED25519, self.key).verify(text, &signature).is_ok()
    }
}

/// The fingerprint of a key, as `ssh-keygen -l` prints it.
#[must_use]
pub fn fingerprint(key: &KeyBytes) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest([PREFIX, key].concat())))
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

    /// A key of another type.
    const ECDSA: &str = "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBMkmaadrZh4vAyOXq8QmU1hv6oYAGDroW5aN\
        rDMGAXkKyxsXowfAIfWDq7sW2Lf20CrjN3tPlwiCvlwkGw1asO8=";

    #[test]
    fn accepts_what_ssh_keygen_writes() {
        assert_eq!(LINE.parse::<PublicKey>().unwrap().to_string(), LINE);
        assert!(format!("{LINE}\n").parse::<PublicKey>().is_ok());
        let wide = LINE.replace(' ', "   ");
        assert_eq!(wide.parse::<PublicKey>().unwrap().to_string(), wide, "kept as it was written");
    }

    #[test]
    fn its_fingerprint_is_that_of_ssh_keygen() {
        let key = LINE.parse::<PublicKey>().unwrap().key();
        assert_eq!(fingerprint(&key), "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
    }

    #[test]
    fn only_what_this_key_signed_is_its() {
        use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
        let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
        let blob = [PREFIX, pair.public_key().as_ref()].concat();
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
            format!("{kind} {ECDSA}"),
            // Its stated length is greater than its real one.
            format!("{kind} {}", key.replace("AAAAIO", "AACKIO")),
            format!("{LINE}\t{LINE}"),
            format!("{LINE}\n{LINE}"),
            "-----BEGIN OPENSSH PRIVATE KEY-----".to_owned(),
        ] {
            assert_eq!(line.parse::<PublicKey>(), Err(KeyError), "{line}");
        }
    }
}
