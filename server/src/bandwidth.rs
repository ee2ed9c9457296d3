//! Bandwidth limits: one rate for all users together and one for each user.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ferry_shared::bucket::Bucket;
use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};

/// Rates in bytes per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BandwidthLimits {
    /// From the client to the server.
    pub up: Option<u64>,
    /// From the server to the client.
    pub down: Option<u64>,
}

/// The direction in which bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// Two rates that connections share.
#[derive(Debug, Default)]
pub struct Rates {
    up: Mutex<Bucket>,
    down: Mutex<Bucket>,
    /// Whether there is a limit at all: checked at each read and write, without a lock.
    limited: AtomicBool,
}

impl Rates {
    /// Applies these rates from the next byte on.
    pub fn set(&self, limits: BandwidthLimits) {
        for (mut bucket, rate) in [(self.up.lock(), limits.up), (self.down.lock(), limits.down)] {
            // Bytes that moved at the former rate are no debt at the new one.
            if bucket.rate != rate {
                *bucket = Bucket::new(rate);
            }
        }
        self.limited.store(limits != BandwidthLimits::default(), Ordering::Release);
    }

    fn bucket(&self, direction: Direction) -> MutexGuard<'_, Bucket> {
        match direction {
            Direction::Up => self.up.lock(),
            Direction::Down => self.down.lock(),
        }
    }
}

/// The rates that limit one connection, and the number of bytes it moved.
#[derive(Debug)]
pub(crate) struct Pace {
    all: Arc<Rates>,
    /// Set after login.
    user: OnceLock<Arc<Rates>>,
    received: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
}

impl Pace {
    /// Limited by the rates for all users together.
    pub(crate) fn new(all: Arc<Rates>) -> Self {
        Self { all, user: OnceLock::new(), received: Arc::default(), sent: Arc::default() }
    }

    /// Also limited by the rates of the logged-in user from now on.
    pub(crate) fn log_in(&self, user: Arc<Rates>) {
        // A connection logs in only once.
        let _ = self.user.set(user);
    }

    /// The lowest rate in this direction, in bytes per second; `None` without a limit.
    pub(crate) fn rate(&self, direction: Direction) -> Option<u64> {
        self.rates().filter_map(|rates| rates.bucket(direction).rate).min()
    }

    /// Counts `bytes` that moved, and returns how long to wait before moving more.
    pub(crate) fn took(&self, direction: Direction, bytes: usize) -> Duration {
        let bytes = bytes as u64;
        self.meter(direction).fetch_add(bytes, Ordering::Relaxed);
        self.rates().map(|rates| rates.bucket(direction).take(Instant::now(), bytes)).max().unwrap_or_default()
    }

    /// The counter of bytes moved so far, which others may watch.
    pub(crate) fn meter(&self, direction: Direction) -> &Arc<AtomicU64> {
        match direction {
            Direction::Up => &self.received,
            Direction::Down => &self.sent,
        }
    }

    /// The rates that limit anything.
    fn rates(&self) -> impl Iterator<Item = &Rates> {
        let rates = std::iter::once(&*self.all).chain(self.user.get().map(|rates| &**rates));
        rates.filter(|rates| rates.limited.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(up: Option<u64>, down: Option<u64>) -> BandwidthLimits {
        BandwidthLimits { up, down }
    }

    #[test]
    fn the_lower_of_both_rates_holds_and_each_way_has_its_own() {
        let (all, user) = (Arc::new(Rates::default()), Arc::new(Rates::default()));
        let pace = Pace::new(Arc::clone(&all));
        assert_eq!((pace.rate(Direction::Up), pace.rate(Direction::Down)), (None, None));
        all.set(limits(Some(1000), None));
        user.set(limits(Some(500), Some(2000)));
        assert_eq!((pace.rate(Direction::Up), pace.rate(Direction::Down)), (Some(1000), None));
        pace.log_in(user);
        assert_eq!((pace.rate(Direction::Up), pace.rate(Direction::Down)), (Some(500), Some(2000)));
    }

    #[test]
    fn connections_of_a_user_share_the_users_rate() {
        let (all, user) = (Arc::new(Rates::default()), Arc::new(Rates::default()));
        user.set(limits(Some(1_000_000), None));
        let paces = [Pace::new(Arc::clone(&all)), Pace::new(all)];
        paces.iter().for_each(|pace| pace.log_in(Arc::clone(&user)));
        assert!(paces[0].took(Direction::Up, 500_000) > Duration::from_millis(450));
        assert!(paces[1].took(Direction::Up, 500_000) > Duration::from_millis(900));
        assert_eq!(paces[1].took(Direction::Down, 500_000), Duration::ZERO);
    }

    #[test]
    fn a_removed_limit_delays_nobody() {
        let all = Arc::new(Rates::default());
        let pace = Pace::new(Arc::clone(&all));
        all.set(limits(Some(1), None));
        assert!(pace.took(Direction::Up, 100) > Duration::from_secs(90));
        all.set(limits(None, None));
        assert_eq!(pace.took(Direction::Up, 100), Duration::ZERO);
        all.set(limits(Some(1_000_000), None));
        assert!(pace.took(Direction::Up, 100) < Duration::from_secs(1), "the old debt is still there");
        assert_eq!(pace.meter(Direction::Up).load(Ordering::Relaxed), 300);
    }
}
