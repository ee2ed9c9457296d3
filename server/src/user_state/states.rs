//! All users' states: opened when they are needed, closed when nobody needs them.
//!
//! An open state holds three descriptors. Of a closed one only figures are kept.

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

/// What is kept of one user.
#[derive(Debug)]
struct Slot {
    open: Option<Arc<UserState>>,
    /// What there was when it was closed, or seen without opening it.
    last: Option<Snapshot>,
    /// When somebody asked for it last.
    used: Option<Instant>,
    /// When the home is to be counted again.
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

/// All users the server has met since it started.
#[derive(Debug)]
pub struct UserStates {
    storage: Storage,
    stop: CancellationToken,
    allowances: Arc<Allowances>,
    slots: Mutex<HashMap<UserName, SharedSlot>>,
}

impl UserStates {
    /// Nobody yet. What each may have is what `users` says, always.
    #[must_use]
    pub fn new(storage: Storage, users: Users) -> Self {
        let (stop, allowances) = (CancellationToken::new(), Allowances::follow(users));
        Self { storage, stop, allowances, slots: Mutex::default() }
    }

    /// Gives up counting homes once `stop` is cancelled.
    #[must_use]
    pub fn until(self, stop: CancellationToken) -> Self {
        Self { stop, ..self }
    }

    /// A user's state, opened where it is not; others who ask meanwhile wait for that. Blocks.
    ///
    /// # Errors
    /// [`StorageError`] when the home cannot be used.
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
        // What was open is of a user who was removed with all files; who is still there works on nothing.
        slot.open = None;
        let user = Arc::new(UserState::open(&self.storage, name, &self.stop)?);
        self.allowances.opened(&user);
        slot.open = Some(Arc::clone(&user));
        Ok(user)
    }

    /// Whether files are kept under this name, of whoever has or had it. Blocks.
    ///
    /// # Errors
    /// The disk's.
    pub fn has_files(&self, name: &UserName) -> Result<bool, StorageError> {
        self.storage.has_user(name.as_str())
    }

    /// Removes all files under this name; whether there were any. Blocks.
    ///
    /// # Errors
    /// The disk's.
    pub fn remove_files(&self, name: &UserName) -> Result<bool, StorageError> {
        self.storage.remove_user(name.as_str())
    }

    /// A user's state for maintenance, opened only where that has something to do: figures that are not to
    /// be believed, parts that are not known or old. Blocks.
    ///
    /// # Errors
    /// As [`get`](Self::get).
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
            // Who never came has nothing.
            slot.last = Some(Snapshot::default());
            return Ok(false);
        };
        let believed = seen.ledger.and_then(|bytes| LedgerFile::believed(&bytes, &seen.home));
        let Some(used) = believed else { return Ok(true) };
        let Some(oldest) = seen.oldest_part else {
            slot.last = Some(Snapshot { used, ..Snapshot::default() });
            return Ok(false);
        };
        // What unfinished uploads hold is known only after the home was open once.
        Ok(slot.last.is_none() || expiry.is_over(oldest))
    }

    /// A user's state if the home is due to be counted, every so often; opened for that. Blocks.
    ///
    /// # Errors
    /// As [`get`](Self::get).
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

    /// Has a home counted again after `share` thousandths of the interval.
    pub(crate) fn next_due(&self, name: &UserName, share: u32) {
        self.slot(name).lock().due.next(share);
    }

    /// Every user whose home is open. Skips who is being counted just now.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<UserState>> {
        self.each().iter().filter_map(|(_, slot)| slot.try_lock()?.open.clone()).collect()
    }

    /// The figures of each user, as far as they are known, open or not. The limits are those of when it was open last.
    #[must_use]
    pub fn figures(&self) -> Vec<(UserName, Snapshot)> {
        let known = |(name, slot): (UserName, SharedSlot)| Some((name, slot.try_lock()?.figures()?));
        self.each().into_iter().filter_map(known).collect()
    }

    /// Has users leave so many bytes of the disk free from now on; a share of it, if `None`.
    pub fn keep_free(&self, bytes: Option<u64>) {
        self.storage.keep_free(bytes);
    }

    /// Bytes free to users on the disk of the homes.
    ///
    /// # Errors
    /// The disk's.
    pub fn volume_free(&self) -> Result<u64, StorageError> {
        self.storage.volume_free()
    }

    /// Whether the user's home is the one that is there under the user's name.
    ///
    /// # Errors
    /// The disk's.
    pub fn is_in_place(&self, user: &UserState) -> Result<bool, StorageError> {
        self.storage.is_in_place(&user.home)
    }

    /// Closes the homes that nobody has used for `idle`, and forgets users that are not `known` any more.
    /// Blocks.
    pub fn rest(&self, idle: Duration, known: impl Fn(&UserName) -> bool) {
        for (name, slot) in self.each() {
            let is_known = known(&name);
            self.close_slot(&slot, if is_known { idle } else { Duration::ZERO });
            drop(slot);
            if is_known {
                continue;
            }
            // Under the lock that everybody takes to get at a slot: so nobody has it now.
            let mut slots = self.slots.lock();
            let unused = |slot: &SharedSlot| Arc::strong_count(slot) == 1 && slot.lock().open.is_none();
            if slots.get(&name).is_some_and(unused) {
                slots.remove(&name);
            }
        }
    }

    /// Closes a user's home if nobody has used it for `idle`. Blocks.
    pub fn rest_one(&self, name: &UserName, idle: Duration) {
        self.close_slot(&self.slot(name), idle);
    }

    /// Closes the home unless somebody uses it, or it can only be counted again.
    fn close_slot(&self, slot: &SharedSlot, idle: Duration) {
        let Some(mut slot) = slot.try_lock() else { return };
        if slot.used.is_some_and(|used| used.elapsed() < idle) {
            return;
        }
        let Some(user) = slot.open.take_if(|user| Arc::strong_count(user) == 1) else { return };
        // A removed folder takes no ledger.
        let is_gone = self.storage.is_in_place(&user.home).is_ok_and(|there| !there);
        if is_gone || user.close() {
            slot.last = Some(user.ledger.snapshot()).filter(|_| !is_gone);
        } else {
            slot.open = Some(user);
        }
    }

    /// Writes down what every user has. To be called once nobody is connected any more; who is
    /// still being worked for gets nothing written, and is counted again at the next start.
    pub fn close(&self) {
        self.allowances.close();
        let slots: Vec<SharedSlot> = self.slots.lock().drain().map(|(_, slot)| slot).collect();
        for slot in slots {
            // A home that is being opened just now has no ledger on the disk.
            let user = slot.try_lock().and_then(|mut slot| slot.open.take());
            match user.map(Arc::try_unwrap) {
                // Where nothing can be written the next start counts.
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
