//! Counters since the start of the server: incremented where events happen, shown by `status` and the metrics.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use ferry_shared::refusal::Code;

use crate::door::Door;

/// A counter that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds one.
    pub fn one(&self) {
        self.many(1);
    }

    /// Adds `more`.
    pub fn many(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// The present value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One counter for each door.
#[derive(Debug, Default)]
pub struct DoorCount([Count; Door::ALL.len()]);

impl DoorCount {
    /// Adds one for this door.
    pub fn one(&self, door: Door) {
        self.0[door as usize].one();
    }

    /// The sum over all doors.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.iter().map(Count::get).sum()
    }

    /// The value for this door.
    #[must_use]
    pub fn at(&self, door: Door) -> u64 {
        self.0[door as usize].get()
    }
}

/// Counts a panic of the task or thread that holds it.
#[derive(Debug)]
pub(crate) struct PanicWatch(Arc<Counters>);

impl PanicWatch {
    /// A watch that counts in `counters`.
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        Self(counters)
    }
}

impl Drop for PanicWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.panics.one();
        }
    }
}

/// All counters.
#[derive(Debug)]
pub struct Counters {
    /// When the server started.
    pub started: SystemTime,
    /// The same on the monotonic clock.
    begun: Instant,
    /// Connections that logged in, joined a session, or failed to.
    pub connections: DoorCount,
    /// Logins that opened a session.
    pub logins: DoorCount,
    /// Files stored.
    pub uploads: Count,
    /// Files sent completely.
    pub downloads: Count,
    /// Connections that ended in a panic.
    pub panics: Count,
    /// Recounts that differed from the ledger.
    pub drifts: Count,
    /// Commits whose flush is complete, and the total time of those flushes in microseconds.
    pub flushes: Count,
    flush_micros: Count,
    refused: [Count; Code::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            started: SystemTime::now(),
            begun: Instant::now(),
            connections: DoorCount::default(),
            logins: DoorCount::default(),
            uploads: Count::default(),
            downloads: Count::default(),
            panics: Count::default(),
            drifts: Count::default(),
            flushes: Count::default(),
            flush_micros: Count::default(),
            refused: Default::default(),
        }
    }
}

impl Counters {
    /// Counts a refusal, before or after login.
    pub fn refused(&self, code: Code) {
        if let Some(at) = Code::ALL.iter().position(|one| *one == code) {
            self.refused[at].one();
        }
    }

    /// Refusals by code; codes without refusals are left out.
    pub fn refusals(&self) -> impl Iterator<Item = (Code, u64)> + '_ {
        let all = Code::ALL.iter().zip(&self.refused).map(|(code, count)| (*code, count.get()));
        all.filter(|(_, count)| *count > 0)
    }

    /// Counts the flush of a commit that started at `start`.
    pub fn flushed(&self, start: Instant) {
        self.flushes.one();
        self.flush_micros.many(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
    }

    /// The total time of all flushes.
    #[must_use]
    pub fn flush_time(&self) -> Duration {
        Duration::from_micros(self.flush_micros.get())
    }

    /// How long the server has been running.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.begun.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_door_is_counted_in_its_own_place() {
        assert!(Door::ALL.iter().enumerate().all(|(place, door)| *door as usize == place));
    }
}
