//! The states of all users: opened when needed, closed when unused.
//!
//! An open state holds three descriptors. For a closed one only its numbers are kept.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{Expiry, UserState, allowance::Allowances, due::Due};
use crate::{
    quota::{LedgerFile, Snapshot},
    storage::{Storage, StorageError},
    users::{UserName, Users},
};

/// The record of one user.
#[derive(Debug)]
struct Slot {
    open: Option<Arc<UserState>>,
    /// The numbers when the home was closed, or read without opening it.
    last: Option<Snapshot>,
    /// When the state was last requested.
    used: Option<Instant>,
    /// When the home must be counted again.
    due: Due,
}

impl Slot {
    fn new(name: &UserName) -> Self {
        Self { open: None, last: None, used: None, due: Due::first(name) }
    }

    fn figures(&self) -> Option<Snapshot> {
        self.open.as_ref().map(|user| user.ledger.snapshot()).or(self.last)
    }
}

type SharedSlot = Arc<Mutex<Slot>>;

/// All users that the server has met since it started.
#[derive(Debug)]
pub struct UserStates {
    storage: Storage,
    stop: CancellationToken,
    allowances: Arc<Allowances>,
    slots: Mutex<HashMap<UserName, SharedSlot>>,
}

impl UserStates {
    /// Starts without any state. Limits always come from `users`.
    #[must_use]
    pub fn new(storage: Storage, users: Users) -> Self {
        let (stop, allowances) = (CancellationToken::new(), Allowances::follow(users));
        Self { storage, stop, allowances, slots: Mutex::default() }
    }

    /// Aborts counts of homes once `stop` is cancelled.
    #[must_use]
    pub fn until(self, stop: CancellationToken) -> Self {
        Self { stop, ..self }
    }

    /// The state of a user, opened if necessary; concurrent callers wait for the opening. Blocks.
    ///
    /// # Errors
    /// [`StorageError`] if the home cannot be used.
    pub fn get(&self, name: &UserName) -> Result<Arc<UserState>, StorageError> {
        let slot = self.slot(name);
        let mut slot = slot.lock();
        slot.used = Some(Instant::now());
        self.open(&mut slot, name)
    }

    fn open(&self, slot: &mut Slot, name: &UserName) -> Result<Arc<UserState>, StorageError> {
        if let Some(user) = &slot.open
            && self.storage.is_in_place(&user.home)?
        {
            return Ok(Arc::clone(user));
        }
        // The open state belongs to a user who was removed with all files; its remaining holders work on removed
        // folders.
        slot.open = None;
        let user = Arc::new(UserState::open(&self.storage, name, &self.stop)?);
        self.allowances.opened(&user);
        slot.open = Some(Arc::clone(&user));
        Ok(user)
    }

    /// Whether there are files under this name, whoever they belong to. Blocks.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn has_files(&self, name: &UserName) -> Result<bool, StorageError> {
        self.storage.has_user(name.as_str())
    }

    /// Removes all files under this name; returns whether there were any. Blocks.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn remove_files(&self, name: &UserName) -> Result<bool, StorageError> {
        self.storage.remove_user(name.as_str())
    }

    /// The state of a user for maintenance, opened only if there is something to do: the usage is unknown or
    /// suspect, or parts are not known yet or have expired. Blocks.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    pub fn attend(&self, name: &UserName, expiry: Expiry) -> Result<Option<Arc<UserState>>, StorageError> {
        let slot = self.slot(name);
        let mut slot = slot.lock();
        if slot.open.is_none() && !self.needs_care(&mut slot, name, expiry)? {
            return Ok(None);
        }
        self.open(&mut slot, name).map(Some)
    }

    fn needs_care(&self, slot: &mut Slot, name: &UserName, expiry: Expiry) -> Result<bool, StorageError> {
        let Some(seen) = self.storage.peek(name.as_str())? else {
            // A user who has never logged in has no files.
            slot.last = Some(Snapshot::default());
            return Ok(false);
        };
        let believed = seen.ledger.and_then(|bytes| LedgerFile::believed(&bytes, &seen.home));
        let Some(used) = believed else { return Ok(true) };
        let Some(oldest) = seen.oldest_part else {
            slot.last = Some(Snapshot { used, ..Snapshot::default() });
            return Ok(false);
        };
        // The reservations of unfinished uploads are known only once the home has been open.
        Ok(slot.last.is_none() || expiry.is_over(oldest))
    }

    /// Opens the home of a user if its regular count is due or its usage is suspect; `None` if neither. Blocks.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    pub(crate) fn due(&self, name: &UserName, every: Option<Duration>) -> Result<Option<Arc<UserState>>, StorageError> {
        let slot = self.slot(name);
        let mut slot = slot.lock();
        let is_due = every.is_some_and(|every| slot.due.is_now(every));
        let is_suspect = slot.open.as_ref().is_some_and(|user| user.ledger.snapshot().suspect);
        if !is_suspect && (!is_due || self.storage.peek(name.as_str())?.is_none()) {
            return Ok(None);
        }
        self.open(&mut slot, name).map(Some)
    }

    /// Schedules the next count of a home after `share` thousandths of the interval.
    pub(crate) fn next_due(&self, name: &UserName, share: u32) {
        self.slot(name).lock().due.next(share);
    }

    /// Every user whose home is open, except those that are being counted.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<UserState>> {
        self.each().iter().filter_map(|(_, slot)| slot.try_lock()?.open.clone()).collect()
    }

    /// The numbers of each user that are known, whether the home is open or not. The limits are those from when it
    /// was last open.
    #[must_use]
    pub fn figures(&self) -> Vec<(UserName, Snapshot)> {
        let known = |(name, slot): (UserName, SharedSlot)| Some((name, slot.try_lock()?.figures()?));
        self.each().into_iter().filter_map(known).collect()
    }

    /// Sets the number of bytes that users leave free on the disk from now on; `None` means the default share.
    pub fn keep_free(&self, bytes: Option<u64>) {
        self.storage.keep_free(bytes);
    }

    /// Bytes free to users on the disk of the homes.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn volume_free(&self) -> Result<u64, StorageError> {
        self.storage.volume_free()
    }

    /// Whether the user's open home is still the one under the user's name.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn is_in_place(&self, user: &UserState) -> Result<bool, StorageError> {
        self.storage.is_in_place(&user.home)
    }

    /// Closes the homes that have not been used for `idle`, and forgets users that are no longer `known`. Blocks.
    pub fn rest(&self, idle: Duration, known: impl Fn(&UserName) -> bool) {
        for (name, slot) in self.each() {
            let is_known = known(&name);
            self.close_slot(&slot, if is_known { idle } else { Duration::ZERO });
            drop(slot);
            if is_known {
                continue;
            }
            // Slots are handed out under this lock only, so nobody can acquire one now.
            let mut slots = self.slots.lock();
            let unused = |slot: &SharedSlot| Arc::strong_count(slot) == 1 && slot.lock().open.is_none();
            if slots.get(&name).is_some_and(unused) {
                slots.remove(&name);
            }
        }
    }

    /// Closes a user's home if it has not been used for `idle`. Blocks.
    pub fn rest_one(&self, name: &UserName, idle: Duration) {
        self.close_slot(&self.slot(name), idle);
    }

    /// Closes the home unless somebody uses it, or only a count could restore its usage.
    fn close_slot(&self, slot: &SharedSlot, idle: Duration) {
        let Some(mut slot) = slot.try_lock() else { return };
        if slot.used.is_some_and(|used| used.elapsed() < idle) {
            return;
        }
        let Some(user) = slot.open.take_if(|user| Arc::strong_count(user) == 1) else { return };
        // A removed folder can hold no ledger.
        let is_gone = self.storage.is_in_place(&user.home).is_ok_and(|there| !there);
        if is_gone || user.close() {
            slot.last = Some(user.ledger.snapshot()).filter(|_| !is_gone);
        } else {
            slot.open = Some(user);
        }
    }

    /// Writes the ledgers of all users. Call this once all connections are closed; a user for whom work is still
    /// running gets no ledger, and is counted at the next start.
    pub fn close(&self) {
        self.allowances.close();
        let slots: Vec<SharedSlot> = self.slots.lock().drain().map(|(_, slot)| slot).collect();
        for slot in slots {
            // A home that is being opened has no ledger on the disk.
            let user = slot.try_lock().and_then(|mut slot| slot.open.take());
            match user.map(Arc::try_unwrap) {
                // If the ledger cannot be written, the next start counts.
                Some(Ok(user)) => drop(user.close()),
                Some(Err(user)) => tracing::warn!(user = %user.name, "work goes on; the next start counts again"),
                None => {}
            }
        }
    }

    fn slot(&self, name: &UserName) -> SharedSlot {
        let mut slots = self.slots.lock();
        let slot = slots.entry(name.clone()).or_insert_with(|| Arc::new(Mutex::new(Slot::new(name))));
        Arc::clone(slot)
    }

    fn each(&self) -> Vec<(UserName, SharedSlot)> {
        self.slots.lock().iter().map(|(name, slot)| (name.clone(), Arc::clone(slot))).collect()
    }
}
