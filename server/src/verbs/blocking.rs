//! Runs a command to its end on one thread, for tests.

use super::{Command, STOPPED, Said, Terms};
use crate::{
    config::Limits,
    files::{Files, Step},
};

/// The peer is gone, or wants no more of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

/// The receiver of what a command writes.
pub(crate) trait Output {
    /// Takes bytes of the command's results.
    ///
    /// # Errors
    /// [`Closed`] ends the command.
    fn out(&mut self, bytes: &[u8]) -> Result<(), Closed>;
    /// Takes bytes of its messages about failures.
    ///
    /// # Errors
    /// [`Closed`] ends the command.
    fn err(&mut self, bytes: &[u8]) -> Result<(), Closed>;
}

/// Runs a command on the files; returns its exit status. The command ends early if `output` is closed, or at its next
/// step if the files are stopped. It takes no turns.
pub(crate) fn run(files: &Files, words: &[Vec<u8>], output: &mut dyn Output) -> u8 {
    let terms = Terms { output: Limits::default().command_output.0, empty_input: true };
    let mut command = Command::new(files, words, terms);
    loop {
        let taken = match command.advance() {
            Step::Busy if files.is_stopped() => return STOPPED,
            Step::Busy => continue,
            Step::Item(Said::Out(bytes)) | Step::Last(Said::Out(bytes)) => output.out(&bytes),
            Step::Item(Said::Err(bytes)) | Step::Last(Said::Err(bytes)) => output.err(&bytes),
            Step::Item(Said::Exited(status)) | Step::Last(Said::Exited(status)) => return status,
        };
        if taken.is_err() {
            return STOPPED;
        }
    }
}
