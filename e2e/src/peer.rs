//! A peer that speaks the protocol by hand, correctly or not.
//!
//! It trusts any server, because it is the server that is tested.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ferry_shared::{
    binding::{self, Exported, LOGIN_LABEL, SEAL_LABEL},
    digest::{Digest, block_digest, merge},
    feature::Features,
    frame::{self, Frame, FrameKind, Header, Phase},
    limits::{ALPN, BLOCK_SIZE},
    link::LinkReader,
    message::{
        Reply, Request,
        reply::{LoggedIn, Welcome},
        request::{Basis, Hello, IfExists, Proof, Put},
    },
    path::RemotePath,
    pool::BufferPool,
    refusal::Code,
    secret::Secret,
    version,
};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncWriteExt as _, ReadHalf, WriteHalf},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::PASSWORD;

/// How long a peer waits for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection on which frames are built by hand.
#[derive(Debug)]
pub struct Peer {
    reader: LinkReader<ReadHalf<TlsStream<TcpStream>>>,
    writer: WriteHalf<TlsStream<TcpStream>>,
    exported: Exported,
    exported_for_seal: Exported,
}

impl Peer {
    /// Completes the handshake and sends nothing yet.
    ///
    /// # Errors
    /// If the server does not accept the connection.
    pub async fn connect(server: SocketAddr) -> Result<Self> {
        Self::connect_with(server, &[ALPN]).await
    }

    /// Like [`Peer::connect`], offering other application protocols.
    ///
    /// # Errors
    /// If the server does not accept the connection.
    pub async fn connect_with(server: SocketAddr, protocols: &[&[u8]]) -> Result<Self> {
        let tcp = timeout(PATIENCE, TcpStream::connect(server)).await??;
        Self::connect_through(tcp, protocols).await
    }

    /// Like [`Peer::connect`], from another address of this machine.
    ///
    /// # Errors
    /// If the server does not accept the connection.
    pub async fn connect_from(from: IpAddr, server: SocketAddr) -> Result<Self> {
        Self::connect_through(tcp_from(from, server).await?, &[ALPN]).await
    }

    /// Completes the handshake on an existing connection.
    ///
    /// # Errors
    /// If the server does not accept it.
    pub async fn over(tcp: TcpStream) -> Result<Self> {
        Self::connect_through(tcp, &[ALPN]).await
    }

    async fn connect_through(tcp: TcpStream, protocols: &[&[u8]]) -> Result<Self> {
        let server = tcp.peer_addr()?;
        tcp.set_nodelay(true)?;
        let name = ServerName::from(server.ip());
        let connector = TlsConnector::from(trust_anything(protocols)?);
        let tls = timeout(PATIENCE, connector.connect(name, tcp)).await??;
        let export = |label| tls.get_ref().1.export_keying_material(Exported::default(), label, None);
        let (exported, exported_for_seal) = (export(LOGIN_LABEL)?, export(SEAL_LABEL)?);
        let (reader, writer) = tokio::io::split(tls);
        let mut reader = LinkReader::new(reader, BufferPool::new(1));
        // These tests do not check the size of the server's frames: accept all of them from the start.
        reader.set_phase(Phase::LoggedIn);
        Ok(Self { reader, writer, exported, exported_for_seal })
    }

    /// The bytes that bind a key's signature to this connection.
    #[must_use]
    pub fn exported(&self) -> Exported {
        self.exported
    }

    /// The first message of a client that knows `secret`, for this connection.
    #[must_use]
    pub fn sealed_hello(&self, secret: &str) -> Request {
        let seal = binding::seal(&Secret::new(secret.to_owned()), &self.exported_for_seal);
        match hello() {
            Request::Hello(hello) => Request::Hello(Hello { seal: Some(STANDARD.encode(seal)), ..hello }),
            other => other,
        }
    }

    /// Connects and sends `Hello`.
    ///
    /// # Errors
    /// If the server does not answer with `Welcome`.
    pub async fn welcomed(server: SocketAddr) -> Result<(Self, Welcome)> {
        let mut peer = Self::connect(server).await?;
        match peer.ask(&hello()).await? {
            Reply::Welcome(welcome) => Ok((peer, welcome)),
            other => bail!("expected Welcome, got {other:?}"),
        }
    }

    /// Connects and logs in with the test password.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn logged_in(server: SocketAddr, user: &str) -> Result<(Self, LoggedIn)> {
        let (mut peer, _) = Self::welcomed(server).await?;
        match peer.ask(&login(user, PASSWORD)).await? {
            Reply::LoggedIn(logged_in) => Ok((peer, logged_in)),
            other => bail!("expected LoggedIn, got {other:?}"),
        }
    }

    /// Connects and joins the session of `ticket`.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn attached(server: SocketAddr, ticket: &Secret) -> Result<Self> {
        let (mut peer, _) = Self::welcomed(server).await?;
        match peer.ask(&Request::Attach { ticket: ticket.clone() }).await? {
            Reply::LoggedIn(_) => Ok(peer),
            other => bail!("expected LoggedIn, got {other:?}"),
        }
    }

    /// Sends bytes unchanged.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        timeout(PATIENCE, async {
            self.writer.write_all(bytes).await?;
            self.writer.flush().await
        })
        .await
        .context("the server takes no bytes")??;
        Ok(())
    }

    /// Sends a request.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn send(&mut self, request: &Request) -> Result<()> {
        let mut bytes = Vec::new();
        frame::put_message(&mut bytes, request)?;
        self.send_bytes(&bytes).await
    }

    /// Sends text as a message frame, whether it is JSON or not.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn send_json(&mut self, json: &str) -> Result<()> {
        let mut bytes = Header::write(FrameKind::Message, json.len())?.to_vec();
        bytes.extend_from_slice(json.as_bytes());
        self.send_bytes(&bytes).await
    }

    /// Sends a block.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn send_block(&mut self, index: u64, block: &[u8]) -> Result<()> {
        let mut bytes = Vec::with_capacity(block.len() + 12);
        frame::put_block_head(&mut bytes, index, block.len())?;
        bytes.extend_from_slice(block);
        self.send_bytes(&bytes).await
    }

    /// Sends a have-frame.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn send_have(&mut self, first: u64, digests: &[Digest]) -> Result<()> {
        let mut bytes = Vec::new();
        frame::put_have(&mut bytes, first, digests)?;
        self.send_bytes(&bytes).await
    }

    /// The next frame; `None` if the server closed the connection.
    ///
    /// # Errors
    /// If nothing arrives, or no valid frame.
    pub async fn next(&mut self) -> Result<Option<Frame>> {
        Ok(timeout(PATIENCE, self.reader.next()).await.context("the server says nothing")??)
    }

    /// The next message that is not a notice.
    ///
    /// # Errors
    /// If another frame or nothing arrives.
    pub async fn reply(&mut self) -> Result<Reply> {
        loop {
            match self.next().await?.context("the server closed instead of answering")? {
                Frame::Message(json) => match serde_json::from_slice(&json)? {
                    Reply::Notice(_) => {}
                    reply => return Ok(reply),
                },
                other => bail!("expected a message, got {other:?}"),
            }
        }
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// Those of [`Peer::reply`].
    pub async fn ask(&mut self, request: &Request) -> Result<Reply> {
        self.send(request).await?;
        self.reply().await
    }

    /// Gives up the upload in progress by sending another request. All earlier blocks are kept then.
    ///
    /// # Errors
    /// If it is not answered exactly once, with a refusal, followed by the answer to the request.
    pub async fn give_up(&mut self) -> Result<()> {
        match (self.ask(&Request::Ping).await?, self.reply().await?) {
            (Reply::Refused(refusal), Reply::Pong) if refusal.code == Code::Superseded => Ok(()),
            other => bail!("expected Refused and Pong, got {other:?}"),
        }
    }

    /// The messages that the server still sends until it closes, as text for the test.
    ///
    /// # Errors
    /// If the server does not close.
    pub async fn last_words(&mut self) -> Result<String> {
        let mut words = String::new();
        loop {
            match timeout(PATIENCE, self.reader.next()).await.context("the server does not close")? {
                Ok(Some(Frame::Message(json))) => {
                    let _ = writeln!(words, "{}", String::from_utf8_lossy(&json));
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return Ok(words),
            }
        }
    }

    /// Uploads `content` in order without skipping blocks, and returns the last answer.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn upload(&mut self, put: &Put, content: &[u8]) -> Result<Reply> {
        let size = content.len() as u64;
        self.send(&Request::Put(put.clone())).await?;
        if !put.is_optimistic() {
            match self.reply().await? {
                Reply::Ready { .. } => {}
                other => return Ok(other),
            }
        }
        let digests = self.send_blocks(content).await?;
        let root = merge(size, &digests).context("one digest a block")?;
        self.ask(&Request::Commit { size, root }).await
    }

    /// Sends all blocks of `content` and returns their digests.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn send_blocks(&mut self, content: &[u8]) -> Result<Vec<Digest>> {
        let mut digests = Vec::new();
        for (index, block) in (0..).zip(content.chunks(usize::try_from(BLOCK_SIZE)?)) {
            self.send_block(index, block).await?;
            digests.push(block_digest(content.len() as u64, index, block));
        }
        Ok(digests)
    }
}

/// A plain TCP connection from another address of this machine.
///
/// # Errors
/// If the server does not accept the connection.
pub async fn tcp_from(from: IpAddr, server: SocketAddr) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    Ok(timeout(PATIENCE, socket.connect(server)).await??)
}

/// The first message of a well-behaved client.
#[must_use]
pub fn hello() -> Request {
    Request::Hello(Hello {
        protocol: version::CURRENT,
        client: "ferry-e2e".to_owned(),
        features: Features::NONE,
        seal: None,
    })
}

/// A login by password.
#[must_use]
pub fn login(user: &str, password: &str) -> Request {
    Request::Login { user: user.to_owned(), proof: Proof::Password(Secret::new(password.to_owned())) }
}

/// A remote path.
///
/// # Panics
/// If `text` is not a valid path.
#[must_use]
pub fn path(text: &str) -> RemotePath {
    RemotePath::from_wire(text.as_bytes()).expect("a test's path")
}

/// A declaration that replaces an existing file and starts from nothing.
#[must_use]
pub fn put(target: &str, size: Option<u64>) -> Put {
    Put {
        path: path(target),
        size,
        mtime: None,
        mode: None,
        if_exists: IfExists::Replace,
        parents: false,
        basis: Basis::None,
    }
}

fn trust_anything(protocols: &[&[u8]]) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustAnything(provider)))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct TrustAnything(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAnything {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
