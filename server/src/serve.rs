//! `ferryd serve`: starts the server, says where it is, and follows signals until it ends.

use std::{io, path::PathBuf, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    config::Config,
    identity::{Identity, IdentityError},
    output, private_file,
    server::{Server, ServerError, ServerOptions},
    telemetry::{self, TelemetryError},
    users::{self, StoreError, Users},
};

/// How long work on blocking threads may take to notice the end.
const LAST_WORK: Duration = Duration::from_secs(5);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The log could not be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The data folder could not be made.
    #[error("cannot make the data folder {}: {source}", path.display())]
    Data {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The user store is broken, and there is no earlier one to fall back on.
    #[error(transparent)]
    Users(#[from] StoreError),
    /// The server's key is not usable.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The server itself did not start.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The system gave no threads or signals, or standard output is gone.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// [`ServeError`] when it does not come up.
pub fn run(config: Config, data: PathBuf) -> Result<(), ServeError> {
    telemetry::start(&config.log)?;
    private_file::make_folder(&data).map_err(|source| ServeError::Data { path: data.clone(), source })?;
    let users = Users::load(users::store_file(&data))?;
    let identity = Identity::load_or_create(&data, &config.tls)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(serve(ServerOptions { config, data, users, identity }));
    runtime.shutdown_timeout(LAST_WORK);
    result
}

async fn serve(options: ServerOptions) -> Result<(), ServeError> {
    let mut signals = Signals::listen()?;
    let (users, identity, data) = (options.users.clone(), options.identity.clone(), options.data.clone());
    // Kept to the end: dropping it stops the watching.
    let _watch = match users.watch() {
        Ok(watch) => Some(watch),
        Err(error) => {
            tracing::warn!(%error, "cannot watch the user store; SIGHUP reads it again");
            None
        }
    };
    // What was written between the first reading and the watch.
    reload_users(&users).await;
    let server = Server::start(options).await?;
    announce(&server, &identity)?;
    if users.is_empty() {
        let data = data.display();
        output::line(format_args!("no users yet; add the first with: ferryd user add NAME --data {data}"))?;
    }
    while matches!(signals.next().await, Asked::Reload) {
        reload_users(&users).await;
        reload_identity(&identity).await;
    }
    tracing::info!("stopping; a second signal stops at once");
    tokio::select! {
        () = server.shutdown() => tracing::info!("stopped"),
        () = signals.stop() => tracing::warn!("stopped at once; what was cut can be resumed"),
    }
    Ok(())
}

fn announce(server: &Server, identity: &Identity) -> io::Result<()> {
    let fingerprint = identity.fingerprint();
    for address in server.local_addrs() {
        tracing::info!(%address, %fingerprint, "listening");
        output::line(format_args!("listening on {address}"))?;
    }
    output::line(format_args!("fingerprint {fingerprint}"))
}

async fn reload_users(users: &Users) {
    let users = users.clone();
    if let Err(error) = tokio::task::spawn_blocking(move || users.reload_and_log()).await {
        tracing::error!(%error, "reloading the users");
    }
}

async fn reload_identity(identity: &Identity) {
    let identity = identity.clone();
    match tokio::task::spawn_blocking(move || identity.reload()).await {
        Ok(Ok(fingerprint)) => tracing::info!(%fingerprint, "certificate read again"),
        Ok(Err(error)) => tracing::error!(%error, "the certificate in use stays"),
        Err(error) => tracing::error!(%error, "reloading the certificate"),
    }
}

/// What a signal asks for.
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
