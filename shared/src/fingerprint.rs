//! The fingerprint of a server's key, which people compare; both sides compute it in the same way.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

/// The prefix before the digest, as in `ssh-keygen -l`.
const PREFIX: &str = "SHA256:";

/// The SHA-256 of a public key (its DER `SubjectPublicKeyInfo`), written `SHA256:` and base64
/// without padding.
///
/// It covers the key rather than the certificate, so a renewed certificate for the same key keeps it (RFC 7469 pins
/// keys the same way).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

/// The text is not a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 'SHA256:' and 43 characters of base64")]
pub struct FingerprintError;

impl Fingerprint {
    /// The fingerprint of a key, given its DER `SubjectPublicKeyInfo`.
    ///
    /// For a certificate, use `webpki::EndEntityCert::subject_public_key_info`.
    #[must_use]
    pub fn of_spki(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// The bare digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", STANDARD_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(FingerprintError)?;
        let bytes = STANDARD_NO_PAD.decode(encoded.trim_end_matches('=')).map_err(|_| FingerprintError)?;
        Ok(Self(bytes.try_into().map_err(|_| FingerprintError)?))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_what_sha256sum_and_base64_give() {
        // printf abc | openssl dgst -sha256 -binary | base64
        let text = "SHA256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0";
        assert_eq!(Fingerprint::of_spki(b"abc").to_string(), text);
        assert_eq!(text.parse(), Ok(Fingerprint::of_spki(b"abc")));
        assert_eq!(format!("{text}=\n").parse(), Ok(Fingerprint::of_spki(b"abc")));
    }

    #[test]
    fn refuses_what_is_not_a_whole_digest() {
        let whole = Fingerprint::of_spki(b"abc").to_string();
        for text in ["", "SHA256:", &whole[..whole.len() - 1], &whole[7..], &format!("{whole}AAAA"), "MD5:abc"] {
            assert_eq!(text.parse::<Fingerprint>(), Err(FingerprintError), "{text}");
        }
    }
}
