//! The progress of a sync's own requests. That of its transfers is the engine's.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The progress of a sync's own requests, which can be read at any time.
#[derive(Debug, Default)]
pub struct Counters {
    source: AtomicU64,
    target: AtomicU64,
    asked: AtomicU64,
    answered: AtomicU64,
}

impl Counters {
    /// The entries listed so far at the source and at the target.
    #[must_use]
    pub fn listed(&self) -> (u64, u64) {
        (self.source.load(Relaxed), self.target.load(Relaxed))
    }

    /// The answered requests of the present step, and all of them.
    #[must_use]
    pub fn answered(&self) -> (u64, u64) {
        let asked = self.asked.load(Relaxed);
        // Requests that are repeated after an outage are answered again.
        (self.answered.load(Relaxed).min(asked), asked)
    }

    /// A listing begins, maybe again.
    pub(super) fn begin_listing(&self, is_target: bool) {
        self.entries(is_target).store(0, Relaxed);
    }

    pub(super) fn list(&self, is_target: bool, entries: usize) {
        self.entries(is_target).fetch_add(entries as u64, Relaxed);
    }

    /// Another step begins.
    pub(super) fn begin_step(&self) {
        self.asked.store(0, Relaxed);
        self.answered.store(0, Relaxed);
    }

    pub(super) fn ask(&self, requests: usize) {
        self.asked.fetch_add(requests as u64, Relaxed);
    }

    pub(super) fn answer(&self) {
        self.answered.fetch_add(1, Relaxed);
    }

    fn entries(&self, is_target: bool) -> &AtomicU64 {
        if is_target { &self.target } else { &self.source }
    }
}
