//! The state that all connections of a server share.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use ferry_shared::{pool::BufferPool, refusal::Refusal};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admission::Admission,
    audit::Audit,
    bandwidth::Rates,
    config::{Config, InForce},
    connections::{ConnectionInfo, Connections},
    counters::Counters,
    drift::{Difference, Drift},
    files::Files,
    host_keys::HostKeys,
    identity::Identity,
    scheduler::Turns,
    seal::Seal,
    session::Sessions,
    storage::{Storage, StorageError},
    turned_away::TurnedAway,
    user_state::{UserState, UserStates},
    users::{Account, Users},
};

/// Spare buffers kept, about 1 MiB each.
const SPARE_BUFFERS: usize = 12;
/// Connections that are refused with a message at the same time.
const FAREWELLS: usize = 8;

/// The parts of a server, and the tokens that stop it.
#[derive(Debug)]
pub struct Context {
    /// The configuration in force.
    pub config: InForce,
    /// The accounts.
    pub users: Users,
    /// The server's key.
    pub identity: Identity,
    /// The keys by which SSH clients recognise the server; none if there is no SFTP.
    pub host_keys: OnceLock<HostKeys>,
    /// The rules for connections that have not logged in.
    pub admission: Admission,
    /// The open sessions.
    pub sessions: Sessions,
    /// The states of the users.
    pub states: UserStates,
    /// Turns that all users share for work that goes on without its peer.
    pub turns: Turns,
    /// Conversations that have not ended, on whatever thread they are.
    pub work: TaskTracker,
    /// Buffers for blocks.
    pub pool: BufferPool,
    /// Cancelled when no new work is accepted.
    pub drain: CancellationToken,
    /// The operator's message about the shutdown, for everybody.
    pub farewell: OnceLock<String>,
    /// Cancelled when everything must end now.
    pub stop: CancellationToken,
    /// The secret that clients must know.
    pub seal: Seal,
    /// The rates that all users share.
    pub bandwidth: Arc<Rates>,
    /// The open connections.
    pub connections: Connections,
    /// The counters since the start.
    pub counters: Arc<Counters>,
    /// The audit log.
    pub audit: Audit,
    /// Differences between the files on disk and what is in force.
    pub drift: Drift,
    /// Connections that failed before login.
    pub turned_away: TurnedAway,
    /// Places for connections that are refused with a message.
    pub farewells: Arc<Semaphore>,
}

impl Context {
    /// Creates a context over `storage`; nothing is running yet.
    #[must_use]
    pub fn new(config: Config, users: Users, identity: Identity, storage: Storage) -> Self {
        let bandwidth = Arc::new(Rates::default());
        bandwidth.set(config.bandwidth.limits());
        storage.keep_free(config.limits.min_free.map(|bytes| bytes.0));
        let stop = CancellationToken::new();
        Self {
            bandwidth,
            host_keys: OnceLock::new(),
            seal: Seal::default(),
            admission: Admission::new(config.login.clone()),
            sessions: Sessions::default(),
            states: UserStates::new(storage, users.clone()).until(stop.clone()),
            turns: Turns::of_all(),
            work: TaskTracker::new(),
            pool: BufferPool::new(SPARE_BUFFERS),
            drain: CancellationToken::new(),
            farewell: OnceLock::new(),
            stop,
            connections: Connections::default(),
            counters: Arc::default(),
            audit: Audit::default(),
            drift: Drift::default(),
            turned_away: TurnedAway::default(),
            farewells: Arc::new(Semaphore::new(FAREWELLS)),
            config: InForce::new(config),
            users,
            identity,
        }
    }

    /// The state of the account's user, read from disk (and counted) the first time. Blocks.
    ///
    /// # Errors
    /// [`StorageError`] if the home cannot be used.
    pub fn open_user(&self, account: &Account) -> Result<Arc<UserState>, StorageError> {
        self.states.get(&account.name)
    }

    /// The files of the user at the other end of `connection`.
    #[must_use]
    pub fn files(&self, connection: &ConnectionInfo) -> Files {
        let user = Arc::clone(&connection.session.user);
        Files::new(user, self.audit.clone(), Arc::clone(&self.counters), connection.who(), self.stop.clone())
    }

    /// Ends the sessions whose home no longer exists, even if there is an account and a home of that name again.
    /// Sessions of removed accounts end at their own next check. Blocks.
    pub fn end_displaced(&self) {
        for session in self.sessions.all() {
            // Ignore I/O errors here; the operation that hits them reports them.
            if self.states.is_in_place(&session.user).is_ok_and(|there| !there) {
                tracing::info!(session = session.id, user = %session.user.name, "ended: the user's files were removed");
                session.end("this account and its files were removed".to_owned());
            }
        }
    }

    /// The differences between what is in force and what is on disk. Blocks on the disk.
    pub(crate) fn differences(&self) -> BTreeMap<&'static str, Difference> {
        self.drift.check(&self.users, &self.identity, &self.config)
    }

    /// The reason for the shutdown, for clients.
    pub fn why_it_ends(&self) -> String {
        match self.farewell.get() {
            Some(message) => format!("the server is stopping: {message}"),
            None => "the server is stopping".to_owned(),
        }
    }

    /// Counts a refusal after login, and records it in the audit log if it is significant.
    pub fn count_refusal(&self, refusal: &Refusal, connection: &ConnectionInfo) {
        self.counters.refused(refusal.code);
        tracing::debug!(code = refusal.code.as_str(), message = refusal.message, "refused");
        self.audit.refused(connection.who(), refusal);
    }
}
