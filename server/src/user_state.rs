//! What a running server knows of one user: the home, the ledger, unfinished uploads, presence.
//!
//! Put together here because storage and quota know nothing of each other.

mod states;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use ferry_shared::path::RemotePath;
use tokio_util::sync::CancellationToken;

pub use states::UserStates;

/// How long a home stays open after it was used.
pub(crate) const REST: Duration = Duration::from_secs(120);

use crate::{
    bandwidth::Rates,
    quota::{Changes, Ledger, LedgerFile, Limits, OverQuota, Reservation, Tally},
    rescan::{self, Pace},
    storage::{Home, Storage, StorageError, Weight},
    turns::Turns,
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
    /// The user's turns at work that goes on without its peer.
    pub turns: Turns,
    /// What each unfinished upload holds, by target. Every staged part has an entry.
    held: Mutex<HashMap<RemotePath, Reservation>>,
    connections: AtomicU32,
}

impl UserState {
    /// Reads, and where it must counts, what a user has. Blocks.
    fn open(
        storage: &Storage,
        name: &UserName,
        limits: Limits,
        stop: &CancellationToken,
    ) -> Result<Self, StorageError> {
        let home = storage.home(name.as_str(), true)?;
        for line in home.take_report() {
            tracing::warn!(user = %name, "{line}");
        }
        let believed = home.take_ledger()?.and_then(|bytes| LedgerFile::believed(&bytes));
        let used = match believed {
            Some(used) => used,
            None => {
                let (counted, counter) = rescan::count(&home, Pace::Quick, &|| stop.is_cancelled())?;
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
        let mut held = HashMap::new();
        for part in home.parts() {
            match part.meta.size {
                Some(size) => {
                    let amount = held_by(&home, &part.meta.path, size)?;
                    held.insert(part.meta.path, ledger.restore_reservation(amount));
                }
                // A stream that was cut: nobody can say what it should have become.
                None => drop(home.discard(&part.meta.path)?),
            }
        }
        let (bandwidth, connections) = (Arc::default(), AtomicU32::new(0));
        let (name, turns) = (name.clone(), Turns::of_user());
        Ok(Self { name, home, ledger, bandwidth, turns, held: Mutex::new(held), connections })
    }

    /// Counts a connection of the user in; `None` when there are `most` already.
    pub fn enter(self: &Arc<Self>, most: u32) -> Option<Presence> {
        let entered = self
            .connections
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| (count < most).then_some(count + 1));
        entered.ok().map(|_| Presence(Arc::clone(self)))
    }

    /// Makes the reservation of the upload to `path` hold `amount`, growing or shrinking it.
    ///
    /// # Errors
    /// [`OverQuota`]; it then holds what it held.
    pub fn hold(&self, path: &RemotePath, amount: Tally) -> Result<(), OverQuota> {
        let mut held = self.held();
        if let Some(reservation) = held.get_mut(path) {
            reservation.grow(amount.growth_from(reservation.amount()))?;
            reservation.shrink_to(amount);
        } else {
            held.insert(path.clone(), self.ledger.reserve(amount)?);
        }
        Ok(())
    }

    /// After an upload to `path` was refused: a staged part holds no more than it did `before`,
    /// and what has no part holds nothing.
    pub fn hold_as_before(&self, path: &RemotePath, before: Tally) {
        if self.home.part_info(path).is_none() {
            self.held().remove(path);
        } else if let Some(reservation) = self.held().get_mut(path) {
            reservation.shrink_to(before);
        }
    }

    /// Gives back what the upload to `path` holds, unless its part is staged.
    pub fn let_go_unless_staged(&self, path: &RemotePath) {
        if self.home.part_info(path).is_none() {
            self.held().remove(path);
        }
    }

    /// Turns what the upload to `path` holds into use, under the user's lock.
    ///
    /// # Errors
    /// [`OverQuota`] when growth beyond it does not fit; nothing changed then.
    pub fn settle(&self, changes: &Changes<'_>, path: &RemotePath, old: Tally, new: Tally) -> Result<Tally, OverQuota> {
        let mut held = self.held();
        let reservation = match held.get_mut(path) {
            Some(reservation) => reservation,
            None => &mut *held.entry(path.clone()).or_insert(self.ledger.reserve(Tally::default())?),
        };
        let before = reservation.amount();
        changes.settle(reservation, old, new)?;
        Ok(before)
    }

    /// Undoes a [`settle`](Self::settle) whose change failed.
    pub fn unsettle(&self, changes: &Changes<'_>, path: &RemotePath, before: Tally, old: Tally, new: Tally) {
        if let Some(reservation) = self.held().get_mut(path) {
            changes.unsettle(reservation, before, old, new);
        }
    }

    /// What the upload to `path` holds; nothing when there is none.
    #[must_use]
    pub fn held_for(&self, path: &RemotePath) -> Tally {
        self.held().get(path).map_or_else(Tally::default, Reservation::amount)
    }

    /// Throws the staged part of `path` away with what it holds; whether there was one.
    ///
    /// # Errors
    /// The disk's.
    pub fn discard(&self, path: &RemotePath) -> Result<bool, StorageError> {
        if !self.held().contains_key(path) {
            return Ok(false);
        }
        let was_there = self.home.discard(path)?;
        self.held().remove(path);
        Ok(was_there)
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

    /// Writes down what the user has, to be believed when the home is opened next; whether that was
    /// done. Nobody may change anything after it.
    fn close(&self) -> bool {
        let now = self.ledger.snapshot();
        if now.suspect || self.home.has_shared_files() {
            // Only counting tells what is there, or what removing one name of such a file frees.
            return false;
        }
        let file = LedgerFile { used: now.used, clean: true };
        let written = self.home.write_ledger(&file.to_bytes());
        if let Err(error) = &written {
            tracing::error!(user = %self.name, %error, "cannot write the ledger; the home is counted again");
        }
        written.is_ok()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<RemotePath, Reservation>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a part found on disk holds: what its target would grow by.
pub(crate) fn held_by(home: &Home, path: &RemotePath, size: u64) -> Result<Tally, StorageError> {
    match home.prospect(path) {
        Ok(prospect) => Ok(Tally::from(prospect.new_file(size)).growth_from(prospect.old().into())),
        // The target's folder changed into something else; the part still takes space.
        Err(StorageError::NotDirectory(_) | StorageError::Outside(_) | StorageError::BadPath(_)) => {
            Ok(Tally::new(size, 1))
        }
        Err(error) => Err(error),
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

#[cfg(test)]
mod tests;
