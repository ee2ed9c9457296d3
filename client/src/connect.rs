//! Opens connections to one server: dials, checks the server's key, greets, and logs in once for all of them.

mod dial;
mod socket;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use ferry_shared::{
    feature::{Feature, Features},
    message::{Request, reply::Welcome},
    packing::Pack,
    pool::BufferPool,
    refusal::{Code, Refusal},
    secret::Secret,
};
use parking_lot::Mutex;

use crate::{
    address,
    connection::{Connection, Greeted},
    error::ClientError,
    identity::Credential,
    seal,
    trust::{Fingerprint, Judge, Trust, Verdict},
};
use dial::Dialer;
pub(crate) use socket::prepare as prepare_socket;

/// Spare block buffers kept for all of a connector's connections.
const SPARE_BUFFERS: usize = 8;

/// The protocol of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protocol {
    /// ferry's own.
    #[default]
    Ferry,
    /// SFTP, over SSH.
    Sftp,
}

impl Protocol {
    /// The scheme of its URLs.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Ferry => "ferry",
            Self::Sftp => "sftp",
        }
    }
}

/// An account on a server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The protocol.
    pub protocol: Protocol,
    /// The user name.
    pub user: String,
    /// The server's name or address; an IPv6 address without brackets, with its zone if it has one.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Target {
    /// An account on a ferry server.
    #[must_use]
    pub fn ferry(user: impl Into<String>, host: impl Into<String>, port: u16) -> Self {
        Self { protocol: Protocol::Ferry, user: user.into(), host: host.into(), port }
    }

    /// An account on an SSH server.
    #[must_use]
    pub fn sftp(user: impl Into<String>, host: impl Into<String>, port: u16) -> Self {
        Self { protocol: Protocol::Sftp, user: user.into(), host: host.into(), port }
    }

    /// The server as `host:port`, in the form used in `known_servers`: the same for every spelling of an address.
    #[must_use]
    pub fn address(&self) -> String {
        address::joined(&address::canonical_host(&self.host), self.port)
    }

    /// The account as a URL without a path. Sessions and the engine's events name a server by it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}@{}", self.protocol.scheme(), self.user, self.address())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::Ferry => write!(f, "{}@{}", self.user, self.address()),
            Protocol::Sftp => f.write_str(&self.url()),
        }
    }
}

/// How to connect.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// The server keys to accept.
    pub trust: Trust,
    /// The file of known server keys; created when needed.
    pub known_servers: PathBuf,
    /// This client's name and version, for the server's log.
    pub client: String,
    /// The file with the secret of servers that have a seal.
    pub seal: Option<PathBuf>,
    /// When blocks are compressed on the way to the server.
    pub pack: Pack,
    /// The time limit for resolving, connecting and the TLS handshake together.
    pub connect_timeout: Duration,
}

impl ConnectOptions {
    /// Options with this crate's name as the client and 15 s to connect.
    #[must_use]
    pub fn new(trust: Trust, known_servers: impl Into<PathBuf>) -> Self {
        Self {
            trust,
            known_servers: known_servers.into(),
            client: concat!("ferry/", env!("CARGO_PKG_VERSION")).into(),
            seal: None,
            pack: Pack::Auto,
            connect_timeout: Duration::from_secs(15),
        }
    }
}

/// Opens connections to one server for one user; clones share the login, the accepted key
/// and the TLS sessions.
#[derive(Debug, Clone)]
pub struct Connector {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: Target,
    options: ConnectOptions,
    dialer: Result<Dialer, ClientError>,
    judge: Judge,
    pool: BufferPool,
    session: Mutex<Session>,
    /// Held while one connection logs in, so that the others can join its session.
    login: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Session {
    credential: Credential,
    ticket: Option<Secret>,
    /// The server's refusal of this credential; sending it again would only cost penalties.
    rejected: Option<Refusal>,
}

impl Connector {
    /// A connector that has not connected yet.
    #[must_use]
    pub fn new(target: Target, credential: Credential, options: ConnectOptions) -> Self {
        let provider = dial::provider();
        let pool = BufferPool::new(SPARE_BUFFERS);
        let dialer = Dialer::new(&target, Arc::clone(&provider), pool.clone());
        let judge = Judge::new(target.address(), options.trust.clone(), options.known_servers.clone(), provider);
        let session = Mutex::new(Session { credential, ticket: None, rejected: None });
        let login = tokio::sync::Mutex::default();
        Self { shared: Arc::new(Shared { target, options, dialer, judge, pool, session, login }) }
    }

    /// An account on a server.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.shared.target
    }

    /// The features that are offered to the server.
    pub(crate) fn features(&self) -> Features {
        match self.shared.options.pack {
            Pack::Never => Features::known().without(Feature::Packed),
            Pack::Auto | Pack::Always => Features::known(),
        }
    }

    /// When blocks are compressed.
    pub(crate) fn pack(&self) -> Pack {
        self.shared.options.pack
    }

    /// Whether both are clones of one connector.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Spare block buffers, shared by all of this connector's connections.
    #[must_use]
    pub fn buffers(&self) -> &BufferPool {
        &self.shared.pool
    }

    /// Opens another connection. The first one logs in; later ones join its session, or log in again if the session
    /// has ended. A proof that the server rejected is not sent again.
    ///
    /// This method is cancel safe: dropping the future closes the connection.
    ///
    /// # Errors
    /// Any [`ClientError`] of connecting, trust and login.
    pub async fn open(&self) -> Result<Connection, ClientError> {
        self.open_with(&[]).await
    }

    /// The same, and sends the frames `first` with the login, at most what a message may have before it. Their answer is
    /// the first one on the connection.
    pub(crate) async fn open_with(&self, first: &[u8]) -> Result<Connection, ClientError> {
        loop {
            if let Some(ticket) = self.ticket() {
                match self.attach(&ticket, first).await? {
                    Some(connection) => return Ok(connection),
                    None => self.forget(&ticket),
                }
            }
            if let Some(connection) = self.log_in(first).await? {
                return Ok(connection);
            }
        }
    }

    /// Checks the server's key and returns its greeting. Sends no secret, does not log in, and closes the connection.
    ///
    /// # Errors
    /// Any [`ClientError`] of connecting and trust.
    pub async fn probe(&self) -> Result<(Welcome, Fingerprint), ClientError> {
        // The user may be asked about the key: only once, even while other connections are being opened.
        let _one_at_a_time = self.shared.login.lock().await;
        self.greet().await?.into_facts().await
    }

    /// Creates the account of this connector with its password, and logs in.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if the server does not allow it, or the errors of [`open`](Self::open).
    pub async fn register(&self, invite: Option<Secret>) -> Result<Connection, ClientError> {
        let _one_at_a_time = self.shared.login.lock().await;
        let Credential::Password(password) = self.shared.session.lock().credential.clone() else {
            return Err(Refusal::new(Code::NotAllowed, "creating an account needs a password").into());
        };
        let request = Request::Register { user: self.shared.target.user.clone(), password, invite };
        self.enter(self.greet().await?, &request, &[]).await
    }

    /// Uses `credential` for logins from now on.
    pub fn set_credential(&self, credential: Credential) {
        let mut session = self.shared.session.lock();
        session.credential = credential;
        session.rejected = None;
    }

    /// Joins the session of `ticket`; `None` if it has ended.
    async fn attach(&self, ticket: &Secret, first: &[u8]) -> Result<Option<Connection>, ClientError> {
        match self.enter(self.greet().await?, &Request::Attach { ticket: ticket.clone() }, first).await {
            Err(ClientError::Refused(Refusal { code: Code::LoginFailed | Code::AccountClosed, .. })) => Ok(None),
            result => result.map(Some),
        }
    }

    /// Logs in, one connection at a time; `None` if another connection has logged in meanwhile.
    async fn log_in(&self, first: &[u8]) -> Result<Option<Connection>, ClientError> {
        let _one_at_a_time = self.shared.login.lock().await;
        let credential = {
            let session = self.shared.session.lock();
            match &session.rejected {
                _ if session.ticket.is_some() => return Ok(None),
                Some(refusal) => return Err(refusal.clone().into()),
                None => session.credential.clone(),
            }
        };
        let greeted = self.greet().await?;
        let user = self.shared.target.user.clone();
        let proof = credential.proof(&user, greeted.exported()).await?;
        let mut result = self.enter(greeted, &Request::Login { user, proof }, first).await;
        if let Err(ClientError::Refused(refusal)) = &mut result
            && refusal.code == Code::LoginFailed
        {
            // The server's message is the same for all kinds of proofs; the client knows which one it sent.
            if !matches!(credential, Credential::Password(_)) {
                refusal.message = "wrong user name, or the account does not have this key".to_owned();
            }
            self.shared.session.lock().rejected = Some(refusal.clone());
        }
        result.map(Some)
    }

    /// Logs in with `request` and stores the ticket.
    async fn enter(&self, greeted: Greeted, request: &Request, first: &[u8]) -> Result<Connection, ClientError> {
        let connection = greeted.enter(request, first).await?;
        self.shared.session.lock().ticket = Some(connection.logged_in.ticket.clone());
        Ok(connection)
    }

    /// Connects to the server and greets it once its key is trusted; nothing is sent before that. Does not wait for the
    /// answer.
    async fn greet(&self) -> Result<Greeted, ClientError> {
        let Shared { options, dialer, judge, pool, .. } = &*self.shared;
        let dialer = dialer.as_ref().map_err(Clone::clone)?;
        // Read the secret for each connection, because the operator may have changed it.
        let secret = seal::read(options.seal.clone()).await?;
        loop {
            let stream = dialer.dial(options.connect_timeout).await?;
            let chain = stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
            match judge.judge(dialer.name(), chain).await? {
                Verdict::Trusted(key) => {
                    let features = self.features();
                    return Greeted::greet(stream, key, &options.client, features, secret.as_ref(), pool).await;
                }
                Verdict::Ask(key) => {
                    // The user may take longer than the server waits: use a new connection after the answer.
                    drop(stream);
                    judge.ask(key).await?;
                }
            }
        }
    }

    fn ticket(&self) -> Option<Secret> {
        self.shared.session.lock().ticket.clone()
    }

    /// Clears `ticket` unless another one has replaced it.
    fn forget(&self, ticket: &Secret) {
        self.shared.session.lock().ticket.take_if(|current| current == ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_told_apart_by_its_protocol() {
        let (ferry, sftp) = (Target::ferry("al", "H", 22), Target::sftp("al", "H", 22));
        assert_eq!((ferry.url().as_str(), ferry.to_string().as_str()), ("ferry://al@h:22", "al@h:22"));
        assert_eq!((sftp.url().as_str(), sftp.to_string().as_str()), ("sftp://al@h:22", "sftp://al@h:22"));
        assert_eq!(Target::sftp("al", "::1", 22).url(), "sftp://al@[::1]:22");
    }
}
