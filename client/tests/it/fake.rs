//! A scripted server: the connection is real TCP and TLS, and each test controls the server's side.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use ferry_client::{ConnectOptions, Connector, Credential, Fingerprint, Target, Trust};
use ferry_shared::{
    feature::Features,
    frame::{Frame, Phase, put_block_head},
    limits::ALPN,
    link::{LinkReader, LinkWriter},
    message::{
        Reply, Request,
        reply::{Access, LoggedIn, Registration, ServerLimits, Usage, Welcome},
    },
    pool::BufferPool,
    refusal::{Code, Refusal},
    secret::Secret,
};
use rcgen::{CertifiedKey, KeyPair, PublicKeyData as _};
use rustls::{
    HandshakeKind, ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, ResolvesServerCert},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::{
    io::{ReadHalf, WriteHalf},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// A server's end of one connection.
pub(crate) struct Peer {
    /// The number of the connection, starting with 0 for the first one with a complete handshake.
    pub(crate) number: usize,
    pub(crate) handshake: Option<HandshakeKind>,
    pub(crate) reader: LinkReader<ReadHalf<TlsStream<TcpStream>>>,
    pub(crate) writer: LinkWriter<WriteHalf<TlsStream<TcpStream>>>,
}

impl Peer {
    /// The next frame; `None` if the client has closed the connection.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        self.reader.next().await.ok().flatten()
    }

    /// The next request.
    pub(crate) async fn request(&mut self) -> Option<Request> {
        match self.frame().await? {
            Frame::Message(json) => Some(Request::decode(&json).unwrap()),
            other => panic!("not a message: {other:?}"),
        }
    }

    pub(crate) async fn send(&mut self, reply: Reply) {
        self.writer.send(&reply).await.unwrap();
    }

    pub(crate) async fn block(&mut self, index: u64, bytes: &[u8]) {
        let mut frame = Vec::new();
        put_block_head(&mut frame, index, bytes.len()).unwrap();
        frame.extend_from_slice(bytes);
        self.writer.write(&frame).await.unwrap();
        self.writer.flush().await.unwrap();
    }

    pub(crate) async fn refuse(&mut self, code: Code) {
        self.send(Reply::Refused(Refusal::new(code, "no"))).await;
    }

    /// Answers the greeting; `None` if the client disconnected before it.
    pub(crate) async fn greet(&mut self) -> Option<()> {
        assert!(matches!(self.request().await?, Request::Hello(_)));
        self.send(welcome(1)).await;
        Some(())
    }

    /// Accepts any login, and returns its request.
    pub(crate) async fn let_in(&mut self) -> Option<Request> {
        self.greet().await?;
        let request = self.request().await?;
        self.reader.set_phase(Phase::LoggedIn);
        self.send(Reply::LoggedIn(logged_in("ticket"))).await;
        Some(request)
    }

    /// Answers the next request with the given reply.
    pub(crate) async fn answer(&mut self, reply: Reply) -> Option<Request> {
        let request = self.request().await?;
        self.send(reply).await;
        Some(request)
    }
}

pub(crate) fn welcome(protocol: u32) -> Reply {
    let limits = ServerLimits { connections: 8, idle_seconds: 90 };
    let (server, features, registration) = ("fake".to_owned(), Features::NONE, Registration::Open);
    Reply::Welcome(Welcome { protocol, server, features, registration, limits })
}

pub(crate) fn logged_in(ticket: &str) -> LoggedIn {
    LoggedIn {
        user: "ann".into(),
        access: Access::ReadWrite,
        usage: Usage::default(),
        ticket: Secret::new(ticket.into()),
        motd: None,
    }
}

/// The certificate and key that a server uses in its handshake.
pub(crate) struct Face {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) alpn: Vec<Vec<u8>>,
}

impl Face {
    pub(crate) fn new() -> Self {
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let fingerprint = fingerprint(&signing_key);
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        Self { certificate: cert.into(), key, fingerprint, alpn: vec![ALPN.to_vec()] }
    }

    fn config(self) -> ServerConfig {
        let provider = aws_lc_rs::default_provider();
        let key = provider.key_provider.load_private_key(self.key).unwrap();
        // Do not check that the key matches the certificate: a test needs a mismatch.
        let shown = Shown(Arc::new(rustls::sign::CertifiedKey::new(vec![self.certificate], key)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(shown));
        config.alpn_protocols = self.alpn;
        config
    }
}

pub(crate) fn fingerprint(key: &KeyPair) -> Fingerprint {
    Fingerprint::of_spki(&key.subject_public_key_info())
}

#[derive(Debug)]
struct Shown(Arc<rustls::sign::CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A running server; its connections end when it is dropped.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    pub(crate) fingerprint: Fingerprint,
    folder: tempfile::TempDir,
    connections: Arc<AtomicUsize>,
    failed: Arc<AtomicBool>,
    _tasks: JoinSet<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        let failed = self.failed.load(Ordering::SeqCst);
        assert!(!failed || std::thread::panicking(), "the server's script failed");
    }
}

impl Fake {
    /// Starts a server that runs `script` on each connection.
    pub(crate) async fn start<F>(script: impl Fn(Peer) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<()>> + Send + 'static,
    {
        Self::with_face(Face::new(), script).await
    }

    pub(crate) async fn with_face<F>(face: Face, script: impl Fn(Peer) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<()>> + Send + 'static,
    {
        let failed = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&failed);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let fingerprint = face.fingerprint;
        let acceptor = TlsAcceptor::from(Arc::new(face.config()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (counter, script) = (Arc::clone(&connections), Arc::new(script));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut running = JoinSet::new();
            loop {
                let tcp = listener.accept().await.unwrap().0;
                let (acceptor, counter, script) = (acceptor.clone(), Arc::clone(&counter), Arc::clone(&script));
                let flag = Arc::clone(&flag);
                running.spawn(async move {
                    let Ok(stream) = acceptor.accept(tcp).await else { return };
                    let handshake = stream.get_ref().1.handshake_kind();
                    let number = counter.fetch_add(1, Ordering::SeqCst);
                    let (reader, writer) = tokio::io::split(stream);
                    let (reader, writer) = (LinkReader::new(reader, BufferPool::new(1)), LinkWriter::new(writer));
                    let mut peer = Peer { number, handshake, reader, writer };
                    peer.reader.set_phase(Phase::BeforeLogin);
                    let ended = tokio::spawn(script(peer)).await;
                    flag.fetch_or(ended.is_err_and(|error| error.is_panic()), Ordering::SeqCst);
                });
            }
        });
        let folder = tempfile::tempdir().unwrap();
        Self { address, fingerprint, folder, connections, failed, _tasks: tasks }
    }

    /// The number of connections with a complete handshake.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn known_servers(&self) -> PathBuf {
        self.folder.path().join("known_servers")
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// A client of this server that knows only the keys in `known_servers`.
    pub(crate) fn connector(&self, trust: Trust) -> Connector {
        connector(self.address, ConnectOptions::new(trust, self.known_servers()))
    }

    /// A client that trusts this server.
    pub(crate) fn trusting(&self) -> Connector {
        self.connector(Trust::Pinned(self.fingerprint))
    }
}

pub(crate) fn connector(address: SocketAddr, options: ConnectOptions) -> Connector {
    let target = Target::ferry("ann", address.ip().to_string(), address.port());
    Connector::new(target, Credential::Password(Secret::new("secret".into())), options)
}
