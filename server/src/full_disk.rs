//! Says in the log that the disk is full: once a minute, however many uploads are refused.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long it is not said again.
const PAUSE: Duration = Duration::from_secs(60);

/// When it was said last.
#[derive(Debug, Default)]
pub struct FullDisk(Mutex<Option<Instant>>);

impl FullDisk {
    /// An upload was refused because the disk has no room for it. `free` asks how many bytes there are.
    pub fn notice(&self, free: impl FnOnce() -> Option<u64>) {
        if self.is_due(Instant::now()) {
            tracing::warn!(free = free(), "the disk is full: what users upload is refused");
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| now.saturating_duration_since(last) >= PAUSE);
        if due {
            *last = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_a_minute() {
        let (full, now) = (FullDisk::default(), Instant::now());
        let said: Vec<_> =
            [0, 1, 59, 60, 61, 119, 120].map(|second| full.is_due(now + Duration::from_secs(second))).into();
        assert_eq!(said, [true, false, false, true, false, false, true]);
    }
}
