//! Counting a home: the sum that its figures begin with, or are held against.

use std::{thread, time::Instant};

use crate::{
    quota::Tally,
    storage::{Counter, Home, StorageError},
};

/// How a count treats the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As fast as it can: somebody waits.
    Quick,
    /// It rests as long as it works.
    Calm,
}

/// Adds up everything in `home`; [`StorageError::Stopped`] once `stop` says so.
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
