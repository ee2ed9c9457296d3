//! A server that is not `ferryd`: it records what clients send and answers as a test wants.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use ferry_shared::{
    feature::Features,
    frame::{self, Frame, Phase},
    limits::ALPN,
    link::LinkReader,
    message::{
        Reply, Request,
        reply::{Access, LoggedIn, Registration, ServerLimits, Usage, Welcome},
    },
    pool::BufferPool,
    secret::Secret,
    version,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

/// The answer to a request, as whole frames; `None` for requests that the impostor answers itself.
pub type Script = dyn Fn(&Request) -> Option<Vec<u8>> + Send + Sync;

/// The impostor. It ends when dropped.
#[derive(Debug)]
pub struct Impostor {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    _stop: watch::Sender<()>,
}

struct Part {
    script: Box<Script>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Impostor {
    /// Listens on `address` (port 0 for any) with a key of its own.
    ///
    /// # Panics
    /// If it cannot.
    #[must_use]
    pub fn start(address: SocketAddr, script: impl Fn(&Request) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let part = Arc::new(Part { script: Box::new(script), heard: Arc::clone(&heard) });
        let (stop, mut stopped) = watch::channel(());
        let (tell, told) = mpsc::channel();
        let acceptor = TlsAcceptor::from(own_identity());
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::bind(address).await.expect("the port is free");
                tell.send(listener.local_addr().expect("bound")).expect("the maker waits");
                let accepting = async {
                    while let Ok((tcp, _)) = listener.accept().await {
                        tokio::spawn(talk(acceptor.clone(), tcp, Arc::clone(&part)));
                    }
                };
                tokio::select! {
                    () = accepting => {}
                    _ = stopped.changed() => {}
                }
            });
        });
        let address = told.recv().expect("the impostor starts");
        Self { address, heard, _stop: stop }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every message it received, as JSON.
    #[must_use]
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn own_identity() -> Arc<ServerConfig> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let chain: Vec<CertificateDer<'static>> = vec![made.cert.der().clone()];
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a fitting key");
    config.alpn_protocols = vec![ALPN.to_vec()];
    Arc::new(config)
}

async fn talk(acceptor: TlsAcceptor, tcp: TcpStream, part: Arc<Part>) {
    let Ok(tls) = acceptor.accept(tcp).await else { return };
    let (reader, mut writer) = tokio::io::split(tls);
    let mut reader = LinkReader::new(reader, BufferPool::new(1));
    reader.set_phase(Phase::LoggedIn);
    while let Ok(Some(frame)) = reader.next().await {
        let Frame::Message(json) = frame else { continue };
        part.heard.lock().unwrap_or_else(PoisonError::into_inner).push(String::from_utf8_lossy(&json).into_owned());
        let Ok(request) = Request::decode(&json) else { continue };
        let answer = (part.script)(&request).or_else(|| own_answer(&request));
        if let Some(bytes) = answer
            && (writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err())
        {
            return;
        }
    }
}

/// The answers that any server gives.
fn own_answer(request: &Request) -> Option<Vec<u8>> {
    let reply = match request {
        Request::Hello(_) => Reply::Welcome(Welcome {
            protocol: version::CURRENT,
            server: "impostor".to_owned(),
            features: Features::NONE,
            registration: Registration::Closed,
            limits: ServerLimits { connections: 32, idle_seconds: 90 },
        }),
        Request::Login { user, .. } => logged_in(user, None),
        Request::Attach { .. } => logged_in("anna", None),
        Request::Ping => Reply::Pong,
        _ => return None,
    };
    Some(message(&reply))
}

/// The answer to a login, with a message of the day.
#[must_use]
pub fn logged_in(user: &str, motd: Option<String>) -> Reply {
    Reply::LoggedIn(LoggedIn {
        user: user.to_owned(),
        access: Access::ReadWrite,
        usage: Usage::default(),
        ticket: Secret::new("ticket".to_owned()),
        motd,
    })
}

/// A reply as a frame.
///
/// # Panics
/// If it is too long for a frame.
#[must_use]
pub fn message(reply: &Reply) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::put_message(&mut bytes, reply).expect("a short reply");
    bytes
}

/// Text as a message frame, whether it is a reply or not.
///
/// # Panics
/// If it is too long for a frame.
#[must_use]
pub fn raw_message(json: &str) -> Vec<u8> {
    let header = frame::Header::write(frame::FrameKind::Message, json.len()).expect("a short text");
    [&header, json.as_bytes()].concat()
}

/// A block as a frame.
///
/// # Panics
/// If it is too long for a frame.
#[must_use]
pub fn block(index: u64, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::put_block_head(&mut bytes, index, content.len()).expect("at most a block");
    bytes.extend_from_slice(content);
    bytes
}
