//! Opens channels to one account: over one connection as long as the server allows, then over further ones.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, Weak, atomic::Ordering::Relaxed},
    time::Duration,
};

use ferry_shared::{
    fingerprint::Fingerprint,
    refusal::{Code, Refusal},
};
use parking_lot::Mutex;
use russh::ChannelOpenFailure;
use tokio::time::timeout;

use super::{
    auth::{Account, Found},
    calls::{Calls, Facts, Orphans},
    config::HostConfig,
    dial::{self, Connection, Counted},
    fault,
    host_key::{Host, HostKeys},
    link::Link,
    parts::Parts,
    secrets::Login,
    server_digest::Programs,
};
use crate::{connect::Target, error::ClientError, site::Surroundings, trust::Trust};

/// The port of SSH.
pub const PORT: u16 = 22;
/// The most connections to one account.
const MOST_CONNECTIONS: usize = 4;
/// The most hosts on the way.
const MOST_JUMPS: usize = 8;

/// How to connect.
#[derive(Debug, Clone)]
pub struct SftpOptions {
    /// The keys of hosts to accept.
    pub trust: Trust,
    /// The file of keys that the user accepted; created when needed.
    pub known_servers: PathBuf,
    /// OpenSSH's files of known hosts.
    pub known_hosts: Vec<PathBuf>,
    /// OpenSSH's folder of the user, with its configuration and keys.
    pub ssh_folder: Option<PathBuf>,
    /// The user's home folder, for `~` in the configuration.
    pub home: PathBuf,
    /// The folder for the journal of unfinished uploads; without it none is resumed.
    pub parts: Option<PathBuf>,
    /// How to log in.
    pub login: Login,
    /// The time limit for resolving, connecting and the key exchange together.
    pub connect_timeout: Duration,
    /// How long the server may take for each answer of the login. An agent may wait as long for a touch of a token.
    pub login_timeout: Duration,
}

impl SftpOptions {
    /// The usual options of a user whose home folder is `home`: OpenSSH's files, 15 s to connect, and for each answer
    /// of the login the two minutes that OpenSSH's server gives a person.
    #[must_use]
    pub fn new(trust: Trust, known_servers: impl Into<PathBuf>, home: &Path, login: Login) -> Self {
        let folder = home.join(".ssh");
        let mut known_hosts = vec![folder.join("known_hosts"), folder.join("known_hosts2")];
        #[cfg(unix)]
        known_hosts.push(PathBuf::from("/etc/ssh/ssh_known_hosts"));
        Self {
            trust,
            known_servers: known_servers.into(),
            known_hosts,
            ssh_folder: Some(folder),
            home: home.to_owned(),
            parts: None,
            login,
            connect_timeout: Duration::from_secs(15),
            login_timeout: Duration::from_secs(120),
        }
    }
}

/// Opens channels to one account; clones share the connections and the login.
#[derive(Clone)]
pub struct SftpConnector {
    shared: Arc<Shared>,
}

struct Shared {
    target: Target,
    options: Mutex<SftpOptions>,
    found: Found,
    declined: Mutex<Option<Fingerprint>>,
    /// The refusal of the login; the same proofs again would only cost penalties.
    rejected: Mutex<Option<ClientError>>,
    connections: tokio::sync::Mutex<Vec<Weak<Connection>>>,
    facts: OnceLock<Facts>,
    orphans: Arc<Orphans>,
}

/// A server that was connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeted {
    /// The server's identification.
    pub software: String,
    /// The key of the host.
    pub key: Fingerprint,
}

impl SftpConnector {
    /// A connector that has not connected yet.
    #[must_use]
    pub fn new(target: Target, options: SftpOptions) -> Self {
        let shared = Shared {
            target,
            options: Mutex::new(options),
            found: Found::default(),
            declined: Mutex::default(),
            rejected: Mutex::default(),
            connections: tokio::sync::Mutex::default(),
            facts: OnceLock::new(),
            orphans: Arc::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The account.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.shared.target
    }

    /// Whether both are clones of one connector.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Logs in like this from now on.
    pub fn set_login(&self, login: Login) {
        self.shared.options.lock().login = login;
        *self.shared.rejected.lock() = None;
    }

    /// The features of the server, once it was connected to.
    pub(super) fn facts(&self) -> Option<Facts> {
        self.shared.facts.get().copied()
    }

    pub(super) fn parts(&self) -> Parts {
        Parts::new(self.options().parts.as_deref(), &self.shared.target.to_string())
    }

    fn options(&self) -> SftpOptions {
        self.shared.options.lock().clone()
    }

    /// Checks the key of the host. Sends no secret to it, does not log in, and closes the connection.
    ///
    /// # Errors
    /// The host cannot be reached, or its key is not accepted.
    pub async fn probe(&self) -> Result<Greeted, ClientError> {
        let _one_at_a_time = self.shared.connections.lock().await;
        let connection = self.reach(false).await?;
        Ok(Greeted { software: connection.software.clone(), key: connection.key })
    }

    /// Opens a channel with SFTP on it.
    ///
    /// This method is cancel safe.
    ///
    /// # Errors
    /// Any [`ClientError`] of connecting, trust and login.
    pub(super) async fn open(&self, surroundings: &Surroundings) -> Result<(Calls, Greeted), ClientError> {
        loop {
            let (channel, counted, is_new) = self.channel(surroundings.silence).await?;
            let connection = Arc::clone(&counted.0);
            let greeted = Greeted { software: connection.software.clone(), key: connection.key };
            match self.start(channel, counted, surroundings).await {
                Ok(calls) => return Ok((calls, greeted)),
                // A server may end a connection whose last channel was closed, just when another one is opened.
                Err(error) if error.is_transient() && !is_new => connection.most.store(0, Relaxed),
                Err(error) => return Err(error),
            }
        }
    }

    async fn start(
        &self,
        channel: russh::Channel<russh::client::Msg>,
        counted: Counted,
        surroundings: &Surroundings,
    ) -> Result<Calls, ClientError> {
        let started = timeout(surroundings.silence, channel.request_subsystem(true, "sftp")).await;
        started.map_err(|_| ClientError::Timeout("starting SFTP"))?.map_err(fault::lost)?;
        let (mut read, write) = channel.split();
        granted(&mut read, surroundings.silence).await?;
        let programs = Programs::new(Arc::clone(&counted.0));
        let link = Link::start(read, write, surroundings, Arc::new(counted)).await?;
        let calls = Calls::start(link, programs, Arc::clone(&self.shared.orphans)).await?;
        // The first connection decides.
        let _ = self.shared.facts.set(calls.facts);
        Ok(calls)
    }

    /// Opens a channel on a connection that has room for it, or on a new one; returns whether it is a new one.
    async fn channel(
        &self,
        silence: Duration,
    ) -> Result<(russh::Channel<russh::client::Msg>, Counted, bool), ClientError> {
        let mut connections = self.shared.connections.lock().await;
        connections.retain(|connection| connection.upgrade().is_some_and(|open| !open.handle.is_closed()));
        let mut live: Vec<_> = connections.iter().filter_map(Weak::upgrade).collect();
        let mut is_new = false;
        loop {
            let connection = match live.iter().find(|connection| connection.has_room()) {
                Some(connection) => Arc::clone(connection),
                None if live.len() >= MOST_CONNECTIONS => return Err(full()),
                None => {
                    let new = match self.log_in().await {
                        // The server may allow no more connections.
                        Err(error) if error.is_transient() && !live.is_empty() => return Err(full()),
                        new => Arc::new(new?),
                    };
                    connections.push(Arc::downgrade(&new));
                    live.push(Arc::clone(&new));
                    is_new = true;
                    new
                }
            };
            let counted = Counted::new(&connection);
            let opened = timeout(silence, connection.handle.channel_open_session()).await;
            match opened.map_err(|_| ClientError::Timeout("opening a channel"))? {
                Ok(channel) => return Ok((channel, counted, is_new)),
                Err(russh::Error::ChannelOpenFailure(why)) => {
                    drop(counted);
                    let open = connection.channels.load(Relaxed);
                    connection.most.store(open, Relaxed);
                    if open == 0 {
                        return Err(no_channel(why));
                    }
                }
                Err(_) if !is_new => live.retain(|other| !Arc::ptr_eq(other, &connection)),
                Err(error) => return Err(fault::lost(error)),
            }
        }
    }

    async fn log_in(&self) -> Result<Connection, ClientError> {
        if let Some(refusal) = self.shared.rejected.lock().clone() {
            return Err(refusal);
        }
        let connected = self.reach(true).await;
        if let Err(error) = &connected
            && fault::is(error, Code::LoginFailed)
        {
            *self.shared.rejected.lock() = Some(error.clone());
        }
        connected
    }

    /// Connects to the host, through those on the way; with `enters`, logs in to it.
    async fn reach(&self, enters: bool) -> Result<Connection, ClientError> {
        let options = self.options();
        let Target { user, host, port, .. } = &self.shared.target;
        let mut hops = vec![Hop { user: user.clone(), host: host.clone(), port: Some(*port), is_target: true }];
        let (config, _) = configuration(&options, host).await;
        for jump in config.jump_hosts() {
            hops.insert(hops.len() - 1, Hop::parse(jump)?);
        }
        if hops.len() > MOST_JUMPS {
            return Err(fault::bad_path("there are too many hosts on the way"));
        }
        let mut through: Option<Arc<Connection>> = None;
        for hop in &hops {
            let connection = self.hop(hop, through.as_ref(), &options, enters || !hop.is_target).await?;
            if hop.is_target {
                return Ok(connection);
            }
            through = Some(Arc::new(connection));
        }
        Err(ClientError::Cancelled)
    }

    async fn hop(
        &self,
        hop: &Hop,
        through: Option<&Arc<Connection>>,
        options: &SftpOptions,
        enters: bool,
    ) -> Result<Connection, ClientError> {
        let (config, _) = configuration(options, &hop.host).await;
        let name = config.address(&hop.host);
        let port = hop.port.or(config.port).unwrap_or(PORT);
        let keys = HostKeys::new(options.trust.clone(), options.known_servers.clone(), options.known_hosts.clone());
        let keys = if hop.is_target { keys } else { keys.for_jump() };
        let host = Host { name: name.clone(), port };
        let mut connection =
            dial::connect(&keys, &host, through, &self.shared.declined, options.connect_timeout).await?;
        if enters {
            let user = match &hop.user {
                user if user.is_empty() => config.user.clone().unwrap_or_else(|| self.shared.target.user.clone()),
                user => user.clone(),
            };
            let account = Account {
                user: &user,
                shown: format!("{user}@{}", hop.host),
                is_target: hop.is_target,
                login: &options.login,
                files: &config.identity_files(&options.home, &name, &user),
                folder: options.ssh_folder.as_deref(),
                found: &self.shared.found,
                patience: options.login_timeout,
            };
            account.log_in(&mut connection.handle).await?;
        }
        Ok(connection)
    }
}

/// A host to connect to, as it is named.
struct Hop {
    /// Empty for the one of the configuration.
    user: String,
    host: String,
    port: Option<u16>,
    is_target: bool,
}

impl Hop {
    /// Parses `[user@]host[:port]`.
    fn parse(text: &str) -> Result<Self, ClientError> {
        let text = text.strip_prefix("ssh://").unwrap_or(text);
        let (user, address) = text.rsplit_once('@').unwrap_or(("", text));
        let (host, port) = match address.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map(str::parse).transpose();
        match port {
            Ok(port) if !host.is_empty() => {
                Ok(Self { user: user.to_owned(), host: host.to_owned(), port, is_target: false })
            }
            _ => Err(fault::bad_path(&format!("{text} is not a host to jump over"))),
        }
    }
}

/// The configuration of a host, and its file. A file that cannot be read has none, as in OpenSSH without a file.
async fn configuration(options: &SftpOptions, host: &str) -> (HostConfig, PathBuf) {
    let Some(folder) = &options.ssh_folder else { return (HostConfig::default(), PathBuf::new()) };
    let path = folder.join("config");
    let read = path.clone();
    let text = tokio::task::spawn_blocking(move || std::fs::read(read)).await;
    let text = text.ok().and_then(Result::ok).unwrap_or_default();
    (HostConfig::parse(&String::from_utf8_lossy(&text), host), path)
}

/// The user and the port of a host that is named without them.
///
/// This reads a small file, so it may be called where that does not matter.
#[must_use]
pub fn completed(user: Option<&str>, host: &str, port: Option<u16>, home: &Path) -> Target {
    let text = std::fs::read(home.join(".ssh/config")).unwrap_or_default();
    let config = HostConfig::parse(&String::from_utf8_lossy(&text), host);
    let own = || std::env::var(if cfg!(windows) { "USERNAME" } else { "USER" }).ok();
    let user = user.map(str::to_owned).or(config.user).or_else(own).unwrap_or_default();
    Target::sftp(user, host, port.or(config.port).unwrap_or(PORT))
}

fn full() -> ClientError {
    Refusal::new(Code::Busy, "the server accepts no more connections or channels").into()
}

fn no_channel(why: ChannelOpenFailure) -> ClientError {
    fault::refused(Code::NotAllowed, format!("the server opens no channel: {why:?}"))
}

/// Waits until the server has started the subsystem.
async fn granted(read: &mut russh::ChannelReadHalf, silence: Duration) -> Result<(), ClientError> {
    let answer = async {
        loop {
            match read.wait().await {
                Some(russh::ChannelMsg::Success) => return Ok(()),
                Some(russh::ChannelMsg::Failure) => {
                    return Err(fault::refused(Code::Unsupported, "the server offers no SFTP"));
                }
                Some(russh::ChannelMsg::Eof | russh::ChannelMsg::Close) | None => return Err(ClientError::closed()),
                Some(_) => {}
            }
        }
    };
    timeout(silence, answer).await.map_err(|_| ClientError::Timeout("starting SFTP"))?
}

impl fmt::Debug for SftpConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SftpConnector").field(&self.shared.target).finish()
    }
}

/// Lines of the user's configuration that are not understood and may matter for `target`, for people.
///
/// This reads a small file, so it may be called where that does not matter.
#[must_use]
pub fn unsupported_lines(target: &Target, home: &Path) -> Vec<String> {
    let path = home.join(".ssh/config");
    let text = std::fs::read(&path).unwrap_or_default();
    let config = HostConfig::parse(&String::from_utf8_lossy(&text), &target.host);
    config.notes.into_iter().map(|note| format!("{}: {note}", path.display())).collect()
}
