//! When a home is counted again.

use std::time::{Duration, Instant};

use crate::users::UserName;

/// The number of steps over which first counts are spread within the interval.
pub(crate) const SPREAD: u32 = 1000;

/// When a home must be counted next.
#[derive(Debug)]
pub(crate) struct Due {
    since: Instant,
    /// Thousandths of the interval to add to that time.
    share: u32,
}

impl Due {
    /// The first count, after a part of the interval that differs between users, so that not all homes are counted
    /// at once.
    pub(crate) fn first(name: &UserName) -> Self {
        let digest = blake3::hash(name.as_str().as_bytes());
        let [low, high, ..] = *digest.as_bytes();
        Self { since: Instant::now(), share: u32::from(u16::from_le_bytes([low, high])) % SPREAD + 1 }
    }

    pub(crate) fn is_now(&self, every: Duration) -> bool {
        self.since.elapsed() >= every * self.share / SPREAD
    }

    pub(crate) fn next(&mut self, share: u32) {
        *self = Self { since: Instant::now(), share };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_counts_are_spread_over_the_interval_and_none_is_left_out() {
        let hour = Duration::from_secs(3600);
        let shares: Vec<u32> = (0..200).map(|n| Due::first(&format!("user{n}").parse().unwrap()).share).collect();
        assert!(shares.iter().all(|share| (1..=SPREAD).contains(share)));
        assert!(shares.iter().any(|share| *share < 200) && shares.iter().any(|share| *share > 800));
        let mut due = Due { since: Instant::now(), share: 0 };
        assert!(due.is_now(hour));
        due.next(SPREAD);
        assert!(!due.is_now(hour) && due.is_now(Duration::ZERO));
    }
}
