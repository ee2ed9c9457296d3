//! Doing the same to each of several paths: one failure does not keep the others from being done.

use crate::{context::Context, exit::Exit, failure::Failure};

/// How many of several things were done, and with what the others ended.
#[derive(Debug, Default)]
pub(super) struct Tally {
    done: u64,
    failed: Vec<Exit>,
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
                self.fail(failure.exit());
            }
        }
        Ok(())
    }

    /// Counts a failure that was told already.
    pub(super) fn fail(&mut self, exit: Exit) {
        self.failed.push(exit);
    }

    /// Counts `number` things done.
    pub(super) fn done(&mut self, number: u64) {
        self.done += number;
    }

    /// The exit code: a failure's own where nothing else happened, else 6. A network that
    /// failed has its own code whatever was done before: giving the command again helps.
    pub(super) fn exit(&self) -> Exit {
        match self.failed.split_first() {
            None => Exit::Done,
            Some((first, rest))
                if (self.done == 0 || *first == Exit::Network) && rest.iter().all(|other| other == first) =>
            {
                *first
            }
            Some(_) => Exit::Partial,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(done: u64, failed: &[Exit]) -> Exit {
        Tally { done, failed: failed.to_vec() }.exit()
    }

    #[test]
    fn a_single_failure_keeps_its_own_code() {
        assert_eq!(exit(0, &[]), Exit::Done);
        assert_eq!(exit(2, &[]), Exit::Done);
        assert_eq!(exit(0, &[Exit::NoSpace]), Exit::NoSpace);
        assert_eq!(exit(0, &[Exit::Denied, Exit::Denied]), Exit::Denied);
    }

    #[test]
    fn some_done_or_several_causes_are_a_partial_failure() {
        assert_eq!(exit(1, &[Exit::NoSpace]), Exit::Partial);
        assert_eq!(exit(0, &[Exit::NoSpace, Exit::NoFile]), Exit::Partial);
    }
}
