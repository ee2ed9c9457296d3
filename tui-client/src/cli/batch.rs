//! Doing the same to each of several paths: one failure does not keep the others from being done.

use std::collections::VecDeque;

use crate::{
    context::Context,
    exit::{self, Cause, Exit},
    failure::Failure,
};

/// Calls on their way at once, so that no round trip is waited for.
const AHEAD: usize = 16;

/// Does `work` for each of `items`, some side by side; `done` hears what came of each, in order.
///
/// # Errors
/// Those of `done`, and [`Failure::Start`] when a task ended by itself.
pub(super) async fn side_by_side<I, R: Send + 'static, F: Future<Output = R> + Send + 'static>(
    items: Vec<I>,
    work: impl Fn(I) -> F,
    mut done: impl FnMut(R) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut under_way = VecDeque::with_capacity(AHEAD);
    let mut items = items.into_iter();
    loop {
        while under_way.len() < AHEAD
            && let Some(item) = items.next()
        {
            under_way.push_back(tokio::spawn(work(item)));
        }
        let Some(next) = under_way.pop_front() else { return Ok(()) };
        done(next.await.map_err(|stopped| Failure::Start(stopped.into()))?)?;
    }
}

/// How many of several things were done, and with what the others ended.
#[derive(Debug, Default)]
pub(super) struct Tally {
    done: u64,
    failed: Vec<Cause>,
}

impl Tally {
    /// Counts a result; a failure is told at once. Only what ends everything comes back.
    ///
    /// # Errors
    /// [`Failure::Output`]: nobody is left to tell the rest to.
    pub(super) fn count(&mut self, context: &Context, result: Result<(), Failure>) -> Result<(), Failure> {
        match result {
            Ok(()) => self.done += 1,
            Err(failure @ Failure::Output(_)) => return Err(failure),
            Err(failure) => {
                context.output.failure(&failure);
                self.fail(failure.cause());
            }
        }
        Ok(())
    }

    /// Counts a result that says whether all was done; what was not is told already.
    ///
    /// # Errors
    /// As [`Tally::count`].
    pub(super) fn count_whole(&mut self, context: &Context, result: Result<bool, Failure>) -> Result<(), Failure> {
        match result {
            Ok(false) => {
                self.done += 1;
                self.fail(Exit::Partial);
                Ok(())
            }
            other => self.count(context, other.map(drop)),
        }
    }

    /// Counts a failure that was told already.
    pub(super) fn fail(&mut self, cause: impl Into<Cause>) {
        self.failed.push(cause.into());
    }

    /// Counts `number` things done.
    pub(super) fn done(&mut self, number: u64) {
        self.done += number;
    }

    /// The exit code.
    pub(super) fn exit(&self) -> Exit {
        exit::of_several(self.done > 0, &self.failed)
    }
}
