//! Doing the same to each of several paths: one failure does not keep the others from being done.

use crate::{
    context::Context,
    exit::{self, Cause, Exit},
    failure::Failure,
};

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
                context.output.error(&failure);
                self.fail(failure.cause());
            }
        }
        Ok(())
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
