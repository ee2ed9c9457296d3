//! The number of connections that work, and the jobs that none of them serves.

use super::{State, entry::Entry};
use crate::transfer::task::Task;

/// The number of waiting quick items that justifies another connection.
const ANOTHER_CONNECTION: usize = 256;

impl State {
    pub(super) fn workers_to_start(&self) -> usize {
        let runnable = || self.entries.iter().filter(|entry| entry.is_runnable());
        let large: usize = runnable().map(|entry| entry.large.len()).sum();
        let quick: usize = runnable().map(|entry| entry.quick.len()).sum();
        let first = usize::from(quick > 0 && self.quick.is_empty());
        let wanted = large + first + quick / ANOTHER_CONNECTION;
        wanted.saturating_sub(self.starting).min(self.most_workers().saturating_sub(self.workers))
    }

    fn most_workers(&self) -> usize {
        match self.let_in {
            Some(let_in) => let_in.min(self.transfers),
            None => self.transfers + usize::from(self.has_several_ways()),
        }
    }

    /// Whether some connection works on jobs between the sites of this one, in this direction.
    pub(super) fn is_attended(&self, task: &Task) -> bool {
        self.quick.iter().any(|other| other.is_between(task))
            || self.active.iter().any(|active| active.task.is_between(task))
    }

    /// Whether there is work between different sites, or in both directions: one connection more serves the second.
    fn has_several_ways(&self) -> bool {
        let busy = |entry: &&Entry| entry.is_runnable() && (entry.waiting() > 0 || entry.in_flight > 0);
        let mut busy = self.entries.iter().filter(busy);
        busy.next().is_some_and(|first| busy.any(|other| !other.task.is_between(&first.task)))
    }

    /// Whether the maximum was lowered below the number of running workers.
    pub(super) fn has_too_many_workers(&self) -> bool {
        self.workers > self.most_workers()
    }
}
