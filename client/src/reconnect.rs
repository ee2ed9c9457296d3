//! How long to go on trying, and how long to wait before each attempt: longer each time, never in step
//! with other clients.

use std::{io, time::Duration};

use ferry_shared::refusal::{Code, Refusal};
use tokio::time::Instant;

use crate::error::ClientError;

/// The wait after the first failure.
const FIRST: Duration = Duration::from_millis(500);
/// The longest wait of its own; a server may ask for more.
const LONGEST: Duration = Duration::from_secs(30);
/// The most patience with what time seldom mends: a name that never was an address, and a server that
/// counts failed logins.
const SHORT: Duration = Duration::from_secs(30);

/// How long an outage is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From its first failure on. Progress ends an outage.
    pub time: Duration,
    /// The most attempts after the first; [`u32::MAX`] is no cap.
    pub retries: u32,
}

impl Patience {
    /// Never gives up.
    pub const ENDLESS: Self = Self { time: Duration::MAX, retries: u32::MAX };

    /// Tries once.
    pub const NONE: Self = Self { time: Duration::ZERO, retries: 0 };

    /// Patience of this length, however many attempts fit into it.
    #[must_use]
    pub const fn of(time: Duration) -> Self {
        Self { time, retries: u32::MAX }
    }

    /// How long `error` is waited for.
    fn with(self, error: &ClientError) -> Duration {
        match error {
            _ if self == Self::ENDLESS => self.time,
            ClientError::Refused(Refusal { code: Code::TooManyAttempts, .. }) => self.time.min(SHORT),
            // The name was never an address: a mistyped one is told soon.
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

/// Counts failures in a row and says how long to wait after each.
#[derive(Debug, Clone)]
pub struct Backoff {
    patience: Patience,
    attempt: u32,
    /// When the first failure of the row was.
    since: Option<Instant>,
}

impl Backoff {
    /// Gives up when `patience` is used up by failures in a row.
    #[must_use]
    pub fn new(patience: Patience) -> Self {
        Self { patience, attempt: 0, since: None }
    }

    /// How many failures in a row there were.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Something worked: the next failure is the first again.
    pub fn reset(&mut self) {
        *self = Self::new(self.patience);
    }

    /// Counts `error` and says how long to wait before trying again; `None` when trying
    /// again is no use or was tried for long enough.
    ///
    /// Doubles each time up to 30 s, and takes a random part between the half and the
    /// whole of that; never less than the server asked for. The last attempt is at the very end.
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
    fn waits_grow_to_a_bound_and_start_again_after_success() {
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
    fn gives_up_after_the_last_retry_and_at_once_when_it_is_no_use() {
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

    /// For how long it is tried, where every attempt fails at once.
    async fn tried(patience: Patience, error: ClientError) -> Duration {
        let (start, mut backoff) = (Instant::now(), Backoff::new(patience));
        while let Some(delay) = backoff.next_delay(&error) {
            tokio::time::sleep(delay).await;
        }
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_waited_for_as_long_as_the_patience_lasts_and_no_longer() {
        for seconds in [0, 1, 25, 600] {
            let time = Duration::from_secs(seconds);
            for error in [ClientError::closed(), unreachable(io::ErrorKind::ConnectionRefused), refused(Code::Busy, 1)]
            {
                // A wait that the server asks for is not begun where it would end too late.
                let asked = error.retry_after().unwrap_or_default();
                let tried = tried(Patience::of(time), error).await;
                assert!(tried + asked >= time && tried <= time + Duration::from_millis(50), "{time:?}: {tried:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_time_seldom_mends_is_waited_for_half_a_minute() {
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
    fn a_wait_that_would_outlast_the_patience_is_not_begun() {
        assert!(Backoff::new(Patience::default()).next_delay(&refused(Code::TooManyAttempts, 31)).is_none());
        assert!(Backoff::new(Patience::default()).next_delay(&refused(Code::TooManyAttempts, 30)).is_some());
        assert!(Backoff::new(Patience::of(Duration::from_secs(4))).next_delay(&refused(Code::Busy, 5)).is_none());
    }
}
