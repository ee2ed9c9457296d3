//! The server's key: made at first start or given as PEM, and the TLS configuration around it.
#![expect(clippy::disallowed_methods, reason = "the server's key is a file of its own")]

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use ferry_shared::{fingerprint::Fingerprint, limits::ALPN, text_file};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, PKCS_ECDSA_P256_SHA256};
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

use crate::{config::Tls, private_file};

/// Tickets a connection gives: a client opens about so many more, and each takes one.
const TICKETS: usize = 4;

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file could not be read or written.
    #[error("{setting}{}: {source}", path.display())]
    File {
        /// The key of the configuration that names it, with a colon; empty for the server's own.
        setting: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not the PEM it should be.
    #[error("{}: {source}", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// There is no certificate in the file.
    #[error("{}: there is no certificate in it; it should begin with -----BEGIN CERTIFICATE-----", .0.display())]
    Empty(PathBuf),
    /// The key is gone and the certificate is not; a new key would be a stranger's to every client.
    #[error("{} is missing: restore it, or remove cert.pem beside it too for a new key", .0.display())]
    KeyMissing(PathBuf),
    /// Key and certificate cannot be used, or do not belong together.
    #[error("{} and {}: {source}", certificate.display(), key.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
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
}

/// Where the pair lies.
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
}

impl Identity {
    /// The pair `tls` names, else the one in `data/identity`, which is made if it is not there.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn load_or_create(data: &Path, tls: &Tls) -> Result<Self, IdentityError> {
        let files = Files::of(data, tls);
        if tls.key.is_none() {
            make_missing(&files, &data.join("identity"))?;
        }
        Self::from_files(files)
    }

    /// The same pair, where it is there already.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn load(data: &Path, tls: &Tls) -> Result<Self, IdentityError> {
        Self::from_files(Files::of(data, tls))
    }

    fn from_files(files: Files) -> Result<Self, IdentityError> {
        let provider = Arc::new(provider());
        let current = Arc::new(Current(ArcSwap::from(load(&files, &provider)?)));
        let config = server_config(provider, Arc::clone(&current))?;
        Ok(Self { files: Arc::new(files), current, config: Arc::new(config) })
    }

    /// Reads the pair again; new connections get it, present ones keep theirs. Blocks on the disk.
    ///
    /// # Errors
    /// [`IdentityError`]; the pair in use then stays.
    pub fn reload(&self) -> Result<Fingerprint, IdentityError> {
        self.current.0.store(load(&self.files, self.config.crypto_provider())?);
        Ok(self.fingerprint())
    }

    /// What is on disk in place of the pair in use, if it is another. Blocks on the disk.
    #[must_use]
    pub fn difference(&self) -> Option<String> {
        match load(&self.files, self.config.crypto_provider()) {
            Ok(pair) if pair.cert == self.current.0.load().cert => None,
            Ok(_) => Some(format!("{} is another one; 'ferryd reload'", self.files.certificate.display())),
            Err(error) => Some(error.to_string()),
        }
    }

    /// What clients compare.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let spki = self.current.0.load();
        // A key without a public half is refused when it is loaded.
        spki.key.public_key().map_or_else(|| Fingerprint::of_spki(&[]), |spki| Fingerprint::of_spki(&spki))
    }

    /// TLS 1.3 with this identity; the same for every connection, also after a reload.
    #[must_use]
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// The pair new connections get.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    /// No certificate for who does not speak ferry: rustls itself refuses another protocol,
    /// but lets one who names none pass.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        hello.alpn()?.any(|name| name == ALPN).then(|| self.0.load_full())
    }
}

fn server_config(provider: Arc<CryptoProvider>, current: Arc<Current>) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13])?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(current);
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Tickets the client brings back: resuming many connections costs the server no memory.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.send_tls13_tickets = TICKETS;
    Ok(config)
}

/// TLS 1.3 suites, the one fastest with AES instructions first.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| suite.tls13().is_some());
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    provider
}

fn load(files: &Files, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, IdentityError> {
    let pem_error = |path: &Path| {
        let path = path.to_owned();
        |source| IdentityError::Pem { path, source }
    };
    let read = |path: &Path, setting| {
        let setting = if files.named { setting } else { "" };
        fs::read(path).map_err(|source| IdentityError::File { setting, path: path.to_owned(), source })
    };
    let chain =
        CertificateDer::pem_slice_iter(text_file::without_mark(&read(&files.certificate, "tls.certificate: ")?))
            .collect::<Result<Vec<_>, _>>()
            .map_err(pem_error(&files.certificate))?;
    if chain.is_empty() {
        return Err(IdentityError::Empty(files.certificate.clone()));
    }
    let key = read(&files.key, "tls.key: ")?;
    let key = PrivateKeyDer::from_pem_slice(text_file::without_mark(&key)).map_err(pem_error(&files.key))?;
    let unusable =
        |source| IdentityError::Unusable { certificate: files.certificate.clone(), key: files.key.clone(), source };
    let key = provider.key_provider.load_private_key(key).map_err(unusable)?;
    let pair = CertifiedKey::new(chain, key);
    pair.keys_match().map_err(unusable)?;
    Ok(Arc::new(pair))
}

/// Makes what is missing of the server's own pair.
fn make_missing(files: &Files, folder: &Path) -> Result<(), IdentityError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| IdentityError::File { setting: "", path, source }
    };
    private_file::make_folder(folder).map_err(failed(folder))?;
    // Two first starts at once must not mix two pairs.
    let _locked = private_file::lock(&files.key).map_err(failed(folder))?;
    if files.certificate.exists() {
        return if files.key.exists() { Ok(()) } else { Err(IdentityError::KeyMissing(files.key.clone())) };
    }
    // The key comes first: after a crash between the two it gets its certificate.
    let key = if files.key.exists() {
        let pem = text_file::read(&files.key).map_err(failed(&files.key))?;
        KeyPair::from_pem(&pem)?
    } else {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        private_file::replace(&files.key, key.serialize_pem().as_bytes()).map_err(failed(&files.key))?;
        key
    };
    let certificate = self_signed(&key)?;
    private_file::replace(&files.certificate, certificate.as_bytes()).map_err(failed(&files.certificate))
}

/// A certificate for `key`, as PEM. Clients pin the key, so it never has to expire.
fn self_signed(key: &KeyPair) -> Result<String, rcgen::Error> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let named = CertificateParams::new(vec!["localhost".to_owned(), host]);
    let mut params = named.or_else(|_| CertificateParams::new(vec!["localhost".to_owned()]))?;
    params.distinguished_name.push(DnType::CommonName, "ferry server");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params.self_signed(key)?.pem())
}
