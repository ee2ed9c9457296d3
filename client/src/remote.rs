//! Typed calls over one connection: pipelined, answered in order, with the server's notices on a separate channel.
//!
//! One task owns the connection. Answers arrive strictly in the order of the calls, so a stream of pages or blocks
//! must be read to its end, or dropped, before the answer to a later call can arrive. To avoid waiting behind a long
//! call, use another [`Remote`].

mod calls;
mod chunk;
mod pages;
mod reading;
mod running;
mod task;
mod waiter;

use std::{sync::Arc, time::Duration};

use ferry_shared::{
    feature::{Feature, Features},
    fingerprint::Fingerprint,
    frame::{put_have, put_message},
    link::LinkError,
    message::{
        Notice, Reply, Request,
        reply::{LoggedIn, Welcome},
    },
    packing::Packing,
    refusal::Refusal,
    secret::Secret,
};
use parking_lot::Mutex;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::{
    connect::Connector,
    connection::{self, Connection},
    error::ClientError,
    site::Surroundings,
    traffic::Traffic,
};
use task::Task;
use waiter::OneWaiter;

pub(crate) use calls::Asked;
pub use calls::{CopyDone, Removed};
pub(crate) use chunk::Chunk;
pub use pages::PageStream;
pub use reading::{Block, BlockStream};
pub use running::{CommandStream, Said};
pub(crate) use task::{Call, More};
pub(crate) use waiter::{Batch, Expected, Observed, Part, ReadWaiter, UploadPart, UploadWaiter, Waiter, block, found};

/// The maximum number of queued calls; further ones wait.
const CALLS: usize = 64;
/// The number of notices kept for a slow receiver.
const NOTICES: usize = 64;
/// The default for the time that a server may be silent although it could answer.
const SILENCE: Duration = Duration::from_secs(90);
/// Capacity for a request, so that growing does not leave copies of a secret in memory.
const REQUEST: usize = 4 << 10;

/// A handle to the task of one connection; clones share it. The connection is closed when the last handle and the
/// last stream are dropped.
#[derive(Debug, Clone)]
pub struct Remote {
    shared: Arc<Shared>,
}

/// The state that handles and streams share.
#[derive(Debug)]
struct Shared {
    connector: Connector,
    welcome: Welcome,
    logged_in: LoggedIn,
    server_key: Fingerprint,
    /// Present if the server takes compressed blocks.
    packing: Option<Arc<Packing>>,
    calls: mpsc::Sender<Call>,
    notices: broadcast::Sender<Notice>,
    /// The notices that arrived before the first call of `notices`.
    first_notices: Mutex<Option<broadcast::Receiver<Notice>>>,
    /// The reason why the connection ended, once it has.
    ended: watch::Receiver<Option<ClientError>>,
    stop: CancellationToken,
}

impl Remote {
    /// Opens a connection for calls. Must be called in a Tokio runtime, which runs its task.
    ///
    /// # Errors
    /// Those of [`Connector::open`].
    pub async fn connect(connector: &Connector) -> Result<Self, ClientError> {
        Ok(Self::alone(connector.open().await?, connector.clone()))
    }

    /// Creates the account of `connector`, and opens a connection for calls.
    ///
    /// # Errors
    /// Those of [`Connector::register`].
    pub async fn register(connector: &Connector, invite: Option<Secret>) -> Result<Self, ClientError> {
        Ok(Self::alone(connector.register(invite).await?, connector.clone()))
    }

    /// A single connection with its own task and notices.
    fn alone(connection: Connection, connector: Connector) -> Self {
        let (notices, first_notices) = broadcast::channel(NOTICES);
        let (traffic, stop) = (Arc::default(), CancellationToken::new());
        let (remote, task) = Self::over(connection, connector, traffic, SILENCE, notices, stop, None);
        *remote.shared.first_notices.lock() = Some(first_notices);
        tokio::spawn(task.run());
        remote
    }

    /// One of several connections in the same `surroundings`, all of which send their notices to `notices`. `first` waits
    /// for the answer to a request that was sent with the login.
    pub(crate) fn among(
        connection: Connection,
        connector: Connector,
        surroundings: &Surroundings,
        notices: broadcast::Sender<Notice>,
        first: Option<Waiter>,
    ) -> Self {
        let Surroundings { traffic, tasks, stop, silence, .. } = surroundings;
        let (remote, task) =
            Self::over(connection, connector, Arc::clone(traffic), *silence, notices, stop.child_token(), first);
        tasks.spawn(task.run());
        remote
    }

    fn over(
        connection: Connection,
        connector: Connector,
        traffic: Arc<Traffic>,
        silence: Duration,
        notices: broadcast::Sender<Notice>,
        stop: CancellationToken,
        first: Option<Waiter>,
    ) -> (Self, Task) {
        let Connection { welcome, logged_in, server_key, reader, writer } = connection;
        let (calls, received) = mpsc::channel(CALLS);
        let (end, ended) = watch::channel(None);
        let (told, stopped) = (notices.clone(), stop.clone());
        let features = connector.features().common(welcome.features);
        let packing = features.has(Feature::Packed).then(|| Arc::new(Packing::new(connector.pack())));
        let link = packing.clone();
        let task =
            Task { reader, writer, first, calls: received, notices: told, stop: stopped, end, traffic, link, silence };
        let first_notices = Mutex::new(None);
        let shared =
            Shared { connector, welcome, logged_in, server_key, packing, calls, notices, first_notices, ended, stop };
        (Self { shared: Arc::new(shared) }, task)
    }

    /// The server's greeting.
    #[must_use]
    pub fn welcome(&self) -> &Welcome {
        &self.shared.welcome
    }

    /// The protocol features that both sides support.
    #[must_use]
    pub fn features(&self) -> Features {
        self.shared.connector.features().common(self.shared.welcome.features)
    }

    /// The judge of whether blocks are compressed; absent if the server does not take such blocks.
    pub(crate) fn packing(&self) -> Option<&Arc<Packing>> {
        self.shared.packing.as_ref()
    }

    /// The account as it was at login; notices report later changes.
    #[must_use]
    pub fn logged_in(&self) -> &LoggedIn {
        &self.shared.logged_in
    }

    /// The server's key.
    #[must_use]
    pub fn server_key(&self) -> Fingerprint {
        self.shared.server_key
    }

    /// The server's notices. The first receiver gets all since login (the latest 64); later ones get new notices
    /// only.
    #[must_use]
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        let first = self.shared.first_notices.lock().take();
        first.unwrap_or_else(|| self.shared.notices.subscribe())
    }

    /// Waits until the connection has ended, and returns the reason.
    pub async fn closed(&self) -> ClientError {
        self.shared.end().await
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.ended.borrow().is_some() || self.shared.ended.has_changed().is_err()
    }

    /// Ends the connection for all handles; pending calls fail with [`ClientError::Cancelled`].
    pub async fn close(&self) {
        self.shared.stop.cancel();
        self.shared.end().await;
    }

    /// Ends the connection without waiting for its end.
    pub(crate) fn abort(&self) {
        self.shared.stop.cancel();
    }

    /// Passes requests to the task; waits while too many are queued.
    pub(crate) async fn send(&self, call: Call) -> Result<(), ClientError> {
        self.shared.hand_over(call).await
    }

    /// Ends the connection because of an answer that violates the protocol.
    pub(crate) fn broken(&self, request: &str) -> ClientError {
        self.shared.broken(request)
    }

    /// Sends `request` and receives its only answer.
    async fn call<T>(&self, request: Request, take: fn(Reply) -> Option<T>) -> Result<T, ClientError> {
        let prompt = matches!(request, Request::Stat { .. } | Request::Usage | Request::Ping);
        let (waiter, answer) = OneWaiter::waiter(prompt);
        self.shared.send(&request, waiter).await?;
        self.answered(answer, request.name(), take).await
    }

    /// Sends the `frames` of one request and receives its only answer, which may take long.
    pub(crate) async fn ask<T>(
        &self,
        frames: Vec<Chunk>,
        name: &str,
        take: fn(Reply) -> Option<T>,
    ) -> Result<T, ClientError> {
        let (waiter, answer) = OneWaiter::waiter(false);
        self.send(Call { frames, waiters: vec![waiter], more: None, permit: None }).await?;
        self.answered(answer, name, take).await
    }

    async fn answered<T>(
        &self,
        answer: oneshot::Receiver<Result<Reply, Refusal>>,
        name: &str,
        take: fn(Reply) -> Option<T>,
    ) -> Result<T, ClientError> {
        let reply = match answer.await {
            Ok(answer) => answer?,
            Err(_) => return Err(self.shared.end().await),
        };
        take(reply).ok_or_else(|| self.shared.broken(name))
    }
}

impl Shared {
    /// Passes a request to the task; waits while too many are queued.
    async fn send(&self, request: &Request, waiter: Waiter) -> Result<(), ClientError> {
        let mut frames = Zeroizing::new(Vec::with_capacity(REQUEST));
        put_message(&mut frames, request).map_err(LinkError::from)?;
        if matches!(request, Request::Get { .. }) {
            put_have(&mut frames, 0, &[]).map_err(LinkError::from)?;
        }
        self.hand_over(Call::new(Chunk::secret(frames), waiter)).await
    }

    async fn hand_over(&self, call: Call) -> Result<(), ClientError> {
        match self.calls.send(call).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.end().await),
        }
    }

    /// Waits for the end of the task and returns its reason.
    async fn end(&self) -> ClientError {
        let mut ended = self.ended.clone();
        // The task ends without a reason only if its runtime was shut down.
        ended.wait_for(Option::is_some).await.ok().and_then(|end| end.clone()).unwrap_or(ClientError::Cancelled)
    }

    /// Ends the connection because of an answer of the wrong kind: later answers can no longer be assigned to their
    /// calls.
    fn broken(&self, request: &str) -> ClientError {
        self.stop.cancel();
        connection::unexpected(request)
    }
}
