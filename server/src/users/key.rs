//! A public key for login, in the format of OpenSSH.

use std::{fmt, ops::RangeInclusive, str::FromStr, sync::Arc};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use russh::keys::ssh_key::{self, public::KeyData};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::text;

/// The types of keys, as error messages name them.
const KINDS: &str = "ssh-ed25519, ecdsa-sha2-nistp256 (also 384 and 521), ssh-rsa, sk-ssh-ed25519@openssh.com or \
                     sk-ecdsa-sha2-nistp256@openssh.com";
/// The sizes of RSA keys: smaller ones are weak, larger ones cannot be verified.
const RSA_BITS: RangeInclusive<u32> = 3072..=8192;
/// The type of key with which ferry's own protocol logs in: short, fast, and without parameters that could be wrong.
pub(crate) const ED25519_KIND: &str = "ssh-ed25519";
/// The bytes before an Ed25519 key in the SSH encoding (RFC 8709): the length and name of the type, and the length
/// of the key.
const ED25519_PREFIX: &[u8] = b"\0\0\0\x0bssh-ed25519\0\0\0\x20";

/// An OpenSSH public key line: type, base64, and an optional comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    line: String,
    key: KeyBytes,
}

/// The key itself in the SSH encoding, without its comment.
pub type KeyBytes = Arc<[u8]>;

/// The reason why a text is no key that an account can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not such a line, or a key of an unknown type.
    #[error("a key is a line 'ssh-ed25519 AAAA… comment', as 'ssh-keygen -t ed25519' makes; its type is {KINDS}")]
    NoKey,
    /// It is a private key.
    #[error("this is the private key; the public one is in the file beside it whose name ends in .pub")]
    Private,
    /// It is a DSA key.
    #[error("keys of the type ssh-dss are broken; make another with 'ssh-keygen -t ed25519'")]
    Dsa,
    /// It is an RSA key of this many bits.
    #[error(
        "this RSA key has {0} bits; {least} to {most} are possible, and 'ssh-keygen -t ed25519' makes a better one",
        least = RSA_BITS.start(),
        most = RSA_BITS.end()
    )]
    Rsa(u32),
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.starts_with("-----BEGIN") {
            return Err(KeyError::Private);
        }
        let mut words = text.split_ascii_whitespace();
        let (Some(kind), Some(encoded)) = (words.next(), words.next()) else { return Err(KeyError::NoKey) };
        if text.contains(char::is_control) {
            return Err(KeyError::NoKey);
        }
        let key = STANDARD.decode(encoded).map_err(|_| KeyError::NoKey)?;
        match kind {
            ED25519_KIND if key.strip_prefix(ED25519_PREFIX).is_some_and(|key| key.len() == 32) => {}
            ED25519_KIND => return Err(KeyError::NoKey),
            "ssh-dss" => return Err(KeyError::Dsa),
            kind => check(kind, &key)?,
        }
        Ok(Self { line: text.to_owned(), key: key.into() })
    }
}

/// Checks a key of another type than Ed25519. Only operators add such keys: strangers do not get here.
fn check(kind: &str, bytes: &[u8]) -> Result<(), KeyError> {
    let key = ssh_key::PublicKey::from_bytes(bytes).map_err(|_| KeyError::NoKey)?;
    match key.key_data() {
        KeyData::Rsa(rsa) if !RSA_BITS.contains(&rsa.key_size()) => return Err(KeyError::Rsa(rsa.key_size())),
        KeyData::Ecdsa(_) | KeyData::Rsa(_) | KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) => {}
        _ => return Err(KeyError::NoKey),
    }
    // Keys are compared by their bytes, so there must be only one way to write each.
    let is_plain = key.algorithm().as_str() == kind && key.to_bytes().is_ok_and(|again| again == bytes);
    if is_plain { Ok(()) } else { Err(KeyError::NoKey) }
}

impl PublicKey {
    /// The key, without its comment.
    #[must_use]
    pub fn key(&self) -> &KeyBytes {
        &self.key
    }

    /// Whether `text` refers to this key: its comment, its base64, or the whole line.
    #[must_use]
    pub fn is_called(&self, text: &str) -> bool {
        let mut words = self.line.splitn(3, ' ').skip(1);
        self.line == text || words.any(|word| word.trim() == text)
    }

    /// Whether `signature` (base64) is a valid signature of `text` by this Ed25519 key (RFC 8032).
    #[must_use]
    pub fn signed(&self, text: &[u8], signature: &str) -> bool {
        let (Some(key), Ok(signature)) = (self.key.strip_prefix(ED25519_PREFIX), STANDARD.decode(signature)) else {
            return false;
        };
        UnparsedPublicKey::new(&ED25519, key).verify(text, &signature).is_ok()
    }
}

/// The fingerprint of a key, as `ssh-keygen -l` prints it.
#[must_use]
pub fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(key)))
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
        let key = LINE.parse::<PublicKey>().unwrap();
        assert_eq!(fingerprint(key.key()), "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
    }

    #[test]
    fn only_what_this_key_signed_is_its() {
        use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
        let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
        let blob = [ED25519_PREFIX, pair.public_key().as_ref()].concat();
        let key: PublicKey = format!("ssh-ed25519 {} comment", STANDARD.encode(blob)).parse().unwrap();
        let signature = STANDARD.encode(pair.sign(b"text"));
        assert!(key.signed(b"text", &signature));
        assert!(!key.signed(b"test", &signature));
        assert!(!LINE.parse::<PublicKey>().unwrap().signed(b"text", &signature));
        for wrong in ["", "AAAA", "not base64"] {
            assert!(!key.signed(b"text", wrong));
        }
    }

    fn line(key: impl Into<ssh_key::PublicKey>) -> String {
        key.into().to_openssh().unwrap()
    }

    #[test]
    fn keys_of_each_type_are_taken_and_their_fingerprints_are_those_of_ssh_keygen() {
        use ssh_key::{Algorithm, EcdsaCurve, HashAlg, PrivateKey, public};
        let ecdsa = |curve| {
            let pair = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ecdsa { curve });
            pair.unwrap().public_key().clone()
        };
        let KeyData::Ecdsa(public::EcdsaPublicKey::NistP256(point)) = *ecdsa(EcdsaCurve::NistP256).key_data() else {
            panic!("another type")
        };
        let token = public::SkEcdsaSha2NistP256::new(point, "ssh:");
        let token25519 = public::SkEd25519::new(public::Ed25519PublicKey([7; 32]), "ssh:");
        for key in [
            ecdsa(EcdsaCurve::NistP256),
            ecdsa(EcdsaCurve::NistP384),
            ecdsa(EcdsaCurve::NistP521),
            KeyData::SkEcdsaSha2NistP256(token).into(),
            KeyData::SkEd25519(token25519).into(),
            rsa(3072),
            rsa(8192),
        ] {
            let taken: PublicKey = line(key.clone()).parse().unwrap();
            assert_eq!(fingerprint(taken.key()), key.fingerprint(HashAlg::Sha256).to_string());
            assert!(!taken.signed(b"text", "AAAA"), "ferry's own protocol does not verify it");
        }
    }

    /// A number of this many bits in place of a product of primes.
    fn rsa(bits: usize) -> ssh_key::PublicKey {
        let number = |bytes: &[u8]| ssh_key::Mpint::from_positive_bytes(bytes);
        let key = ssh_key::public::RsaPublicKey::new(number(&[1, 0, 1]), number(&vec![0xff; bits / 8])).unwrap();
        KeyData::Rsa(key).into()
    }

    #[test]
    fn weak_and_private_keys_are_refused_with_the_reason() {
        let error = |line: &str| line.parse::<PublicKey>().unwrap_err();
        assert_eq!(error(&line(rsa(2048))), KeyError::Rsa(2048));
        assert!(error(&line(rsa(2048))).to_string().contains("has 2048 bits; 3072 to 8192 are possible"));
        assert_eq!(error(&line(rsa(16384))), KeyError::Rsa(16384));
        assert_eq!(error("ssh-dss AAAAB3NzaC1kc3M= old"), KeyError::Dsa);
        assert_eq!(error("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn"), KeyError::Private);
        assert_eq!(error(&format!("ssh-rsa {ECDSA}")), KeyError::NoKey);
        assert_eq!(error(&format!("ecdsa-sha2-nistp256 {}AAAA", &ECDSA[..ECDSA.len() - 4])), KeyError::NoKey);
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
        ] {
            assert_eq!(line.parse::<PublicKey>(), Err(KeyError::NoKey), "{line}");
        }
    }
}
