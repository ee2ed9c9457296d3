//! The table of transfers: their orders, progress, questions and failures.

mod part;
mod rate;
mod rows;
mod transfer;

use std::{collections::HashMap, time::Duration};

use ferry_client::transfer::{ActiveItem, Bandwidth, Conflict, ItemId, ItemState, JobId, Progress};
use ferry_shared::name::Name;

pub(crate) use part::{Part, Tally, rests};
pub(crate) use rate::{Rate, eta};
pub(crate) use rows::Row;
pub(crate) use transfer::{Covers, FailedItem, Key, Order, Phase, Piece, StandingAnswer, Transfer, Way};

use crate::{estimate::Estimate, tui::state::problem::Problem};

/// A question of the engine: something is already where a file is to go.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// The transfer.
    pub(crate) key: Key,
    /// The file.
    pub(crate) item: ItemId,
    /// The file that is there already.
    pub(crate) conflict: Conflict,
}

/// All transfers.
#[derive(Debug)]
pub(crate) struct Transfers {
    all: Vec<Transfer>,
    /// The transfer, and the part of it, that each job belongs to.
    jobs: HashMap<JobId, (Key, usize)>,
    /// The open questions, the oldest first.
    pub(crate) asks: Vec<Ask>,
    /// Why the engine cannot reach the server, and when it tries again.
    pub(crate) stalled: Option<(Problem, Duration)>,
    /// The rate of all transfers together.
    pub(crate) rate: Rate,
    /// The estimated time for the rest.
    estimate: Estimate,
    /// The most at a time.
    pub(crate) at_once: usize,
    /// The most bytes a second.
    pub(crate) bandwidth: Bandwidth,
    last_key: u64,
}

impl Default for Transfers {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            jobs: HashMap::new(),
            asks: Vec::new(),
            stalled: None,
            rate: Rate::default(),
            estimate: Estimate::default(),
            at_once: ferry_client::transfer::Settings::default().transfers,
            bandwidth: Bandwidth::default(),
            last_key: 0,
        }
    }
}

/// The numbers of transfers by phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// Active, or counting.
    pub(crate) running: usize,
    /// In the queue, or held.
    pub(crate) waiting: usize,
    /// Paused.
    pub(crate) paused: usize,
    /// Files that failed.
    pub(crate) failed: u64,
    /// Files with an open question.
    pub(crate) asking: usize,
    /// Cancelled.
    pub(crate) cancelled: usize,
    /// Finished.
    pub(crate) done: usize,
}

impl Transfers {
    /// All of them, in the order of the queue.
    pub(crate) fn all(&self) -> &[Transfer] {
        &self.all
    }

    /// Whether something is left to do that does not wait for the user.
    pub(crate) fn is_busy(&self, now: Duration) -> bool {
        let waits = |transfer: &Transfer| matches!(transfer.phase(now), Phase::Paused | Phase::Asking);
        self.all.iter().any(|transfer| !transfer.is_over() && !transfer.held && !waits(transfer))
    }

    /// Whether a transfer is unfinished, for any reason.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.all.iter().any(|transfer| !transfer.is_over() && !transfer.held)
    }

    /// A transfer.
    pub(crate) fn get(&self, key: Key) -> Option<&Transfer> {
        self.all.iter().find(|transfer| transfer.key == key)
    }

    /// A transfer, to change.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Transfer> {
        self.all.iter_mut().find(|transfer| transfer.key == key)
    }

    /// The transfer a job belongs to.
    pub(crate) fn of_job(&mut self, job: JobId) -> Option<&mut Transfer> {
        let (key, _) = *self.jobs.get(&job)?;
        self.get_mut(key)
    }

    /// The transfer a job belongs to, and the name of what it moves.
    pub(crate) fn piece_of(&self, job: JobId) -> Option<(Key, Name)> {
        let (key, at) = *self.jobs.get(&job)?;
        Some((key, self.get(key)?.order.what.get(at)?.name.clone()))
    }

    /// The part that is a job.
    pub(crate) fn part_of(&mut self, job: JobId) -> Option<&mut Part> {
        let (key, at) = *self.jobs.get(&job)?;
        self.get_mut(key)?.parts.get_mut(at)
    }

    /// Takes a new order.
    pub(crate) fn add(&mut self, order: Order) -> Key {
        self.last_key += 1;
        let key = Key(self.last_key);
        self.all.push(Transfer::new(key, order));
        key
    }

    /// Takes an order left from the last time.
    pub(crate) fn add_held(&mut self, key: Key, order: Order) {
        self.last_key = self.last_key.max(key.0);
        self.all.push(Transfer { held: true, ..Transfer::new(key, order) });
    }

    /// The engine has the parts of a transfer as these jobs.
    pub(crate) fn started(&mut self, key: Key, jobs: &[JobId]) {
        let Some(transfer) = self.all.iter_mut().find(|transfer| transfer.key == key) else { return };
        transfer.held = false;
        transfer.ended = None;
        transfer.resting.clear();
        for ((at, part), job) in transfer.parts.iter_mut().enumerate().zip(jobs) {
            *part = Part { job: Some(*job), ..Part::default() };
            part.tally.counting = true;
            self.jobs.insert(*job, (key, at));
        }
        transfer.add_up();
    }

    /// The engine has ended: its identifiers are no longer valid.
    pub(crate) fn forget_jobs(&mut self) {
        self.jobs.clear();
        self.asks.clear();
        self.stalled = None;
        self.all.iter_mut().flat_map(|transfer| &mut transfer.parts).for_each(|part| part.job = None);
    }

    /// These names are taken already.
    pub(crate) fn skip_keys(&mut self, keys: impl Iterator<Item = Key>) {
        self.last_key = keys.map(|key| key.0).fold(self.last_key, u64::max);
    }

    /// Takes the engine's latest figures.
    pub(crate) fn take(&mut self, progress: &Progress, now: Duration) {
        self.rate.push(now, progress.sent.saturating_add(progress.received));
        for transfer in &mut self.all {
            transfer.active.clear();
        }
        for item in &progress.active {
            if !matches!(item.state, ItemState::Asking | ItemState::Failed)
                && let Some(transfer) = self.of_job(item.job)
            {
                transfer.active.push(item.clone());
            }
        }
        let stalled = self.stalled.is_some();
        for job in &progress.jobs {
            let Some((key, at)) = self.jobs.get(&job.job).copied() else { continue };
            let Some(transfer) = self.get_mut(key) else { continue };
            let of_job = |item: &&ActiveItem| item.job == job.job;
            let active: Vec<_> = transfer.active.iter().filter(of_job).collect();
            let resting: Vec<_> = transfer.resting.iter().filter(of_job).collect();
            if let Some(part) = transfer.parts.get_mut(at).filter(|part| part.summary.is_none()) {
                part.take(job, &active, &resting, stalled);
            }
        }
        for transfer in self.all.iter_mut().filter(|transfer| !transfer.held && !transfer.is_over()) {
            transfer.add_up();
            let fresh = transfer.parts.iter().map(|part| part.fresh).fold(0, u64::saturating_add);
            transfer.rate.push(now, fresh);
            transfer.estimate.push(now, fresh, transfer.tally.files_done);
        }
        let fresh = self.all.iter().flat_map(|transfer| &transfer.parts).map(|part| part.fresh);
        let files = self.all.iter().map(|transfer| transfer.tally.files_done);
        self.estimate.push(now, fresh.fold(0, u64::saturating_add), files.fold(0, u64::saturating_add));
    }

    /// The estimated time for the unfinished transfers; `None` while their size is unknown.
    pub(crate) fn left(&self) -> Option<Duration> {
        self.total().left(&self.estimate)
    }

    /// The server cannot be reached for now: nothing moves.
    pub(crate) fn stall(&mut self, problem: Problem, until: Duration) {
        self.stalled = Some((problem, until));
        (self.rate, self.estimate) = (Rate::default(), Estimate::default());
        for transfer in &mut self.all {
            (transfer.rate, transfer.estimate) = (Rate::default(), Estimate::default());
            transfer.active.clear();
        }
    }

    /// A file entered a state.
    pub(crate) fn item_is(&mut self, item: ItemId, state: ItemState) {
        self.all.iter_mut().for_each(|transfer| transfer.item_is(item, state));
    }

    /// Removes a transfer from the list.
    pub(crate) fn remove(&mut self, key: Key) {
        self.all.retain(|transfer| transfer.key != key);
        self.jobs.retain(|_, (other, _)| *other != key);
        self.asks.retain(|ask| ask.key != key);
    }

    /// Moves a transfer by one place in the queue. Returns whether it could move.
    pub(crate) fn reorder(&mut self, key: Key, later: bool) -> bool {
        let Some(at) = self.all.iter().position(|transfer| transfer.key == key) else { return false };
        let Some(other) = (if later { at.checked_add(1) } else { at.checked_sub(1) }) else { return false };
        if other >= self.all.len() {
            return false;
        }
        self.all.swap(at, other);
        true
    }

    /// The numbers by phase.
    pub(crate) fn counts(&self, now: Duration) -> Counts {
        let mut counts = Counts { asking: self.asks.len(), ..Counts::default() };
        for transfer in &self.all {
            let whole = u64::from(transfer.is_over() && transfer.tally.failed == 0 && transfer.has_problem());
            counts.failed = counts.failed.saturating_add(transfer.tally.failed).saturating_add(whole);
            match transfer.phase(now) {
                Phase::Working(_) | Phase::Counting => counts.running += 1,
                Phase::Waiting | Phase::Held => counts.waiting += 1,
                Phase::Paused => counts.paused += 1,
                Phase::Cancelled => counts.cancelled += 1,
                Phase::Verified | Phase::LeftOut => counts.done += 1,
                Phase::Asking | Phase::Failed => {}
            }
        }
        counts
    }

    /// The sum of the unfinished transfers.
    pub(crate) fn total(&self) -> Tally {
        let unfinished = self.all.iter().filter(|transfer| !transfer.is_over() && !transfer.held);
        unfinished.map(|transfer| transfer.tally).fold(Tally::default(), Tally::plus)
    }
}
