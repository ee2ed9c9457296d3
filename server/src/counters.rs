//! What happened since the start, in numbers: counted where it happens, shown by `status` and the metrics.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime},
};

use ferry_shared::refusal::Code;

use crate::door::Door;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub fn one(&self) {
        self.many(1);
    }

    /// So many more.
    pub fn many(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The same for each door.
#[derive(Debug, Default)]
pub struct DoorCount([Count; Door::ALL.len()]);

impl DoorCount {
    /// One more at this door.
    pub fn one(&self, door: Door) {
        self.0[door as usize].one();
    }

    /// How many at all doors.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.iter().map(Count::get).sum()
    }

    /// How many at this door.
    #[must_use]
    pub fn at(&self, door: Door) -> u64 {
        self.0[door as usize].get()
    }
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Counters {
    /// When the server began.
    pub started: SystemTime,
    /// The same on the clock that never jumps.
    begun: Instant,
    /// Connections that logged in, joined a session, or tried in vain.
    pub connections: DoorCount,
    /// Logins that opened a session.
    pub logins: DoorCount,
    /// Files stored.
    pub uploads: Count,
    /// Files sent whole.
    pub downloads: Count,
    /// Connections that ended in a panic.
    pub panics: Count,
    /// Recounts that found other figures than were believed.
    pub drifts: Count,
    /// Commits whose flush is over, and the microseconds that took.
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

    /// Refusals by code; codes that never came are left out.
    pub fn refusals(&self) -> impl Iterator<Item = (Code, u64)> + '_ {
        let all = Code::ALL.iter().zip(&self.refused).map(|(code, count)| (*code, count.get()));
        all.filter(|(_, count)| *count > 0)
    }

    /// Counts a commit's flush that began at `start`.
    pub fn flushed(&self, start: Instant) {
        self.flushes.one();
        self.flush_micros.many(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
    }

    /// The time all flushes took.
    #[must_use]
    pub fn flush_time(&self) -> Duration {
        Duration::from_micros(self.flush_micros.get())
    }

    /// How long the server runs.
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
