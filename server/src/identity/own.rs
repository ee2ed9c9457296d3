//! The server's own pair: created if it is missing. A damaged certificate is remade, a damaged key never.
#![expect(clippy::disallowed_methods, reason = "the server's key is a file of its own")]

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::{InconsistentKeys, crypto::CryptoProvider, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use super::{Files, IdentityError};
use crate::private_file;

/// A certificate that must be remade.
#[derive(Debug)]
pub(super) struct Remade {
    /// The fault of the existing one.
    pub(super) why: String,
    /// The new certificate.
    pub(super) pem: String,
}

/// Creates missing files and remakes a damaged certificate, but never replaces an existing key.
pub(super) fn make(files: &Files, provider: &CryptoProvider) -> Result<(), IdentityError> {
    // Write nothing if nothing is needed: a disk that cannot be written does not prevent a start.
    if is_there(&files.key)? && is_there(&files.certificate)? && replacement(files, provider)?.is_none() {
        return Ok(());
    }
    let folder = private_file::folder_of(&files.key);
    private_file::make_folder(folder).map_err(failed(folder))?;
    // Two first starts at the same time must not mix two pairs.
    let _locked = private_file::lock(&files.key).map_err(failed(&private_file::lock_path(&files.key)))?;
    let write = |path: &Path, pem: &str| private_file::replace(path, pem.as_bytes()).map_err(failed(path));
    if !is_there(&files.key)? && !is_there(&files.certificate)? {
        // The key comes first: after a crash between the two, the next start makes its certificate.
        write(&files.key, &KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?.serialize_pem())?;
        return write(&files.certificate, &replacement(files, provider)?.map(|remade| remade.pem).unwrap_or_default());
    }
    let Some(Remade { why, pem }) = replacement(files, provider)? else { return Ok(()) };
    write(&files.certificate, &pem)?;
    let path = files.certificate.display();
    tracing::warn!(%path, why, "the server's own certificate is remade for the same key: its fingerprint stays the same");
    Ok(())
}

/// The replacement for a certificate that must be remade; changes nothing.
pub(super) fn replacement(files: &Files, provider: &CryptoProvider) -> Result<Option<Remade>, IdentityError> {
    let damaged = |why: String| IdentityError::KeyDamaged { path: files.key.clone(), why };
    let key = match fs::read(&files.key) {
        Ok(key) if is_blank(&key) => return Err(damaged("it is empty".to_owned())),
        Ok(key) => key,
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_there(&files.certificate)? => {
            return Err(IdentityError::KeyMissing(files.key.clone()));
        }
        Err(source) => return Err(failed(&files.key)(source)),
    };
    let der = PrivateKeyDer::from_pem_slice(&key).map_err(|error| damaged(error.to_string()))?;
    let signing = provider.key_provider.load_private_key(der).map_err(|error| damaged(error.to_string()))?;
    let why = match fs::read(&files.certificate) {
        Ok(certificate) => match fault(&certificate, |chain| CertifiedKey::new(chain, signing)) {
            None => return Ok(None),
            Some(why) => why,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => "it is missing".to_owned(),
        Err(source) => return Err(failed(&files.certificate)(source)),
    };
    let key = KeyPair::from_pem(&String::from_utf8_lossy(&key))?;
    Ok(Some(Remade { why, pem: self_signed(&key)? }))
}

/// The fault of a certificate. A certificate for another key does not count as damaged: one of the two files has
/// been replaced.
fn fault(pem: &[u8], pair: impl FnOnce(Vec<CertificateDer<'static>>) -> CertifiedKey) -> Option<String> {
    if is_blank(pem) {
        return Some("it is empty".to_owned());
    }
    let chain = match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(chain) if chain.is_empty() => return Some("there is no certificate in it".to_owned()),
        Ok(chain) => chain,
        Err(error) => return Some(error.to_string()),
    };
    match pair(chain).keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// Whether a file is empty or contains only zeros, as after a power cut.
fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0 || byte.is_ascii_whitespace())
}

fn is_there(path: &Path) -> Result<bool, IdentityError> {
    path.try_exists().map_err(failed(path))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> IdentityError + use<> {
    let path: PathBuf = path.to_owned();
    |source| IdentityError::File { setting: "", path, source }
}

/// A self-signed certificate for `key`, as PEM. Clients pin the key, so it need not expire.
fn self_signed(key: &KeyPair) -> Result<String, rcgen::Error> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let named = CertificateParams::new(vec!["localhost".to_owned(), host]);
    let mut params = named.or_else(|_| CertificateParams::new(vec!["localhost".to_owned()]))?;
    params.distinguished_name.push(DnType::CommonName, "ferry server");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params.self_signed(key)?.pem())
}
