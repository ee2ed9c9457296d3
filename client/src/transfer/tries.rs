//! How often, and for how long, an item has failed for reasons that may pass.

use std::time::Duration;

use ferry_shared::{
    limits::BLOCK_SIZE,
    refusal::{Code, Refusal},
};
use tokio::time::Instant;

use crate::{error::ClientError, reconnect::Patience};

/// How often a failure that is no outage is tried again at most.
const MOST: u32 = 5;
/// How often a content that does not hold still is tried again at least: it is not the network that failed.
const CONTENT: u32 = 2;
/// So often an item may fail before others go first: it may be what fails the connection.
const IN_FRONT: u32 = 2;

/// What an item has tried.
#[derive(Debug, Default)]
pub(super) struct Tries {
    count: u32,
    /// When the outage began that the item is in.
    since: Option<Instant>,
    /// The most bytes of it that were through at a time.
    reached: u64,
}

impl Tries {
    /// So many bytes of the item were through when it failed. More than ever before ends an outage.
    pub(super) fn reached(&mut self, bytes: u64) {
        if bytes >= self.reached.saturating_add(BLOCK_SIZE) {
            (self.reached, self.since) = (bytes, None);
        }
    }

    /// Counts a failure that may pass; whether to try again.
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

/// Whether the server, or the way to it, is away for now.
pub(super) fn is_outage(error: &ClientError) -> bool {
    match error {
        ClientError::Lost(_) | ClientError::Unreachable { .. } | ClientError::Timeout(_) => error.is_transient(),
        ClientError::Refused(Refusal { code: Code::Busy | Code::TooManyAttempts, retry, .. }) => *retry,
        _ => false,
    }
}

fn is_content(error: &ClientError) -> bool {
    match error {
        ClientError::SourceChanged | ClientError::Mismatch { .. } => true,
        ClientError::Refused(refusal) => matches!(refusal.code, Code::Mismatch | Code::Changed),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
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
    fn what_is_no_outage_is_tried_a_few_times_however_patient_one_is() {
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
