//! What every connection of a server shares.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use ferry_shared::{pool::BufferPool, refusal::Refusal};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admission::Admission,
    audit::{self, Audit, event::Event},
    bandwidth::Rates,
    config::{Config, InForce},
    connections::{ConnectionInfo, Connections},
    counters::Counters,
    drift::{Difference, Drift},
    files::Files,
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
/// Connections at once that get no place and are told so.
const FAREWELLS: usize = 8;

/// The parts a server is made of, and the tokens that stop it.
#[derive(Debug)]
pub struct Context {
    /// What the operator set.
    pub config: InForce,
    /// Who may log in.
    pub users: Users,
    /// The server's key.
    pub identity: Identity,
    /// Who may try to.
    pub admission: Admission,
    /// Who is logged in.
    pub sessions: Sessions,
    /// What the server knows of each user.
    pub states: UserStates,
    /// Turns of all users together at work that goes on without its peer.
    pub turns: Turns,
    /// Conversations that have not ended, on whatever thread they are.
    pub work: TaskTracker,
    /// Buffers for blocks.
    pub pool: BufferPool,
    /// Cancelled when no new work is taken.
    pub drain: CancellationToken,
    /// What the operator has to say to everybody about the end.
    pub farewell: OnceLock<String>,
    /// Cancelled when everything must end now.
    pub stop: CancellationToken,
    /// What clients must know.
    pub seal: Seal,
    /// How fast all users together may be.
    pub bandwidth: Arc<Rates>,
    /// Who is connected now.
    pub connections: Connections,
    /// What happened so far.
    pub counters: Arc<Counters>,
    /// Where it is noted.
    pub audit: Audit,
    /// What is in force and not as it is on disk.
    pub drift: Drift,
    /// Connections that came to nothing before login.
    pub turned_away: TurnedAway,
    /// Places for connections that are only told why they get none.
    pub farewells: Arc<Semaphore>,
}

impl Context {
    /// A context over `storage`; nothing runs yet.
    #[must_use]
    pub fn new(config: Config, users: Users, identity: Identity, storage: Storage) -> Self {
        let bandwidth = Arc::new(Rates::default());
        bandwidth.set(config.bandwidth.limits());
        storage.keep_free(config.limits.min_free.map(|bytes| bytes.0));
        let stop = CancellationToken::new();
        Self {
            bandwidth,
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

    /// The state of `account`'s user, read from disk (and counted) at first. Blocks.
    ///
    /// # Errors
    /// [`StorageError`] when the home cannot be used.
    pub fn open_user(&self, account: &Account) -> Result<Arc<UserState>, StorageError> {
        self.states.get(&account.name)
    }

    /// The files of the user who is at the other end of `connection`.
    #[must_use]
    pub fn files(&self, connection: &ConnectionInfo) -> Files {
        let user = Arc::clone(&connection.session.user);
        Files::new(user, self.audit.clone(), Arc::clone(&self.counters), connection.who(), self.stop.clone())
    }

    /// Ends the sessions whose home is not there any more, although there may be an account and a home of
    /// that name again. Those of accounts that are gone end at their own next look. Blocks.
    pub fn end_displaced(&self) {
        for session in self.sessions.all() {
            // A disk that does not say is the business of who works on it.
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

    /// Why the server ends, for clients.
    pub fn why_it_ends(&self) -> String {
        match self.farewell.get() {
            Some(message) => format!("the server is stopping: {message}"),
            None => "the server is stopping".to_owned(),
        }
    }

    /// Counts a refusal after login, and has it noted when it is more than an answer.
    pub fn count_refusal(&self, refusal: &Refusal, connection: &ConnectionInfo) {
        self.counters.refused(refusal.code);
        tracing::debug!(code = refusal.code.as_str(), message = refusal.message, "refused");
        if audit::is_noted(refusal) {
            self.audit.record(connection.who(), Event::refused(refusal));
        }
    }
}
