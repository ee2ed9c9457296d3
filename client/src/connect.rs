//! Opens connections to one server: dial, trust, greet, and log in once for all of them.

mod address;
mod dial;
mod socket;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use ferry_shared::{
    message::{Request, reply::Welcome},
    pool::BufferPool,
    refusal::{Code, Refusal},
    secret::Secret,
};
use parking_lot::Mutex;

use crate::{
    connection::{Connection, Greeted},
    error::ClientError,
    identity::Credential,
    seal,
    trust::{Fingerprint, Judge, Trust, Verdict},
};
pub(crate) use address::canonical;
use dial::Dialer;

/// Spare block buffers kept for all of a connector's connections.
const SPARE_BUFFERS: usize = 8;

/// Whose account on which server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The user's name there.
    pub user: String,
    /// The server's name or address; an IPv6 address without brackets, with its zone where it has one.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Target {
    /// The server as `host:port`, as it is kept in `known_servers`: the same for every spelling of an address.
    #[must_use]
    pub fn address(&self) -> String {
        address::joined(&address::canonical_host(&self.host), self.port)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, self.address())
    }
}

/// How to connect.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Which server keys to accept.
    pub trust: Trust,
    /// The file that knows servers by their keys; made when needed.
    pub known_servers: PathBuf,
    /// This client's name and version, for the server's log.
    pub client: String,
    /// The file with the secret of servers that speak only to who knows it.
    pub seal: Option<PathBuf>,
    /// The most that resolving, connecting and the TLS handshake may take together.
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
    /// The server's no to this very credential; offering it again would only cost penalties.
    rejected: Option<Refusal>,
}

impl Connector {
    /// A connector that has not connected yet.
    #[must_use]
    pub fn new(target: Target, credential: Credential, options: ConnectOptions) -> Self {
        let provider = dial::provider();
        let pool = BufferPool::new(SPARE_BUFFERS);
        let dialer = Dialer::new(&target, Arc::clone(&provider), pool.clone());
        let judge = Judge::new(target.address(), &options, provider);
        let session = Mutex::new(Session { credential, ticket: None, rejected: None });
        let login = tokio::sync::Mutex::default();
        Self { shared: Arc::new(Shared { target, options, dialer, judge, pool, session, login }) }
    }

    /// Whose account on which server.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.shared.target
    }

    /// Spare block buffers, shared by all of this connector's connections.
    #[must_use]
    pub fn buffers(&self) -> &BufferPool {
        &self.shared.pool
    }

    /// Opens one more connection. The first logs in; the others join its session, and log in
    /// again when that has ended. A proof the server rejected is not offered twice.
    ///
    /// Cancel-safe: a dropped call closes its connection and leaves nothing behind.
    ///
    /// # Errors
    /// Any [`ClientError`] of connecting, trust and login.
    pub async fn open(&self) -> Result<Connection, ClientError> {
        loop {
            if let Some(ticket) = self.ticket() {
                match self.attach(&ticket).await? {
                    Some(connection) => return Ok(connection),
                    None => self.forget(&ticket),
                }
            }
            if let Some(connection) = self.log_in().await? {
                return Ok(connection);
            }
        }
    }

    /// Greets the server: its key is judged, and it says what it is and allows. No secret is
    /// sent, nobody is logged in, and the connection ends.
    ///
    /// # Errors
    /// Any [`ClientError`] of connecting and trust.
    pub async fn probe(&self) -> Result<(Welcome, Fingerprint), ClientError> {
        // A person may be asked about the key: once, whatever else is being opened.
        let _one_at_a_time = self.shared.login.lock().await;
        Ok(self.greet().await?.into_facts())
    }

    /// Makes the account that this connector is for, with its password, and is logged in then.
    ///
    /// # Errors
    /// [`ClientError::Refused`] where the server does not let this be done, or as [`open`](Self::open).
    pub async fn register(&self, invite: Option<Secret>) -> Result<Connection, ClientError> {
        let _one_at_a_time = self.shared.login.lock().await;
        let Credential::Password(password) = self.shared.session.lock().credential.clone() else {
            return Err(Refusal::new(Code::NotAllowed, "an account is made with a password").into());
        };
        let request = Request::Register { user: self.shared.target.user.clone(), password, invite };
        self.enter(self.greet().await?, &request).await
    }

    /// Uses `credential` for logins from now on.
    pub fn set_credential(&self, credential: Credential) {
        let mut session = self.shared.session.lock();
        session.credential = credential;
        session.rejected = None;
    }

    /// Joins the session of `ticket`; `None` when it has ended.
    async fn attach(&self, ticket: &Secret) -> Result<Option<Connection>, ClientError> {
        match self.enter(self.greet().await?, &Request::Attach { ticket: ticket.clone() }).await {
            Err(ClientError::Refused(Refusal { code: Code::LoginFailed | Code::AccountClosed, .. })) => Ok(None),
            result => result.map(Some),
        }
    }

    /// Logs in, one connection at a time; `None` when another one has meanwhile.
    async fn log_in(&self) -> Result<Option<Connection>, ClientError> {
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
        let mut result = self.enter(greeted, &Request::Login { user, proof }).await;
        if let Err(ClientError::Refused(refusal)) = &mut result
            && refusal.code == Code::LoginFailed
        {
            // The server has one text for all proofs; what was offered is known here.
            if !matches!(credential, Credential::Password(_)) {
                refusal.message = "wrong user name, or the account does not have this key".to_owned();
            }
            self.shared.session.lock().rejected = Some(refusal.clone());
        }
        result.map(Some)
    }

    /// A connection on which `request` proved the user; its ticket is kept.
    async fn enter(&self, greeted: Greeted, request: &Request) -> Result<Connection, ClientError> {
        let connection = greeted.enter(request).await?;
        self.shared.session.lock().ticket = Some(connection.logged_in.ticket.clone());
        Ok(connection)
    }

    /// A connection to a server whose key is trusted; before that nothing is sent to it.
    async fn greet(&self) -> Result<Greeted, ClientError> {
        let Shared { options, dialer, judge, pool, .. } = &*self.shared;
        let dialer = dialer.as_ref().map_err(Clone::clone)?;
        // Read before anybody is called, and for each connection: the operator may have changed it.
        let secret = seal::read(options.seal.clone()).await?;
        loop {
            let stream = dialer.dial(options.connect_timeout).await?;
            let chain = stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
            match judge.judge(dialer.name(), chain).await? {
                Verdict::Trusted(key) => {
                    return Greeted::greet(stream, key, &options.client, secret.as_ref(), pool).await;
                }
                Verdict::Ask(key) => {
                    // A person may think longer than a server waits: the answer is for a new connection.
                    drop(stream);
                    judge.ask(key).await?;
                }
            }
        }
    }

    fn ticket(&self) -> Option<Secret> {
        self.shared.session.lock().ticket.clone()
    }

    /// Forgets `ticket` unless another one has taken its place.
    fn forget(&self, ticket: &Secret) {
        self.shared.session.lock().ticket.take_if(|current| current == ticket);
    }
}
