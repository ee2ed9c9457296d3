//! Decides about a host's key: by OpenSSH's files, by ferry's own, and by the user.

use std::{path::PathBuf, sync::Arc};

use ferry_shared::fingerprint::Fingerprint;
use parking_lot::Mutex;
use russh::keys::{Algorithm, PublicKeyOrCertificate};

use super::known_hosts::{Known, KnownHosts, family, fingerprint};
use crate::{
    error::ClientError,
    trust::{KnownServers, Trust, TrustPrompt, TrustQuestion},
};

/// The host to decide about.
#[derive(Debug, Clone)]
pub(super) struct Host {
    /// Its name or address.
    pub(super) name: String,
    pub(super) port: u16,
}

impl Host {
    /// The host as people see it, and as ferry's own file has it.
    pub(super) fn shown(&self) -> String {
        format!("sftp://{}", crate::address::joined(&crate::address::canonical_host(&self.name), self.port))
    }
}

/// Decides about the keys of hosts.
#[derive(Debug, Clone)]
pub(super) struct HostKeys {
    trust: Trust,
    own: KnownServers,
    files: Vec<PathBuf>,
}

/// The knowledge about a host before it is connected to.
#[derive(Debug)]
pub(super) struct Expected {
    host: Host,
    known: KnownHosts,
    /// The key that the user accepted, and its algorithm.
    own: Option<(Fingerprint, Option<String>)>,
    keys: HostKeys,
}

/// The decision.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    Trusted(Fingerprint),
    /// The user must decide; nothing was sent yet.
    Ask(Fingerprint, &'static str),
}

impl HostKeys {
    pub(super) fn new(trust: Trust, own: PathBuf, files: Vec<PathBuf>) -> Self {
        Self { trust, own: KnownServers::new(own), files }
    }

    /// The same for a host on the way, whose key no flag can name.
    pub(super) fn for_jump(&self) -> Self {
        let trust = match &self.trust {
            Trust::Pinned(_) => Trust::KnownOnly,
            other => other.clone(),
        };
        Self { trust, ..self.clone() }
    }

    /// Reads the files.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(super) async fn expect(&self, host: Host) -> Result<Expected, ClientError> {
        let keys = self.clone();
        let work = tokio::task::spawn_blocking(move || {
            let known = KnownHosts::read(&keys.files, &host.name, host.port)
                .map_err(|(path, error)| ClientError::local(path, error))?;
            let own = keys.own.key_of(&host.shown())?;
            Ok(Expected { host, known, own, keys })
        });
        work.await.unwrap_or(Err(ClientError::Cancelled))
    }
}

impl Expected {
    /// The algorithms to offer, the first one first.
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        self.known.algorithms(self.own.as_ref().and_then(|(_, algorithm)| algorithm.as_deref()))
    }

    /// Whether to ask for certificates.
    pub(super) fn takes_certificates(&self) -> bool {
        self.known.has_authorities() && !matches!(self.keys.trust, Trust::Pinned(_))
    }

    /// Whether only one key is accepted, whose algorithm is not known.
    pub(super) fn is_pinned(&self) -> bool {
        matches!(self.keys.trust, Trust::Pinned(_))
    }

    /// Decides about the key that the host shows.
    ///
    /// # Errors
    /// The key is not the known one, or is revoked, or is not known and nobody can be asked.
    pub(super) fn judge(&self, shown: &PublicKeyOrCertificate) -> Result<Verdict, ClientError> {
        let host = self.host.shown();
        let key = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => key,
            PublicKeyOrCertificate::Certificate(certificate) => {
                let vouched = self.known.vouches(certificate, &self.host.name);
                return vouched
                    .map(|()| Verdict::Trusted(fingerprint(certificate.public_key())))
                    .map_err(|why| ClientError::Insecure { address: host, message: why.to_owned() });
            }
        };
        let found = fingerprint(key.key_data());
        let changed =
            |expected, known_servers| ClientError::ChangedKey { host: host.clone(), expected, found, known_servers };
        let known = self.known.look_up(key);
        if let Known::Revoked(file) = known {
            return Err(ClientError::RevokedKey { host, found, file });
        }
        if let Trust::Pinned(expected) = self.keys.trust {
            let wrong = ClientError::WrongKey { host, expected, found };
            return if found == expected { Ok(Verdict::Trusted(found)) } else { Err(wrong) };
        }
        let algorithm = family(&key.algorithm());
        // A key of another type in our own file says nothing about this one, if OpenSSH's files know this one.
        let own = self
            .own
            .as_ref()
            .filter(|(_, own)| known != Known::Same || own.as_deref().is_none_or(|own| own == algorithm));
        match (known, own) {
            (Known::Other(expected, file), _) => Err(changed(expected, file)),
            (_, Some((own, _))) if *own != found => Err(changed(*own, self.keys.own.path())),
            (Known::Same, _) | (_, Some(_)) => Ok(Verdict::Trusted(found)),
            _ => match self.keys.trust {
                Trust::AcceptNew | Trust::Ask(_) => Ok(Verdict::Ask(found, algorithm)),
                _ => Err(ClientError::UntrustedKey { host, found }),
            },
        }
    }

    /// Lets the user decide about a key that is not known, and remembers it if it is accepted.
    ///
    /// # Errors
    /// [`ClientError::DeclinedKey`], or the key cannot be stored.
    pub(super) async fn ask(
        &self,
        found: Fingerprint,
        algorithm: &'static str,
        declined: &Mutex<Option<Fingerprint>>,
    ) -> Result<(), ClientError> {
        let host = self.host.shown();
        if let Trust::Ask(prompt) = &self.keys.trust {
            let question = TrustQuestion { host: host.clone(), fingerprint: found };
            let before = *declined.lock();
            if before == Some(found) || !TrustPrompt::accept(&**prompt, &question).await {
                *declined.lock() = Some(found);
                return Err(ClientError::DeclinedKey { host, found });
            }
        }
        let (own, named) = (self.keys.own.clone(), host.clone());
        let added = tokio::task::spawn_blocking(move || own.add_of(&named, found, algorithm)).await;
        match added.unwrap_or(Err(ClientError::Cancelled))? {
            Some(expected) if expected != found => {
                Err(ClientError::ChangedKey { host, expected, found, known_servers: self.keys.own.path() })
            }
            _ => Ok(()),
        }
    }
}

/// The decision about the key of a connection, for the one who made it.
pub(super) type Decided = Arc<Mutex<Option<Result<Verdict, ClientError>>>>;
