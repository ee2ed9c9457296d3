//! An authenticated connection, and the greeting and login that establish it.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ferry_shared::{
    binding::{self, Exported, LOGIN_LABEL, SEAL_LABEL},
    feature::Features,
    fingerprint::Fingerprint,
    frame::{Frame, Phase, put_message},
    link::{LinkError, LinkReader, LinkWriter},
    message::{
        Reply, Request,
        reply::{LoggedIn, Welcome},
        request::Hello,
    },
    pool::BufferPool,
    secret::Secret,
    socket::BurstStream,
    version,
};
use tokio::{
    io::{ReadHalf, WriteHalf},
    time,
};
use tokio_rustls::client::TlsStream;
use zeroize::Zeroizing;

use crate::error::ClientError;

/// The stream below a connection.
pub type Stream = TlsStream<BurstStream>;
/// Reads a connection's frames.
pub type FrameReader = LinkReader<ReadHalf<Stream>>;
/// Writes a connection's frames.
pub type FrameWriter = LinkWriter<WriteHalf<Stream>>;

/// Time limit for the answer to a greeting.
const GREETING: Duration = Duration::from_secs(30);
/// Time limit for checking a proof: password hashing is slow on purpose, and checks are queued.
const LOGIN: Duration = Duration::from_secs(60);
/// Capacity for a message that contains a secret, so that growing does not leave copies of it in memory.
const SECRET_MESSAGE: usize = 16 << 10;

/// A connection to a trusted server on which the user is logged in.
#[derive(Debug)]
pub struct Connection {
    /// The server's greeting.
    pub welcome: Welcome,
    /// The account as it was at login.
    pub logged_in: LoggedIn,
    /// The server's key.
    pub server_key: Fingerprint,
    /// Frames from the server.
    pub reader: FrameReader,
    /// Frames to the server.
    pub writer: FrameWriter,
}

/// A connection to a trusted server that was greeted, before login. The answer to the greeting need not be awaited: the
/// login travels with it.
#[derive(Debug)]
pub(crate) struct Greeted {
    server_key: Fingerprint,
    exported: Exported,
    reader: FrameReader,
    writer: FrameWriter,
    /// Why not everything could be sent. A server that refuses may close the connection before it has read everything;
    /// its refusal takes precedence.
    unsent: Option<LinkError>,
}

impl Greeted {
    /// The bytes that bind a proof to this connection.
    pub(crate) fn exported(&self) -> &Exported {
        &self.exported
    }

    /// Greets the server over `stream`; the handshake proved that the server holds `server_key`.
    ///
    /// # Errors
    /// [`ClientError::Protocol`] if TLS exports no keys.
    pub(crate) async fn greet(
        stream: Stream,
        server_key: Fingerprint,
        client: &str,
        features: Features,
        secret: Option<&Secret>,
        pool: &BufferPool,
    ) -> Result<Self, ClientError> {
        let export = |label| {
            let exported = stream.get_ref().1.export_keying_material(Exported::default(), label, None);
            exported.map_err(|error| ClientError::Protocol(format!("TLS exports no keys: {error}")))
        };
        let exported = export(LOGIN_LABEL)?;
        let for_seal = export(SEAL_LABEL)?;
        let seal = secret.map(|secret| STANDARD.encode(binding::seal(secret, &for_seal)));
        let (reader, writer) = tokio::io::split(stream);
        let (reader, writer) = (LinkReader::new(reader, pool.clone()), LinkWriter::new(writer));
        let hello = Request::Hello(Hello { protocol: version::CURRENT, client: client.to_owned(), features, seal });
        let mut greeted = Self { server_key, exported, reader, writer, unsent: None };
        greeted.send(&hello, &[], GREETING).await?;
        Ok(greeted)
    }

    /// The server's greeting and its key, without a login.
    ///
    /// # Errors
    /// Those of [`enter`](Self::enter).
    pub(crate) async fn into_facts(mut self) -> Result<(Welcome, Fingerprint), ClientError> {
        Ok((self.welcome().await?, self.server_key))
    }

    /// Logs in with a `Login`, `Attach` or `Register` request, and sends `first` behind it: a request whose answer follows
    /// that to the login. If the login is refused, the server refuses `first` too.
    ///
    /// # Errors
    /// [`ClientError::Refused`], [`ClientError::Protocol`] if there is no common version, or the errors of the
    /// connection.
    pub(crate) async fn enter(mut self, request: &Request, first: &[u8]) -> Result<Connection, ClientError> {
        self.send(request, first, LOGIN).await?;
        let welcome = self.welcome().await?;
        // The answer may contain a long message of the day, and notices may follow immediately.
        self.reader.set_phase(Phase::LoggedIn);
        let reply = self.answer(LOGIN, "logging in").await?;
        let Reply::LoggedIn(logged_in) = reply else { return Err(unexpected("a login")) };
        let Self { server_key, reader, writer, .. } = self;
        Ok(Connection { welcome, logged_in, server_key, reader, writer })
    }

    async fn welcome(&mut self) -> Result<Welcome, ClientError> {
        match self.answer(GREETING, "greeting the server").await? {
            Reply::Welcome(welcome) if (version::OLDEST..=version::CURRENT).contains(&welcome.protocol) => Ok(welcome),
            Reply::Welcome(welcome) => Err(ClientError::Protocol(format!(
                "it uses protocol version {}, this program supports {} to {}",
                welcome.protocol,
                version::OLDEST,
                version::CURRENT
            ))),
            _ => Err(unexpected("a greeting")),
        }
    }

    /// Sends a request, and encoded frames with it.
    async fn send(&mut self, request: &Request, frames: &[u8], limit: Duration) -> Result<(), ClientError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_MESSAGE));
        put_message(&mut bytes, request).map_err(LinkError::from)?;
        bytes.extend_from_slice(frames);
        let sent = async {
            self.writer.write(&bytes).await?;
            self.writer.flush().await
        };
        let sent = time::timeout(limit, sent).await.map_err(|_| ClientError::Timeout("logging in"))?;
        self.unsent = sent.err().or(self.unsent.take());
        Ok(())
    }

    async fn answer(&mut self, limit: Duration, doing: &'static str) -> Result<Reply, ClientError> {
        match time::timeout(limit, answer(&mut self.reader)).await {
            Ok(Err(ClientError::Lost(lost))) => {
                Err(self.unsent.take().map_or(ClientError::Lost(lost), ClientError::from))
            }
            Ok(answer) => answer,
            Err(_) => Err(ClientError::Timeout(doing)),
        }
    }
}

async fn answer(reader: &mut FrameReader) -> Result<Reply, ClientError> {
    loop {
        let Some(frame) = reader.next().await? else { return Err(ClientError::closed()) };
        let Frame::Message(json) = frame else { return Err(unexpected("a greeting")) };
        match decode(&json)? {
            Reply::Refused(refusal) => return Err(refusal.into()),
            Reply::Notice(notice) => tracing::debug!(?notice, "notice before login"),
            reply => return Ok(reply),
        }
    }
}

/// Decodes a message from the server.
///
/// # Errors
/// [`ClientError::Protocol`].
pub(crate) fn decode(json: &[u8]) -> Result<Reply, ClientError> {
    serde_json::from_slice(json).map_err(|error| ClientError::Protocol(format!("invalid message: {error}")))
}

/// The error for an answer of the wrong kind.
pub(crate) fn unexpected(to: &str) -> ClientError {
    ClientError::Protocol(format!("unexpected answer to {to}"))
}
