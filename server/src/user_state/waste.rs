//! Delays users who make the server write many bytes of its own and throw them away again.
//!
//! A `put` from the present file, or a copy over another file, makes the server write any number of bytes for a few
//! bytes of the client. A user who keeps the result pays nothing. A user who throws it away waits before the next
//! such request, longer the more was written in vain.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use ferry_shared::path::RemotePath;
use parking_lot::Mutex;

/// Bytes that a user may waste at once without a delay.
const FREE: u64 = 128 << 20;
/// Bytes that are forgotten per second.
const FORGOTTEN: u64 = 16 << 20;
/// The maximum that is remembered.
const MOST: u64 = FREE + FORGOTTEN * 600;

/// The wasted bytes of one user.
#[derive(Debug)]
pub struct Waste(Mutex<Totals>);

#[derive(Debug)]
struct Totals {
    /// The number of bytes that each unfinished upload copied at its start, by target.
    begun: HashMap<RemotePath, u64>,
    wasted: u64,
    /// The time to which `wasted` refers.
    at: Instant,
}

impl Default for Waste {
    fn default() -> Self {
        Self(Mutex::new(Totals { begun: HashMap::new(), wasted: 0, at: Instant::now() }))
    }
}

impl Waste {
    /// Notes that the upload to `path` started with this many bytes of the present file.
    pub fn begun(&self, path: &RemotePath, bytes: u64) {
        self.0.lock().begun.insert(path.clone(), bytes);
    }

    /// Notes that the upload to `path` was stored.
    pub fn kept(&self, path: &RemotePath) {
        self.0.lock().begun.remove(path);
    }

    /// Notes that the upload to `path` was discarded.
    pub fn thrown_away(&self, path: &RemotePath) {
        let mut totals = self.0.lock();
        if let Some(bytes) = totals.begun.remove(path) {
            totals.add(bytes, Instant::now());
        }
    }

    /// Notes that a copy replaced this many bytes.
    pub fn replaced(&self, bytes: u64) {
        self.0.lock().add(bytes, Instant::now());
    }

    /// How long the next such request must be delayed.
    #[must_use]
    pub fn wait(&self) -> Duration {
        self.0.lock().wait(Instant::now())
    }
}

impl Totals {
    fn add(&mut self, bytes: u64, now: Instant) {
        self.forget(now);
        self.wasted = self.wasted.saturating_add(bytes).min(MOST);
    }

    fn wait(&mut self, now: Instant) -> Duration {
        self.forget(now);
        Duration::from_millis(self.wasted.saturating_sub(FREE).saturating_mul(1000) / FORGOTTEN)
    }

    fn forget(&mut self, now: Instant) {
        let millis = u64::try_from(now.saturating_duration_since(self.at).as_millis()).unwrap_or(u64::MAX);
        // Keep the fraction of a millisecond: frequent calls would lose it each time.
        if millis > 0 {
            self.wasted = self.wasted.saturating_sub(millis.saturating_mul(FORGOTTEN / 1000));
            self.at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RemotePath {
        RemotePath::from_wire(text.as_bytes()).unwrap()
    }

    #[test]
    fn kept_work_costs_nothing_and_discarded_work_a_wait() {
        let waste = Waste::default();
        for _ in 0..1000 {
            waste.begun(&path("f"), 10 << 30);
            waste.kept(&path("f"));
        }
        waste.thrown_away(&path("f"));
        assert_eq!(waste.wait(), Duration::ZERO);
        waste.begun(&path("f"), FREE);
        waste.begun(&path("g"), 100 << 20);
        waste.thrown_away(&path("f"));
        waste.thrown_away(&path("f"));
        assert_eq!(waste.wait(), Duration::ZERO, "a little is free");
        waste.thrown_away(&path("g"));
        assert!(waste.wait() > Duration::from_secs(5));
    }

    #[test]
    fn it_is_forgotten_in_time_and_never_grows_without_end() {
        let waste = Waste::default();
        let mut totals = waste.0.lock();
        let now = totals.at;
        totals.add(u64::MAX, now);
        totals.add(u64::MAX, now);
        assert_eq!(totals.wait(now).as_secs(), 600);
        let half = totals.wait(now + Duration::from_secs(300));
        assert!((299..=301).contains(&half.as_secs()), "{half:?}");
        assert_eq!(totals.wait(now + Duration::from_secs(700)), Duration::ZERO);
    }
}
