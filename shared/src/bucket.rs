//! Limits bytes to a rate by computing how long to wait.

use std::time::{Duration, Instant};

/// How much unused time may be used at once later.
const BURST: Duration = Duration::from_millis(100);

/// One rate in one direction, shared by everything that it limits together.
#[derive(Debug, Default)]
pub struct Bucket {
    /// Bytes per second; `None` for no limit.
    pub rate: Option<u64>,
    paid: Option<Instant>,
}

impl Bucket {
    /// A bucket with `rate` bytes per second.
    #[must_use]
    pub fn new(rate: Option<u64>) -> Self {
        Self { rate, paid: None }
    }

    /// Takes `bytes` at `now` and returns how long to wait before continuing. Callers that take one after the other
    /// also wait one after the other, so nobody is starved.
    pub fn take(&mut self, now: Instant, bytes: u64) -> Duration {
        let Some(rate) = self.rate else {
            self.paid = None;
            return Duration::ZERO;
        };
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let start = self.paid.map_or(now, |paid| paid.max(earliest));
        let paid = start.checked_add(cost).unwrap_or(start);
        self.paid = Some(paid);
        paid.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_takes_add_up_to_the_rate() {
        let mut bucket = Bucket::new(Some(1_000_000));
        let start = Instant::now();
        let mut now = start;
        for _ in 0..3_333 {
            now += bucket.take(now, 3_000);
        }
        let seconds = (now - start).as_secs_f64();
        assert!((9.9..10.1).contains(&seconds), "{seconds}");
    }

    #[test]
    fn idle_time_is_not_saved_up_beyond_a_burst() {
        let mut bucket = Bucket::new(Some(1_000_000));
        let start = Instant::now();
        bucket.take(start, 1);
        let later = start + Duration::from_secs(3600);
        assert_eq!(bucket.take(later, 100_000), Duration::ZERO);
        assert_eq!(bucket.take(later, 500_000), Duration::from_millis(500));
    }

    #[test]
    fn two_that_share_a_bucket_get_half_each() {
        let mut bucket = Bucket::new(Some(1_000_000));
        let now = Instant::now();
        assert_eq!(bucket.take(now, 500_000), Duration::from_millis(500));
        assert_eq!(bucket.take(now, 500_000), Duration::from_secs(1));
    }
}
