//! The delays between attempts, which grow and are randomized, and the limit on retrying.

use std::{io, time::Duration};

use ferry_shared::refusal::{Code, Refusal};
use tokio::time::Instant;

use crate::error::ClientError;

/// The delay after the first failure.
const FIRST: Duration = Duration::from_millis(500);
/// The longest delay, unless the server asks for more.
const LONGEST: Duration = Duration::from_secs(30);
/// The limit for failures that retrying seldom solves: a name that was never resolved, and a server that counts
/// failed logins.
const SHORT: Duration = Duration::from_secs(30);

/// The limits on retrying during an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The time from the first failure. Progress ends an outage.
    pub time: Duration,
    /// The maximum number of attempts after the first; [`u32::MAX`] means no limit.
    pub retries: u32,
}

impl Patience {
    /// Retries without limit.
    pub const ENDLESS: Self = Self { time: Duration::MAX, retries: u32::MAX };

    /// Does not retry.
    pub const NONE: Self = Self { time: Duration::ZERO, retries: 0 };

    /// Patience limited by time only.
    #[must_use]
    pub const fn of(time: Duration) -> Self {
        Self { time, retries: u32::MAX }
    }

    /// The time limit for `error`.
    fn with(self, error: &ClientError) -> Duration {
        match error {
            _ if self == Self::ENDLESS => self.time,
            ClientError::Refused(Refusal { code: Code::TooManyAttempts, .. }) => self.time.min(SHORT),
            // The name was never resolved and is probably mistyped: report it soon.
            ClientError::Unreachable { error, .. } if error.kind() == io::ErrorKind::NotFound => self.time.min(SHORT),
            _ => self.time,
        }
    }
}

impl Default for Patience {
    /// The patience of transfers: ten minutes, enough for a server to be restarted.
    fn default() -> Self {
        Self::of(Duration::from_secs(600))
    }
}

/// Counts consecutive failures and returns the delay after each.
#[derive(Debug, Clone)]
pub struct Backoff {
    patience: Patience,
    attempt: u32,
    /// The time of the first of these failures.
    since: Option<Instant>,
}

impl Backoff {
    /// Creates a counter that gives up when consecutive failures have used up `patience`.
    #[must_use]
    pub fn new(patience: Patience) -> Self {
        Self { patience, attempt: 0, since: None }
    }

    /// The number of consecutive failures.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Records progress: the next failure is the first one again.
    pub fn reset(&mut self) {
        *self = Self::new(self.patience);
    }

    /// Counts `error` and returns the delay before the next attempt; `None` if a retry cannot help or the limit is
    /// reached.
    ///
    /// The delay doubles each time up to 30 s, and is reduced randomly by up to half; it is never less than the
    /// server asked for. The last attempt is at the time limit.
    pub fn next_delay(&mut self, error: &ClientError) -> Option<Duration> {
        if !error.is_transient() || (self.attempt >= self.patience.retries && self.patience.retries != u32::MAX) {
            return None;
        }
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        let left = self.patience.with(error).saturating_sub(now - since);
        let asked = error.retry_after().unwrap_or_default();
        if left.is_zero() || asked > left {
            return None;
        }
        let doubled = FIRST.saturating_mul(1u32.checked_shl(self.attempt).unwrap_or(u32::MAX));
        self.attempt = self.attempt.saturating_add(1);
        let delay = doubled.min(LONGEST).mul_f64(0.5 + 0.5 * fastrand::f64());
        Some(delay.max(asked).min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_limit_and_start_again_after_progress() {
        let mut backoff = Backoff::new(Patience::ENDLESS);
        for attempt in 0..100 {
            let most = FIRST.saturating_mul(1 << attempt.min(10)).min(LONGEST);
            let delay = backoff.next_delay(&ClientError::closed()).unwrap();
            assert!(delay >= most / 2 && delay <= most, "{attempt}: {delay:?}");
        }
        backoff.reset();
        assert!(backoff.next_delay(&ClientError::closed()).unwrap() <= FIRST);
    }

    #[test]
    fn gives_up_after_the_last_retry_and_at_once_if_no_retry_can_help() {
        let mut backoff = Backoff::new(Patience { retries: 2, ..Patience::default() });
        assert!(backoff.next_delay(&ClientError::Cancelled).is_none());
        assert!(backoff.next_delay(&ClientError::closed()).is_some());
        assert!(backoff.next_delay(&ClientError::closed()).is_some());
        assert!(backoff.next_delay(&ClientError::closed()).is_none());
        assert_eq!(backoff.attempt(), 2);
    }

    #[test]
    fn waits_as_long_as_the_server_asks() {
        let delay = Backoff::new(Patience::default()).next_delay(&refused(Code::Busy, 500)).unwrap();
        assert!(delay >= Duration::from_secs(500));
    }

    fn refused(code: Code, seconds: u64) -> ClientError {
        Refusal { retry_after: Some(seconds), ..Refusal::new(code, "") }.into()
    }

    fn unreachable(kind: io::ErrorKind) -> ClientError {
        ClientError::Unreachable { address: "h:1".into(), error: std::sync::Arc::new(kind.into()) }
    }

    /// The time until giving up, if every attempt fails at once.
    async fn tried(patience: Patience, error: ClientError) -> Duration {
        let (start, mut backoff) = (Instant::now(), Backoff::new(patience));
        while let Some(delay) = backoff.next_delay(&error) {
            tokio::time::sleep(delay).await;
        }
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_retried_until_the_time_limit_and_no_longer() {
        for seconds in [0, 1, 25, 600] {
            let time = Duration::from_secs(seconds);
            for error in [ClientError::closed(), unreachable(io::ErrorKind::ConnectionRefused), refused(Code::Busy, 1)]
            {
                // A delay that the server asks for is not started if it would end after the limit.
                let asked = error.retry_after().unwrap_or_default();
                let tried = tried(Patience::of(time), error).await;
                assert!(tried + asked >= time && tried <= time + Duration::from_millis(50), "{time:?}: {tried:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_that_retrying_seldom_solves_are_retried_for_half_a_minute() {
        for error in [refused(Code::TooManyAttempts, 1), unreachable(io::ErrorKind::NotFound)] {
            let short = tried(Patience::default(), error.clone()).await;
            assert!(short >= SHORT - Duration::from_secs(1) && short <= SHORT + Duration::from_millis(50), "{short:?}");
            let mut endless = Backoff::new(Patience::ENDLESS);
            for _ in 0..100 {
                tokio::time::sleep(endless.next_delay(&error).expect("never gives up")).await;
            }
        }
    }

    #[test]
    fn a_delay_beyond_the_time_limit_is_not_started() {
        assert!(Backoff::new(Patience::default()).next_delay(&refused(Code::TooManyAttempts, 31)).is_none());
        assert!(Backoff::new(Patience::default()).next_delay(&refused(Code::TooManyAttempts, 30)).is_some());
        assert!(Backoff::new(Patience::of(Duration::from_secs(4))).next_delay(&refused(Code::Busy, 5)).is_none());
    }
}
