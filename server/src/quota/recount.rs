//! Recounts: counting a home again, and comparing the result with the usage believed so far.

use super::ledger::{Changes, Tally};

/// The result of a recount, to be logged and exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "drift is to be logged, never passed over"]
pub(crate) struct Drift {
    /// The usage believed before.
    pub believed: Tally,
    /// The counted usage, which is believed from now on.
    pub counted: Tally,
}

impl Drift {
    /// Whether the usage believed before was wrong.
    #[must_use]
    pub(crate) fn is_any(&self) -> bool {
        self.believed != self.counted
    }
}

/// Adds up `weights` and makes the sum the usage.
///
/// The caller holds the user's lock, so nothing changes during the count.
///
/// # Errors
/// The first error among `weights`; the usage is then unchanged.
pub(crate) fn recount<E>(
    changes: &Changes<'_>,
    weights: impl IntoIterator<Item = Result<Tally, E>>,
) -> Result<Drift, E> {
    let mut counted = Tally::default();
    for weight in weights {
        counted = counted.plus(weight?);
    }
    Ok(Drift { believed: changes.set_used(counted), counted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::{Ledger, Limits};

    #[test]
    fn a_recount_replaces_what_was_believed_and_tells_the_drift() {
        let ledger = Ledger::new(Tally::new(100, 10), Limits::default());
        let weights = [Ok::<_, ()>(Tally::new(40, 1)), Ok(Tally::new(2, 3))];
        let drift = recount(&ledger.lock_changes(), weights).unwrap();
        assert_eq!(drift, Drift { believed: Tally::new(100, 10), counted: Tally::new(42, 4) });
        assert!(drift.is_any());
        assert_eq!(ledger.snapshot().used, Tally::new(42, 4));
    }

    #[test]
    fn a_count_that_fails_changes_nothing() {
        let ledger = Ledger::new(Tally::new(100, 10), Limits::default());
        assert_eq!(recount(&ledger.lock_changes(), [Ok(Tally::new(1, 1)), Err("disk")]), Err("disk"));
        assert_eq!(ledger.snapshot().used, Tally::new(100, 10));
    }
}
