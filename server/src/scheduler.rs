//! Fair scheduling of long disk work: work that goes on without its peer is done in turns, which users share.
//!
//! A digest of a large file, a search, a copy or a removal is requested in a few bytes and can take hours.
//! Transfers of frames are limited by the network and do not wait here.

use std::{
    num::NonZero,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a connection works before others get a turn.
const SLICE: Duration = Duration::from_millis(50);
/// The least number of turns at a time: a single slow disk must not block everybody.
const LEAST: usize = 2;

/// A number of turns at a time; waiters are served in order of arrival.
#[derive(Debug)]
pub struct Turns(Arc<Semaphore>);

/// A turn; it ends when dropped.
#[derive(Debug)]
pub struct Turn {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Turns {
    /// The turns of one user: one for each core.
    #[must_use]
    pub fn of_user() -> Self {
        Self::with(cores())
    }

    /// The turns of all users together: twice as many, so that no single user can take them all.
    #[must_use]
    pub fn of_all() -> Self {
        Self::with(2 * cores())
    }

    fn with(turns: usize) -> Self {
        Self(Arc::new(Semaphore::new(turns)))
    }

    /// Waits for one of the user's turns, and then for one of all users' turns. `None` never occurs.
    pub async fn next(own: &Self, all: &Self) -> Option<Turn> {
        // In this order no turn of all users is held while connections of one user wait for each other.
        let own = Arc::clone(&own.0).acquire_owned().await.ok()?;
        let all = Arc::clone(&all.0).acquire_owned().await.ok()?;
        Some(Turn { _own: own, _all: all })
    }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(LEAST, NonZero::get).max(LEAST)
}

/// The time slice of a connection, and what happened in it.
#[derive(Debug)]
pub(crate) struct Slice {
    begun: Instant,
    /// Whether it belongs to a [`Turn`].
    pub(crate) is_turn: bool,
    /// Whether a frame was received or sent.
    pub(crate) moved: bool,
}

impl Slice {
    pub(crate) fn begin(is_turn: bool) -> Self {
        Self { begun: Instant::now(), is_turn, moved: false }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.begun.elapsed() >= SLICE
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::{Pin, pin},
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_user_who_wants_many_turns_leaves_one_for_another() {
        let (all, greedy, modest) = (Turns::with(3), Turns::with(2), Turns::with(2));
        let mut wanted: Vec<_> = (0..5).map(|_| Box::pin(Turns::next(&greedy, &all))).collect();
        let mut had: Vec<_> = wanted.iter_mut().map(|turn| poll(turn.as_mut())).collect();
        let running = |had: &[Poll<Option<Turn>>]| had.iter().filter(|turn| turn.is_ready()).count();
        assert_eq!(running(&had), 2);
        let mut turn = pin!(Turns::next(&modest, &all));
        assert!(poll(turn.as_mut()).is_ready());
        // The first one's end makes way for the third one, not for the fifth.
        had[0] = Poll::Pending;
        assert!(poll(wanted[4].as_mut()).is_pending() && poll(wanted[2].as_mut()).is_ready());
    }
}
