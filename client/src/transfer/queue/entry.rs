//! One job in the queue.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use super::{BATCH_BYTES, BATCH_ITEMS, work::Work};
use crate::transfer::{
    active::Active,
    conflict::Conflict,
    item::{Item, Lane},
    job::ItemId,
    progress::JobProgress,
    task::Task,
};

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) task: Arc<Task>,
    pub(super) scan: Scan,
    pub(super) quick: VecDeque<Item>,
    pub(super) large: VecDeque<Item>,
    pub(super) held: BTreeMap<ItemId, (Item, Hold)>,
    /// Items that workers have taken.
    pub(super) in_flight: usize,
    pub(super) paused: bool,
    /// Pieces whose emptied source folders are being removed.
    pub(super) cleaning: usize,
    /// Its end was reported.
    pub(super) reported: bool,
}

/// The state of a job's scan.
#[derive(Debug)]
pub(super) enum Scan {
    Waiting(Work),
    Running,
    Done,
}

/// Why an item is held.
#[derive(Debug, Clone)]
pub(in crate::transfer) enum Hold {
    /// It failed and may be retried.
    Failed,
    /// The user paused it.
    Paused,
    /// It waits for an answer.
    Asking(Conflict),
}

impl Entry {
    pub(super) fn new(task: Arc<Task>, work: Work) -> Self {
        Self {
            task,
            scan: Scan::Waiting(work),
            quick: VecDeque::new(),
            large: VecDeque::new(),
            held: BTreeMap::new(),
            in_flight: 0,
            paused: false,
            cleaning: 0,
            reported: false,
        }
    }

    /// Whether its items may be taken now.
    pub(super) fn is_runnable(&self) -> bool {
        !self.paused && !self.task.is_waiting_for_site()
    }

    pub(super) fn is_scanning(&self) -> bool {
        matches!(self.scan, Scan::Running)
    }

    pub(super) fn start_scan(&mut self) -> Option<(Arc<Task>, Work)> {
        match std::mem::replace(&mut self.scan, Scan::Running) {
            Scan::Waiting(work) => Some((Arc::clone(&self.task), work)),
            other => {
                self.scan = other;
                None
            }
        }
    }

    pub(super) fn append(&mut self, item: Item) {
        match item.lane() {
            Lane::Quick => self.quick.push_back(item),
            Lane::Large => self.large.push_back(item),
        }
    }

    pub(super) fn prepend(&mut self, item: Item) {
        match item.lane() {
            Lane::Quick => self.quick.push_front(item),
            Lane::Large => self.large.push_front(item),
        }
    }

    /// Cancels the scan if it has not begun.
    pub(super) fn skip_scan(&mut self) {
        if let Scan::Waiting(_) = self.scan {
            self.scan = Scan::Done;
        }
    }

    pub(super) fn take_quick(&mut self) -> Option<Vec<Item>> {
        let mut bytes = 0u64;
        let mut batch = Vec::new();
        while batch.len() < BATCH_ITEMS && bytes < BATCH_BYTES {
            let Some(item) = self.quick.pop_front() else { break };
            bytes = bytes.saturating_add(item.weight());
            batch.push(item);
        }
        self.in_flight += batch.len();
        (!batch.is_empty()).then_some(batch)
    }

    pub(super) fn take_large(&mut self) -> Option<(Item, Arc<Active>)> {
        let item = self.large.pop_front()?;
        self.in_flight += 1;
        let active = Arc::new(Active::new(&item));
        Some((item, active))
    }

    /// Takes all waiting items.
    pub(super) fn take_all(&mut self) -> Vec<Item> {
        let items: Vec<Item> = self.quick.drain(..).chain(self.large.drain(..)).collect();
        self.in_flight += items.len();
        items
    }

    pub(super) fn waiting(&self) -> usize {
        self.quick.len() + self.large.len()
    }

    /// Whether all its items are done, apart from failed ones, and its end was not reported yet.
    pub(super) fn is_done(&self) -> bool {
        let held = self.held.values().any(|(_, why)| !matches!(why, Hold::Failed));
        !self.reported && !held && self.is_idle()
    }

    /// Whether no work is left without a further command.
    pub(super) fn is_quiet(&self) -> bool {
        let waits_only = self.in_flight == 0 && self.cleaning == 0 && !self.is_scanning();
        self.is_idle() && (self.reported || !self.is_done()) || self.paused && waits_only
    }

    fn is_idle(&self) -> bool {
        let closed = self.task.is_cancelled() || !self.task.pieces.has_ready();
        let idle = matches!(self.scan, Scan::Done) && self.waiting() == 0 && self.in_flight == 0;
        idle && closed && self.cleaning == 0
    }

    pub(super) fn can_be_retried(&self) -> bool {
        !self.held.is_empty() && !self.task.stop.is_cancelled()
    }

    pub(super) fn picture<'a>(&self, active: impl Iterator<Item = &'a Active>) -> JobProgress {
        let (mut done, mut growth, mut endless) = (0u64, 0u64, false);
        for active in active {
            done = done.saturating_add(active.present());
            growth = growth.saturating_add(active.growth());
            endless |= active.is_endless();
        }
        let totals = self.task.tally.totals();
        let bytes = totals.bytes.saturating_add(growth);
        let summary = self.task.tally.summary();
        JobProgress {
            job: self.task.id,
            counting: endless || !self.task.tally.counted.load(Relaxed),
            paused: self.paused,
            files: totals.files,
            bytes,
            files_done: totals.files_done,
            bytes_done: totals.bytes_done.saturating_add(done).min(bytes),
            reused: summary.reused,
            transferred: summary.transferred,
            failed: summary.failed,
            asking: self.held.values().filter(|(_, why)| matches!(why, Hold::Asking(_))).count() as u64,
            under_way: self.in_flight as u64,
        }
    }
}
