//! Connections to a host: the key of the host first, then the login.

use std::{
    borrow::Cow,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use ferry_shared::fingerprint::Fingerprint;
use parking_lot::Mutex;
use russh::{
    ChannelId, Preferred, SshId, cipher,
    client::{Config, Handle, Handler, Session, connect_stream},
    keys::PublicKeyOrCertificate,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

use super::{
    fault,
    host_key::{Decided, Expected, Host, HostKeys, Verdict},
};
use crate::{connect::prepare_socket, error::ClientError};

/// Bytes of a channel that may be under way.
const WINDOW: u32 = 8 << 20;
/// Bytes in a packet of SSH: what all servers take.
const PACKET: u32 = 32 << 10;
/// Packets that a channel may queue.
const QUEUE: usize = 64;
/// The ciphers, the fastest one first; that of all OpenSSH servers is among them.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];
/// After this time without a word of the server, it is asked for one.
const PROBE: Duration = Duration::from_secs(30);

/// A connection to a host, logged in or not yet.
pub(super) struct Connection {
    pub(super) handle: Handle<Greeter>,
    /// The key that the host showed.
    pub(super) key: Fingerprint,
    /// The server's identification.
    pub(super) software: String,
    /// The connection through which this one goes.
    _through: Option<Arc<Connection>>,
    /// The channels in use.
    pub(super) channels: AtomicUsize,
    /// The most channels that the server allows, as far as is known.
    pub(super) most: AtomicUsize,
}

/// Answers the server's requests: it may open no channel to this side.
pub(super) struct Greeter {
    expected: Arc<Expected>,
    decided: Decided,
    software: Arc<Mutex<String>>,
}

impl Handler for Greeter {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let verdict = self.expected.judge(key);
        let trusted = matches!(verdict, Ok(Verdict::Trusted(_)));
        *self.decided.lock() = Some(verdict);
        Ok(trusted)
    }

    async fn kex_done(
        &mut self,
        _: Option<&[u8]>,
        _: &russh::Names,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        *self.software.lock() = String::from_utf8_lossy(session.remote_sshid()).into_owned();
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: russh::Channel<russh::client::Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: russh::client::ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        drop(reply);
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: russh::Channel<russh::client::Msg>,
        _: &str,
        reply: russh::client::ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        drop(reply);
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: russh::Channel<russh::client::Msg>,
        reply: russh::client::ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        drop(reply);
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: russh::Channel<russh::client::Msg>,
        reply: russh::client::ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        drop(reply);
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: russh::Channel<russh::client::Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: russh::client::ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        drop(reply);
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: russh::Channel<russh::client::Msg>,
        _: &str,
        reply: russh::client::ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        drop(reply);
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: russh::Channel<russh::client::Msg>,
        _: &str,
        _: u32,
        reply: russh::client::ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        drop(reply);
        Ok(())
    }

    async fn should_accept_unknown_server_channel(&mut self, _: ChannelId, _: &str) -> bool {
        false
    }
}

/// Connects to a host, and asks about its key if need be. Nothing is sent to a host whose key is not trusted.
///
/// # Errors
/// The host cannot be reached, or its key is not accepted.
pub(super) async fn connect(
    keys: &HostKeys,
    host: &Host,
    through: Option<&Arc<Connection>>,
    declined: &Mutex<Option<Fingerprint>>,
    limit: Duration,
) -> Result<Connection, ClientError> {
    loop {
        let expected = Arc::new(keys.expect(host.clone()).await?);
        match greet(&expected, host, through, limit).await {
            Err(Refused::Ask(found, algorithm)) => {
                // The user may take longer than the server waits: a new connection follows the answer.
                expected.ask(found, algorithm, declined).await?;
            }
            Err(Refused::No(error)) => return Err(error),
            Ok(connection) => return Ok(connection),
        }
    }
}

/// Why there is no connection.
enum Refused {
    Ask(Fingerprint, &'static str),
    No(ClientError),
}

impl From<ClientError> for Refused {
    fn from(error: ClientError) -> Self {
        Self::No(error)
    }
}

async fn greet(
    expected: &Arc<Expected>,
    host: &Host,
    through: Option<&Arc<Connection>>,
    limit: Duration,
) -> Result<Connection, Refused> {
    let mut algorithms = expected.algorithms();
    loop {
        let decided = Decided::default();
        let software = Arc::new(Mutex::new(String::new()));
        let handler =
            Greeter { expected: Arc::clone(expected), decided: Arc::clone(&decided), software: Arc::clone(&software) };
        let certificates = if expected.takes_certificates() { algorithms.clone() } else { Vec::new() };
        let preferred = Preferred {
            key: Cow::Owned(algorithms.clone()),
            host_key_certificates: Cow::Owned(certificates),
            cipher: Cow::Borrowed(CIPHERS),
            ..Preferred::DEFAULT
        };
        let config = Config {
            client_id: SshId::Standard(Cow::Borrowed("SSH-2.0-ferry")),
            window_size: WINDOW,
            maximum_packet_size: PACKET,
            channel_buffer_size: QUEUE,
            keepalive_interval: Some(PROBE),
            preferred,
            nodelay: true,
            ..Config::default()
        };
        let stream = timeout(limit, stream(host, through)).await.map_err(|_| timed_out(host))??;
        let greeted = timeout(limit, connect_stream(Arc::new(config), stream, handler)).await;
        let verdict = decided.lock().take();
        let (handle, key) = match (verdict, greeted) {
            (Some(Ok(Verdict::Trusted(key))), Ok(Ok(handle))) => (handle, key),
            (Some(Ok(Verdict::Ask(found, algorithm))), _) => return Err(Refused::Ask(found, algorithm)),
            (Some(Err(ClientError::WrongKey { .. })), _) if expected.is_pinned() && algorithms.len() > 2 => {
                // The key that is required may be of another type.
                let shown = super::known_hosts::family(&algorithms[0]);
                algorithms.retain(|algorithm| super::known_hosts::family(algorithm) != shown);
                continue;
            }
            (Some(Err(error)), _) => return Err(error.into()),
            (_, Err(_)) => return Err(ClientError::Timeout("connecting").into()),
            (_, Ok(Err(error))) => return Err(insecure(host, error).into()),
            (None, Ok(Ok(_))) => return Err(ClientError::Protocol("it showed no key".into()).into()),
        };
        let software = software.lock().clone();
        return Ok(Connection {
            handle,
            key,
            software,
            _through: through.cloned(),
            channels: AtomicUsize::new(0),
            most: AtomicUsize::new(usize::MAX),
        });
    }
}

fn timed_out(host: &Host) -> ClientError {
    unreachable_host(host, io::ErrorKind::TimedOut.into())
}

fn unreachable_host(host: &Host, error: io::Error) -> ClientError {
    ClientError::Unreachable { address: host.shown(), error: Arc::new(error) }
}

/// The error of a key exchange: a broken connection may be retried.
fn insecure(host: &Host, error: russh::Error) -> ClientError {
    match error {
        russh::Error::IO(_) | russh::Error::Disconnect | russh::Error::HUP => fault::lost(error),
        other => ClientError::Insecure { address: host.shown(), message: other.to_string() },
    }
}

/// A stream of bytes in both directions.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The way to a host: directly, or through another one.
async fn stream(host: &Host, through: Option<&Arc<Connection>>) -> Result<Box<dyn Stream>, ClientError> {
    if let Some(through) = through {
        let opened = through.handle.channel_open_direct_tcpip(&host.name, host.port.into(), "127.0.0.1", 0).await;
        return match opened {
            Ok(channel) => Ok(Box::new(channel.into_stream())),
            Err(russh::Error::ChannelOpenFailure(why)) => {
                Err(unreachable_host(host, io::Error::other(format!("the host on the way refuses: {why:?}"))))
            }
            Err(error) => Err(fault::lost(error)),
        };
    }
    let tcp = TcpStream::connect((&*host.name, host.port)).await.map_err(|error| unreachable_host(host, error))?;
    prepare_socket(&tcp).map_err(|error| unreachable_host(host, error))?;
    Ok(Box::new(tcp))
}

impl Connection {
    /// Whether a further channel may be opened, as far as is known.
    pub(super) fn has_room(&self) -> bool {
        !self.handle.is_closed() && self.channels.load(Relaxed) < self.most.load(Relaxed)
    }
}

/// A channel in use, which its connection counts.
pub(super) struct Counted(pub(super) Arc<Connection>);

impl Counted {
    pub(super) fn new(connection: &Arc<Connection>) -> Self {
        connection.channels.fetch_add(1, Relaxed);
        Self(Arc::clone(connection))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.channels.fetch_sub(1, Relaxed);
    }
}
