//! Counts a home: the sum with which its ledger starts, or is compared.

use std::{thread, time::Instant};

use crate::{
    quota::Tally,
    storage::{Counter, Home, StorageError},
};

/// How much a count may use the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As fast as possible: somebody is waiting.
    Quick,
    /// It sleeps as long as it works.
    Calm,
}

/// Adds up everything in `home`; [`StorageError::Stopped`] once `stop` returns true.
pub(crate) fn count(home: &Home, pace: Pace, stop: &dyn Fn() -> bool) -> Result<(Tally, Counter), StorageError> {
    let mut counter = home.counter()?;
    let mut counted = Tally::default();
    loop {
        let begun = Instant::now();
        let Some(weight) = counter.next() else { return Ok((counted, counter)) };
        counted = counted.plus(weight?.into());
        if stop() {
            return Err(StorageError::Stopped);
        }
        if pace == Pace::Calm {
            thread::sleep(begun.elapsed());
        }
    }
}
