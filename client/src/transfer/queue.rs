//! The work to do: jobs in order, their items in lanes, and held items.
//!
//! Only short, synchronous steps happen under its lock.

mod command;
mod entry;
#[cfg(test)]
mod tests;
mod work;
mod workers;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use self::entry::{Entry, Scan};
pub(super) use self::{entry::Hold, work::Work};
use super::{
    active::{Active, Why},
    event::{Event, ItemState, LinkEvent},
    item::{Item, Step},
    job::{ItemId, JobId, JobOptions},
    path::ItemPath,
    pieces::{Closing, FolderDate},
    progress::JobProgress,
    sessions::Pool,
    task::{End, Task},
};
use crate::error::ClientError;

/// The most items that a worker takes at a time.
const BATCH_ITEMS: usize = 64;
/// Bytes of files taken at a time.
const BATCH_BYTES: u64 = 4 << 20;
/// The most waiting items of a job; its scan waits until some are taken.
const BACKLOG: usize = 50_000;
/// Links that are made, or folders that are given their dates, together.
const CLOSING: usize = 1024;
/// Jobs scanned at a time.
const SCANS: usize = 2;

#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    next_item: AtomicU64,
    /// Notified when the supervisor may have work.
    pub(super) changed: Notify,
    room: Notify,
    quiet: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    entries: Vec<Entry>,
    next_job: u64,
    transfers: usize,
    workers: usize,
    /// The workers that were started and have not asked for work yet: each of them will take a turn.
    starting: usize,
    /// The jobs whose quick items are worked on, one for each connection.
    quick: Vec<Arc<Task>>,
    /// The number of connections that a site accepts, if it is known to be lower than `transfers`.
    let_in: Option<usize>,
    active: Vec<Arc<Active>>,
    outbox: Vec<Event>,
}

/// Work for a connection.
#[derive(Debug)]
pub(super) enum Turn {
    /// Items to pipeline; more can be had with [`Queue::more_quick`].
    Quick(Arc<Task>, Vec<Item>),
    /// A file that needs the connection for itself.
    Large(Box<Item>, Arc<Active>),
}

impl Turn {
    /// The job that the work belongs to.
    pub(super) fn task(&self) -> &Arc<Task> {
        match self {
            Self::Quick(task, _) => task,
            Self::Large(item, _) => &item.task,
        }
    }
}

/// Folders of a piece's source that are removed if they are empty.
#[derive(Debug)]
pub(super) struct Cleanup {
    pub(super) task: Arc<Task>,
    pub(super) piece: usize,
    pub(super) folders: Vec<ItemPath>,
}

/// Work for the supervisor.
#[derive(Debug, Default)]
pub(super) struct Orders {
    pub(super) events: Vec<Event>,
    pub(super) scans: Vec<(Arc<Task>, Work)>,
    pub(super) cleanups: Vec<Cleanup>,
    pub(super) workers: usize,
}

impl Queue {
    pub(super) fn new(transfers: usize) -> Self {
        Self {
            state: Mutex::new(State { transfers: transfers.max(1), ..State::default() }),
            next_item: AtomicU64::new(0),
            changed: Notify::new(),
            room: Notify::new(),
            quiet: watch::Sender::new(true),
        }
    }

    pub(super) fn new_item_id(&self) -> ItemId {
        ItemId(self.next_item.fetch_add(1, Relaxed))
    }

    pub(super) fn add(&self, from: End, to: End, work: Work, options: JobOptions) -> JobId {
        self.command(|state| {
            let id = JobId(state.next_job);
            state.next_job += 1;
            let task = Arc::new(Task::new(id, from, to, work.pieces(), options));
            state.entries.push(Entry::new(task, work));
            id
        })
    }

    /// Takes the work that can start now, and marks it as started.
    pub(super) fn orders(&self) -> Orders {
        let mut state = self.state.lock();
        let mut orders = Orders::default();
        state.settle(&mut orders, || self.new_item_id());
        orders.events.append(&mut state.outbox);
        let scanning = state.entries.iter().filter(|entry| entry.is_scanning() && !entry.paused).count();
        let waiting = state.entries.iter_mut().filter(|entry| !entry.paused);
        orders.scans = waiting.filter_map(Entry::start_scan).take(SCANS.saturating_sub(scanning)).collect();
        orders.workers = state.workers_to_start();
        state.workers += orders.workers;
        state.starting += orders.workers;
        orders
    }

    /// Wakes [`Self::drained`] if no work is left; `true` if this has just become so. Called after all orders.
    pub(super) fn settle_quiet(&self) -> bool {
        let mut state = self.state.lock();
        let quiet = state.is_quiet();
        if quiet {
            state.let_in = None;
        }
        quiet != self.quiet.send_replace(quiet) && quiet
    }

    /// Waits until no work is left.
    pub(super) async fn drained(&self) {
        // Waiting cannot fail: `self` owns the sender.
        drop(self.quiet.subscribe().wait_for(|quiet| *quiet).await);
    }

    /// Appends items that the scan of a job has planned.
    pub(super) fn push(&self, job: JobId, items: Vec<Item>) {
        self.change(|state| match state.entry(job) {
            Some(entry) if !entry.task.stop.is_cancelled() => items.into_iter().for_each(|item| entry.append(item)),
            _ => {}
        });
    }

    /// Waits until a job's backlog has room for further items of its scan.
    pub(super) async fn room(&self, job: JobId) {
        loop {
            let freed = self.room.notified();
            match self.state.lock().entry(job) {
                Some(entry) if entry.waiting() >= BACKLOG && !entry.task.stop.is_cancelled() => {}
                _ => return,
            }
            freed.await;
        }
    }

    /// Records that the scan of a job has ended.
    pub(super) fn scanned(&self, job: JobId) {
        self.change(|state| {
            if let Some(entry) = state.entry(job) {
                entry.scan = Scan::Done;
                entry.task.tally.counted.store(true, Relaxed);
            }
        });
    }

    /// Records that the emptied source folders of a piece were removed.
    pub(super) fn cleaned(&self, job: JobId, piece: usize) {
        self.change(|state| {
            if let Some(entry) = state.entry(job) {
                entry.cleaning = entry.cleaning.saturating_sub(1);
                entry.task.pieces.closed(piece, false);
            }
        });
    }

    /// Work for one worker, if there is any.
    pub(super) fn take_turn(&self) -> Option<Turn> {
        let mut state = self.state.lock();
        state.starting = state.starting.saturating_sub(1);
        if state.has_too_many_workers() {
            return None;
        }
        let quick_worked_on = !state.quick.is_empty();
        // A job between other sites does not wait for the end of those that were ordered before it.
        let mut order: Vec<usize> = (0..state.entries.len()).filter(|at| state.entries[*at].is_runnable()).collect();
        order.sort_by_key(|at| state.is_attended(&state.entries[*at].task));
        let entries = &mut state.entries;
        let turn = order.into_iter().find_map(|at| {
            let entry = &mut entries[at];
            let large_first = quick_worked_on || entry.quick.is_empty();
            let large = |entry: &mut Entry| entry.take_large().map(|item| Turn::Large(Box::new(item.0), item.1));
            let quick = |entry: &mut Entry| {
                let items = entry.take_quick()?;
                Some(Turn::Quick(Arc::clone(&entry.task), items))
            };
            if large_first { large(entry).or_else(|| quick(entry)) } else { quick(entry) }
        });
        match &turn {
            Some(Turn::Large(_, active)) => state.active.push(Arc::clone(active)),
            Some(Turn::Quick(task, _)) => state.quick.push(Arc::clone(task)),
            None => {}
        }
        drop(state);
        self.room.notify_waiters();
        turn
    }

    /// More items for a worker that pipelines those of `task`.
    pub(super) fn more_quick(&self, task: &Task) -> Option<Vec<Item>> {
        let mut state = self.state.lock();
        if state.has_too_many_workers() {
            return None;
        }
        let mut entries = state.entries.iter_mut();
        // Earlier jobs are between other sites, cannot run, or have no quick items: none is overtaken.
        let taken = entries.find_map(|entry| match entry.is_runnable() && entry.task.is_between(task) {
            true => entry.take_quick(),
            false => None,
        });
        drop(state);
        self.room.notify_waiters();
        taken
    }

    /// Records that a connection has stopped pipelining the items of `task` and of jobs between the same sites.
    pub(super) fn quick_ended(&self, task: &Task) {
        self.change(|state| {
            if let Some(at) = state.quick.iter().position(|other| other.is_between(task)) {
                state.quick.swap_remove(at);
            }
        });
    }

    /// Adds a file of one block to the active ones.
    pub(super) fn quick_begun(&self, active: &Arc<Active>) {
        self.quietly(|state| {
            state.active.push(Arc::clone(active));
            false
        });
    }

    /// Removes a finished file from the active ones.
    pub(super) fn active_ended(&self, active: &Arc<Active>) {
        self.change(|state| state.active.retain(|other| other.item != active.item));
    }

    /// Sets the final size of a large file, in the totals and in the active file. Readers see both changes or neither.
    pub(super) fn settle_size(&self, active: &Active, item: &mut Item, size: u64) {
        self.quietly(|_| {
            item.set_size(size);
            active.set_counted_size(size);
            false
        });
    }

    pub(super) fn worker_ended(&self) {
        self.change(|state| state.workers = state.workers.saturating_sub(1));
    }

    /// Counts an item of a job's scan as taken, though it was never in a lane.
    pub(super) fn adopt(&self, job: JobId) {
        self.quietly(|state| {
            if let Some(entry) = state.entry(job) {
                entry.in_flight += 1;
            }
            false
        });
    }

    /// Returns a taken item to the head of its lane, or to the end after repeated failures. An item that was paused or
    /// cancelled meanwhile is held or given up instead.
    pub(super) fn again(&self, item: Item) {
        self.change(|state| state.again(item));
    }

    /// Holds a taken item; `false` if it was cancelled meanwhile.
    pub(super) fn hold(&self, item: Item, why: Hold) -> bool {
        self.change(|state| {
            if let Some(keep_part) = state.given_up(&item) {
                state.put_back(&item);
                state.give_up(item, keep_part);
                return false;
            }
            let Some(entry) = state.put_back(&item) else { return false };
            entry.held.insert(item.id, (item, why));
            true
        })
    }

    /// Records that a taken item is done.
    pub(super) fn finished(&self, job: JobId) {
        self.quietly(|state| {
            let entry = state.entry(job);
            entry.is_some_and(|entry| {
                entry.in_flight = entry.in_flight.saturating_sub(1);
                entry.in_flight == 0 || entry.task.pieces.has_ready()
            })
        });
    }

    /// Limits the connections to the number that a site accepts, until no work is left.
    pub(super) fn limit_transfers(&self, most: usize) {
        self.change(|state| state.let_in = Some(most.max(1)));
    }

    /// Keeps a failed item for a retry; it still counts as taken. An item whose stream was used cannot be retried.
    pub(super) fn keep_failed(&self, item: Item) {
        self.quietly(|state| {
            let lost = item.task.is_stream() && item.stream.is_none();
            if let Some(entry) = state.entry(item.task.id).filter(|_| !lost) {
                entry.held.insert(item.id, (item, Hold::Failed));
            }
            false
        });
    }

    pub(super) fn link_lost(&self, site: String, error: ClientError, retry_in: Duration, attempt: u32) {
        self.change(|state| state.outbox.push(Event::Link(LinkEvent::Lost { site, error, retry_in, attempt })));
    }

    pub(super) fn link_restored(&self, site: String) {
        self.change(|state| state.outbox.push(Event::Link(LinkEvent::Restored { site })));
    }

    /// Emits the new state of an item.
    pub(super) fn report_state(&self, item: ItemId, item_state: ItemState) {
        self.change(|state| state.report(item, item_state));
    }

    /// Takes all items that wait for an unreachable site. Jobs that are not scanned yet fail as a whole.
    pub(super) fn take_all(&self, pool: &Arc<Pool>, error: &ClientError) -> Vec<Item> {
        self.change(|state| {
            let mut items = Vec::new();
            for entry in state.entries.iter_mut().filter(|entry| entry.task.is_at(pool)) {
                items.extend(entry.take_all());
                if matches!(entry.scan, Scan::Waiting(_)) && !entry.paused {
                    entry.task.fail(error.clone());
                    entry.scan = Scan::Done;
                }
            }
            items
        })
    }

    pub(super) fn active(&self) -> Vec<Arc<Active>> {
        self.state.lock().active.clone()
    }

    pub(super) fn pictures(&self) -> Vec<JobProgress> {
        let state = self.state.lock();
        let active = |job| state.active.iter().filter(move |active| active.task.id == job).map(AsRef::as_ref);
        let open = state.entries.iter().filter(|entry| !entry.reported);
        open.map(|entry| entry.picture(active(entry.task.id))).collect()
    }

    /// Changes the state and notifies the supervisor.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let result = change(&mut state);
        drop(state);
        self.changed.notify_one();
        result
    }

    /// Changes the state by a command of the engine's owner, after which there may be work again.
    fn command<T>(&self, command: impl FnOnce(&mut State) -> T) -> T {
        self.change(|state| {
            self.quiet.send_replace(false);
            command(state)
        })
    }

    /// Changes the state, and notifies the supervisor only if `change` returns `true`.
    fn quietly(&self, change: impl FnOnce(&mut State) -> bool) {
        if change(&mut self.state.lock()) {
            self.changed.notify_one();
        }
    }
}

impl State {
    fn entry(&mut self, job: JobId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.task.id == job)
    }

    fn again(&mut self, item: Item) {
        let given_up = self.given_up(&item).filter(|_| !matches!(item.step, Step::Discard));
        let paused = self.why_stopped(&item) == Some(Why::Pause);
        let Some(entry) = self.put_back(&item) else { return };
        if let Some(keep_part) = given_up {
            self.give_up(item, keep_part);
        } else if paused {
            let id = item.id;
            entry.held.insert(id, (item, Hold::Paused));
            self.report(id, ItemState::Paused);
        } else if item.tries.stands_back() {
            entry.append(item);
        } else {
            entry.prepend(item);
        }
    }

    /// Marks an item as no longer taken nor active; returns its job.
    fn put_back(&mut self, item: &Item) -> Option<&mut Entry> {
        self.active.retain(|active| active.item != item.id);
        let entry = self.entry(item.task.id)?;
        entry.in_flight = entry.in_flight.saturating_sub(1);
        Some(entry)
    }

    fn why_stopped(&self, item: &Item) -> Option<Why> {
        self.active.iter().find(|active| active.item == item.id)?.why_stopped()
    }

    /// Whether the part is kept, if a taken item or its job was cancelled meanwhile.
    fn given_up(&self, item: &Item) -> Option<bool> {
        match self.why_stopped(item) {
            Some(Why::Cancel { keep_part }) => Some(keep_part),
            _ => item.task.is_cancelled().then(|| item.task.keeps_parts()),
        }
    }

    /// Closes finished pieces and jobs, and forgets jobs without failed items to retry.
    fn settle(&mut self, orders: &mut Orders, new_id: impl Fn() -> ItemId) {
        let Self { entries, outbox, .. } = self;
        for entry in entries.iter_mut().filter(|entry| !entry.reported) {
            let job = entry.task.id;
            while !entry.task.is_cancelled()
                && let Some((piece, closing)) = entry.task.pieces.take_ready(CLOSING)
            {
                match closing {
                    Closing::Links(links) => {
                        for path in links {
                            let item = Item::new(new_id(), Arc::clone(&entry.task), path);
                            entry.append(Item { step: Step::Link, ..item });
                        }
                    }
                    Closing::Dates(dates) => {
                        for FolderDate { path, mtime, .. } in dates {
                            let mut item = Item::new(new_id(), Arc::clone(&entry.task), path);
                            (item.step, item.facts.mtime) = (Step::FolderDate, mtime);
                            entry.append(item);
                        }
                    }
                    Closing::Folders(folders) => {
                        entry.cleaning += 1;
                        orders.cleanups.push(Cleanup { task: Arc::clone(&entry.task), piece, folders });
                    }
                    Closing::Done => outbox.push(Event::PieceDone { job, piece }),
                    Closing::Failed => {}
                }
            }
            if entry.is_done() {
                entry.reported = true;
                outbox.push(Event::JobDone { job, summary: entry.task.summary() });
            }
        }
        self.entries.retain(|entry| !entry.reported || entry.can_be_retried());
    }

    fn is_quiet(&self) -> bool {
        self.outbox.is_empty() && self.entries.iter().all(Entry::is_quiet)
    }

    fn report(&mut self, item: ItemId, state: ItemState) {
        self.outbox.push(Event::ItemState { item, state });
    }
}
