//! The server as a whole: listeners, one task per connection, maintenance, and an orderly stop.

mod arrival;
mod proxy_header;

use std::{
    io,
    net::{self, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use ferry_shared::secret::Secret;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    audit::{
        Audit, AuditError, AuditThread,
        event::{Event, Who},
    },
    config::{Change, Config, Durability},
    context::Context,
    control::{Control, Order},
    door::Door,
    host_keys::{HostKeyError, HostKeys},
    identity::Identity,
    maintenance,
    metrics::Metrics,
    seal::{self, SealError},
    storage::{self, Storage, StorageError},
    turned_away::Reason,
    users::Users,
};

/// How long work may take to end once it is told to: it checks for this between two small steps.
pub(crate) const LAST_STEPS: Duration = Duration::from_secs(10);
/// The pause after a failed accept, for example if there are no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The parameters of a server.
#[derive(Debug)]
pub struct ServerOptions {
    /// The configuration.
    pub config: Config,
    /// The data folder.
    pub data: PathBuf,
    /// The accounts.
    pub users: Users,
    /// The server's key.
    pub identity: Identity,
}

/// The reason why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An address could not be listened on.
    #[error("{section}.listen: cannot listen on {address}: {source}{}", next_step(source))]
    Listen {
        /// The section of the configuration that names it.
        section: &'static str,
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// An inherited listener cannot be used.
    #[error("cannot use an inherited listener: {0}")]
    Inherited(io::Error),
    /// The SSH host keys cannot be used.
    #[error(transparent)]
    HostKeys(#[from] HostKeyError),
    /// There is a seal, and a door that shows strangers what it is.
    #[error("{0}")]
    Unsealed(String),
    /// The secret that clients must know cannot be used.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The audit log cannot be written.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The data folder cannot be used.
    #[error("cannot use the data folder {}: {source}", .data.display())]
    Data {
        /// The folder.
        data: PathBuf,
        /// The cause.
        source: StorageError,
    },
}

/// Advice for an address that cannot be used.
pub(crate) fn next_step(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; below 1024 a port is for root: let ferryd.socket of systemd hold it, or take one above"
        }
        io::ErrorKind::AddrInUse => "; 'ss -ltnp' shows who listens there, maybe another ferryd",
        _ => "",
    }
}

/// A running server. [`shutdown`](Self::shutdown) stops it in an orderly way; dropping it stops it at once.
#[derive(Debug)]
pub struct Server {
    context: Arc<Context>,
    /// Kept until the end, which is the last event that it writes.
    audit_thread: Option<AuditThread>,
    tasks: TaskTracker,
    /// Separate from the other tasks: an operator's program does not delay the end.
    operators: TaskTracker,
    addresses: Vec<(Door, SocketAddr)>,
}

impl Server {
    /// Opens the data folder and starts listening.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn start(options: ServerOptions) -> Result<Self, ServerError> {
        Self::start_on(options, Vec::new(), Vec::new()).await
    }

    /// Like [`start`](Self::start), on existing listeners for ferry's own protocol and for SFTP; if there are none,
    /// on the configured addresses.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn start_on(
        options: ServerOptions,
        ferry: Vec<net::TcpListener>,
        sftp: Vec<net::TcpListener>,
    ) -> Result<Self, ServerError> {
        let ServerOptions { config, data, users, identity } = options;
        let durability = match config.server.durability {
            Durability::Full => storage::Durability::Full,
            Durability::Rename => {
                tracing::warn!("durability is 'rename': a power cut may lose files already acknowledged");
                storage::Durability::Rename
            }
        };
        let secret = seal::read(config.login.seal.as_deref())?;
        let failed = |source| ServerError::Data { data: data.clone(), source };
        let opened = Storage::open(&data, durability).map_err(failed)?;
        let mut listeners = open_listeners(Door::Ferry, &config, ferry)?;
        listeners.extend(open_listeners(Door::Sftp, &config, sftp)?);
        let has_sftp = listeners.iter().any(|listening| listening.door == Door::Sftp);
        if let (true, Some(why)) = (has_sftp, config.unsealed(Door::Sftp)) {
            return Err(ServerError::Unsealed(why));
        }
        let host_keys = has_sftp.then(|| HostKeys::load_or_create(&data)).transpose()?;
        // A start that has failed by now is not recorded.
        let (audit, audit_thread) = Audit::open(config.audit.folder(&data), &config.audit)?;
        audit.note(Who::default(), Event::Started { version: env!("CARGO_PKG_VERSION") }).await;
        let address = |listening: &Listening| Some((listening.door, listening.listener.local_addr().ok()?));
        let addresses = listeners.iter().filter_map(address).collect();
        let places = Arc::new(Semaphore::new(config.limits.connections as usize));
        let context = Arc::new(Context { audit, ..Context::new(config, users, identity, opened) });
        context.seal.set(secret);
        if let Some(host_keys) = host_keys {
            // The context is new.
            let _ = context.host_keys.set(host_keys);
        }
        let (tasks, operators) = (TaskTracker::new(), TaskTracker::new());
        for listening in listeners {
            let (context, tasks, places) = (Arc::clone(&context), tasks.clone(), Arc::clone(&places));
            let farewells = operators.clone();
            tasks.clone().spawn(async move {
                let listening = accept(listening, Arc::clone(&context), tasks, places).await;
                // Separate from the tasks that the end waits for.
                if context.farewell.get().is_some() {
                    farewells.spawn(say_farewell(listening, context, farewells.clone()));
                }
            });
        }
        tasks.spawn(maintenance::maintain(Arc::clone(&context)));
        tasks.spawn(maintenance::follow_accounts(Arc::clone(&context)));
        Ok(Self { context, audit_thread: Some(audit_thread), tasks, operators, addresses })
    }

    /// The addresses it listens on for ferry's own protocol, with the ports the system chose.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.addresses_of(Door::Ferry)
    }

    /// The addresses it listens on for SFTP.
    #[must_use]
    pub fn sftp_addrs(&self) -> Vec<SocketAddr> {
        self.addresses_of(Door::Sftp)
    }

    fn addresses_of(&self, door: Door) -> Vec<SocketAddr> {
        self.addresses.iter().filter(|(of, _)| *of == door).map(|(_, address)| *address).collect()
    }

    /// The state that the server's parts share.
    #[must_use]
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Applies another configuration, with the secret that belongs to it; returns the settings that changed, and
    /// those that wait for the next start.
    pub async fn configure(&self, config: Config, secret: Option<Secret>) -> Change {
        self.context.seal.set(secret);
        self.context.bandwidth.set(config.bandwidth.limits());
        self.context.admission.change(config.login.clone());
        self.context.audit.change(&config.audit).await;
        self.context.states.keep_free(config.limits.min_free.map(|bytes| bytes.0));
        self.context.config.change(config)
    }

    /// Answers operators on `control` until the server has stopped; orders that concern the whole process go to
    /// `orders`.
    pub fn control(&self, control: Control, orders: mpsc::Sender<Order>) {
        self.operators.spawn(control.serve(Arc::clone(&self.context), orders, self.operators.clone()));
    }

    /// Serves the metrics until the server has stopped or the returned token is cancelled; the task ends once the
    /// listener is closed.
    pub fn metrics(&self, metrics: Metrics) -> (CancellationToken, JoinHandle<()>) {
        let stop = self.context.stop.child_token();
        let served = metrics.serve(Arc::clone(&self.context), self.operators.clone(), stop.clone());
        (stop, self.operators.spawn(served))
    }

    /// Stops in an orderly way: accepts nothing new, gives transfers in progress their time, closes the rest, and
    /// writes the ledger of every user, so that the next start need not count.
    pub async fn shutdown(mut self) {
        self.context.drain.cancel();
        self.tasks.close();
        if timeout(self.context.config.get().limits.drain(), self.tasks.wait()).await.is_err() {
            tracing::warn!("transfers still in progress are interrupted; they can be resumed");
        }
        self.context.stop.cancel();
        self.context.work.close();
        self.operators.close();
        let ended = async {
            self.tasks.wait().await;
            self.operators.wait().await;
            // The work of a connection that is closed by force continues on another thread up to its next small
            // step.
            self.context.work.wait().await;
        };
        if timeout(LAST_STEPS, ended).await.is_err() {
            tracing::error!("some work does not end; its homes are counted again at the next start");
        }
        let context = Arc::clone(&self.context);
        if let Err(error) = tokio::task::spawn_blocking(move || context.states.close()).await {
            tracing::error!(%error, "could not write the ledgers; the next start counts the homes");
        }
        if let Some(thread) = self.audit_thread.take() {
            self.context.audit.note(Who::default(), Event::Stopped).await;
            self.context.audit.close(thread).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.context.drain.cancel();
        self.context.stop.cancel();
    }
}

/// A listener, and the door of its connections.
#[derive(Debug)]
struct Listening {
    door: Door,
    listener: TcpListener,
}

impl Listening {
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (tcp, peer) = self.listener.accept().await?;
        // An IPv4 peer gets its IPv4 address, even if the socket serves both families.
        Ok((tcp, SocketAddr::new(peer.ip().to_canonical(), peer.port())))
    }
}

/// Opens the inherited listeners of a door, else its configured addresses.
fn open_listeners(
    door: Door,
    config: &Config,
    inherited: Vec<net::TcpListener>,
) -> Result<Vec<Listening>, ServerError> {
    let of_door = |listener| Listening { door, listener };
    if !inherited.is_empty() {
        let taken = inherited.into_iter().map(|listener| TcpListener::from_std(listener).map(of_door));
        return taken.collect::<io::Result<_>>().map_err(ServerError::Inherited);
    }
    let (section, addresses) = match door {
        Door::Ferry => ("server", &config.server.listen),
        Door::Sftp => ("sftp", &config.sftp.listen),
    };
    let listening = addresses.iter().map(|address| {
        let opened = listen(*address, config.limits.backlog);
        opened.map(of_door).map_err(|source| ServerError::Listen { section, address: *address, source })
    });
    listening.collect()
}

/// Listens on an address; the wildcard address also works if this machine has no IPv6.
fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    match bind(address, backlog) {
        Err(error) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && is_missing(&error) => {
            tracing::info!("this machine has no IPv6: listening on IPv4 only");
            bind((Ipv4Addr::UNSPECIFIED, address.port()).into(), backlog)
        }
        bound => bound,
    }
}

/// Whether an address family is unavailable: not built into the kernel, or disabled.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

fn bind(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = take(address)?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}

/// Whether a starting server could use an address; nobody can connect meanwhile.
///
/// # Errors
/// An error of the system.
pub(crate) fn can_take(address: SocketAddr) -> io::Result<()> {
    match take(address).map(drop) {
        Err(error) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && is_missing(&error) => {
            take((Ipv4Addr::UNSPECIFIED, address.port()).into()).map(drop)
        }
        taken => taken,
    }
}

fn take(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Accepts connections until the server drains; then returns the listener, for later connections.
async fn accept(listening: Listening, context: Arc<Context>, tasks: TaskTracker, places: Arc<Semaphore>) -> Listening {
    loop {
        let accepted = tokio::select! {
            accepted = listening.accept() => accepted,
            () = context.drain.cancelled() => return listening,
        };
        match accepted {
            Ok((tcp, peer)) => match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => arrival::receive(listening.door, tcp, peer, &context, &tasks, place),
                Err(_) => {
                    if context.turned_away.count(Reason::Connections) {
                        tracing::warn!(%peer, "turned away: all connections are taken");
                    }
                    let why = "all connections of this server are taken; try again";
                    arrival::tell_why(listening.door, tcp, peer, &context, &tasks, why);
                }
            },
            Err(error) => accept_failed(&error, &context).await,
        }
    }
}

async fn accept_failed(error: &io::Error, context: &Context) {
    if context.turned_away.count(Reason::Accept) {
        tracing::warn!(%error, "turned away: accept failed");
    }
    sleep(ACCEPT_PAUSE).await;
}

/// Sends the operator's message to clients that connect while the server is stopping.
async fn say_farewell(listening: Listening, context: Arc<Context>, tasks: TaskTracker) {
    let why = context.why_it_ends();
    loop {
        let accepted = tokio::select! {
            accepted = listening.accept() => accepted,
            () = context.stop.cancelled() => return,
        };
        match accepted {
            Ok((tcp, peer)) => {
                if context.turned_away.count(Reason::Ending) {
                    tracing::info!(%peer, "turned away: the server is stopping");
                }
                arrival::tell_why(listening.door, tcp, peer, &context, &tasks, &why);
            }
            Err(error) => accept_failed(&error, &context).await,
        }
    }
}
