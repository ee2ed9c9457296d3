//! Counts the transient failures of an item, and the time of an outage.

use std::time::Duration;

use ferry_shared::limits::BLOCK_SIZE;
use tokio::time::Instant;

use crate::{
    error::ClientError,
    obstacle::Obstacle,
    reconnect::{Backoff, Patience},
};

/// The most retries after failures that are no outage.
const MOST: u32 = 5;
/// The fewest retries after content changed or did not match, even without patience for outages.
const CONTENT: u32 = 2;
/// The most retries before other items go first: the item itself may be the one that breaks the connection.
const IN_FRONT: u32 = 2;

/// The retries of an item.
#[derive(Debug, Default)]
pub(super) struct Tries {
    count: u32,
    /// The start of the present outage.
    since: Option<Instant>,
    /// The most bytes that an attempt reached.
    reached: u64,
}

impl Tries {
    /// Records the bytes that a failed attempt reached. An outage ends with at least a block more than ever before.
    pub(super) fn reached(&mut self, bytes: u64) {
        if bytes >= self.reached.saturating_add(BLOCK_SIZE) {
            (self.reached, self.since) = (bytes, None);
        }
    }

    /// Counts a transient failure; returns whether to retry.
    pub(super) fn again(&mut self, error: &ClientError, patience: Patience) -> bool {
        let again = if is_outage(error) {
            self.count < patience.retries && self.waited() < patience.time
        } else {
            let most = patience.retries.min(MOST);
            self.count < if is_content(error) { most.max(CONTENT) } else { most }
        };
        self.count = self.count.saturating_add(u32::from(again));
        again
    }

    /// Whether other items should go first.
    pub(super) fn stands_back(&self) -> bool {
        self.count > IN_FRONT
    }

    fn waited(&mut self) -> Duration {
        self.since.get_or_insert_with(Instant::now).elapsed()
    }
}

/// Waits before a request that failed in an outage is repeated.
///
/// # Errors
/// `error`, if it is no outage or the outage has lasted too long.
pub(crate) async fn outlive(backoff: &mut Backoff, error: ClientError) -> Result<(), ClientError> {
    match backoff.next_delay(&error).filter(|_| is_outage(&error)) {
        Some(delay) => tokio::time::sleep(delay).await,
        None => return Err(error),
    }
    Ok(())
}

/// Whether the site or the connection to it is unavailable for now.
pub(crate) fn is_outage(error: &ClientError) -> bool {
    matches!(error.obstacle(), Obstacle::Unreachable | Obstacle::Busy) && error.is_transient()
}

fn is_content(error: &ClientError) -> bool {
    matches!(error.obstacle(), Obstacle::Changed | Obstacle::Mismatch)
}

#[cfg(test)]
mod tests {
    use ferry_shared::refusal::{Code, Refusal};

    use super::*;

    const MINUTE: Patience = Patience::of(Duration::from_secs(60));

    fn count(error: &ClientError, patience: Patience) -> u32 {
        let mut tries = Tries::default();
        (0..100).take_while(|_| tries.again(error, patience)).map(|_| 1).sum()
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_counts_in_time_and_only_progress_ends_it() {
        let mut tries = Tries::default();
        let lost = ClientError::closed();
        assert!(tries.again(&lost, MINUTE));
        tokio::time::advance(Duration::from_secs(59)).await;
        tries.reached(BLOCK_SIZE - 1);
        assert!(tries.again(&lost, MINUTE));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!tries.again(&lost, MINUTE), "the minute is over");
        tries.reached(BLOCK_SIZE);
        assert!(tries.again(&lost, MINUTE), "a block more got through");
        tokio::time::advance(Duration::from_secs(60)).await;
        tries.reached(2 * BLOCK_SIZE - 1);
        assert!(!tries.again(&lost, MINUTE), "the same block again is no progress");
    }

    #[test]
    fn a_failure_other_than_an_outage_is_tried_a_few_times_whatever_the_patience() {
        let fault = ClientError::from(Refusal::new(Code::Internal, ""));
        assert_eq!(count(&fault, Patience::default()), MOST);
        assert_eq!(count(&ClientError::SourceChanged, Patience::default()), MOST);
        assert_eq!(count(&fault, Patience { retries: 1, ..MINUTE }), 1);
        assert_eq!(count(&ClientError::SourceChanged, Patience { retries: 0, ..MINUTE }), CONTENT);
    }

    #[test]
    fn retries_cap_the_attempts() {
        for retries in [0, 1, 7] {
            assert_eq!(count(&ClientError::closed(), Patience { retries, ..MINUTE }), retries);
        }
        assert_eq!(count(&ClientError::closed(), Patience::of(Duration::ZERO)), 0);
        assert_eq!(count(&ClientError::from(Refusal::new(Code::Busy, "")), MINUTE), 100);
    }
}
