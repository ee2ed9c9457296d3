//! The server's key: created once, always the same afterwards, shown only to clients that speak ferry.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use ferry_server::{
    config::Tls,
    identity::{Handed, Identity, IdentityError},
};
use ferry_shared::{fingerprint::Fingerprint, limits::ALPN};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, ServerConnection,
    SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    version::TLS13,
};
use webpki::EndEntityCert;

/// Trusts any certificate, like a client that compares fingerprints itself.
#[derive(Debug)]
struct AnyCertificate(CryptoProvider);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn client_config(protocols: &[&[u8]]) -> Arc<ClientConfig> {
    let provider = aws_lc_rs::default_provider();
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider.clone()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

/// A handshake without a network, and the messages that the server sends after it (tickets).
fn handshake(identity: &Identity, config: Arc<ClientConfig>) -> Result<ClientConnection, rustls::Error> {
    let mut server = ServerConnection::new(identity.server_config())?;
    let mut client = ClientConnection::new(config, ServerName::try_from("localhost").unwrap())?;
    for _ in 0..10 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut wire = &wire[..];
        while !wire.is_empty() {
            server.read_tls(&mut wire).unwrap();
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut wire = &wire[..];
        while !wire.is_empty() {
            client.read_tls(&mut wire).unwrap();
            client.process_new_packets()?;
        }
    }
    assert!(!client.is_handshaking());
    Ok(client)
}

/// The fingerprint that the client computes from the certificate it received.
fn shown(client: &ClientConnection) -> Fingerprint {
    let certificate = &client.peer_certificates().unwrap()[0];
    Fingerprint::of_spki(&EndEntityCert::try_from(certificate).unwrap().subject_public_key_info())
}

fn own(data: &Path) -> Identity {
    Identity::load_or_create(data, &Tls::default()).unwrap()
}

/// A PEM pair, as an operator has it.
fn pair(folder: &Path) -> Tls {
    let (certificate, key) = (folder.join("c.pem"), folder.join("k.pem"));
    let pair = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["ferry.example".to_owned()]).unwrap();
    fs::write(&certificate, params.self_signed(&pair).unwrap().pem()).unwrap();
    fs::write(&key, pair.serialize_pem()).unwrap();
    Tls { certificate: Some(certificate), key: Some(key) }
}

#[test]
fn the_key_is_made_once_and_kept_from_others() {
    let data = tempfile::tempdir().unwrap();
    let first = own(data.path()).fingerprint();
    assert_eq!(own(data.path()).fingerprint(), first);
    let mode = |name: &str| fs::metadata(data.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("identity/key.pem"), 0o600);
    assert_eq!(mode("identity"), 0o700);
    assert_ne!(own(tempfile::tempdir().unwrap().path()).fingerprint(), first);
}

#[test]
fn the_client_sees_the_fingerprint_the_operator_sees() {
    let data = tempfile::tempdir().unwrap();
    let identity = own(data.path());
    let client = handshake(&identity, client_config(&[ALPN])).unwrap();
    assert_eq!(shown(&client), identity.fingerprint());
    assert_eq!(client.alpn_protocol(), Some(ALPN));
}

#[test]
fn a_client_that_does_not_speak_ferry_is_refused_in_the_handshake() {
    let data = tempfile::tempdir().unwrap();
    let identity = own(data.path());
    for protocols in [&[][..], &[&b"h2"[..]], &[b"ferry/2"], &[b"ferry/1x"]] {
        assert!(handshake(&identity, client_config(protocols)).is_err(), "{protocols:?}");
    }
    assert!(handshake(&identity, client_config(&[b"ferry/2", ALPN])).is_ok());
}

#[test]
fn aes_128_is_first_and_nothing_before_tls_13_is_there() {
    let data = tempfile::tempdir().unwrap();
    let config = own(data.path()).server_config();
    let suites = &config.crypto_provider().cipher_suites;
    assert_eq!(suites[0].suite(), CipherSuite::TLS13_AES_128_GCM_SHA256);
    assert!(suites.len() > 1 && suites.iter().all(|suite| suite.tls13().is_some()));
}

#[test]
fn a_second_connection_resumes_the_session_of_the_first() {
    let data = tempfile::tempdir().unwrap();
    let (identity, config) = (own(data.path()), client_config(&[ALPN]));
    let first = handshake(&identity, Arc::clone(&config)).unwrap();
    let second = handshake(&identity, config).unwrap();
    assert_eq!(first.handshake_kind(), Some(HandshakeKind::Full));
    assert_eq!(second.handshake_kind(), Some(HandshakeKind::Resumed));
}

#[test]
fn a_lost_certificate_is_made_again_for_the_same_key_and_a_lost_key_is_an_error() {
    let data = tempfile::tempdir().unwrap();
    let fingerprint = own(data.path()).fingerprint();
    fs::remove_file(data.path().join("identity/cert.pem")).unwrap();
    assert_eq!(own(data.path()).fingerprint(), fingerprint);
    fs::remove_file(data.path().join("identity/key.pem")).unwrap();
    let error = Identity::load_or_create(data.path(), &Tls::default()).unwrap_err();
    assert!(matches!(error, IdentityError::KeyMissing(_)), "{error}");
}

#[test]
fn a_renewed_pair_is_used_after_a_reload_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let tls = pair(folder.path());
    let identity = Identity::load_or_create(folder.path(), &tls).unwrap();
    let (first, config) = (identity.fingerprint(), identity.server_config());
    pair(folder.path());
    assert!(identity.reload().unwrap());
    let second = identity.fingerprint();
    assert_ne!(second, first);
    assert!(Arc::ptr_eq(&config, &identity.server_config()));
    assert_eq!(shown(&handshake(&identity, client_config(&[ALPN])).unwrap()), second);

    fs::write(tls.key.as_ref().unwrap(), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert!(matches!(identity.reload(), Err(IdentityError::Unusable { .. })));
    fs::write(tls.certificate.as_ref().unwrap(), "no PEM").unwrap();
    assert!(identity.reload().is_err());
    assert_eq!(shown(&handshake(&identity, client_config(&[ALPN])).unwrap()), second);
    assert!(!folder.path().join("identity").exists(), "no key of its own is made beside a given one");
}

#[test]
fn a_damaged_certificate_of_its_own_is_remade_for_the_same_key() {
    let data = tempfile::tempdir().unwrap();
    let fingerprint = own(data.path()).fingerprint();
    let path = data.path().join("identity/cert.pem");
    let good = fs::read_to_string(&path).unwrap();
    let garbled = good.replace("MII", "AAA");
    let damages: [&[u8]; 7] = [
        b"",
        b"\0\0\0\0",
        &good.as_bytes()[..200],
        b"no PEM at all",
        garbled.as_bytes(),
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        &[0xff; 300],
    ];
    for damage in damages {
        fs::write(&path, damage).unwrap();
        // The inspection changes nothing, and shows the future state.
        assert_eq!(Identity::load(data.path(), &Tls::default()).unwrap().fingerprint(), fingerprint);
        let told = Identity::damage(data.path(), &Tls::default()).unwrap().unwrap();
        assert!(told.contains("cert.pem") && told.contains("makes it anew"), "{told}");
        assert_eq!(fs::read(&path).unwrap(), damage);
        let identity = own(data.path());
        assert_eq!(identity.fingerprint(), fingerprint);
        assert_eq!(shown(&handshake(&identity, client_config(&[ALPN])).unwrap()), fingerprint);
        assert_ne!(fs::read(&path).unwrap(), damage);
        assert_eq!(Identity::damage(data.path(), &Tls::default()).unwrap(), None);
        // Also while the server is running.
        fs::write(&path, damage).unwrap();
        identity.reload().unwrap();
        assert_eq!(own(data.path()).fingerprint(), fingerprint);
    }
}

#[test]
fn a_damaged_key_stops_the_start_with_what_helps_and_nothing_is_made() {
    let data = tempfile::tempdir().unwrap();
    own(data.path());
    let (key, certificate) = (data.path().join("identity/key.pem"), data.path().join("identity/cert.pem"));
    let good = fs::read(&key).unwrap();
    for damage in [&b""[..], b"\0\0", &good[..good.len() / 2], b"no PEM", &certificate_of(&certificate)] {
        fs::write(&key, damage).unwrap();
        for certificate_there in [true, false] {
            if !certificate_there {
                fs::remove_file(&certificate).unwrap();
            }
            let error = Identity::load_or_create(data.path(), &Tls::default()).unwrap_err();
            assert!(matches!(error, IdentityError::KeyDamaged { .. }), "{error}");
            let told = error.to_string();
            assert!(told.contains("key.pem is damaged") && told.contains("restore it from a backup"), "{told}");
            assert_eq!(fs::read(&key).unwrap(), damage);
            assert_eq!(certificate.exists(), certificate_there);
        }
        fs::write(&key, &good).unwrap();
        own(data.path());
    }
}

fn certificate_of(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

#[test]
fn a_certificate_of_another_key_is_not_remade() {
    let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    own(data.path());
    own(other.path());
    let cert = "identity/cert.pem";
    fs::copy(other.path().join(cert), data.path().join(cert)).unwrap();
    let before = fs::read(data.path().join(cert)).unwrap();
    let error = Identity::load_or_create(data.path(), &Tls::default()).unwrap_err();
    assert!(matches!(error, IdentityError::Unusable { .. }), "{error}");
    assert_eq!(fs::read(data.path().join(cert)).unwrap(), before);
}

/// The pair, as root hands it over.
fn opened(tls: &Tls) -> Handed {
    let open = |path: &Option<PathBuf>| {
        let path = path.clone().unwrap();
        (path.clone(), fs::File::open(path).unwrap().into())
    };
    Handed { certificate: open(&tls.certificate), key: open(&tls.key) }
}

#[test]
fn a_pair_that_is_handed_over_stays_until_the_server_can_read_another() {
    let folder = tempfile::tempdir().unwrap();
    let tls = pair(folder.path());
    let identity = Identity::load_or_create(folder.path(), &tls).unwrap();
    let first = identity.fingerprint();
    let copies = fs::read(folder.path().join("c.pem")).unwrap();
    let old_key = fs::read(folder.path().join("k.pem")).unwrap();
    pair(folder.path());
    let handed = opened(&tls);
    let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    let newer = (fs::read(&certificate).unwrap(), fs::read(&key).unwrap());
    // The server sees only the files it was started with, like a service that has copies.
    for (path, bytes) in [(&certificate, &copies), (&key, &old_key)] {
        fs::remove_file(path).unwrap();
        fs::write(path, bytes).unwrap();
    }
    assert!(identity.take(handed).unwrap());
    let second = identity.fingerprint();
    assert_ne!(second, first);
    assert_eq!(identity.difference(), None);
    assert!(!identity.reload().unwrap());
    assert_eq!(identity.fingerprint(), second, "the old copies came back");
    fs::write(&certificate, newer.0).unwrap();
    fs::write(&key, newer.1).unwrap();
    assert!(!identity.reload().unwrap(), "it is the same");
    pair(folder.path());
    assert!(identity.difference().unwrap().contains("is another one"));
    assert!(identity.reload().unwrap());
    assert_ne!(identity.fingerprint(), second);
}

#[test]
fn only_the_configured_pair_is_taken_when_handed_over_and_no_broken_one() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (tls, strange) = (pair(folder.path()), pair(other.path()));
    let identity = Identity::load_or_create(folder.path(), &tls).unwrap();
    let first = identity.fingerprint();
    let error = identity.take(opened(&strange)).unwrap_err();
    assert!(matches!(error, IdentityError::Stranger(_)), "{error}");
    let mixed = Handed { key: (tls.key.clone().unwrap(), opened(&strange).key.1), ..opened(&tls) };
    assert!(matches!(identity.take(mixed), Err(IdentityError::Unusable { .. })));
    let device = Handed {
        certificate: (tls.certificate.clone().unwrap(), fs::File::open("/dev/zero").unwrap().into()),
        ..opened(&tls)
    };
    assert!(matches!(identity.take(device), Err(IdentityError::File { .. })));
    let data = tempfile::tempdir().unwrap();
    assert!(matches!(own(data.path()).take(opened(&tls)), Err(IdentityError::Stranger(_))));
    assert_eq!(identity.fingerprint(), first);
    assert!(!identity.take(opened(&tls)).unwrap());
}
