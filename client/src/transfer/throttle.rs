//! Holds bytes back to a rate: one bucket a direction, shared by all connections.

use std::time::Instant;

use ferry_shared::bucket::Bucket;
use parking_lot::Mutex;

use super::settings::Bandwidth;

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
        self.up.lock().rate = bandwidth.up;
        self.down.lock().rate = bandwidth.down;
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
        let rate = self.up.lock().rate.and_then(|rate| usize::try_from(rate / 8).ok());
        rate.map_or(CHUNK, |rate| rate.clamp(1 << 10, CHUNK))
    }
}

async fn pass(bucket: &Mutex<Bucket>, bytes: usize) {
    let wait = bucket.lock().take(Instant::now(), bytes as u64);
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_new_rate_holds_from_the_next_take_on() {
        let throttle = Throttle::new(Bandwidth::default());
        assert_eq!(throttle.chunk(), CHUNK);
        let now = Instant::now();
        assert_eq!(throttle.up.lock().take(now, u64::MAX), Duration::ZERO);
        throttle.set(Bandwidth { up: Some(80_000), down: None });
        assert_eq!(throttle.chunk(), 10_000);
        assert_eq!(throttle.up.lock().take(now, 40_000), Duration::from_millis(500));
    }
}
