//! The table of transfers: their orders, progress, questions and failures.

mod figures;
mod rate;
mod rows;
mod sync;
mod transfer;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use ferry_client::{
    connect::Target,
    transfer::{Bandwidth, Conflict, ItemId, ItemState, JobId, Progress},
};
use ferry_shared::path::RemotePath;

pub(crate) use ferry_client::transfer::ActiveItem;
pub(crate) use figures::{Tally, rests};
pub(crate) use rate::{Rate, eta};
pub(crate) use rows::Row;
pub(crate) use sync::{Deleted, Stage, SyncRun};
pub(crate) use transfer::{Cause, FailedItem, Key, Order, Phase, Piece, Transfer, Way};

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
    /// The transfer that each job is.
    jobs: HashMap<JobId, Key>,
    /// The open questions, the oldest first.
    pub(crate) asks: Vec<Ask>,
    /// The sites that the engine cannot reach, as it names them: why, and when it tries again.
    pub(crate) stalled: BTreeMap<String, (Problem, Duration)>,
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
            stalled: BTreeMap::new(),
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

    /// The transfer that a job is.
    pub(crate) fn of_job(&mut self, job: JobId) -> Option<&mut Transfer> {
        let key = *self.jobs.get(&job)?;
        self.get_mut(key)
    }

    /// A piece of a job is through. Returns the transfer, and the path of the piece.
    pub(crate) fn through(&mut self, job: JobId, piece: usize) -> Option<(Key, RemotePath)> {
        let transfer = self.of_job(job)?;
        let path = transfer.order.what.get(piece)?.path.clone();
        transfer.through.insert(piece);
        Some((transfer.key, path))
    }

    /// Takes a new order.
    pub(crate) fn add(&mut self, order: Order) -> Key {
        self.last_key += 1;
        let key = Key(self.last_key);
        self.all.push(Transfer::new(key, order));
        key
    }

    /// Takes a new sync.
    pub(crate) fn add_sync(&mut self, order: Order, run: SyncRun) -> Key {
        let key = self.add(order);
        if let Some(transfer) = self.get_mut(key) {
            transfer.sync = Some(Box::new(run));
        }
        key
    }

    /// A server of a transfer was left: it waits for it. Returns the order that is left of it.
    pub(crate) fn hold(&mut self, key: Key) -> Option<Order> {
        self.get_mut(key).map(Transfer::hold)
    }

    /// Adds an order that is left from the previous run, unless it is on the list already; it is held.
    pub(crate) fn add_held(&mut self, key: Key, order: Order) {
        self.last_key = self.last_key.max(key.0);
        if self.get(key).is_some() {
            return;
        }
        self.all.push(Transfer { held: true, ..Transfer::new(key, order) });
    }

    /// The engine has a transfer as this job.
    pub(crate) fn started(&mut self, key: Key, job: JobId) {
        if let Some(transfer) = self.get_mut(key) {
            transfer.begin(job);
            self.jobs.insert(job, key);
        }
    }

    /// Forgets the jobs of some orders, and returns them: the engine is to give them up.
    pub(crate) fn forget_jobs(&mut self, meant: impl Fn(&Order) -> bool) -> Vec<JobId> {
        let ended_well = |transfer: &Transfer| transfer.is_over() && !transfer.has_problem();
        let meant = self.all.iter_mut().filter(|transfer| meant(&transfer.order) && !ended_well(transfer));
        let mut forgotten = Vec::new();
        for transfer in meant {
            forgotten.extend(transfer.job.take());
            self.asks.retain(|ask| ask.key != transfer.key);
        }
        self.jobs.retain(|job, _| !forgotten.contains(job));
        forgotten
    }

    /// The server can be reached again, or is not asked any more.
    pub(crate) fn reachable(&mut self, server: &Target) {
        self.stalled.remove(&server.url());
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
        for job in &progress.jobs {
            let Some(transfer) = self.jobs.get(&job.job).and_then(|key| self.get(*key)) else { continue };
            let stalled = self.is_stalled(&transfer.order);
            if let Some(transfer) = self.of_job(job.job).filter(|transfer| transfer.summary.is_none()) {
                transfer.take(job, stalled);
                let (fresh, files) = (transfer.fresh, transfer.tally.files_done);
                transfer.rate.push(now, fresh);
                transfer.estimate.push(now, fresh, files);
            }
        }
        let fresh = self.all.iter().map(|transfer| transfer.fresh);
        let files = self.all.iter().map(|transfer| transfer.tally.files_done);
        self.estimate.push(now, fresh.fold(0, u64::saturating_add), files.fold(0, u64::saturating_add));
    }

    /// The estimated time for the unfinished transfers; `None` while their size is unknown.
    pub(crate) fn left(&self) -> Option<Duration> {
        self.total().left(&self.estimate)
    }

    /// Why the engine cannot reach a server, and when it tries again.
    pub(crate) fn stalled(&self, server: &Target) -> Option<&(Problem, Duration)> {
        self.stalled.get(&server.url())
    }

    /// Whether a server that an order needs cannot be reached.
    fn is_stalled(&self, order: &Order) -> bool {
        !self.stalled.is_empty() && order.servers().iter().any(|server| self.stalled.contains_key(&server.url()))
    }

    /// A site cannot be reached for now: nothing moves from there and to there.
    pub(crate) fn stall(&mut self, site: String, problem: Problem, until: Duration) {
        self.stalled.insert(site, (problem, until));
        (self.rate, self.estimate) = (Rate::default(), Estimate::default());
        let stalled: Vec<Key> =
            self.all.iter().filter(|all| self.is_stalled(&all.order)).map(|transfer| transfer.key).collect();
        for transfer in self.all.iter_mut().filter(|transfer| stalled.contains(&transfer.key)) {
            (transfer.rate, transfer.estimate) = (Rate::default(), Estimate::default());
            transfer.active.clear();
            transfer.tally.under_way = 0;
        }
    }

    /// A file entered a state.
    pub(crate) fn item_is(&mut self, item: ItemId, state: ItemState) {
        self.all.iter_mut().for_each(|transfer| transfer.item_is(item, state));
    }

    /// Removes a transfer from the list.
    pub(crate) fn remove(&mut self, key: Key) {
        self.all.retain(|transfer| transfer.key != key);
        self.jobs.retain(|_, other| *other != key);
        self.asks.retain(|ask| ask.key != key);
    }

    /// Moves a transfer by one place in the queue, if it can move. Returns whether the one it passes is in the engine's
    /// queue.
    pub(crate) fn reorder(&mut self, key: Key, later: bool) -> Option<bool> {
        let at = self.all.iter().position(|transfer| transfer.key == key)?;
        let other = if later { at.checked_add(1)? } else { at.checked_sub(1)? };
        let queued = self.all.get(other).map(|passed| passed.job.is_some() && passed.summary.is_none())?;
        self.all.swap(at, other);
        Some(queued)
    }

    /// The numbers by phase.
    pub(crate) fn counts(&self, now: Duration) -> Counts {
        let mut counts = Counts { asking: self.asks.len(), ..Counts::default() };
        for transfer in &self.all {
            let whole = u64::from(transfer.is_over() && transfer.tally.failed == 0 && transfer.has_problem());
            counts.failed = counts.failed.saturating_add(transfer.tally.failed).saturating_add(whole);
            match transfer.phase(now) {
                Phase::Working(_) | Phase::Counting | Phase::Deleting => counts.running += 1,
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
