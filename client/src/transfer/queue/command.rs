//! Commands of the engine's owner: pause, resume, retry, cancel, answer and reorder.

use std::sync::Arc;

use super::{Hold, Queue, State, entry::Entry};
use crate::transfer::{
    active::{Active, Why},
    conflict::{ConflictRule, Decision, Scope},
    event::{Event, ItemState, Outcome, Skip},
    item::{Item, Step},
    job::{ItemId, JobId, Selected},
    transitions::{self, Next},
    tries::Tries,
};

impl Queue {
    pub(crate) fn pause(&self, what: Selected) {
        self.command(|state| match what {
            Selected::Job(job) => {
                if let Some(entry) = state.entry(job) {
                    entry.paused = true;
                }
                state.active_of(job).for_each(|active| active.stop(Why::Requeue));
            }
            Selected::Item(item) => {
                if let Some(active) = state.active.iter().find(|active| active.item == item) {
                    active.stop(Why::Pause);
                    // Its blocks that were begun are finished, but nothing else is.
                    state.report(item, ItemState::Paused);
                } else if let Some((entry, taken)) = state.take_waiting(item) {
                    entry.held.insert(item, (taken, Hold::Paused));
                    state.report(item, ItemState::Paused);
                }
            }
        });
    }

    pub(crate) fn resume(&self, what: Selected) {
        self.command(|state| match what {
            Selected::Job(job) => {
                if let Some(entry) = state.entry(job) {
                    entry.paused = false;
                }
                let resumed: Vec<ItemId> =
                    state.active_of(job).filter(|active| active.resume()).map(|active| active.item).collect();
                resumed.into_iter().for_each(|item| state.report(item, ItemState::Waiting));
                state.release(|entry, _| entry.task.id == job, |hold| matches!(hold, Hold::Paused));
            }
            Selected::Item(id) => {
                let resumed = state.active.iter().any(|active| active.item == id && active.resume());
                if resumed {
                    state.report(id, ItemState::Waiting);
                }
                state.release(|_, item| item.id == id, |hold| matches!(hold, Hold::Paused));
            }
        });
    }

    pub(crate) fn retry(&self, what: Selected) {
        self.command(|state| match what {
            Selected::Job(job) => {
                state.release(|entry, _| entry.task.id == job, |hold| matches!(hold, Hold::Failed));
            }
            Selected::Item(id) => state.release(|_, item| item.id == id, |hold| matches!(hold, Hold::Failed)),
        });
    }

    pub(crate) fn cancel(&self, what: Selected, keep_part: bool) {
        self.command(|state| match what {
            Selected::Job(job) => state.cancel_job(job, keep_part),
            Selected::Item(item) => {
                if let Some(active) = state.active.iter().find(|active| active.item == item) {
                    active.stop(Why::Cancel { keep_part });
                } else if let Some(taken) = state.take_idle(item) {
                    state.give_up(taken, keep_part);
                }
            }
        });
        self.room.notify_waiters();
    }

    /// Cancels the rest of a job that has no more room at its target.
    pub(crate) fn stop_full(&self, job: JobId) {
        self.command(|state| {
            let entry = state.entry(job);
            if entry.is_some_and(|entry| entry.is_scanning() || entry.waiting() > 0 || entry.in_flight > 1) {
                state.cancel_job(job, true);
            }
        });
        self.room.notify_waiters();
    }

    pub(crate) fn answer(&self, item: ItemId, decision: Decision, scope: Scope) {
        self.command(|state| {
            let asked = state.entries.iter().find_map(|entry| entry.held.get(&item).map(|held| (entry, held)));
            let Some((entry, (asked, Hold::Asking(_)))) = asked else { return };
            let job = entry.task.id;
            entry.task.remember(&asked.path, decision, scope);
            let Some(entry) = state.entry(job) else { return };
            let ids: Vec<ItemId> = entry.held.keys().copied().collect();
            let mut events = Vec::new();
            for id in ids {
                let rule = match entry.held.get(&id) {
                    Some((_, Hold::Asking(_))) if id == item => decision.into(),
                    Some((other, Hold::Asking(_))) => entry.task.rule(&other.path),
                    _ => continue,
                };
                if rule == ConflictRule::Ask {
                    continue;
                }
                if let Some((item, Hold::Asking(conflict))) = entry.held.remove(&id) {
                    let next = transitions::decided(item, &conflict, rule);
                    if matches!(next, Next::Again(_)) {
                        // The answered item is no longer asking, though it may wait for long.
                        events.push(Event::ItemState { item: id, state: ItemState::Waiting });
                    }
                    apply(entry, next, &mut events);
                }
            }
            state.outbox.append(&mut events);
        });
    }

    pub(crate) fn set_transfers(&self, transfers: usize) {
        self.command(|state| state.transfers = transfers.max(1));
    }

    pub(crate) fn move_up(&self, job: JobId) {
        self.command(|state| {
            if let Some(place @ 1..) = state.place(job) {
                state.entries.swap(place - 1, place);
            }
        });
    }

    pub(crate) fn move_down(&self, job: JobId) {
        self.command(|state| {
            if let Some(place) = state.place(job).filter(|place| place + 1 < state.entries.len()) {
                state.entries.swap(place, place + 1);
            }
        });
    }
}

impl State {
    fn active_of(&self, job: JobId) -> impl Iterator<Item = &Arc<Active>> {
        self.active.iter().filter(move |active| active.task.id == job)
    }

    fn place(&self, job: JobId) -> Option<usize> {
        self.entries.iter().position(|entry| entry.task.id == job)
    }

    /// Takes an item out of its lane.
    fn take_waiting(&mut self, item: ItemId) -> Option<(&mut Entry, Item)> {
        self.entries.iter_mut().find_map(|entry| {
            let taken = [&mut entry.quick, &mut entry.large].into_iter().find_map(|lane| {
                let place = lane.iter().position(|other| other.id == item)?;
                lane.remove(place)
            });
            taken.map(|taken| (entry, taken))
        })
    }

    /// Takes an item out of its lane or out of the held items.
    fn take_idle(&mut self, id: ItemId) -> Option<Item> {
        if let Some((_, item)) = self.take_waiting(id) {
            return Some(item);
        }
        let (item, why) = self.entries.iter_mut().find_map(|entry| entry.held.remove(&id))?;
        if matches!(why, Hold::Failed) {
            item.task.tally.file_again();
            item.task.pieces.again(item.path.piece());
        }
        Some(item)
    }

    /// Queues the held items that are selected and held for the given reason.
    fn release(&mut self, selects: impl Fn(&Entry, &Item) -> bool, why: impl Fn(&Hold) -> bool) {
        for entry in &mut self.entries {
            let ids: Vec<ItemId> = entry
                .held
                .iter()
                .filter(|(_, (item, hold))| why(hold) && selects(entry, item))
                .map(|(id, _)| *id)
                .collect();
            for id in ids.into_iter().rev() {
                let Some((mut item, hold)) = entry.held.remove(&id) else { continue };
                if matches!(hold, Hold::Failed) {
                    item.task.tally.file_again();
                    item.task.pieces.again(item.path.piece());
                    item.tries = Tries::default();
                }
                entry.reported = false;
                self.outbox.push(Event::ItemState { item: id, state: ItemState::Waiting });
                entry.prepend(item);
            }
        }
    }

    fn cancel_job(&mut self, job: JobId, keep_part: bool) {
        self.active_of(job).for_each(|active| active.stop(Why::Cancel { keep_part }));
        let Some(entry) = self.entry(job) else { return };
        entry.task.cancel(keep_part);
        entry.paused = false;
        entry.skip_scan();
        let waiting = entry.quick.drain(..).chain(entry.large.drain(..));
        let held = std::mem::take(&mut entry.held).into_values().map(|(item, _)| item);
        let (mut arrived, mut discarded) = (Vec::new(), Vec::new());
        for item in waiting.chain(held) {
            match item.step {
                Step::Confirm(_) | Step::RemoveSource(_) => arrived.push(item),
                Step::Discard => discarded.push(item),
                _ if item.begun && !keep_part => discarded.push(Item { step: Step::Discard, ..item }),
                _ => {}
            }
        }
        discarded.into_iter().for_each(|item| entry.prepend(item));
        arrived.into_iter().for_each(|item| self.give_up(item, keep_part));
    }

    /// Ends an item that is not taken: as cancelled, unless its file is stored at its target already.
    pub(super) fn give_up(&mut self, item: Item, keep_part: bool) {
        let (id, job, path, facts) = (item.id, item.task.id, item.path.clone(), item.facts);
        let outcome = match item.step {
            Step::FolderDate => return item.task.pieces.closed(path.piece(), false),
            // It was cancelled before.
            Step::Discard => return self.entry(job).map_or((), |entry| entry.prepend(item)),
            Step::Confirm(done) | Step::RemoveSource(done) => done.verified(),
            _ => Outcome::Skipped(Skip::Cancelled),
        };
        item.task.ended(&path, &outcome);
        let arrived = matches!(outcome, Outcome::Verified { .. });
        let discard = item.begun && !keep_part && !arrived && !item.task.is_stream();
        match item.step {
            Step::Folder => {}
            _ => item.task.tally.file_done(item.weight(), &outcome),
        }
        self.outbox.push(Event::ItemDone { job, item: id, path, facts, outcome });
        match self.entry(job).filter(|_| discard) {
            Some(entry) => entry.prepend(Item { step: Step::Discard, ..item }),
            None => item.task.pieces.closed(item.path.piece(), false),
        }
    }
}

/// Carries out the decision about a held item that was answered.
fn apply(entry: &mut Entry, next: Next, outbox: &mut Vec<Event>) {
    match next {
        Next::Again(item) => entry.prepend(item),
        Next::Ask(item, conflict) => drop(entry.held.insert(item.id, (item, Hold::Asking(conflict)))),
        Next::Done(item, outcome) => {
            item.task.tally.file_done(item.weight(), &outcome);
            item.task.ended(&item.path, &outcome);
            let leftover = transitions::leaves_part(&item, &outcome);
            let failed = matches!(outcome, Outcome::Failed(_));
            let (job, path, facts) = (item.task.id, item.path.clone(), item.facts);
            outbox.push(Event::ItemDone { job, item: item.id, path, facts, outcome: outcome.clone() });
            if leftover {
                return entry.prepend(Item { step: Step::Discard, ..item });
            }
            item.task.pieces.closed(item.path.piece(), failed);
            if failed {
                entry.held.insert(item.id, (item, Hold::Failed));
            }
        }
    }
}
