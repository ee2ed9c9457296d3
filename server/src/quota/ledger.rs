//! The ledger of one user: used, reserved, limits.
//!
//! There are two locks. The short one guards the numbers and is never held for longer than a few additions. The
//! long one, taken with [`Ledger::lock_changes`], is the user's lock: everybody who changes the tree holds it from
//! reading the weight of a target until the change is done, so that the usage follows the tree exactly.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use parking_lot::{Mutex, MutexGuard};

/// A weight: bytes and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Bytes of regular files.
    pub bytes: u64,
    /// Files, folders and everything else.
    pub files: u64,
}

/// The limits of a user; `None` means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Bytes.
    pub bytes: Option<u64>,
    /// Files.
    pub files: Option<u64>,
}

/// One of the two limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The limit on bytes.
    Bytes,
    /// The limit on files.
    Files,
}

/// A change does not fit the limits. The amounts are bytes or files, according to `what`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("over quota: {needed} {} needed, {available} available{}; remove files or ask for more", .what.unit(), self.unfinished())]
pub struct OverQuota {
    /// The limit that is exceeded.
    pub what: What,
    /// The amount that was requested.
    pub needed: u64,
    /// The amount that is free.
    pub available: u64,
    /// The amount that unfinished uploads have reserved.
    pub held: u64,
}

/// The numbers of a ledger at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// The weight of the user's files.
    pub used: Tally,
    /// The weight that unfinished uploads have reserved.
    pub reserved: Tally,
    /// The limits.
    pub limits: Limits,
    /// More was removed than the ledger had counted: the home must be counted again.
    pub suspect: bool,
}

/// The ledger of one user; clones share it.
#[derive(Debug, Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Changed by single assignments after all checks, so consistent even after a panic.
    figures: Mutex<Snapshot>,
    changes: Mutex<()>,
    /// How often the user's lock was taken.
    taken: AtomicU64,
}

impl Tally {
    /// A weight of this many bytes and files.
    #[must_use]
    pub const fn new(bytes: u64, files: u64) -> Self {
        Self { bytes, files }
    }

    /// The growth from `old` to this weight, each number separately and never below zero.
    #[must_use]
    pub const fn growth_from(self, old: Self) -> Self {
        Self::new(self.bytes.saturating_sub(old.bytes), self.files.saturating_sub(old.files))
    }

    /// The sum of both weights. Saturating: a sum beyond `u64` exceeds every limit anyway.
    #[must_use]
    pub const fn plus(self, more: Self) -> Self {
        Self::new(self.bytes.saturating_add(more.bytes), self.files.saturating_add(more.files))
    }

    /// The difference of both weights, each number never below zero.
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
    /// Checks whether `more` still fits. A change that does not grow is never refused, whatever the limit.
    fn admit(&self, more: Tally) -> Result<(), OverQuota> {
        let fits = |what, limit: Option<u64>, used: u64, held: u64, needed: u64| {
            let available = limit.unwrap_or(u64::MAX).saturating_sub(used.saturating_add(held));
            if needed <= available { Ok(()) } else { Err(OverQuota { what, needed, available, held }) }
        };
        fits(What::Bytes, self.limits.bytes, self.used.bytes, self.reserved.bytes, more.bytes)?;
        fits(What::Files, self.limits.files, self.used.files, self.reserved.files, more.files)
    }

    /// Replaces a weight of `old` by one of `new`.
    fn change_used(&mut self, old: Tally, new: Tally) {
        let sum = self.used.plus(new);
        self.suspect |= old.growth_from(sum) != Tally::default();
        self.used = sum.minus(old);
    }
}

impl Ledger {
    /// A ledger that starts with the counted usage.
    #[must_use]
    pub fn new(used: Tally, limits: Limits) -> Self {
        let figures = Mutex::new(Snapshot { used, limits, ..Snapshot::default() });
        Self { inner: Arc::new(Inner { figures, ..Inner::default() }) }
    }

    /// Reserves `amount` for an upload, until the guard is settled or dropped.
    ///
    /// # Errors
    /// [`OverQuota`] if it does not fit.
    pub fn reserve(&self, amount: Tally) -> Result<Reservation, OverQuota> {
        let mut reservation = self.restore_reservation(Tally::default());
        reservation.grow(amount)?;
        Ok(reservation)
    }

    /// Restores the reservation of an upload that was admitted before a restart: never refused.
    pub fn restore_reservation(&self, amount: Tally) -> Reservation {
        let mut figures = self.inner.figures.lock();
        let before = figures.reserved;
        figures.reserved = before.plus(amount);
        // Compute the amount actually added, so that it is released exactly even near the maximum of `u64`.
        let amount = figures.reserved.minus(before);
        Reservation { inner: Arc::clone(&self.inner), amount }
    }

    /// Takes the user's lock; see the module documentation. Do not hold it during a flush.
    #[must_use]
    pub fn lock_changes(&self) -> Changes<'_> {
        // The lock guards no data itself, so a panic while it is held leaves nothing inconsistent.
        let guard = self.inner.changes.lock();
        let number = self.inner.taken.fetch_add(1, Ordering::Relaxed);
        Changes { inner: &self.inner, number, _guard: guard }
    }

    /// Changes the limits. Usage and reservations beyond them stay.
    pub fn set_limits(&self, limits: Limits) {
        self.inner.figures.lock().limits = limits;
    }

    /// The present numbers.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        *self.inner.figures.lock()
    }
}

/// Space reserved for one upload; dropping it releases the space.
#[derive(Debug)]
#[must_use = "dropping a reservation refunds it"]
pub struct Reservation {
    inner: Arc<Inner>,
    amount: Tally,
}

impl Reservation {
    /// The reserved amount.
    #[must_use]
    pub fn amount(&self) -> Tally {
        self.amount
    }

    /// Grows the reservation.
    ///
    /// # Errors
    /// [`OverQuota`] if that does not fit; the reservation is then unchanged.
    pub fn grow(&mut self, more: Tally) -> Result<(), OverQuota> {
        let mut figures = self.inner.figures.lock();
        figures.admit(more)?;
        figures.reserved = figures.reserved.plus(more);
        self.amount = self.amount.plus(more);
        Ok(())
    }

    /// Grows the reservation whatever the limit: the reserved data exists already.
    pub fn grow_anyway(&mut self, more: Tally) {
        let mut figures = self.inner.figures.lock();
        let before = figures.reserved;
        figures.reserved = before.plus(more);
        self.amount = self.amount.plus(figures.reserved.minus(before));
    }

    /// Shrinks the reservation to at most `amount`; the rest is released.
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

/// The held user's lock: usage changes only through it.
#[derive(Debug)]
pub struct Changes<'a> {
    inner: &'a Inner,
    number: u64,
    _guard: MutexGuard<'a, ()>,
}

impl Changes<'_> {
    /// How many times the lock was taken before. Between two consecutive numbers nothing changed.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Turns a reservation into usage: an entry of weight `old` will have weight `new`.
    ///
    /// Growth within the reservation is always admitted; growth beyond it must fit the limits. The unused rest of
    /// the reservation is released.
    ///
    /// # Errors
    /// [`OverQuota`] if the growth beyond the reservation does not fit; nothing changes then, including the
    /// reservation. `needed` is the growth beyond it.
    pub fn settle(&self, reservation: &mut Reservation, old: Tally, new: Tally) -> Result<(), OverQuota> {
        debug_assert!(std::ptr::eq(self.inner, &*reservation.inner), "a reservation of another user");
        let mut figures = self.inner.figures.lock();
        figures.admit(new.growth_from(old).growth_from(reservation.amount))?;
        figures.reserved = figures.reserved.minus(reservation.amount);
        figures.change_used(old, new);
        reservation.amount = Tally::default();
        Ok(())
    }

    /// Undoes a [`Self::settle`] after its change failed; `reserved` is the amount that was reserved before.
    pub fn unsettle(&self, reservation: &mut Reservation, reserved: Tally, old: Tally, new: Tally) {
        let mut figures = self.inner.figures.lock();
        figures.change_used(new, old);
        figures.reserved = figures.reserved.plus(reserved);
        reservation.amount = reservation.amount.plus(reserved);
    }

    /// Admits a change without a reservation: an entry of weight `old` will have weight `new`.
    ///
    /// # Errors
    /// [`OverQuota`] if the growth does not fit; nothing changes then.
    pub fn charge(&self, old: Tally, new: Tally) -> Result<(), OverQuota> {
        let mut figures = self.inner.figures.lock();
        figures.admit(new.growth_from(old))?;
        figures.change_used(old, new);
        Ok(())
    }

    /// Adds the weight of entries that exist already, whatever the limit: folders left by a failed upload.
    pub fn add_used(&self, there: Tally) {
        let mut figures = self.inner.figures.lock();
        figures.used = figures.used.plus(there);
    }

    /// Subtracts the weight of removed entries.
    pub fn release_used(&self, gone: Tally) {
        self.inner.figures.lock().change_used(gone, Tally::default());
    }

    /// Replaces the usage by the counted one; returns the former usage.
    pub(super) fn set_used(&self, counted: Tally) -> Tally {
        let mut figures = self.inner.figures.lock();
        figures.suspect = false;
        std::mem::replace(&mut figures.used, counted)
    }
}

#[cfg(test)]
mod tests;
