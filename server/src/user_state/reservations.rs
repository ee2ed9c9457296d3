//! The quota reservations of unfinished uploads: never smaller than their parts.
//!
//! An upload that replaces a file reserves only the growth of that file, because the file's own bytes are counted
//! already. So a part may take as much space again as the file it replaces, and all parts of a user at most as much
//! again as the user's files and reservations. This holds only while the file exists: when it is renamed or
//! removed, the reservation grows to the full size of the part.

use std::collections::HashMap;

use ferry_shared::path::RemotePath;
use parking_lot::Mutex;

use super::UserState;
use crate::{
    quota::{Changes, Ledger, OverQuota, Reservation, Tally},
    storage::{Home, PartInfo, StorageError, TargetState},
};

/// The reservation of each unfinished upload, by target. Every staged part has an entry.
#[derive(Debug)]
pub(super) struct Reservations(Mutex<HashMap<RemotePath, Reservation>>);

impl Reservations {
    /// Restores the reservations of the parts found on disk: they were admitted before and are never refused.
    pub(super) fn of_parts(home: &Home, ledger: &Ledger) -> Result<Self, StorageError> {
        let mut reservations = HashMap::new();
        for part in home.parts() {
            if part.meta.size.is_none() && part.meta.lasting.is_none() {
                // An interrupted stream of ferry's own protocol: nobody can continue it.
                match home.discard(&part.meta.path) {
                    // It takes space until it can be discarded.
                    Err(error @ StorageError::Disk { .. }) => {
                        tracing::warn!(%error, "an interrupted stream stays for now")
                    }
                    discarded => {
                        discarded?;
                        continue;
                    }
                }
            }
            let amount = part_growth(home, &part);
            reservations.insert(part.meta.path, ledger.restore_reservation(amount));
        }
        Ok(Self(Mutex::new(reservations)))
    }
}

impl UserState {
    /// Makes the reservation for `path` at least `amount`.
    ///
    /// # Errors
    /// [`OverQuota`]; the reservation is then unchanged.
    pub fn reserve(&self, path: &RemotePath, amount: Tally) -> Result<(), OverQuota> {
        let mut reservations = self.reservations.0.lock();
        match reservations.get_mut(path) {
            Some(reservation) => reservation.grow(amount.growth_from(reservation.amount())),
            None => self.ledger.reserve(amount).map(|reservation| drop(reservations.insert(path.clone(), reservation))),
        }
    }

    /// Fits the reservation for `path` to its part, which was just opened. Without a part, for example after a
    /// discard, the reservation is released.
    ///
    /// # Errors
    /// [`OverQuota`] if the file to replace was removed meanwhile; the reservation is then unchanged.
    pub fn refit_opened(&self, _: &Changes<'_>, path: &RemotePath) -> Result<(), OverQuota> {
        let mut reservations = self.reservations.0.lock();
        let Some(part) = self.home.part_info(path) else {
            reservations.remove(path);
            return Ok(());
        };
        let amount = part_growth(&self.home, &part);
        let reservation = self.entry(&mut reservations, path);
        reservation.grow(amount.growth_from(reservation.amount()))?;
        reservation.shrink_to(amount);
        Ok(())
    }

    /// Refits the reservations of all parts at `path` and below to the present state of their targets, whatever the
    /// limit.
    pub fn refit(&self, _: &Changes<'_>, path: &RemotePath) {
        let mut reservations = self.reservations.0.lock();
        reservations.retain(|target, _| !target.starts_with(path) || self.home.has_part(target));
        for part in self.home.parts_below(path) {
            let amount = part_growth(&self.home, &part);
            let reservation = self.entry(&mut reservations, &part.meta.path);
            reservation.grow_anyway(amount.growth_from(reservation.amount()));
            // The reservation of an upload of unknown size is larger than its part by the current step while it is
            // in progress.
            if part.meta.size.is_some() || !part.active {
                reservation.shrink_to(amount);
            }
        }
    }

    /// Call this before the entry at `path` is moved away: its part and those below then reserve their full size.
    ///
    /// # Errors
    /// [`OverQuota`] and the part whose full size does not fit; nothing changes then.
    pub fn reserve_sole(&self, changes: &Changes<'_>, path: &RemotePath) -> Result<(), (RemotePath, OverQuota)> {
        for part in self.home.parts_below(path) {
            let target = part.meta.path.clone();
            let folders = (target.depth() - path.depth()) as u64;
            let amount = Tally::new(bytes(&part), folders.saturating_add(1));
            if let Err(error) = self.reserve(&target, amount) {
                self.refit(changes, path);
                return Err((target, error));
            }
        }
        Ok(())
    }

    /// Releases the reservation for `path`, unless its part is staged.
    pub fn release_if_unstaged(&self, path: &RemotePath) {
        let mut reservations = self.reservations.0.lock();
        if !self.home.has_part(path) {
            reservations.remove(path);
        }
    }

    /// Turns the reservation for `path` into usage, under the user's lock.
    ///
    /// # Errors
    /// [`OverQuota`] if growth beyond the reservation does not fit; nothing changes then.
    pub fn settle(&self, changes: &Changes<'_>, path: &RemotePath, old: Tally, new: Tally) -> Result<Tally, OverQuota> {
        let mut reservations = self.reservations.0.lock();
        let reservation = self.entry(&mut reservations, path);
        let before = reservation.amount();
        changes.settle(reservation, old, new)?;
        Ok(before)
    }

    /// The reservation for `path`; an empty one is created if there is none.
    fn entry<'a>(
        &self,
        reservations: &'a mut HashMap<RemotePath, Reservation>,
        path: &RemotePath,
    ) -> &'a mut Reservation {
        reservations.entry(path.clone()).or_insert_with(|| self.ledger.restore_reservation(Tally::default()))
    }

    /// Undoes a [`settle`](Self::settle) whose change failed. An upload that was discarded meanwhile gets no
    /// reservation again.
    pub fn unsettle(&self, changes: &Changes<'_>, path: &RemotePath, before: Tally, old: Tally, new: Tally) {
        let mut reservations = self.reservations.0.lock();
        let mut gone = self.ledger.restore_reservation(Tally::default());
        changes.unsettle(reservations.get_mut(path).unwrap_or(&mut gone), before, old, new);
    }

    /// The amount reserved for `path`; nothing if there is no reservation.
    #[must_use]
    pub fn reserved_for(&self, path: &RemotePath) -> Tally {
        self.reservations.0.lock().get(path).map_or_else(Tally::default, Reservation::amount)
    }

    /// Discards the staged part of `path` and its reservation; returns whether there was one.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn discard(&self, path: &RemotePath) -> Result<bool, StorageError> {
        let mut reservations = self.reservations.0.lock();
        let was_there = self.home.discard(path)?;
        if was_there {
            reservations.remove(path);
            self.waste.thrown_away(path);
        }
        Ok(was_there)
    }
}

/// The growth of the usage when a file of `size` bytes replaces the present entry at a path.
pub(crate) fn growth(target_state: &TargetState, size: u64) -> Tally {
    Tally::from(target_state.new_file(size)).growth_from(target_state.old().into())
}

/// The amount that a part must reserve: the growth of its target in its present state.
pub(crate) fn part_growth(home: &Home, part: &PartInfo) -> Tally {
    match home.target_state(&part.meta.path) {
        Ok(target_state) => growth(&target_state, bytes(part)),
        // The target cannot exist, for example because its parent is no longer a folder. The part still takes
        // space.
        Err(_) => Tally::new(bytes(part), 1),
    }
}

/// The size of a part, or the size to which it may grow without another reservation.
fn bytes(part: &PartInfo) -> u64 {
    part.meta.size.unwrap_or_default().max(part.length)
}
