//! How long to wait before trying again: longer each time, never in step with other clients.

use std::time::Duration;

use crate::error::ClientError;

/// The wait after the first failure.
const FIRST: Duration = Duration::from_millis(500);
/// The longest wait of its own; a server may ask for more.
const LONGEST: Duration = Duration::from_secs(30);

/// Counts failures in a row and says how long to wait after each.
#[derive(Debug, Clone)]
pub struct Backoff {
    retries: u32,
    attempt: u32,
}

impl Backoff {
    /// Gives up after `retries` failures in a row; [`u32::MAX`] means never.
    #[must_use]
    pub fn new(retries: u32) -> Self {
        Self { retries, attempt: 0 }
    }

    /// How many failures in a row there were.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Something worked: the next failure is the first again.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }

    /// Counts `error` and says how long to wait before trying again; `None` when trying
    /// again is no use or was tried often enough.
    ///
    /// Doubles each time up to 30 s, and takes a random part between the half and the
    /// whole of that; never less than the server asked for.
    pub fn next_delay(&mut self, error: &ClientError) -> Option<Duration> {
        if !error.is_transient() || (self.attempt >= self.retries && self.retries != u32::MAX) {
            return None;
        }
        let doubled = FIRST.saturating_mul(1u32.checked_shl(self.attempt).unwrap_or(u32::MAX));
        self.attempt = self.attempt.saturating_add(1);
        let delay = doubled.min(LONGEST).mul_f64(0.5 + 0.5 * fastrand::f64());
        Some(error.retry_after().map_or(delay, |asked| delay.max(asked)))
    }
}

#[cfg(test)]
mod tests {
    use ferry_shared::refusal::{Code, Refusal};

    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_start_again_after_success() {
        let mut backoff = Backoff::new(u32::MAX);
        for attempt in 0..100 {
            let most = FIRST.saturating_mul(1 << attempt.min(10)).min(LONGEST);
            let delay = backoff.next_delay(&ClientError::closed()).unwrap();
            assert!(delay >= most / 2 && delay <= most, "{attempt}: {delay:?}");
        }
        backoff.reset();
        assert!(backoff.next_delay(&ClientError::closed()).unwrap() <= FIRST);
    }

    #[test]
    fn gives_up_after_the_last_retry_and_at_once_when_it_is_no_use() {
        let mut backoff = Backoff::new(2);
        assert!(backoff.next_delay(&ClientError::Cancelled).is_none());
        assert!(backoff.next_delay(&ClientError::closed()).is_some());
        assert!(backoff.next_delay(&ClientError::closed()).is_some());
        assert!(backoff.next_delay(&ClientError::closed()).is_none());
        assert_eq!(backoff.attempt(), 2);
    }

    #[test]
    fn waits_as_long_as_the_server_asks() {
        let mut refusal = Refusal::new(Code::Busy, "");
        refusal.retry_after = Some(500);
        let delay = Backoff::new(1).next_delay(&refusal.into()).unwrap();
        assert!(delay >= Duration::from_secs(500));
    }
}
