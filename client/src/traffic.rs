//! Counts and throttles transferred bytes. All sessions of an engine share one counter.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Instant,
};

use ferry_shared::bucket::Bucket;
use parking_lot::Mutex;

/// Bytes written at a time without a limit.
const CHUNK: usize = 256 << 10;

/// Bytes per second in each direction; `None` means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bandwidth {
    /// From this computer.
    pub up: Option<u64>,
    /// To this computer.
    pub down: Option<u64>,
}

/// Counts and throttles bytes.
#[derive(Debug)]
pub struct Traffic {
    up: Mutex<Bucket>,
    down: Mutex<Bucket>,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Traffic {
    /// Creates a counter with the given rates.
    #[must_use]
    pub fn new(bandwidth: Bandwidth) -> Self {
        Self {
            up: Mutex::new(Bucket::new(bandwidth.up)),
            down: Mutex::new(Bucket::new(bandwidth.down)),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
        }
    }

    /// Changes the rates.
    pub fn set(&self, bandwidth: Bandwidth) {
        self.up.lock().rate = bandwidth.up;
        self.down.lock().rate = bandwidth.down;
    }

    /// Waits until `bytes` more may be sent.
    pub async fn may_send(&self, bytes: usize) {
        pass(&self.up, bytes).await;
    }

    /// Counts bytes that were sent.
    pub fn has_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Relaxed);
    }

    /// Counts received bytes, and waits as the rate requires.
    pub async fn has_received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Relaxed);
        pass(&self.down, usize::try_from(bytes).unwrap_or(usize::MAX)).await;
    }

    /// Bytes sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Bytes received so far.
    pub fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// The number of bytes to send at a time; small for low rates, so that the flow is even.
    pub fn chunk(&self) -> usize {
        let rate = self.up.lock().rate.and_then(|rate| usize::try_from(rate / 8).ok());
        rate.map_or(CHUNK, |rate| rate.clamp(1 << 10, CHUNK))
    }
}

impl Default for Traffic {
    fn default() -> Self {
        Self::new(Bandwidth::default())
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
        let traffic = Traffic::new(Bandwidth::default());
        assert_eq!(traffic.chunk(), CHUNK);
        let now = Instant::now();
        assert_eq!(traffic.up.lock().take(now, u64::MAX), Duration::ZERO);
        traffic.set(Bandwidth { up: Some(80_000), down: None });
        assert_eq!(traffic.chunk(), 10_000);
        assert_eq!(traffic.up.lock().take(now, 40_000), Duration::from_millis(500));
    }
}
