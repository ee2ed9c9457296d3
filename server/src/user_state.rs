//! What a running server knows of one user: the home, the ledger, unfinished uploads, presence.
//!
//! Put together here because storage and quota know nothing of each other.

mod holds;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use self::holds::Holds;
pub(crate) use self::holds::held_by;
use crate::{
    bandwidth::Rates,
    quota::{Ledger, LedgerFile, Limits, Tally},
    rescan::{self, Due, Pace},
    storage::{Home, Storage, StorageError, Weight},
    users::UserName,
};

impl From<Weight> for Tally {
    fn from(weight: Weight) -> Self {
        Self::new(weight.bytes, weight.files)
    }
}

/// One user, as long as the server runs.
#[derive(Debug)]
pub struct UserState {
    /// The user's name.
    pub name: UserName,
    /// The user's files.
    pub home: Home,
    /// The user's figures.
    pub ledger: Ledger,
    /// How fast the user's connections may be together.
    pub bandwidth: Arc<Rates>,
    holds: Holds,
    connections: AtomicU32,
    due: Mutex<Due>,
}

impl UserState {
    /// Reads, and where it must counts, what a user has. Blocks.
    fn open(storage: &Storage, name: &UserName, limits: Limits) -> Result<Self, StorageError> {
        let home = storage.home(name.as_str(), true)?;
        for line in home.take_report() {
            tracing::warn!(user = %name, "{line}");
        }
        let believed = home.take_ledger()?.and_then(|bytes| LedgerFile::believed(&bytes));
        let used = match believed {
            Some(used) => used,
            None => {
                let (counted, counter) = rescan::count(&home, Pace::Quick, &|| false)?;
                let unreadable = counter.unreadable();
                if unreadable > 0 {
                    tracing::error!(user = %name, unreadable, "parts of the home cannot be read and do not count");
                }
                counter.believe();
                tracing::info!(user = %name, bytes = counted.bytes, files = counted.files, "home counted");
                counted
            }
        };
        let ledger = Ledger::new(used, limits);
        let holds = Holds::of_parts(&home, &ledger)?;
        let (bandwidth, connections) = (Arc::default(), AtomicU32::new(0));
        let due = Mutex::new(Due::first(name));
        Ok(Self { name: name.clone(), home, ledger, bandwidth, holds, connections, due })
    }

    /// Counts a connection of the user in; `None` when there are `most` already.
    pub fn enter(self: &Arc<Self>, most: u32) -> Option<Presence> {
        let entered = self
            .connections
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| (count < most).then_some(count + 1));
        entered.ok().map(|_| Presence(Arc::clone(self)))
    }

    /// Throws away parts nobody has touched for `age`.
    pub fn expire(&self, age: Duration) {
        for part in self.home.parts() {
            let touched = part.touched.to_system().unwrap_or(SystemTime::UNIX_EPOCH);
            let idle = SystemTime::now().duration_since(touched).unwrap_or_default();
            if part.active || idle < age {
                continue;
            }
            match self.discard(&part.meta.path) {
                Ok(_) => {
                    tracing::info!(user = %self.name, path = %part.meta.path.display(), "unfinished upload expired")
                }
                Err(error) => tracing::error!(user = %self.name, %error, "cannot expire an unfinished upload"),
            }
        }
    }

    /// When the home is to be counted again.
    pub(crate) fn due(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        if self.home.has_shared_files() {
            // What removing one name of such a file frees is known only by counting.
            return;
        }
        let file = LedgerFile { used: self.ledger.snapshot().used, clean: true };
        if let Err(error) = self.home.write_ledger(&file.to_bytes()) {
            tracing::error!(user = %self.name, %error, "cannot write the ledger; the next start counts again");
        }
    }
}

/// One connection of a user; leaves when dropped.
#[derive(Debug)]
pub struct Presence(Arc<UserState>);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

type Slot = Arc<Mutex<Option<Arc<UserState>>>>;

/// All users the server has met since it started.
#[derive(Debug)]
pub struct UserStates {
    storage: Storage,
    slots: Mutex<HashMap<UserName, Slot>>,
}

impl UserStates {
    /// Nobody yet.
    #[must_use]
    pub fn new(storage: Storage) -> Self {
        Self { storage, slots: Mutex::default() }
    }

    /// A user's state, opened at first; others who ask meanwhile wait for that. Blocks.
    ///
    /// # Errors
    /// [`StorageError`] when the home cannot be used.
    pub fn get(&self, name: &UserName, limits: Limits) -> Result<Arc<UserState>, StorageError> {
        let slot = Arc::clone(self.slots().entry(name.clone()).or_default());
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(user) = &*slot {
            return Ok(Arc::clone(user));
        }
        let user = Arc::new(UserState::open(&self.storage, name, limits)?);
        *slot = Some(Arc::clone(&user));
        Ok(user)
    }

    /// Whether files are kept under this name, of whoever has or had it. Blocks.
    ///
    /// # Errors
    /// The disk's.
    pub fn has_files(&self, name: &UserName) -> Result<bool, StorageError> {
        self.storage.has_user(name.as_str())
    }

    /// Every user met so far whose home could be opened. Skips who is being counted just now.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<UserState>> {
        let slots: Vec<Slot> = self.slots().values().cloned().collect();
        slots.iter().filter_map(|slot| slot.try_lock().ok()?.clone()).collect()
    }

    /// Writes down what every user has. To be called once nobody is connected any more.
    pub fn close(&self) {
        let slots: Vec<Slot> = self.slots().drain().map(|(_, slot)| slot).collect();
        for slot in slots {
            if let Some(user) = slot.lock().unwrap_or_else(PoisonError::into_inner).take() {
                user.close();
            }
        }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<UserName, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
