//! Holds bytes back to a rate: one bucket a direction, shared by all connections.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::settings::Bandwidth;

/// How much unused time may be made up for at once.
const BURST: Duration = Duration::from_millis(100);
/// Bytes handed over at a time without a limit.
const CHUNK: usize = 256 << 10;

/// The rates of both directions.
#[derive(Debug)]
pub(super) struct Throttle {
    up: Mutex<Bucket>,
    down: Mutex<Bucket>,
}

impl Throttle {
    pub(super) fn new(bandwidth: Bandwidth) -> Self {
        Self { up: Mutex::new(Bucket::new(bandwidth.up)), down: Mutex::new(Bucket::new(bandwidth.down)) }
    }

    pub(super) fn set(&self, bandwidth: Bandwidth) {
        lock(&self.up).rate = bandwidth.up;
        lock(&self.down).rate = bandwidth.down;
    }

    /// Waits until `bytes` more may go up.
    pub(super) async fn up(&self, bytes: usize) {
        pass(&self.up, bytes).await;
    }

    /// Waits until `bytes` more may come down.
    pub(super) async fn down(&self, bytes: usize) {
        pass(&self.down, bytes).await;
    }

    /// How many bytes to hand up at a time, so that a low rate is not a series of jolts.
    pub(super) fn chunk(&self) -> usize {
        let rate = lock(&self.up).rate.and_then(|rate| usize::try_from(rate / 8).ok());
        rate.map_or(CHUNK, |rate| rate.clamp(1 << 10, CHUNK))
    }
}

async fn pass(bucket: &Mutex<Bucket>, bytes: usize) {
    let wait = lock(bucket).take(Instant::now(), bytes as u64);
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}

fn lock(bucket: &Mutex<Bucket>) -> std::sync::MutexGuard<'_, Bucket> {
    bucket.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When the bytes let through so far are paid off at the rate.
#[derive(Debug)]
struct Bucket {
    rate: Option<u64>,
    paid: Option<Instant>,
}

impl Bucket {
    fn new(rate: Option<u64>) -> Self {
        Self { rate, paid: None }
    }

    /// Takes `bytes` at `now` and says how long to wait before going on.
    fn take(&mut self, now: Instant, bytes: u64) -> Duration {
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
    fn a_new_rate_holds_from_the_next_take_on() {
        let throttle = Throttle::new(Bandwidth::default());
        assert_eq!(throttle.chunk(), CHUNK);
        let now = Instant::now();
        assert_eq!(lock(&throttle.up).take(now, u64::MAX), Duration::ZERO);
        throttle.set(Bandwidth { up: Some(80_000), down: None });
        assert_eq!(throttle.chunk(), 10_000);
        assert_eq!(lock(&throttle.up).take(now, 40_000), Duration::from_millis(500));
    }
}
