//! Typed calls over one connection: pipelined, answered in order, with the server's notices beside.
//!
//! One task owns the connection. Answers come strictly in the order of the calls, so a
//! stream of pages or blocks must be read to its end, or dropped, before a later call's
//! answer can arrive. What should not wait behind a long call goes over another [`Remote`].

mod calls;
mod pages;
mod reading;
mod task;
mod waiter;

use std::sync::Arc;

use ferry_shared::{
    feature::Features,
    frame::{put_have, put_message},
    link::LinkError,
    message::{
        Notice, Reply, Request,
        reply::{LoggedIn, Welcome},
    },
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
    trust::Fingerprint,
};
use task::{Call, Task};
use waiter::Waiter;

pub use calls::{CopyDone, Removed};
pub use pages::PageStream;
pub use reading::{Block, BlockStream};

/// Calls that may be on their way at once; further ones wait.
const CALLS: usize = 64;
/// Notices kept for a receiver that is slow.
const NOTICES: usize = 64;
/// Room for a request, so that one with a secret is not copied about as it grows.
const REQUEST: usize = 4 << 10;

/// A handle to one connection's task; clones share it. When the last handle and the last
/// stream are dropped, the connection is closed.
#[derive(Debug, Clone)]
pub struct Remote {
    shared: Arc<Shared>,
}

/// What handles and streams share.
#[derive(Debug)]
struct Shared {
    connector: Connector,
    welcome: Welcome,
    logged_in: LoggedIn,
    server_key: Fingerprint,
    calls: mpsc::Sender<Call>,
    notices: broadcast::Sender<Notice>,
    /// Holds the notices that came before anybody asked for them.
    first_notices: Mutex<Option<broadcast::Receiver<Notice>>>,
    /// Why the connection ended, once it has.
    ended: watch::Receiver<Option<ClientError>>,
    stop: CancellationToken,
}

impl Remote {
    /// Opens a connection for calls. Must be called in a runtime, on which its task then runs.
    ///
    /// # Errors
    /// As [`Connector::open`].
    pub async fn connect(connector: &Connector) -> Result<Self, ClientError> {
        Ok(Self::over(connector.open().await?, connector.clone()))
    }

    /// Makes the account `connector` is for, and opens a connection for calls on it.
    ///
    /// # Errors
    /// As [`Connector::register`].
    pub async fn register(connector: &Connector, invite: Option<Secret>) -> Result<Self, ClientError> {
        Ok(Self::over(connector.register(invite).await?, connector.clone()))
    }

    fn over(connection: Connection, connector: Connector) -> Self {
        let Connection { welcome, logged_in, server_key, reader, writer } = connection;
        let (calls, received) = mpsc::channel(CALLS);
        let (notices, first_notices) = broadcast::channel(NOTICES);
        let (end, ended) = watch::channel(None);
        let stop = CancellationToken::new();
        let task = Task { reader, writer, calls: received, notices: notices.clone(), stop: stop.clone(), end };
        tokio::spawn(task.run());
        let shared = Shared {
            connector,
            welcome,
            logged_in,
            server_key,
            calls,
            notices,
            first_notices: Mutex::new(Some(first_notices)),
            ended,
            stop,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Who the server is and what it allows.
    #[must_use]
    pub fn welcome(&self) -> &Welcome {
        &self.shared.welcome
    }

    /// The features of the protocol that both sides know.
    #[must_use]
    pub fn features(&self) -> Features {
        Features::known().common(self.shared.welcome.features)
    }

    /// The account as it was at login; notices tell what changes.
    #[must_use]
    pub fn logged_in(&self) -> &LoggedIn {
        &self.shared.logged_in
    }

    /// The server's key.
    #[must_use]
    pub fn server_key(&self) -> Fingerprint {
        self.shared.server_key
    }

    /// What the server says unasked. The first receiver gets all since login (the latest 64);
    /// further ones what comes from now on.
    #[must_use]
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        let first = self.shared.first_notices.lock().take();
        first.unwrap_or_else(|| self.shared.notices.subscribe())
    }

    /// Waits until the connection has ended and says why.
    pub async fn closed(&self) -> ClientError {
        self.shared.end().await
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.ended.borrow().is_some() || self.shared.ended.has_changed().is_err()
    }

    /// Ends the connection for all handles; calls on their way fail with [`ClientError::Cancelled`].
    pub async fn close(&self) {
        self.shared.stop.cancel();
        self.shared.end().await;
    }

    /// Asks `request` and takes its one answer.
    async fn call<T>(&self, request: Request, take: fn(Reply) -> Option<T>) -> Result<T, ClientError> {
        let (sender, answer) = oneshot::channel();
        self.shared.send(&request, Waiter::One(sender)).await?;
        let reply = match answer.await {
            Ok(answer) => answer?,
            Err(_) => return Err(self.shared.end().await),
        };
        take(reply).ok_or_else(|| self.shared.broken(request.name()))
    }
}

impl Shared {
    /// Hands a request to the task; waits while too many are on their way.
    async fn send(&self, request: &Request, waiter: Waiter) -> Result<(), ClientError> {
        let mut frames = Zeroizing::new(Vec::with_capacity(REQUEST));
        put_message(&mut frames, request).map_err(LinkError::from)?;
        if matches!(request, Request::Get { .. }) {
            put_have(&mut frames, 0, &[]).map_err(LinkError::from)?;
        }
        match self.calls.send(Call { frames, waiter }).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.end().await),
        }
    }

    /// Waits for the task's end and says why it ended.
    async fn end(&self) -> ClientError {
        let mut ended = self.ended.clone();
        // The task is gone without a word only when its runtime was shut down.
        ended.wait_for(Option::is_some).await.ok().and_then(|end| end.clone()).unwrap_or(ClientError::Cancelled)
    }

    /// An answer of the wrong kind: who knows which calls the next ones are for.
    fn broken(&self, request: &str) -> ClientError {
        self.stop.cancel();
        connection::unexpected(request)
    }
}
