//! `ferryd serve`: starts the server, prints its addresses, and handles signals until it ends.

mod metrics_listener;
mod reload;

use std::{
    fmt::Display,
    io,
    net::SocketAddr,
    num::NonZero,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::interval,
};

use crate::{
    config::ConfigError,
    confine::{self, Kept},
    control::{
        Control, ControlError, Order,
        client::server_path,
        who::{NoSuchGroup, Who},
    },
    descriptors,
    disk_fault::Fault,
    disk_trouble,
    drift::ReadConfig,
    identity::{Identity, IdentityError},
    inherited::{Inherited, InheritedError},
    output,
    own_files::{self, ServiceUser},
    private_file,
    server::{LAST_STEPS, Server, ServerError, ServerOptions},
    service::{self, ServiceManager},
    telemetry::{self, TelemetryError},
    users::{self, By, StoreError, Users},
};

use metrics_listener::MetricsListener;
use reload::Rereading;

/// How long work on blocking threads may take to notice the end.
const LAST_WORK: Duration = Duration::from_secs(5);
/// Blocking threads besides one for each connection: passwords, maintenance, operators.
const MORE_THREADS: usize = 64;

// The service manager is told the maximum duration of a stop.
const _: () = assert!(LAST_WORK.as_secs() + LAST_STEPS.as_secs() < service::LAST_STEPS.as_secs());

/// Threads besides the workers that a start needs: for the audit log, for watching the user store, for the disk.
const FIRST_THREADS: usize = 8;

/// How often to try again to create a control socket that a disk fault prevented.
const CONTROL_AGAIN: Duration = Duration::from_secs(10);

/// Orders of operators that may be queued.
const ORDERS: usize = 4;

/// The reason why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The log could not be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The data folder could not be created.
    #[error("cannot make the data folder {}: {source}", path.display())]
    Data {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The user store is broken, and there is no earlier one to keep using.
    #[error(transparent)]
    Users(#[from] StoreError),
    /// The server's key is not usable.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The server itself did not start.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// An inherited listener cannot be used.
    #[error(transparent)]
    Inherited(#[from] InheritedError),
    /// The metrics cannot be served.
    #[error("metrics.listen: cannot listen on {address}: {source}")]
    Metrics {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// There is no control socket.
    #[error("control.socket: {0}")]
    Control(#[from] ControlError),
    /// The configured group does not exist.
    #[error(transparent)]
    Group(#[from] NoSuchGroup),
    /// The system lets this user start no more threads.
    #[error("cannot start threads: {0}; raise the limit of processes (ulimit -u, LimitNPROC, TasksMax)")]
    Threads(io::Error),
    /// The system provided no signals or sockets.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// [`ServeError`] if the server does not start.
pub(crate) fn run(read_config: ReadConfig, file: &Path, data: PathBuf) -> Result<(), ServeError> {
    let (shown, config) = (data.clone(), Arc::clone(&read_config));
    start(read_config, file, data).inspect_err(|_| {
        let named = config().map(|config| own_files::named(&config, Some(file))).unwrap_or_default();
        let denied = ServiceUser::of(&shown).and_then(|user| own_files::faults(&user, &shown, &named));
        // Root can open all of them.
        let denied = denied.filter(|_| !rustix::process::geteuid().is_root()).unwrap_or_default();
        private_file::other_owner(&shown).iter().chain(&denied).for_each(output::note);
    })
}

fn start(read_config: ReadConfig, file: &Path, data: PathBuf) -> Result<(), ServeError> {
    let config = read_config()?;
    telemetry::start(&config.log)?;
    let shown = if file.exists() { file.display().to_string() } else { "none".to_owned() };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), config = shown, data = %data.display(), "starting");
    descriptors::raise(config.limits.connections);
    let inherited = Inherited::take()?;
    private_file::make_folder(&data).map_err(|source| ServeError::Data { path: data.clone(), source })?;
    let users = Users::load(users::store_file(&data))?;
    let identity = Identity::load_or_create(&data, &config.tls)?;
    let who = Who::new(config.control.group.as_deref(), config.control.admin_group.as_deref())?;
    let socket = server_path(config.control.socket.as_deref(), &data);
    // The folder must exist to remain accessible. Creating the socket reports any problem with it.
    let _ = private_file::make_folder(private_file::folder_of(&socket));
    // Likewise.
    let _ = config.audit.folder.as_deref().map(private_file::make_folder);
    // Query this before confining the process, because the answer is in system files.
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    if config.server.confine {
        confine::confine(&Kept::of(&config, file, &data, users.path(), &socket));
    }
    may_start(threads + FIRST_THREADS).map_err(ServeError::Threads)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        // However many connections are active, none waits for a thread.
        .max_blocking_threads(config.limits.connections as usize + MORE_THREADS)
        .enable_all()
        .build()?;
    let options = ServerOptions { config, data, users, identity };
    let result = runtime.block_on(serve(options, read_config, inherited, Operators { who, socket }));
    runtime.shutdown_timeout(LAST_WORK);
    result
}

/// Checks whether this many threads can be started. The runtime panics if it can start none, and may otherwise wait
/// for one forever.
fn may_start(threads: usize) -> io::Result<()> {
    let (hold, held) = std::sync::mpsc::sync_channel::<()>(0);
    let held = Arc::new(Mutex::new(held));
    let start = |_| {
        let held = Arc::clone(&held);
        // The thread ends when the sender is dropped.
        thread::Builder::new().spawn(move || held.lock().recv())
    };
    let started: Vec<_> = (0..threads).map(start).collect();
    drop(hold);
    started.into_iter().try_for_each(|started| started.map(|thread| drop(thread.join())))
}

/// The users that may use the control socket, and its path.
struct Operators {
    who: Who,
    socket: PathBuf,
}

async fn serve(
    options: ServerOptions,
    read_config: ReadConfig,
    inherited: Inherited,
    operators: Operators,
) -> Result<(), ServeError> {
    let mut signals = Signals::listen()?;
    let metrics = options.config.metrics.listen;
    let (users, identity, data) = (options.users.clone(), options.identity.clone(), options.data.clone());
    // Keep this to the end: dropping it stops the watching.
    let _watch = match users.watch() {
        Ok(watch) => Some(watch),
        Err(error) => {
            tracing::warn!(%error, "cannot watch the user store; 'ferryd reload' reads it again");
            None
        }
    };
    // Read changes that were made between the first reading and the watch. A fault is logged, and the store that
    // was read first stays.
    let _ = reload::users(&users, By::Unknown).await;
    let server = Server::start_on(options, inherited.clients, inherited.sftp).await?;
    server.context().drift.read_with(Arc::clone(&read_config));
    let metrics_listener = MetricsListener::open(&server, inherited.metrics, metrics).await?;
    // Create it before the server is announced.
    let (orders, mut ordered) = mpsc::channel(ORDERS);
    let mut has_control = open_control(&server, &operators, &orders)?;
    let mut try_again = interval(CONTROL_AGAIN);
    announce(&server, &identity);
    identity.remind();
    if users.is_empty() {
        let data = data.display();
        say(format_args!("no users yet; add the first with: ferryd user add NAME --data {data}"));
    }
    let mut manager = ServiceManager::find(Arc::clone(server.context()));
    manager.ready();
    let mut rereading = Rereading { server: &server, read_config, metrics_listener };
    loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Stop => break,
                Asked::Reload => drop(rereading.all(&manager, By::Unknown, None).await),
            },
            Some(order) = ordered.recv() => match order {
                Order::Drain => break,
                Order::Reload(uid, handed, told) => {
                    // The sender of the order may be gone; the result is also logged.
                    let _ = told.send(rereading.all(&manager, By::Operator(uid), handed).await);
                }
            },
            _ = try_again.tick(), if !has_control => {
                let opened = open_control(&server, &operators, &orders);
                has_control = opened.inspect_err(|error| tracing::error!(%error, "no control socket")).unwrap_or_default();
            }
            () = manager.time_to_speak() => manager.say_alive().await,
        }
    }
    tracing::info!("stopping; a second signal stops at once");
    manager.stopping(server.context().config.get().limits.drain());
    tokio::select! {
        () = server.shutdown() => tracing::info!("stopped"),
        () = signals.stop() => tracing::warn!("stopped at once; interrupted transfers can be resumed"),
        () = manager.keep_alive() => {}
    }
    Ok(())
}

/// Creates the control socket; `false` if a fault of the disk prevents it now. Users are served without it.
fn open_control(server: &Server, operators: &Operators, orders: &mpsc::Sender<Order>) -> Result<bool, ServeError> {
    match Control::bind(operators.socket.clone(), operators.who.clone()) {
        Ok(control) => server.control(control, orders.clone()),
        Err(error) => {
            let Some((fault, _)) = Fault::behind(&error) else { return Err(error.into()) };
            let fault = fault.making_in(private_file::folder_of(&operators.socket));
            disk_trouble::tell(fault, |_| {
                tracing::error!(%error, "{fault}: no control socket, so 'ferryd status' and the like do not work; tried again");
            });
            return Ok(false);
        }
    }
    Ok(true)
}

fn announce(server: &Server, identity: &Identity) {
    let fingerprint = identity.fingerprint();
    for address in server.local_addrs() {
        tracing::info!(%address, %fingerprint, "listening");
        say(format_args!("listening on {address}"));
    }
    say(format_args!("fingerprint {fingerprint}"));
    if let Some(keys) = server.context().host_keys.get() {
        let fingerprint = keys.fingerprint();
        for address in server.sftp_addrs() {
            tracing::info!(%address, %fingerprint, "listening for SFTP");
            say(format_args!("listening on {address} for SFTP, host key {fingerprint}"));
        }
    }
}

/// Prints a line on standard output, which may be closed or full: the line is also logged.
fn say(text: impl Display) {
    if let Err(error) = output::line(&text) {
        tracing::warn!(%error, %text, "standard output cannot be written");
    }
}

/// The request that a signal stands for.
enum Asked {
    Reload,
    Stop,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.hangup.recv() => Asked::Reload,
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
        }
    }

    async fn stop(&mut self) {
        while !matches!(self.next().await, Asked::Stop) {}
    }
}
