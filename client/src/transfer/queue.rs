//! What is to be done: the jobs in order, their items in lanes, and what is held.
//!
//! Only short, synchronous steps happen under its lock.

mod command;
mod entry;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

pub(super) use self::entry::Hold;
use self::entry::{Entry, Scan};
use super::{
    active::{Active, Why},
    event::{Event, ItemState, LinkEvent},
    item::{Item, Step},
    job::{ItemId, Job, JobId, Work},
    progress::JobProgress,
    task::{FolderDate, Task},
};

/// Items taken by a connection at a time.
const BATCH_ITEMS: usize = 64;
/// Bytes of files taken at a time.
const BATCH_BYTES: u64 = 4 << 20;
/// Items of a job that wait, at most; the scan goes on when some are taken.
const BACKLOG: usize = 50_000;
/// Waiting quick items that are worth another connection.
const ANOTHER_CONNECTION: usize = 256;
/// Folders that are given their dates together.
const DATES: usize = 1024;
/// Jobs looked through at a time.
const SCANS: usize = 2;

#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    next_item: AtomicU64,
    /// Told when the supervisor may have something to do.
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
    quick_workers: usize,
    /// How many connections the server lets in, where that is known to be fewer.
    let_in: Option<usize>,
    active: Vec<Arc<Active>>,
    outbox: Vec<Event>,
}

/// Work for a connection.
#[derive(Debug)]
pub(super) enum Turn {
    /// Items to pipeline; more can be had with [`Queue::more_quick`].
    Quick(Vec<Item>),
    /// A file that needs the connection for itself.
    Large(Box<Item>, Arc<Active>),
}

/// What the supervisor is to do now.
#[derive(Debug, Default)]
pub(super) struct Orders {
    pub(super) events: Vec<Event>,
    pub(super) scans: Vec<(Arc<Task>, Work)>,
    pub(super) cleanups: Vec<Arc<Task>>,
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

    pub(super) fn add(&self, job: Job) -> JobId {
        self.command(|state| {
            let id = JobId(state.next_job);
            state.next_job += 1;
            let task = Arc::new(Task::new(id, &job.work, job.options));
            state.entries.push(Entry::new(task, job.work));
            id
        })
    }

    /// What there is to start now; marks it as started. `probing`: the server cannot be
    /// reached and one worker tries.
    pub(super) fn orders(&self, probing: bool) -> Orders {
        let mut state = self.state.lock();
        let mut orders = Orders::default();
        state.settle(&mut orders, || self.new_item_id());
        orders.events.append(&mut state.outbox);
        let scanning = state.entries.iter().filter(|entry| entry.is_scanning() && !entry.paused).count();
        let waiting = state.entries.iter_mut().filter(|entry| !entry.paused);
        orders.scans = waiting.filter_map(Entry::start_scan).take(SCANS.saturating_sub(scanning)).collect();
        orders.workers = state.workers_to_start(probing);
        state.workers += orders.workers;
        orders
    }

    /// Called when all orders are given: tells who waits whether anything is left to do;
    /// `true` when it just became nothing.
    pub(super) fn settle_quiet(&self) -> bool {
        let mut state = self.state.lock();
        let quiet = state.is_quiet();
        if quiet {
            state.let_in = None;
        }
        quiet != self.quiet.send_replace(quiet) && quiet
    }

    /// Waits until nothing is left to do.
    pub(super) async fn drained(&self) {
        // The sender is ours: waiting cannot fail.
        drop(self.quiet.subscribe().wait_for(|quiet| *quiet).await);
    }

    /// Appends items of one job, whose scan found them.
    pub(super) fn push(&self, job: JobId, items: Vec<Item>) {
        self.change(|state| match state.entry(job) {
            Some(entry) if !entry.task.stop.is_cancelled() => items.into_iter().for_each(|item| entry.append(item)),
            _ => {}
        });
    }

    /// Waits until a job's backlog has room for what its scan finds.
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

    /// A job's source is looked through, or cannot be.
    pub(super) fn scanned(&self, job: JobId) {
        self.change(|state| {
            if let Some(entry) = state.entry(job) {
                entry.scan = Scan::Done;
                entry.task.tally.counted.store(true, Relaxed);
            }
        });
    }

    /// A job's emptied source folders are removed.
    pub(super) fn cleaned(&self, job: JobId) {
        self.change(|state| {
            if let Some(entry) = state.entry(job) {
                entry.cleaning = false;
            }
        });
    }

    /// Work for one connection, if there is any.
    pub(super) fn take_turn(&self) -> Option<Turn> {
        let mut state = self.state.lock();
        if state.has_too_many_workers() {
            return None;
        }
        let quick_worked_on = state.quick_workers > 0;
        let turn = state.entries.iter_mut().filter(|entry| !entry.paused).find_map(|entry| {
            let large_first = quick_worked_on || entry.quick.is_empty();
            let large = |entry: &mut Entry| entry.take_large().map(|item| Turn::Large(Box::new(item.0), item.1));
            let quick = |entry: &mut Entry| entry.take_quick().map(Turn::Quick);
            if large_first { large(entry).or_else(|| quick(entry)) } else { quick(entry) }
        });
        match &turn {
            Some(Turn::Large(_, active)) => state.active.push(Arc::clone(active)),
            Some(Turn::Quick(_)) => state.quick_workers += 1,
            None => {}
        }
        drop(state);
        self.room.notify_waiters();
        turn
    }

    /// More items for a connection that pipelines.
    pub(super) fn more_quick(&self) -> Option<Vec<Item>> {
        let mut state = self.state.lock();
        if state.has_too_many_workers() {
            return None;
        }
        let taken = state.entries.iter_mut().filter(|entry| !entry.paused).find_map(Entry::take_quick);
        drop(state);
        self.room.notify_waiters();
        taken
    }

    /// A connection pipelines no longer.
    pub(super) fn quick_ended(&self) {
        self.change(|state| state.quick_workers = state.quick_workers.saturating_sub(1));
    }

    /// A large file is through.
    pub(super) fn large_ended(&self, active: &Arc<Active>) {
        self.change(|state| state.active.retain(|other| !Arc::ptr_eq(other, active)));
    }

    /// A large file arrived with this size: it moves from what is under way to the totals, in one step for
    /// whoever looks at both.
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

    /// A taken item goes back to the head of its lane, or to its end when it failed again and again: its next step is to be done, unless
    /// somebody said otherwise meanwhile.
    pub(super) fn again(&self, item: Item) {
        self.change(|state| state.again(item));
    }

    /// A taken item is held; `false` when it was given up meanwhile instead.
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

    /// A taken item is through and forgotten.
    pub(super) fn finished(&self, job: JobId) {
        self.quietly(|state| {
            let entry = state.entry(job);
            entry.is_some_and(|entry| {
                entry.in_flight = entry.in_flight.saturating_sub(1);
                entry.in_flight == 0
            })
        });
    }

    /// The server lets no more connections in; holds until nothing is left to do.
    pub(super) fn limit_transfers(&self, most: usize) {
        self.change(|state| state.let_in = Some(most.max(1)));
    }

    /// Keeps a failed item for a retry; it still counts as taken. One whose stream was
    /// begun cannot be retried.
    pub(super) fn keep_failed(&self, item: Item) {
        self.quietly(|state| {
            let lost = item.task.is_stream() && item.stream.is_none();
            if let Some(entry) = state.entry(item.task.id).filter(|_| !lost) {
                entry.held.insert(item.id, (item, Hold::Failed));
            }
            false
        });
    }

    pub(super) fn link_lost(&self, error: crate::ClientError, retry_in: Duration, attempt: u32) {
        self.change(|state| state.outbox.push(Event::Link(LinkEvent::Lost { error, retry_in, attempt })));
    }

    pub(super) fn link_restored(&self) {
        self.change(|state| state.outbox.push(Event::Link(LinkEvent::Restored)));
    }

    /// All items that wait now, taken out: the server cannot be reached. Jobs not yet
    /// looked through fail as a whole.
    pub(super) fn take_all(&self, error: &crate::ClientError) -> Vec<Item> {
        self.change(|state| {
            let mut items = Vec::new();
            for entry in &mut state.entries {
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

    /// Changes the state and tells the supervisor.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let result = change(&mut state);
        drop(state);
        self.changed.notify_one();
        result
    }

    /// Changes the state as somebody outside asked: there may be something to do again.
    fn command<T>(&self, command: impl FnOnce(&mut State) -> T) -> T {
        self.change(|state| {
            self.quiet.send_replace(false);
            command(state)
        })
    }

    /// Changes the state and tells the supervisor only when the change says so.
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
            self.tell(id, ItemState::Paused);
        } else if item.tries.stands_back() {
            entry.append(item);
        } else {
            entry.prepend(item);
        }
    }

    /// A taken item is no longer taken, nor active; its job.
    fn put_back(&mut self, item: &Item) -> Option<&mut Entry> {
        self.active.retain(|active| active.item != item.id);
        let entry = self.entry(item.task.id)?;
        entry.in_flight = entry.in_flight.saturating_sub(1);
        Some(entry)
    }

    fn why_stopped(&self, item: &Item) -> Option<Why> {
        self.active.iter().find(|active| active.item == item.id)?.why_stopped()
    }

    /// Whether a taken item, or its job, was given up meanwhile; then whether its part stays.
    fn given_up(&self, item: &Item) -> Option<bool> {
        match self.why_stopped(item) {
            Some(Why::Cancel { keep_part }) => Some(keep_part),
            _ => item.task.is_cancelled().then(|| item.task.keeps_parts()),
        }
    }

    /// Tells jobs that are through and forgets them, unless their failed items may be retried.
    fn settle(&mut self, orders: &mut Orders, new_id: impl Fn() -> ItemId) {
        for entry in self.entries.iter_mut().filter(|entry| entry.is_through()) {
            let dates = entry.task.take_dates(DATES);
            if !dates.is_empty() {
                for FolderDate { path, mtime, .. } in dates {
                    let mut item = Item::new(new_id(), Arc::clone(&entry.task), path);
                    (item.step, item.facts.mtime) = (Step::FolderDate, mtime);
                    entry.append(item);
                }
                continue;
            }
            if entry.task.has_folders() {
                entry.cleaning = true;
                orders.cleanups.push(Arc::clone(&entry.task));
                continue;
            }
            entry.reported = true;
            self.outbox.push(Event::JobDone { job: entry.task.id, summary: entry.task.summary() });
        }
        self.entries.retain(|entry| !entry.reported || entry.can_be_retried());
    }

    fn workers_to_start(&self, probing: bool) -> usize {
        let runnable = || self.entries.iter().filter(|entry| !entry.paused);
        let large: usize = runnable().map(|entry| entry.large.len()).sum();
        let quick: usize = runnable().map(|entry| entry.quick.len()).sum();
        let first = usize::from(quick > 0 && self.quick_workers == 0);
        let wanted = large + first + quick / ANOTHER_CONNECTION;
        let most = if probing { 1 } else { self.most_workers() };
        wanted.min(most.saturating_sub(self.workers))
    }

    fn most_workers(&self) -> usize {
        self.let_in.map_or(self.transfers, |let_in| let_in.min(self.transfers))
    }

    /// Whether fewer were wanted since they were started.
    fn has_too_many_workers(&self) -> bool {
        self.workers > self.most_workers()
    }

    fn is_quiet(&self) -> bool {
        self.outbox.is_empty() && self.entries.iter().all(Entry::is_quiet)
    }

    fn tell(&mut self, item: ItemId, state: ItemState) {
        self.outbox.push(Event::ItemState { item, state });
    }
}
