//! What unfinished uploads hold of the quota: never less than their parts take.
//!
//! An upload that replaces a file holds only what that file would grow by, for the file's own
//! bytes are paid for. So a part may take as much again as the file it is for, and all parts of a
//! user at most as much again as the user's files and reservations. That is true only as long as
//! the file is there: when it is renamed or removed, its part holds all it takes.

use std::collections::HashMap;

use ferry_shared::path::RemotePath;
use parking_lot::Mutex;

use super::UserState;
use crate::{
    quota::{Changes, Ledger, OverQuota, Reservation, Tally},
    storage::{Home, PartInfo, StorageError, TargetState},
};

/// What each unfinished upload holds, by target. Every staged part has an entry.
#[derive(Debug)]
pub(super) struct Reservations(Mutex<HashMap<RemotePath, Reservation>>);

impl Reservations {
    /// What the parts found on disk hold: admitted before, so never refused.
    pub(super) fn of_parts(home: &Home, ledger: &Ledger) -> Result<Self, StorageError> {
        let mut reservations = HashMap::new();
        for part in home.parts() {
            if part.meta.size.is_none() {
                // A stream that was cut: nobody can say what it should have become.
                match home.discard(&part.meta.path) {
                    // It takes its room until it can be thrown away.
                    Err(error @ StorageError::Disk { .. }) => tracing::warn!(%error, "a cut stream stays for now"),
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
    /// Makes sure that the upload to `path` holds `amount` at least.
    ///
    /// # Errors
    /// [`OverQuota`]; it then holds what it held.
    pub fn reserve(&self, path: &RemotePath, amount: Tally) -> Result<(), OverQuota> {
        let mut reservations = self.reservations.0.lock();
        match reservations.get_mut(path) {
            Some(reservation) => reservation.grow(amount.growth_from(reservation.amount())),
            None => self.ledger.reserve(amount).map(|reservation| drop(reservations.insert(path.clone(), reservation))),
        }
    }

    /// Makes the part of `path`, just opened, hold what it must and no more. Without a part, as
    /// after a discard, nothing is held.
    ///
    /// # Errors
    /// [`OverQuota`] when the file it is to replace went away meanwhile; it then holds what it held.
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

    /// Makes all parts at `path` and below hold what they must now, whatever the limit.
    pub fn refit(&self, _: &Changes<'_>, path: &RemotePath) {
        let mut reservations = self.reservations.0.lock();
        reservations.retain(|target, _| !target.starts_with(path) || self.home.has_part(target));
        for part in self.home.parts_below(path) {
            let amount = part_growth(&self.home, &part);
            let reservation = self.entry(&mut reservations, &part.meta.path);
            reservation.grow_anyway(amount.growth_from(reservation.amount()));
            // A stream under way holds more than it has: the step it is in.
            if part.meta.size.is_some() {
                reservation.shrink_to(amount);
            }
        }
    }

    /// Before what is at `path` is moved away: its parts, and those below, hold all they take.
    ///
    /// # Errors
    /// [`OverQuota`] and the part that has no room of its own; nothing changed then.
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

    /// Gives back what the upload to `path` holds, unless its part is staged.
    pub fn release_if_unstaged(&self, path: &RemotePath) {
        let mut reservations = self.reservations.0.lock();
        if !self.home.has_part(path) {
            reservations.remove(path);
        }
    }

    /// Turns what the upload to `path` holds into use, under the user's lock.
    ///
    /// # Errors
    /// [`OverQuota`] when growth beyond it does not fit; nothing changed then.
    pub fn settle(&self, changes: &Changes<'_>, path: &RemotePath, old: Tally, new: Tally) -> Result<Tally, OverQuota> {
        let mut reservations = self.reservations.0.lock();
        let reservation = self.entry(&mut reservations, path);
        let before = reservation.amount();
        changes.settle(reservation, old, new)?;
        Ok(before)
    }

    /// What the upload to `path` holds: nothing as yet where it has no entry.
    fn entry<'a>(
        &self,
        reservations: &'a mut HashMap<RemotePath, Reservation>,
        path: &RemotePath,
    ) -> &'a mut Reservation {
        reservations.entry(path.clone()).or_insert_with(|| self.ledger.restore_reservation(Tally::default()))
    }

    /// Undoes a [`settle`](Self::settle) whose change failed. What was discarded meanwhile holds nothing again.
    pub fn unsettle(&self, changes: &Changes<'_>, path: &RemotePath, before: Tally, old: Tally, new: Tally) {
        let mut reservations = self.reservations.0.lock();
        let mut gone = self.ledger.restore_reservation(Tally::default());
        changes.unsettle(reservations.get_mut(path).unwrap_or(&mut gone), before, old, new);
    }

    /// What the upload to `path` holds; nothing when there is none.
    #[must_use]
    pub fn reserved_for(&self, path: &RemotePath) -> Tally {
        self.reservations.0.lock().get(path).map_or_else(Tally::default, Reservation::amount)
    }

    /// Throws the staged part of `path` away with what it holds; whether there was one.
    ///
    /// # Errors
    /// The disk's.
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

/// The growth of what a user has when a file of `size` bytes takes the place of what is at a path.
pub(crate) fn growth(target_state: &TargetState, size: u64) -> Tally {
    Tally::from(target_state.new_file(size)).growth_from(target_state.old().into())
}

/// What a part holds: what its target, as it is now, would grow by.
pub(crate) fn part_growth(home: &Home, part: &PartInfo) -> Tally {
    match home.target_state(&part.meta.path) {
        Ok(target_state) => growth(&target_state, bytes(part)),
        // Nothing can be there, as when the target's folder became something else. The part still takes space.
        Err(_) => Tally::new(bytes(part), 1),
    }
}

/// What a part takes, or may take before it is asked again.
fn bytes(part: &PartInfo) -> u64 {
    part.meta.size.unwrap_or_default().max(part.length)
}
