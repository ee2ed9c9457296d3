//! Opens TLS streams: resolves the host name, tries each address, and performs the handshake.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use ferry_shared::{limits::ALPN, pool::BufferPool, socket::BurstStream};
use rustls::{
    CipherSuite, ClientConfig,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
};
use rustls_pki_types::ServerName;
use tokio::{net::TcpStream, task::JoinSet, time};
use tokio_rustls::TlsConnector;

use super::{Target, socket};
use crate::{address, connection::Stream, error::ClientError, trust::SignatureVerifier};

/// The delay before the next address is tried in parallel (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// The bytes that TLS buffers before a write waits: a whole block.
const TLS_BUFFER: usize = 1 << 20;
/// Sessions stored for resumption. All belong to one server, for which rustls stores 8.
const SESSIONS: usize = 8;

/// Opens TLS streams to one server.
#[derive(Debug)]
pub(super) struct Dialer {
    target: Target,
    name: ServerName<'static>,
    tls: TlsConfig,
    pool: BufferPool,
    /// Whether the host name has been resolved before.
    resolved: AtomicBool,
}

#[derive(Clone)]
struct TlsConfig(Arc<ClientConfig>);

impl Dialer {
    /// # Errors
    /// [`ClientError::Unreachable`] if the host is not a valid name, [`ClientError::Insecure`] if this build does not
    /// support TLS 1.3.
    pub(super) fn new(target: &Target, provider: Arc<CryptoProvider>, pool: BufferPool) -> Result<Self, ClientError> {
        // A zone is local to this machine, and names in TLS have no trailing dot.
        let host = address::canonical_host(&target.host);
        let name = ServerName::try_from(address::without_zone(&host))
            .map_err(|error| unreachable(target, io::Error::new(io::ErrorKind::InvalidInput, error)))?
            .to_owned();
        let tls = config(provider)
            .map_err(|error| ClientError::Insecure { address: target.address(), message: error.to_string() })?;
        Ok(Self { target: target.clone(), name, tls: TlsConfig(Arc::new(tls)), pool, resolved: AtomicBool::new(false) })
    }

    pub(super) fn name(&self) -> ServerName<'static> {
        self.name.clone()
    }

    /// Opens a TLS stream on which nothing has been sent, to a server whose key has not been checked.
    ///
    /// # Errors
    /// [`ClientError::Timeout`] after `limit`, or the cause of the failure.
    pub(super) async fn dial(&self, limit: Duration) -> Result<Stream, ClientError> {
        time::timeout(limit, self.dial_unbounded()).await.unwrap_or(Err(ClientError::Timeout("connecting")))
    }

    async fn dial_unbounded(&self) -> Result<Stream, ClientError> {
        let found = self.resolve().await.map_err(|error| unreachable(&self.target, error))?;
        let tcp = connect_any(found).await.map_err(|error| unreachable(&self.target, error))?;
        socket::prepare(&tcp).map_err(|error| unreachable(&self.target, error))?;
        let tcp = BurstStream::new(tcp, self.pool.clone());
        let handshake = TlsConnector::from(Arc::clone(&self.tls.0)).connect(self.name(), tcp);
        let mut stream = handshake.await.map_err(|error| self.handshake_error(error))?;
        let session = stream.get_mut().1;
        if session.alpn_protocol() != Some(ALPN) {
            return Err(self.insecure("it does not support the ferry protocol".into()));
        }
        session.set_buffer_limit(Some(TLS_BUFFER));
        Ok(stream)
    }

    /// The host's addresses. A name that has never been resolved is probably mistyped: the error is then
    /// [`io::ErrorKind::NotFound`].
    async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        match tokio::net::lookup_host((self.target.host.as_str(), self.target.port)).await {
            Ok(found) => {
                self.resolved.store(true, Relaxed);
                Ok(found.collect())
            }
            Err(error) if self.resolved.load(Relaxed) => Err(error),
            Err(error) => Err(io::Error::new(io::ErrorKind::NotFound, error)),
        }
    }

    /// Distinguishes a network failure from a peer that is not a ferry server.
    fn handshake_error(&self, error: io::Error) -> ClientError {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(tls) => self.insecure(tls.to_string()),
            None => ClientError::Lost(Arc::new(error.into())),
        }
    }

    fn insecure(&self, message: String) -> ClientError {
        ClientError::Insecure { address: self.target.address(), message }
    }
}

impl std::fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsConfig")
    }
}

/// The provider with the fastest cipher first: nearly all processors support AES in hardware.
pub(super) fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}

fn config(provider: Arc<CryptoProvider>) -> Result<ClientConfig, rustls::Error> {
    let verifier = Arc::new(SignatureVerifier::new(&provider));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(config)
}

fn unreachable(target: &Target, error: io::Error) -> ClientError {
    ClientError::Unreachable { address: target.address(), error: Arc::new(error) }
}

/// Connects to the first of the host's addresses that answers; the attempts overlap, and the others are dropped.
async fn connect_any(found: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut addresses = alternating(found).into_iter().peekable();
    let mut attempts = JoinSet::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        if let Some(address) = addresses.next() {
            attempts.spawn(TcpStream::connect(address));
        } else if attempts.is_empty() {
            return Err(failure);
        }
        tokio::select! {
            Some(attempt) = attempts.join_next() => match attempt {
                Ok(Ok(tcp)) => return Ok(tcp),
                Ok(Err(error)) => failure = error,
                Err(error) => failure = io::Error::other(error),
            },
            () = time::sleep(STAGGER), if addresses.peek().is_some() => {}
        }
    }
}

/// Alternates IPv6 and IPv4 addresses, starting with the family that the resolver prefers.
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|a| a.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut out = Vec::new();
    loop {
        let turn = [first.next(), second.next()];
        if turn == [None, None] {
            return out;
        }
        out.extend(turn.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|a| a.parse().unwrap()).collect()
    }

    #[test]
    fn address_families_alternate() {
        let given = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]);
        let expected = addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(alternating(given), expected);
        assert!(alternating(Vec::new()).is_empty());
    }

    #[test]
    fn the_fastest_cipher_is_offered_first() {
        let first = provider().cipher_suites[0].suite();
        assert_eq!(first, CipherSuite::TLS13_AES_128_GCM_SHA256);
    }
}
