//! Runs work of the files layer and turns its results into replies.

use ferry_shared::message::Reply;

use super::{Running, Task};
use crate::{
    files::{Error, Step, Work},
    outbox::Outbox,
};

/// Runs `work`; `tell` sends each item of its result, and is told whether it is the last one.
pub(super) fn run<T: 'static>(
    work: Box<dyn Work<Item = T>>,
    tell: impl FnMut(T, bool, &mut Outbox) + Send + 'static,
) -> Running {
    Running::Task(Box::new(Telling { work, tell }))
}

/// Runs `work`, whose result is a single reply.
pub(super) fn answer<T: 'static>(
    work: Box<dyn Work<Item = T>>,
    reply: impl Fn(T) -> Reply + Send + 'static,
) -> Running {
    run(work, move |result, _, out| out.reply(&reply(result)))
}

struct Telling<T, F> {
    work: Box<dyn Work<Item = T>>,
    tell: F,
}

impl<T, F> std::fmt::Debug for Telling<T, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.work.fmt(f)
    }
}

impl<T, F: FnMut(T, bool, &mut Outbox) + Send> Task for Telling<T, F> {
    fn step(&mut self, out: &mut Outbox) -> Result<bool, Error> {
        let (result, is_last) = match self.work.step()? {
            Step::Busy => return Ok(true),
            Step::Item(item) => (item, false),
            Step::Last(item) => (item, true),
        };
        (self.tell)(result, is_last, out);
        Ok(!is_last)
    }

    fn is_heavy(&self) -> bool {
        self.work.is_heavy()
    }
}
