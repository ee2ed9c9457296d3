//! The state of one user in a running server: the home, the ledger, unfinished uploads, open connections.
//!
//! It is put together here because storage and quota know nothing of each other.

mod allowance;
mod count;
mod due;
mod failed;
mod reservations;
mod states;
mod waste;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use ferry_shared::entry::Mtime;
use tokio_util::sync::CancellationToken;

pub(crate) use self::count::Pace;
pub(crate) use self::states::UserStates;
pub(crate) use self::{
    count::count,
    due::SPREAD,
    reservations::{growth, part_growth},
};
use self::{failed::FailedUploads, reservations::Reservations, waste::Waste};

use crate::{
    bandwidth::Rates,
    quota::{Ledger, LedgerFile, Limits, Tally},
    scheduler::Turns,
    storage::{Home, Storage, StorageError, Weight},
    users::UserName,
};

/// How long a home stays open after it was used.
pub(crate) const REST: Duration = Duration::from_secs(120);

/// When an unfinished upload is discarded. Time during which no server ran does not count, because nobody could
/// continue the upload then.
#[derive(Debug, Clone, Copy)]
pub struct Expiry {
    /// How long an upload is kept.
    pub age: Duration,
    /// How long the server has been running.
    pub uptime: Duration,
}

impl Expiry {
    /// Whether a part that was last touched at this time has expired.
    fn is_over(self, touched: Mtime) -> bool {
        let touched = touched.to_system().unwrap_or(SystemTime::UNIX_EPOCH);
        let idle = SystemTime::now().duration_since(touched).unwrap_or_default();
        idle.min(self.uptime) >= self.age
    }
}

impl From<Weight> for Tally {
    fn from(weight: Weight) -> Self {
        Self::new(weight.bytes, weight.files)
    }
}

/// One user, for as long as the home is open.
#[derive(Debug)]
pub struct UserState {
    /// The user's name.
    pub name: UserName,
    /// The user's files.
    pub home: Home,
    /// The user's usage and limits.
    pub ledger: Ledger,
    /// Whether the disk may still hold a ledger that could not be removed when the home was opened.
    ledger_lies: AtomicBool,
    /// The rates that all of the user's connections share.
    pub bandwidth: Arc<Rates>,
    reservations: Reservations,
    /// The user's turns at work that goes on without its peer.
    pub turns: Turns,
    /// Work that the server did for the user and that was thrown away again.
    pub waste: Waste,
    /// Uploads that failed a moment ago.
    pub failed: FailedUploads,
    connections: AtomicU32,
    read_only: AtomicBool,
}

impl UserState {
    /// Opens a user's home and reads its usage, or counts it if necessary. Blocks.
    fn open(storage: &Storage, name: &UserName, stop: &CancellationToken) -> Result<Self, StorageError> {
        let home = storage.home(name.as_str(), true)?;
        for line in home.take_report() {
            tracing::warn!(user = %name, "{line}");
        }
        let stamp = home.stamp()?;
        let (bytes, lies) = match home.take_ledger() {
            // The ledger is valid as long as nothing can be changed in the home.
            Err(StorageError::Disk { .. }) => (home.read_ledger()?, true),
            taken => (taken?, false),
        };
        let believed = bytes.and_then(|bytes| LedgerFile::believed(&bytes, &stamp));
        let used = match believed {
            Some(used) => used,
            None => {
                let (counted, counter) = count(&home, Pace::Quick, &|| stop.is_cancelled())?;
                let unreadable = counter.unreadable();
                if unreadable > 0 {
                    tracing::error!(user = %name, unreadable, "parts of the home cannot be read and do not count");
                }
                counter.believe();
                tracing::info!(user = %name, bytes = counted.bytes, files = counted.files, "home counted");
                counted
            }
        };
        let ledger = Ledger::new(used, Limits::default());
        let reservations = Reservations::of_parts(&home, &ledger)?;
        let (bandwidth, connections) = (Arc::default(), AtomicU32::new(0));
        let (name, turns, waste, failed) = (name.clone(), Turns::of_user(), Waste::default(), FailedUploads::default());
        // Read-only until the settings of the account are applied.
        let (ledger_lies, read_only) = (AtomicBool::new(lies), AtomicBool::new(true));
        Ok(Self {
            name,
            home,
            ledger,
            ledger_lies,
            bandwidth,
            turns,
            waste,
            failed,
            reservations,
            connections,
            read_only,
        })
    }

    /// Whether the user may only list and download.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only.load(Ordering::Acquire)
    }

    /// Sets whether the user may only list and download, or also change the home.
    pub fn set_read_only(&self, read_only: bool) {
        self.read_only.store(read_only, Ordering::Release);
    }

    /// Must be called before a change: a ledger that could not be removed becomes invalid by it.
    ///
    /// # Errors
    /// An error of the disk; nothing may be changed then.
    pub fn begin_changing(&self) -> Result<(), StorageError> {
        if self.ledger_lies.load(Ordering::Acquire) {
            self.home.remove_ledger()?;
            self.ledger_lies.store(false, Ordering::Release);
        }
        Ok(())
    }

    /// Registers a connection of the user; `None` if there are `most` already.
    pub fn enter(self: &Arc<Self>, most: u32) -> Option<Presence> {
        let entered = self
            .connections
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| (count < most).then_some(count + 1));
        entered.ok().map(|_| Presence(Arc::clone(self)))
    }

    /// Discards expired parts.
    pub fn expire(&self, expiry: Expiry) {
        for part in self.home.parts() {
            if part.active || !expiry.is_over(part.touched) {
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

    /// Writes the ledger, to be believed when the home is opened next; returns whether the home may be closed.
    /// Nobody may change anything afterwards.
    fn close(&self) -> bool {
        if self.ledger_lies.load(Ordering::Acquire) {
            // Nothing was changed, so the ledger on the disk is still valid.
            return true;
        }
        let now = self.ledger.snapshot();
        if now.suspect || self.home.has_shared_files() {
            // Only a count can tell the usage, or how much is freed by removing one name of a file with several.
            return false;
        }
        let file = |home| LedgerFile { used: now.used, clean: true, home };
        let written = self.home.stamp().and_then(|home| self.home.write_ledger(&file(home).into_bytes()));
        if let Err(error) = &written {
            tracing::error!(user = %self.name, %error, "cannot write the ledger; the home is counted again");
        }
        written.is_ok()
    }
}

/// One connection of a user; deregistered when dropped.
#[derive(Debug)]
pub struct Presence(Arc<UserState>);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests;
