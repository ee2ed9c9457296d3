//! Checks whether a root of this computer certifies a server's name.

use std::sync::{Arc, OnceLock};

use rustls::{client::danger::ServerCertVerifier as _, crypto::CryptoProvider};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use rustls_platform_verifier::Verifier;
use webpki::EndEntityCert;

/// The platform's roots, loaded on first use, because loading takes longer than a handshake.
#[derive(Debug)]
pub(super) struct Platform {
    provider: Arc<CryptoProvider>,
    /// Additional roots.
    extra: Vec<CertificateDer<'static>>,
    verifier: OnceLock<Option<Verifier>>,
}

impl Platform {
    pub(super) fn new(provider: Arc<CryptoProvider>) -> Self {
        Self { provider, extra: Vec::new(), verifier: OnceLock::new() }
    }

    /// Whether `chain` leads from `name` to a root. Reads the disk on first use.
    pub(super) fn vouches(&self, chain: &[CertificateDer<'_>], name: &ServerName<'_>) -> bool {
        let Some((leaf, rest)) = chain.split_first() else { return false };
        if is_self_signed(leaf) {
            return false;
        }
        let verifier = self.verifier.get_or_init(|| self.load());
        verifier.as_ref().is_some_and(|v| v.verify_server_cert(leaf, rest, name, &[], UnixTime::now()).is_ok())
    }

    fn load(&self) -> Option<Verifier> {
        Verifier::new_with_extra_roots(self.extra.iter().cloned(), Arc::clone(&self.provider))
            .inspect_err(|error| tracing::warn!(%error, "cannot load the platform's roots; servers are verified only by their known keys"))
            .ok()
    }
}

/// The certificate that a ferry server creates is self-signed, so no root can certify it.
fn is_self_signed(leaf: &CertificateDer<'_>) -> bool {
    EndEntityCert::try_from(leaf).is_ok_and(|cert| cert.issuer() == cert.subject())
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    use super::*;

    fn authority() -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "test root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn leaf(name: &str, issuer: &CertifiedIssuer<'_, KeyPair>) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "leaf");
        params.signed_by(&key, issuer).unwrap().into()
    }

    fn platform(extra: Vec<CertificateDer<'static>>) -> Platform {
        Platform { extra, ..Platform::new(Arc::new(rustls::crypto::aws_lc_rs::default_provider())) }
    }

    #[test]
    fn vouches_for_a_name_with_a_chain_to_a_root_and_for_no_other() {
        let root = authority();
        let platform = platform(vec![root.der().clone()]);
        let chain = [leaf("files.example.org", &root)];
        let vouches = |name: &str| platform.vouches(&chain, &ServerName::try_from(name).unwrap());
        assert!(vouches("files.example.org"));
        assert!(!vouches("other.example.org"));
    }

    #[test]
    fn a_chain_to_an_unknown_root_is_not_accepted() {
        let platform = platform(vec![authority().der().clone()]);
        let chain = [leaf("files.example.org", &authority())];
        assert!(!platform.vouches(&chain, &ServerName::try_from("files.example.org").unwrap()));
    }

    #[test]
    fn a_self_signed_certificate_does_not_load_the_roots() {
        let platform = platform(Vec::new());
        let own = rcgen::generate_simple_self_signed(["files.example.org".to_owned()]).unwrap();
        assert!(!platform.vouches(&[own.cert.der().clone()], &ServerName::try_from("files.example.org").unwrap()));
        assert!(platform.verifier.get().is_none());
    }
}
