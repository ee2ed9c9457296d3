//! Batches: applies an operation to several paths. A failure does not stop the others.

use crate::{
    context::Context,
    exit::{self, Cause, Exit},
    failure::Failure,
};

/// Counts successes and failures.
#[derive(Debug, Default)]
pub(super) struct Tally {
    done: u64,
    failed: Vec<Cause>,
}

impl Tally {
    /// Counts a result, and reports a failure at once. Returns only failures that end the command.
    ///
    /// # Errors
    /// [`Failure::Output`] if the output is closed.
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

    /// Counts a result that says whether everything was done; failures have already been reported.
    ///
    /// # Errors
    /// Those of [`Tally::count`].
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

    /// Counts a failure that has already been reported.
    pub(super) fn fail(&mut self, cause: impl Into<Cause>) {
        self.failed.push(cause.into());
    }

    /// Counts `number` successes.
    pub(super) fn done(&mut self, number: u64) {
        self.done += number;
    }

    /// The exit code.
    pub(super) fn exit(&self) -> Exit {
        exit::of_several(self.done > 0, &self.failed)
    }
}
