//! The parameters of SSH: what the server offers, and what it allows.

use std::{borrow::Cow, sync::Arc, time::Duration};

use russh::{
    Limits, MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex,
    keys::{Algorithm, EcdsaCurve, HashAlg},
    mac,
    server::Config,
};

use crate::{config, host_keys::HostKeys};

/// Keys that a connection may offer. An agent offers all it has, one after the other.
pub(super) const OFFERS: u32 = 20;
/// Failures that russh counts, besides offers and proofs: the first request, with which clients ask for the
/// possible methods, and signatures that are wrong.
const MORE_FAILURES: u32 = 4;

/// Bytes of a channel that may be under way.
const WINDOW: u32 = 8 << 20;
/// The largest packet that russh accepts.
const PACKET: u32 = 256 << 10;
/// Messages that a channel may queue, and messages to the peer that may wait, each with at most one packet.
const QUEUE: usize = 8;
/// Probes without an answer before a silent peer is dropped.
const PROBES: u8 = 3;

/// Both kinds of key exchange are elliptic; the first one also withstands quantum computers.
const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];
/// Ciphers for clients of the last ten years; the client chooses.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];
const MACS: &[mac::Name] = &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM, mac::HMAC_SHA256, mac::HMAC_SHA512];
/// Types of host keys, and of the keys and signatures of users: RSA never with SHA-1.
const KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::SkEd25519,
    Algorithm::SkEcdsaSha2NistP256,
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// The server's identification, without a version.
pub(super) const NAME: &str = "SSH-2.0-ferryd";

/// The methods that every user is told, whether there is such a user or not.
pub(super) fn methods() -> MethodSet {
    MethodSet::from(&[MethodKind::PublicKey, MethodKind::Password][..])
}

/// The configuration of a connection.
pub(super) fn settings(config: &config::Config, host_keys: &HostKeys) -> Arc<Config> {
    let idle = config.limits.idle();
    let failures = OFFERS + config.login.proofs + MORE_FAILURES;
    Arc::new(Config {
        server_id: SshId::Standard(Cow::Borrowed(NAME)),
        methods: methods(),
        // The cost of a wrong password is the wait of `admission`, the same through all doors.
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: None,
        keys: host_keys.keys(),
        certificates: Vec::new(),
        limits: Limits::default(),
        window_size: WINDOW,
        maximum_packet_size: PACKET,
        channel_buffer_size: QUEUE,
        event_buffer_size: QUEUE,
        preferred: Preferred {
            kex: Cow::Borrowed(KEX),
            key: Cow::Borrowed(KEYS),
            host_key_certificates: Cow::Borrowed(&[]),
            cipher: Cow::Borrowed(CIPHERS),
            mac: Cow::Borrowed(MACS),
            compression: Cow::Borrowed(&[compression::NONE]),
        },
        max_auth_attempts: usize::try_from(failures).unwrap_or(usize::MAX),
        // The client answers each probe, so only a dead one is silent for so long.
        inactivity_timeout: Some(idle),
        keepalive_interval: Some(idle / (u32::from(PROBES) + 1)),
        keepalive_max: PROBES.into(),
        // The listener has set it.
        nodelay: true,
    })
}
