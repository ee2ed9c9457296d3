//! The server's key, made at the first start or given as PEM, and the TLS configuration around it.
#![expect(clippy::disallowed_methods, reason = "the server's key is a file of its own")]

mod handed;
mod own;
mod term;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use ferry_shared::{fingerprint::Fingerprint, limits::ALPN, text_file};
use parking_lot::Mutex;
use rustls::{
    CipherSuite, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::TLS13,
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject as _},
};

pub use handed::Handed;
pub use term::{Condition, Term};

use crate::{config::Tls, users::moment::Moment};

/// Session tickets per connection: a client opens about this many more connections, and each uses one.
const TICKETS: usize = 4;
/// How often the log reminds of an expiring certificate.
const AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

/// The reason why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file could not be read or written.
    #[error("{setting}{}: {source}", path.display())]
    File {
        /// The configuration key that names the file, with a colon; empty for the server's own.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file is not valid PEM.
    #[error("{}: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: pem::Error,
    },
    /// There is no certificate in the file.
    #[error("{}: there is no certificate in it; it should begin with -----BEGIN CERTIFICATE-----", .0.display())]
    Empty(PathBuf),
    /// The key is missing but the certificate exists; clients would not recognise a new key.
    #[error("{} is missing: restore it, or remove cert.pem beside it too for a new key", .0.display())]
    KeyMissing(PathBuf),
    /// The key file exists but holds no usable key.
    #[error(
        "{} is damaged ({why}): restore it from a backup; without one remove it and cert.pem beside it, and the next \
         start makes a new key, which every client has to accept",
        path.display()
    )]
    KeyDamaged {
        /// The file.
        path: PathBuf,
        /// The fault.
        why: String,
    },
    /// The pair handed over is not the configured one.
    #[error("{} was handed over and is not the certificate in the server's configuration: restart the server after changing tls.certificate or tls.key", .0.display())]
    Stranger(PathBuf),
    /// The key and the certificate cannot be used, or do not belong together.
    #[error("{} and {}: {source}", certificate.display(), key.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// The cause.
        source: rustls::Error,
    },
    /// No key could be made.
    #[error("cannot make a key: {0}")]
    Make(#[from] rcgen::Error),
    /// TLS could not be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// The server's key and certificate. A handle: clones share it, also across reloads.
#[derive(Debug, Clone)]
pub struct Identity {
    files: Arc<Files>,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
    known: Arc<Mutex<Known>>,
}

/// Facts about the pair in use that it does not contain.
#[derive(Debug, Default)]
struct Known {
    /// Set if the pair was handed over: the certificate that the server could read by itself at that time, if any.
    handed: Option<Option<Vec<CertificateDer<'static>>>>,
    /// The last reminder in the log: when it was written, the end of the certificate, and its condition.
    told: Option<(Instant, Moment, Condition)>,
}

/// The paths of the pair.
#[derive(Debug, Clone)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    /// Whether the configuration names them.
    named: bool,
}

impl Files {
    fn of(data: &Path, tls: &Tls) -> Self {
        let own = |name: &str| data.join("identity").join(name);
        Self {
            certificate: tls.certificate.clone().unwrap_or_else(|| own("cert.pem")),
            key: tls.key.clone().unwrap_or_else(|| own("key.pem")),
            named: tls.certificate.is_some(),
        }
    }

    fn failed(&self, path: &Path) -> impl FnOnce(io::Error) -> IdentityError + use<> {
        let setting = match (self.named, path == self.key) {
            (false, _) => "",
            (true, true) => "tls.key: ",
            (true, false) => "tls.certificate: ",
        };
        let path = path.to_owned();
        move |source| IdentityError::File { setting, path, source }
    }
}

impl Known {
    /// Whether a pair that was handed over is still the newest: the server reads the same certificate by itself as
    /// it did then, or may not read it.
    fn handed_stays(&self, read: &Result<CertifiedKey, IdentityError>) -> bool {
        let Some(seen) = &self.handed else { return false };
        match read {
            Ok(read) => seen.as_ref() == Some(&read.cert),
            Err(IdentityError::File { source, .. }) => source.kind() == io::ErrorKind::PermissionDenied,
            Err(_) => false,
        }
    }
}

impl Identity {
    /// The pair that `tls` names, else the one in `data/identity`, which is created if missing.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn load_or_create(data: &Path, tls: &Tls) -> Result<Self, IdentityError> {
        let files = Files::of(data, tls);
        let provider = provider();
        if !files.named {
            own::make(&files, &provider)?;
        }
        Self::of(load(&files, &provider)?, files, provider)
    }

    /// The same pair, if it exists already; a certificate that the next start would remake is made for this value
    /// only.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn load(data: &Path, tls: &Tls) -> Result<Self, IdentityError> {
        let files = Files::of(data, tls);
        let provider = provider();
        let remade = if files.named { None } else { own::replacement(&files, &provider)? };
        let pair = match remade {
            Some(remade) => pair(&files, chain(&files, remade.pem.as_bytes())?, &read(&files, &files.key)?, &provider)?,
            None => load(&files, &provider)?,
        };
        Self::of(pair, files, provider)
    }

    /// The fault of the server's own certificate, which the next start remakes.
    ///
    /// # Errors
    /// [`IdentityError`] if remaking it is not enough.
    pub fn damage(data: &Path, tls: &Tls) -> Result<Option<String>, IdentityError> {
        let files = Files::of(data, tls);
        if files.named {
            return Ok(None);
        }
        let again = "the next start makes it anew, for the same key";
        let told = |remade: own::Remade| format!("{}: {}; {again}", files.certificate.display(), remade.why);
        Ok(own::replacement(&files, &provider())?.map(told))
    }

    fn of(pair: CertifiedKey, files: Files, provider: CryptoProvider) -> Result<Self, IdentityError> {
        let current = Arc::new(Current(ArcSwap::from_pointee(pair)));
        let config = server_config(Arc::new(provider), Arc::clone(&current))?;
        Ok(Self { files: Arc::new(files), current, config: Arc::new(config), known: Arc::default() })
    }

    /// Reads the pair again; new connections get it, existing ones keep theirs. A pair that was handed over stays
    /// until another one can be read. Returns whether the pair changed. Blocks on the disk.
    ///
    /// # Errors
    /// [`IdentityError`]; the pair in use then stays.
    pub fn reload(&self) -> Result<bool, IdentityError> {
        let provider = self.config.crypto_provider();
        if !self.files.named {
            own::make(&self.files, provider)?;
        }
        let read = load(&self.files, provider);
        let mut known = self.known.lock();
        if known.handed_stays(&read) {
            return Ok(false);
        }
        let read = read?;
        known.handed = None;
        Ok(self.put(read))
    }

    /// Takes a pair that was handed over; returns whether it differs. Blocks on the disk.
    ///
    /// # Errors
    /// [`IdentityError`]; the pair in use then stays.
    pub fn take(&self, handed: Handed) -> Result<bool, IdentityError> {
        let Handed { certificate: (certificate, certificate_file), key: (key, secret) } = handed;
        let (files, provider) = (&*self.files, self.config.crypto_provider());
        if !files.named || !handed::is_same(&files.certificate, &certificate) || !handed::is_same(&files.key, &key) {
            return Err(IdentityError::Stranger(certificate));
        }
        let files = Files { certificate, key, named: true };
        let read = |path: &Path, file| handed::read(file).map_err(files.failed(path));
        let (pem, secret) = (read(&files.certificate, certificate_file)?, read(&files.key, secret)?);
        let pair = pair(&files, chain(&files, &pem)?, &secret, provider)?;
        let mut known = self.known.lock();
        known.handed = Some(load(&self.files, provider).ok().map(|seen| seen.cert));
        Ok(self.put(pair))
    }

    fn put(&self, pair: CertifiedKey) -> bool {
        let before = self.current.0.swap(Arc::new(pair));
        before.cert != self.current.0.load().cert
    }

    /// Describes how the pair on disk differs from the pair in use. Blocks on the disk.
    #[must_use]
    pub fn difference(&self) -> Option<String> {
        let read = load(&self.files, self.config.crypto_provider());
        if self.known.lock().handed_stays(&read) {
            return None;
        }
        match read {
            Ok(pair) if pair.cert == self.current.0.load().cert => None,
            Ok(_) => Some(format!("{} is another one; 'ferryd reload'", self.files.certificate.display())),
            Err(error) => Some(error.to_string()),
        }
    }

    /// The validity of the certificate in use, if it can be parsed.
    #[must_use]
    pub fn term(&self) -> Option<Term> {
        Term::of(&self.current.0.load().cert)
    }

    /// The path of the certificate in use.
    #[must_use]
    pub fn certificate(&self) -> &Path {
        &self.files.certificate
    }

    /// Logs that the certificate expires soon, has expired or is not valid yet: once a day, and when that changes.
    pub fn remind(&self) {
        let now = Moment::now();
        let Some((term, state)) = self.term().and_then(|term| term.condition(now).map(|state| (term, state))) else {
            return;
        };
        let mut known = self.known.lock();
        let is_told = known.told.is_some_and(|(when, until, told)| {
            when.elapsed() < AGAIN && until == term.until && (told == Condition::Over) == (state == Condition::Over)
        });
        if !is_told {
            known.told = Some((Instant::now(), term.until, state));
            let why = term.warning(now).unwrap_or_default();
            tracing::warn!("the certificate {} {why}", self.files.certificate.display());
        }
    }

    /// The fingerprint that clients compare.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let spki = self.current.0.load();
        // A key without a public half is refused when it is loaded.
        spki.key.public_key().map_or_else(|| Fingerprint::of_spki(&[]), |spki| Fingerprint::of_spki(&spki))
    }

    /// The TLS 1.3 configuration with this identity; the same for every connection, also after a reload.
    #[must_use]
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// The pair that new connections get.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    /// Returns no certificate to a client that does not speak ferry: rustls itself refuses another protocol, but
    /// accepts a client that names none.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        hello.alpn()?.any(|name| name == ALPN).then(|| self.0.load_full())
    }
}

fn server_config(provider: Arc<CryptoProvider>, current: Arc<Current>) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13])?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(current);
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Stateless tickets, which the client presents again: resuming many connections costs the server no memory.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.send_tls13_tickets = TICKETS;
    Ok(config)
}

/// TLS 1.3 cipher suites, the one fastest with AES instructions first.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| suite.tls13().is_some());
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    provider
}

fn load(files: &Files, provider: &CryptoProvider) -> Result<CertifiedKey, IdentityError> {
    // Read the certificate first, so that its faults are reported first.
    let chain = chain(files, &read(files, &files.certificate)?)?;
    pair(files, chain, &read(files, &files.key)?, provider)
}

fn read(files: &Files, path: &Path) -> Result<Vec<u8>, IdentityError> {
    fs::read(path).map_err(files.failed(path))
}

fn pem_error(path: &Path) -> impl FnOnce(pem::Error) -> IdentityError + use<> {
    let path = path.to_owned();
    |source| IdentityError::Pem { path, source }
}

/// The certificates in the contents of a file.
fn chain(files: &Files, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let chain = CertificateDer::pem_slice_iter(text_file::without_mark(pem)).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(pem_error(&files.certificate))?;
    if chain.is_empty() { Err(IdentityError::Empty(files.certificate.clone())) } else { Ok(chain) }
}

/// The pair of a chain and the contents of the key's file.
fn pair(
    files: &Files,
    chain: Vec<CertificateDer<'static>>,
    key: &[u8],
    provider: &CryptoProvider,
) -> Result<CertifiedKey, IdentityError> {
    let key = PrivateKeyDer::from_pem_slice(text_file::without_mark(key)).map_err(pem_error(&files.key))?;
    let unusable =
        |source| IdentityError::Unusable { certificate: files.certificate.clone(), key: files.key.clone(), source };
    let key = provider.key_provider.load_private_key(key).map_err(unusable)?;
    let pair = CertifiedKey::new(chain, key);
    pair.keys_match().map_err(unusable)?;
    Ok(pair)
}
