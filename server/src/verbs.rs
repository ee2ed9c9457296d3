//! Commands that are built into the server, for `ferry run` and for `exec` of SSH. They use nothing but `files`; no
//! process and no shell is started.
//!
//! A verb is an async function that waits for nothing: [`Command`] polls it on a blocking thread, and it pauses
//! between small steps of work. So its code reads from top to bottom, but others get their turn between two steps,
//! and it can be dropped at any of them. Finished steps stay done, and `files` records them.

#[cfg(test)]
mod blocking;
mod call;
mod console;
mod cp;
mod df;
mod du;
mod find;
mod head;
mod mv;
mod numbers;
mod source;
mod sums;
mod table;
mod tail;
mod tar_list;
mod targets;
mod wc;
mod words;

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use self::{call::Call, console::Console};
pub(crate) use self::{console::Said, words::split};
use crate::{
    files::{Error, Files, Step, Work},
    size::ByteCount,
};

/// The status of an unknown command, as a shell has it.
pub(crate) const UNKNOWN: u8 = 127;
/// The status of a command that the server stopped.
pub(crate) const STOPPED: u8 = 125;
/// How long output is collected before it is passed on.
const LINGER: Duration = Duration::from_millis(20);

/// The conditions of a command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Bytes that it may write; a command that writes more is stopped.
    pub(crate) output: u64,
    /// Whether a command without a file reads an empty input, as rclone expects to find out which digests there are;
    /// else it is refused.
    pub(crate) empty_input: bool,
}

/// Whether a command of this name makes the server write as much as a whole file for a few bytes from the peer.
pub(crate) fn writes_much(name: &[u8]) -> bool {
    name == b"cp"
}

/// A command that is running. Its last item, and no other, is [`Said::Exited`].
pub(crate) struct Command {
    verb: Option<Pin<Box<dyn Future<Output = u8> + Send>>>,
    status: u8,
    console: Console,
    /// Bytes that it may still write.
    left: u64,
    terms: Terms,
    /// When output was last passed on.
    passed: Instant,
}

impl Command {
    /// Begins a command; an invalid one ends at its first step.
    pub(crate) fn new(files: &Files, words: &[Vec<u8>], terms: Terms) -> Self {
        let console = Console::default();
        let call = Call::new(files.clone(), console.clone(), words, terms.empty_input);
        let verb = Some(table::begin(call, words));
        Self { verb, status: 0, console, left: terms.output, terms, passed: Instant::now() }
    }

    /// Does one small step.
    pub(crate) fn advance(&mut self) -> Step<Said> {
        let is_due = self.verb.is_none() || self.passed.elapsed() >= LINGER;
        if let Some(said) = self.console.take(is_due) {
            self.passed = Instant::now();
            return Step::Item(self.within_limit(said));
        }
        let Some(verb) = &mut self.verb else { return Step::Last(Said::Exited(self.status)) };
        if let Poll::Ready(status) = verb.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            (self.verb, self.status) = (None, status);
        }
        Step::Busy
    }

    /// Cuts output that exceeds the limit, and stops the command then.
    fn within_limit(&mut self, mut said: Said) -> Said {
        let bytes = match &mut said {
            Said::Out(bytes) | Said::Err(bytes) => bytes,
            Said::Exited(_) => return said,
        };
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            bytes.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            (self.left, self.verb, self.status) = (u64::MAX, None, STOPPED);
            self.console.clear();
            let most = ByteCount(self.terms.output);
            self.console.error(&format!("ferryd: stopped: the output is longer than {most}; ask for less of it"));
            return said;
        };
        self.left = left;
        said
    }
}

impl Work for Command {
    type Item = Said;

    fn step(&mut self) -> Result<Step<Said>, Error> {
        Ok(self.advance())
    }

    fn is_heavy(&self) -> bool {
        true
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").field("left", &self.left).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
