//! One user's account of space: used, reserved, limited.
//!
//! Two locks. The short one guards the figures and is never held for longer than a few
//! additions. The long one, taken with [`Ledger::lock_changes`], is the user's lock: who
//! changes the tree holds it from looking at what a target weighs until the change is
//! done, so that the figures follow the tree exactly.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use parking_lot::{Mutex, MutexGuard};

/// Bytes and files: what something weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Bytes of regular files.
    pub bytes: u64,
    /// Files, folders and all else.
    pub files: u64,
}

/// What a user may have; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Bytes.
    pub bytes: Option<u64>,
    /// Files.
    pub files: Option<u64>,
}

/// Which of the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The limit on bytes.
    Bytes,
    /// The limit on files.
    Files,
}

/// It does not fit. The figures are bytes or files, as `what` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("over quota: {needed} {} needed, {available} available{}; remove files or ask for more", .what.unit(), self.unfinished())]
pub struct OverQuota {
    /// Which limit.
    pub what: What,
    /// What was asked for.
    pub needed: u64,
    /// What is free.
    pub available: u64,
    /// What unfinished uploads hold.
    pub held: u64,
}

/// The figures at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// What is there.
    pub used: Tally,
    /// What is promised to unfinished uploads.
    pub reserved: Tally,
    /// What may be there.
    pub limits: Limits,
    /// More was taken off than was believed to be there: the home is to be counted again.
    pub suspect: bool,
}

/// One user's account; clones share it.
#[derive(Debug, Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// They change by single assignments after all checks, so they are whole even after a panic.
    figures: Mutex<Snapshot>,
    changes: Mutex<()>,
    /// How often the user's lock was taken.
    taken: AtomicU64,
}

impl Tally {
    /// So many bytes in so many files.
    #[must_use]
    pub const fn new(bytes: u64, files: u64) -> Self {
        Self { bytes, files }
    }

    /// How much more this is than `old`, each figure by itself and never below nothing.
    #[must_use]
    pub const fn growth_from(self, old: Self) -> Self {
        Self::new(self.bytes.saturating_sub(old.bytes), self.files.saturating_sub(old.files))
    }

    /// Both figures added. Saturating: a sum past `u64` fits no limit either.
    #[must_use]
    pub const fn plus(self, more: Self) -> Self {
        Self::new(self.bytes.saturating_add(more.bytes), self.files.saturating_add(more.files))
    }

    /// Both figures subtracted, each stopping at nothing.
    #[must_use]
    pub const fn minus(self, less: Self) -> Self {
        self.growth_from(less)
    }
}

impl What {
    const fn unit(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Files => "more files",
        }
    }
}

impl OverQuota {
    fn unfinished(&self) -> String {
        match self.what {
            What::Bytes => format!(" ({} held by unfinished uploads)", self.held),
            What::Files => String::new(),
        }
    }
}

impl Snapshot {
    /// Whether `more` on top fits. What does not grow is never refused, whatever the limit.
    fn admit(&self, more: Tally) -> Result<(), OverQuota> {
        let fits = |what, limit: Option<u64>, used: u64, held: u64, needed: u64| {
            let available = limit.unwrap_or(u64::MAX).saturating_sub(used.saturating_add(held));
            if needed <= available { Ok(()) } else { Err(OverQuota { what, needed, available, held }) }
        };
        fits(What::Bytes, self.limits.bytes, self.used.bytes, self.reserved.bytes, more.bytes)?;
        fits(What::Files, self.limits.files, self.used.files, self.reserved.files, more.files)
    }

    /// What weighed `old` weighs `new`.
    fn change_used(&mut self, old: Tally, new: Tally) {
        let sum = self.used.plus(new);
        self.suspect |= old.growth_from(sum) != Tally::default();
        self.used = sum.minus(old);
    }
}

impl Ledger {
    /// An account that begins with what was counted.
    #[must_use]
    pub fn new(used: Tally, limits: Limits) -> Self {
        let figures = Mutex::new(Snapshot { used, limits, ..Snapshot::default() });
        Self { inner: Arc::new(Inner { figures, ..Inner::default() }) }
    }

    /// Promises `amount` to an upload, until the guard is settled or dropped.
    ///
    /// # Errors
    /// [`OverQuota`] when it does not fit.
    pub fn reserve(&self, amount: Tally) -> Result<Reservation, OverQuota> {
        let mut reservation = self.restore_reservation(Tally::default());
        reservation.grow(amount)?;
        Ok(reservation)
    }

    /// The reservation of an upload admitted before a restart: never refused.
    pub fn restore_reservation(&self, amount: Tally) -> Reservation {
        let mut figures = self.inner.figures.lock();
        let before = figures.reserved;
        figures.reserved = before.plus(amount);
        // What was added in fact, so that giving it back is exact even at the end of the numbers.
        let amount = figures.reserved.minus(before);
        Reservation { inner: Arc::clone(&self.inner), amount }
    }

    /// The user's lock; see the module's words. Not to be held over a flush.
    #[must_use]
    pub fn lock_changes(&self) -> Changes<'_> {
        // The lock guards no data of its own, so a panic under it leaves nothing half done here.
        let guard = self.inner.changes.lock();
        let number = self.inner.taken.fetch_add(1, Ordering::Relaxed);
        Changes { inner: &self.inner, number, _guard: guard }
    }

    /// Other limits from now on. What is there or promised beyond them stays.
    pub fn set_limits(&self, limits: Limits) {
        self.inner.figures.lock().limits = limits;
    }

    /// The figures now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        *self.inner.figures.lock()
    }
}

/// Space promised to one upload; dropping it gives the space back.
#[derive(Debug)]
#[must_use = "dropping a reservation refunds it"]
pub struct Reservation {
    inner: Arc<Inner>,
    amount: Tally,
}

impl Reservation {
    /// What it holds.
    #[must_use]
    pub fn amount(&self) -> Tally {
        self.amount
    }

    /// Holds so much more.
    ///
    /// # Errors
    /// [`OverQuota`] when that does not fit; it then holds what it held.
    pub fn grow(&mut self, more: Tally) -> Result<(), OverQuota> {
        let mut figures = self.inner.figures.lock();
        figures.admit(more)?;
        figures.reserved = figures.reserved.plus(more);
        self.amount = self.amount.plus(more);
        Ok(())
    }

    /// Holds so much more, whatever the limit: what is promised is there already.
    pub fn grow_anyway(&mut self, more: Tally) {
        let mut figures = self.inner.figures.lock();
        let before = figures.reserved;
        figures.reserved = before.plus(more);
        self.amount = self.amount.plus(figures.reserved.minus(before));
    }

    /// Holds at most `amount`; the rest is given back.
    pub fn shrink_to(&mut self, amount: Tally) {
        let less = self.amount.growth_from(amount);
        let mut figures = self.inner.figures.lock();
        figures.reserved = figures.reserved.minus(less);
        self.amount = self.amount.minus(less);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink_to(Tally::default());
    }
}

/// The user's lock, held: only with it does what is used change.
#[derive(Debug)]
pub struct Changes<'a> {
    inner: &'a Inner,
    number: u64,
    _guard: MutexGuard<'a, ()>,
}

impl Changes<'_> {
    /// How many held the user's lock before. From one to the next nothing changed in between.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Turns a reservation into use: what weighed `old` will weigh `new`.
    ///
    /// Growth the reservation covers is always admitted; more must fit like any other.
    /// What it holds beyond the growth is given back.
    ///
    /// # Errors
    /// [`OverQuota`] when growth beyond the reservation does not fit; nothing changed then
    /// and the reservation holds what it held. `needed` is the growth beyond it.
    pub fn settle(&self, reservation: &mut Reservation, old: Tally, new: Tally) -> Result<(), OverQuota> {
        debug_assert!(std::ptr::eq(self.inner, &*reservation.inner), "a reservation of another user");
        let mut figures = self.inner.figures.lock();
        figures.admit(new.growth_from(old).growth_from(reservation.amount))?;
        figures.reserved = figures.reserved.minus(reservation.amount);
        figures.change_used(old, new);
        reservation.amount = Tally::default();
        Ok(())
    }

    /// Undoes a [`Self::settle`] whose change then failed; `reserved` is what was held before.
    pub fn unsettle(&self, reservation: &mut Reservation, reserved: Tally, old: Tally, new: Tally) {
        let mut figures = self.inner.figures.lock();
        figures.change_used(new, old);
        figures.reserved = figures.reserved.plus(reserved);
        reservation.amount = reservation.amount.plus(reserved);
    }

    /// Admits a change without a reservation: what weighed `old` will weigh `new`.
    ///
    /// # Errors
    /// [`OverQuota`] when its growth does not fit; nothing changed then.
    pub fn charge(&self, old: Tally, new: Tally) -> Result<(), OverQuota> {
        let mut figures = self.inner.figures.lock();
        figures.admit(new.growth_from(old))?;
        figures.change_used(old, new);
        Ok(())
    }

    /// Adds what is there already, whatever the limit: folders a failed upload left.
    pub fn add_used(&self, there: Tally) {
        let mut figures = self.inner.figures.lock();
        figures.used = figures.used.plus(there);
    }

    /// Takes off what was removed.
    pub fn release_used(&self, gone: Tally) {
        self.inner.figures.lock().change_used(gone, Tally::default());
    }

    /// Puts what was counted in place of what was believed; returns the latter.
    pub(super) fn set_used(&self, counted: Tally) -> Tally {
        let mut figures = self.inner.figures.lock();
        figures.suspect = false;
        std::mem::replace(&mut figures.used, counted)
    }
}

#[cfg(test)]
mod tests;
