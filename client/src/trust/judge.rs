//! Decides about a server's key, after the handshake and before anything is sent inside TLS.

use std::{fmt, path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use rustls::{crypto::CryptoProvider, server::ParsedCertificate};
use rustls_pki_types::{CertificateDer, ServerName};

use super::{
    Fingerprint, Trust, TrustPrompt, TrustQuestion,
    known::{Known, KnownServers},
    platform::Platform,
};
use crate::error::ClientError;

/// The decision about a key that is not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The key is trusted.
    Trusted(Fingerprint),
    /// The user must decide: send nothing to this server until [`Judge::ask`] succeeds.
    Ask(Fingerprint),
}

/// Decides about the keys of one server; all connections to it share the judge.
pub(crate) struct Judge {
    /// The server, as `host:port`.
    host: String,
    trust: Trust,
    known: KnownServers,
    platform: Arc<Platform>,
    /// The key that was trusted last, so that further connections need no checks.
    accepted: Mutex<Option<Fingerprint>>,
    /// The key that the user declined, about which the user is not asked again.
    declined: Mutex<Option<Fingerprint>>,
}

impl Judge {
    pub(crate) fn new(host: String, trust: Trust, known_servers: PathBuf, provider: Arc<CryptoProvider>) -> Self {
        Self {
            host,
            trust,
            known: KnownServers::new(known_servers),
            platform: Arc::new(Platform::new(provider)),
            accepted: Mutex::default(),
            declined: Mutex::default(),
        }
    }

    /// Decides about a server with the host name `name` and the certificate chain `chain`.
    ///
    /// # Errors
    /// A [`ClientError`] with the server's key and the expected key.
    pub(crate) async fn judge(
        &self,
        name: ServerName<'static>,
        chain: Vec<CertificateDer<'static>>,
    ) -> Result<Verdict, ClientError> {
        let found = self.fingerprint(&chain)?;
        if let Trust::Pinned(expected) = self.trust {
            let wrong = || ClientError::WrongKey { host: self.host.clone(), expected, found };
            return if found == expected { Ok(Verdict::Trusted(found)) } else { Err(wrong()) };
        }
        let accepted = *self.accepted.lock();
        if accepted == Some(found) {
            return Ok(Verdict::Trusted(found));
        }
        match (self.look_up(name, chain, found).await?, accepted) {
            (Known::Same, _) => Ok(self.accept(found)),
            // A key can also change without an entry in the file, if a platform root certified the earlier key.
            (Known::Other(expected), _) | (Known::Unknown, Some(expected)) => Err(self.changed(expected, found)),
            (Known::Unknown, None) => match self.trust {
                Trust::AcceptNew => self.remember(found).await.map(|()| Verdict::Trusted(found)),
                Trust::Ask(_) => Ok(Verdict::Ask(found)),
                _ => Err(ClientError::UntrustedKey { host: self.host.clone(), found }),
            },
        }
    }

    /// Asks the user about `found`. Stores an acceptance in the file, and remembers a refusal in memory.
    ///
    /// This happens only before the first login, on one connection at a time.
    ///
    /// # Errors
    /// [`ClientError::DeclinedKey`], or the error of storing the key.
    pub(crate) async fn ask(&self, found: Fingerprint) -> Result<(), ClientError> {
        let Trust::Ask(prompt) = &self.trust else { return Ok(()) };
        let question = TrustQuestion { host: self.host.clone(), fingerprint: found };
        if *self.declined.lock() != Some(found) && TrustPrompt::accept(&**prompt, &question).await {
            return self.remember(found).await;
        }
        *self.declined.lock() = Some(found);
        Err(ClientError::DeclinedKey { host: question.host, found })
    }

    /// Looks in the file first, because loading the platform's roots takes much longer.
    async fn look_up(
        &self,
        name: ServerName<'static>,
        chain: Vec<CertificateDer<'static>>,
        found: Fingerprint,
    ) -> Result<Known, ClientError> {
        let (known, host, platform) = (self.known.clone(), self.host.clone(), Arc::clone(&self.platform));
        blocking(move || {
            let known = known.look_up(&host, found)?;
            Ok(if known != Known::Same && platform.vouches(&chain, &name) { Known::Same } else { known })
        })
        .await
    }

    async fn remember(&self, found: Fingerprint) -> Result<(), ClientError> {
        let (known, host) = (self.known.clone(), self.host.clone());
        match blocking(move || known.add(&host, found)).await? {
            Known::Other(expected) => Err(self.changed(expected, found)),
            Known::Same | Known::Unknown => {
                self.accept(found);
                Ok(())
            }
        }
    }

    fn fingerprint(&self, chain: &[CertificateDer<'_>]) -> Result<Fingerprint, ClientError> {
        let unusable = |message: String| ClientError::Insecure { address: self.host.clone(), message };
        let leaf = chain.first().ok_or_else(|| unusable("it shows no certificate".into()))?;
        let leaf = ParsedCertificate::try_from(leaf).map_err(|error| unusable(error.to_string()))?;
        Ok(Fingerprint::of_spki(&leaf.subject_public_key_info()))
    }

    fn accept(&self, found: Fingerprint) -> Verdict {
        *self.accepted.lock() = Some(found);
        Verdict::Trusted(found)
    }

    fn changed(&self, expected: Fingerprint, found: Fingerprint) -> ClientError {
        ClientError::ChangedKey { host: self.host.clone(), expected, found, known_servers: self.known.path() }
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").field("host", &self.host).field("trust", &self.trust).finish_non_exhaustive()
    }
}

/// Runs `work`, which accesses the disk, on a blocking thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ClientError> + Send + 'static,
) -> Result<T, ClientError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(ClientError::Cancelled))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::BoxFuture;

    /// Accepts every key.
    struct Trusting;

    impl TrustPrompt for Trusting {
        fn accept<'a>(&'a self, _question: &'a TrustQuestion) -> BoxFuture<'a, bool> {
            Box::pin(async { true })
        }
    }

    /// A certificate of a new key.
    fn key() -> CertificateDer<'static> {
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.der().clone()
    }

    fn judge(trust: Trust, known: &std::path::Path) -> Judge {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Judge::new("localhost:1".into(), trust, known.to_owned(), provider)
    }

    async fn shown(judge: &Judge, key: &CertificateDer<'static>) -> Result<Fingerprint, ClientError> {
        match judge.judge("localhost".try_into().unwrap(), vec![key.clone()]).await? {
            Verdict::Trusted(found) => Ok(found),
            Verdict::Ask(found) => judge.ask(found).await.map(|()| found),
        }
    }

    #[tokio::test]
    async fn a_key_that_changes_while_the_client_runs_is_a_hard_stop() {
        for trust in [Trust::AcceptNew, Trust::Ask(Arc::new(Trusting))] {
            // With the entry in the file, and after its removal.
            for forgotten in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                let file = folder.path().join("known");
                let judge = judge(trust.clone(), &file);
                let (right, other) = (key(), key());
                let first = shown(&judge, &right).await.unwrap();
                if forgotten {
                    std::fs::remove_file(&file).unwrap();
                }
                match shown(&judge, &other).await {
                    Err(ClientError::ChangedKey { expected, found, .. }) => {
                        assert!(expected == first && found != first);
                    }
                    accepted => panic!("{accepted:?}"),
                }
                assert_eq!(shown(&judge, &right).await.unwrap(), first, "the right key is still accepted");
            }
        }
    }
}
