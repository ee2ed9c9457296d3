//! The host keys that are known: those of OpenSSH's files, and those that the user accepted in ferry.

use std::{fs, io, path::PathBuf};

use ferry_shared::fingerprint::Fingerprint;
use hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::{
    Algorithm, EcdsaCurve, HashAlg, PublicKey,
    ssh_key::{
        Certificate,
        certificate::CertType,
        known_hosts::{Entry, HostPatterns, Marker},
        public::KeyData,
    },
};
use sha1::Sha1;

use super::config::is_meant;

/// The algorithms of host keys, the preferred one first. RSA never with SHA-1.
const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// The keys that are known of one host.
#[derive(Debug, Default)]
pub(super) struct KnownHosts {
    keys: Vec<(PublicKey, PathBuf)>,
    authorities: Vec<PublicKey>,
    revoked: Vec<(PublicKey, PathBuf)>,
}

/// The knowledge about a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It is one of the host's, or certified for it.
    Same,
    /// The host has another one, in this file.
    Other(Fingerprint, PathBuf),
    /// It is revoked, in this file.
    Revoked(PathBuf),
    /// The host has none.
    Unknown,
}

impl KnownHosts {
    /// Reads OpenSSH's files; those that do not exist have no keys.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(super) fn read(files: &[PathBuf], host: &str, port: u16) -> Result<Self, (PathBuf, io::Error)> {
        let mut known = Self::default();
        for file in files {
            match fs::read(file) {
                Ok(bytes) => known.add(&String::from_utf8_lossy(&bytes), file, host, port),
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(error) => return Err((file.clone(), error)),
            }
        }
        Ok(known)
    }

    /// Adds the lines of a file that are about a host. Lines that cannot be parsed, such as those with types of keys
    /// that are not known here, are left out, as OpenSSH does.
    fn add(&mut self, text: &str, file: &std::path::Path, host: &str, port: u16) {
        let host = host.to_ascii_lowercase();
        let name = if port == 22 { host } else { format!("[{host}]:{port}") };
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // The parser wants single spaces.
            let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
            let Ok(entry) = line.parse::<Entry>() else { continue };
            if !is_about(entry.host_patterns(), &name) {
                continue;
            }
            let key = entry.public_key().clone();
            match entry.marker() {
                None => self.keys.push((key, file.to_owned())),
                Some(Marker::CertAuthority) => self.authorities.push(key),
                Some(Marker::Revoked) => self.revoked.push((key, file.to_owned())),
            }
        }
    }

    /// Whether certificates can be verified.
    pub(super) fn has_authorities(&self) -> bool {
        !self.authorities.is_empty()
    }

    /// The algorithms to offer: first those of keys that are known, so that another key of the same host is no false
    /// alarm. `own` is the fingerprint and the algorithm of the key that the user accepted.
    pub(super) fn algorithms(&self, own: Option<&str>) -> Vec<Algorithm> {
        let is_known = |algorithm: &Algorithm| {
            let name = family(algorithm);
            own == Some(name) || self.keys.iter().any(|(key, _)| family(&key.algorithm()) == name)
        };
        let (mut known, other): (Vec<_>, Vec<_>) = ALGORITHMS.into_iter().partition(is_known);
        known.extend(other);
        known
    }

    /// The knowledge about a plain key.
    pub(super) fn look_up(&self, key: &PublicKey) -> Known {
        let is = |known: &PublicKey| known.key_data() == key.key_data();
        if let Some((_, file)) = self.revoked.iter().find(|(known, _)| is(known)) {
            return Known::Revoked(file.clone());
        }
        if self.keys.iter().any(|(known, _)| is(known)) {
            return Known::Same;
        }
        // The algorithms of the known keys were offered first: a server that still had one would have shown it.
        let of_family = self.keys.iter().find(|(known, _)| family(&known.algorithm()) == family(&key.algorithm()));
        match of_family.or(self.keys.first()) {
            Some((other, file)) => Known::Other(fingerprint(other.key_data()), file.clone()),
            None => Known::Unknown,
        }
    }

    /// Whether a certificate is valid for `host` at present, and signed by an authority that is known.
    pub(super) fn vouches(&self, certificate: &Certificate, host: &str) -> Result<(), &'static str> {
        let revoked = |data: &KeyData| self.revoked.iter().any(|(known, _)| known.key_data() == data);
        if revoked(certificate.public_key()) || revoked(certificate.signature_key()) {
            return Err("its certificate, or the authority of it, is revoked");
        }
        let authorities: Vec<_> = self.authorities.iter().map(|key| key.fingerprint(HashAlg::Sha256)).collect();
        if certificate.validate(&authorities).is_err() {
            return Err("its certificate is not valid now, or no known authority signed it");
        }
        if certificate.cert_type() != CertType::Host || certificate.critical_options().iter().next().is_some() {
            return Err("its certificate is not one for a host");
        }
        let principals = certificate.valid_principals();
        // An empty list is no licence for every host.
        match principals.iter().any(|name| is_meant(&[name], host)) {
            true => Ok(()),
            false => Err("its certificate is for another host"),
        }
    }
}

/// The name of the family of an algorithm: signatures of RSA differ in their hash only.
pub(super) fn family(algorithm: &Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Ed25519 => "ssh-ed25519",
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 } => "ecdsa-sha2-nistp256",
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 } => "ecdsa-sha2-nistp384",
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 } => "ecdsa-sha2-nistp521",
        Algorithm::Rsa { .. } => "ssh-rsa",
        _ => "other",
    }
}

/// The fingerprint of a key, as `ssh-keygen -l` shows it.
pub(super) fn fingerprint(key: &KeyData) -> Fingerprint {
    let shown = key.fingerprint(HashAlg::Sha256).to_string();
    // Both are "SHA256:" and base64 of the same digest.
    shown.parse().unwrap_or_else(|_| Fingerprint::of_spki(shown.as_bytes()))
}

fn is_about(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::Patterns(patterns) => is_meant(patterns, name),
        HostPatterns::HashedName { salt, hash } => {
            let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(salt) else { return false };
            mac.update(name.as_bytes());
            mac.verify_slice(hash).is_ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJHVmkZGwvdSbz1LgFUlGEDbH3lCdyBQeT6ARkHgJQ3R";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

    fn key(text: &str) -> PublicKey {
        PublicKey::from_openssh(text).unwrap()
    }

    fn known(text: &str, host: &str, port: u16) -> KnownHosts {
        let mut known = KnownHosts::default();
        known.add(text, "/f".as_ref(), host, port);
        known
    }

    fn hashed(name: &str) -> String {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let salt = [7_u8; 20];
        let mut mac = Hmac::<Sha1>::new_from_slice(&salt).unwrap();
        mac.update(name.as_bytes());
        format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(mac.finalize().into_bytes()))
    }

    #[test]
    fn plain_wildcard_and_hashed_names_are_found() {
        for (names, port) in [
            ("h.example.org,10.0.0.1".to_owned(), 22),
            ("*.example.org".to_owned(), 22),
            ("[h.example.org]:2222".to_owned(), 2222),
            (hashed("h.example.org"), 22),
            (hashed("[h.example.org]:2222"), 2222),
        ] {
            let known = known(&format!("# c\n{names}   {ED}\n"), "H.example.org", port);
            assert_eq!(known.look_up(&key(ED)), Known::Same, "{names}");
            assert!(matches!(known.look_up(&key(OTHER)), Known::Other(..)), "{names}");
        }
    }

    #[test]
    fn another_port_another_host_and_a_negated_name_are_unknown() {
        for names in ["h".to_owned(), "[h]:23".to_owned(), "*,![h]:24".to_owned(), hashed("h")] {
            assert_eq!(known(&format!("{names} {ED}"), "h", 24).look_up(&key(ED)), Known::Unknown, "{names}");
        }
    }

    #[test]
    fn a_revoked_key_is_refused_although_it_is_known() {
        let text = format!("h {ED}\n@revoked * {ED}\n");
        assert_eq!(known(&text, "h", 22).look_up(&key(ED)), Known::Revoked("/f".into()));
    }

    #[test]
    fn the_algorithms_of_known_keys_come_first() {
        let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDTM4lPJDjfHRKTC0bFgzHoFcNHUPCSjXgy2gnVr4OOVrHRZPRRMBcyQ9Fv4yMEpZ8sTbRWZVtCPjsjKZLzqhs2c3pqjqPvXPbxXJUVVvNR0FWZKrNYPuPa+l3bCTXn3UqJFCE5Cl+5dn6ZBwwhCCBSLvqIcvIXq5VT9T2iWDDWbw==";
        let known = known(&format!("h {rsa}"), "h", 22);
        if !known.keys.is_empty() {
            assert!(matches!(known.algorithms(None)[0], Algorithm::Rsa { .. }));
        }
        assert_eq!(
            KnownHosts::default().algorithms(Some("ssh-rsa"))[0],
            Algorithm::Rsa { hash: Some(HashAlg::Sha512) }
        );
        assert_eq!(KnownHosts::default().algorithms(None)[0], Algorithm::Ed25519);
    }
}
