//! A job's counters, which the engine updates and the front ends display.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::event::{Outcome, Proof, Skip, Summary};

/// A job's counters.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) counted: AtomicBool,
    files: AtomicU64,
    folders: AtomicU64,
    bytes: AtomicU64,
    files_done: AtomicU64,
    bytes_done: AtomicU64,
    under_way: AtomicU64,
    arrived: AtomicU64,
    arrived_bytes: AtomicU64,
    folders_done: AtomicU64,
    transferred: AtomicU64,
    reused: AtomicU64,
    equal: AtomicU64,
    unproven: AtomicU64,
    unchanged: AtomicU64,
    links: AtomicU64,
    skipped: AtomicU64,
    failed: AtomicU64,
    /// The weakest proof so far, counted from 1; 0 if there is none.
    weakest: AtomicU64,
}

/// The counters that are displayed as a job's progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) files: u64,
    pub(super) folders: u64,
    pub(super) bytes: u64,
    pub(super) files_done: u64,
    pub(super) bytes_done: u64,
}

impl Tally {
    pub(super) fn add_file(&self, size: u64) {
        add(&self.files, 1);
        add(&self.bytes, size);
    }

    pub(super) fn add_folder(&self) {
        add(&self.folders, 1);
    }

    /// Changes the size of a file in the totals.
    pub(super) fn resize(&self, from: u64, to: u64) {
        // Wraps around to subtract.
        add(&self.bytes, to.wrapping_sub(from));
    }

    /// Counts a folder that exists at its target.
    pub(super) fn folder_done(&self) {
        add(&self.folders_done, 1);
    }

    /// Counts a failed folder.
    pub(super) fn folder_failed(&self) {
        add(&self.failed, 1);
    }

    /// Counts a finished file, which has `weight` bytes in the totals.
    pub(super) fn file_done(&self, weight: u64, outcome: &Outcome) {
        add(&self.files_done, 1);
        if counts_bytes(outcome) {
            add(&self.bytes_done, weight);
        }
        match outcome {
            Outcome::Verified { size, transferred, reused, grown, proof, .. } => {
                add(&self.arrived, 1);
                let rank = *proof as u64 + 1;
                let weaker = |weakest: u64| Some(if weakest == 0 { rank } else { weakest.min(rank) });
                // Never fails: the closure always returns a value.
                let _ = self.weakest.fetch_update(Relaxed, Relaxed, weaker);
                add(&self.unproven, u64::from(grown.is_some_and(|grown| !grown.proven)));
                add(&self.arrived_bytes, *size);
                add(&self.transferred, *transferred);
                add(&self.reused, *reused);
            }
            Outcome::Equal { size, .. } => {
                add(&self.arrived, 1);
                add(&self.equal, 1);
                add(&self.arrived_bytes, *size);
                add(&self.reused, *size);
            }
            Outcome::Unchanged { .. } => add(&self.unchanged, 1),
            Outcome::Link => add(&self.links, 1),
            Outcome::Skipped(_) => add(&self.skipped, 1),
            Outcome::Failed(_) => add(&self.failed, 1),
            Outcome::Folder | Outcome::Would { .. } => {}
        }
    }

    /// Takes back the count of a failed file that is retried.
    pub(super) fn file_again(&self) {
        self.files_done.fetch_sub(1, Relaxed);
        self.failed.fetch_sub(1, Relaxed);
    }

    /// Counts bytes of an unfinished file that were transferred already.
    pub(super) fn under_way(&self, bytes: u64) {
        add(&self.under_way, bytes);
    }

    /// Takes back the count of such bytes: their file is done, or they will be sent again.
    pub(super) fn not_under_way(&self, bytes: u64) {
        self.under_way.fetch_sub(bytes, Relaxed);
    }

    pub(super) fn totals(&self) -> Totals {
        let bytes = get(&self.bytes);
        Totals {
            files: get(&self.files),
            folders: get(&self.folders),
            bytes,
            files_done: get(&self.files_done),
            bytes_done: get(&self.bytes_done).saturating_add(get(&self.under_way)).min(bytes),
        }
    }

    pub(super) fn summary(&self) -> Summary {
        Summary {
            files: get(&self.arrived),
            equal: get(&self.equal),
            unproven: get(&self.unproven),
            unchanged: get(&self.unchanged),
            folders: get(&self.folders_done),
            links: get(&self.links),
            bytes: get(&self.arrived_bytes),
            transferred: get(&self.transferred),
            reused: get(&self.reused),
            skipped: get(&self.skipped),
            failed: get(&self.failed),
            cancelled: false,
            failed_pieces: 0,
            error: None,
            proof: match get(&self.weakest) {
                0 => None,
                1 => Some(Proof::None),
                2 => Some(Proof::Size),
                3 => Some(Proof::ReadBack),
                _ => Some(Proof::Digest),
            },
        }
    }
}

/// Whether a file's bytes count as done: not those of a failed or cancelled file.
fn counts_bytes(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Failed(_) | Outcome::Skipped(Skip::Cancelled))
}

fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::ClientError, transfer::event::Failure};

    #[test]
    fn every_file_counts_once_but_bytes_only_if_they_are_done() {
        let tally = Tally::default();
        for size in [10, 20, 30] {
            tally.add_file(size);
        }
        tally.under_way(5);
        assert_eq!(tally.totals().bytes_done, 5);
        tally.not_under_way(5);
        let failed = Outcome::Failed(Failure { error: ClientError::Cancelled, retryable: true });
        tally.file_done(10, &Outcome::Equal { size: 10, remembered: false });
        tally.file_done(20, &failed);
        assert_eq!(tally.totals().bytes_done, 10);
        tally.file_again();
        tally.file_done(20, &Outcome::Skipped(Skip::Exists));
        tally.file_done(30, &failed);
        tally.add_file(40);
        tally.file_done(40, &Outcome::Skipped(Skip::Cancelled));
        let totals = tally.totals();
        assert_eq!((totals.files_done, totals.bytes_done, totals.bytes), (4, 30, 100));
        let summary = tally.summary();
        assert_eq!((summary.files, summary.equal, summary.skipped, summary.failed), (1, 1, 2, 1));
    }
}
