//! The progress of a streamed file, and the means to stop it.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{event::ItemState, item::Item, job::ItemId, path::ItemPath, progress::ActiveItem, task::Task};
use crate::site::Opened;

/// A file being transferred.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) item: ItemId,
    pub(super) task: Arc<Task>,
    path: ItemPath,
    size: AtomicU64,
    /// Its bytes in the totals.
    counted: AtomicU64,
    done: AtomicU64,
    /// Bytes that have arrived on this computer, of blocks that are not at the target yet.
    ahead: AtomicU64,
    reused: AtomicU64,
    state: Mutex<ItemState>,
    started: Instant,
    /// Whether it is a file of one block, which shares its sessions with others.
    quick: bool,
    /// When its first byte moved.
    moving: OnceLock<Instant>,
    /// Cancelled to interrupt the transfer.
    pub(super) stop: CancellationToken,
    /// Cancelled to let the transfer end after the blocks that were begun.
    pub(super) pausing: CancellationToken,
    stopped: Mutex<Stopped>,
    /// Whether its target was written to, or may have been.
    begun: AtomicBool,
    /// The source as it was opened last.
    opened: Mutex<Option<Opened>>,
}

/// Whether and how a transfer was stopped from outside.
#[derive(Debug, Default)]
struct Stopped {
    why: Option<Why>,
    /// The last order, unless it was revoked since: the same order again interrupts the transfer.
    last: Option<Why>,
}

/// Why a transfer was stopped from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The item is held until it is resumed.
    Pause,
    /// Its job is paused; the item goes back to the queue.
    Requeue,
    /// The item is cancelled.
    Cancel {
        /// Whether its part is kept.
        keep_part: bool,
    },
}

impl Why {
    /// Its strength: a stronger reason replaces a weaker one.
    fn rank(self) -> u8 {
        match self {
            Self::Requeue => 0,
            Self::Pause => 1,
            Self::Cancel { .. } => 2,
        }
    }
}

/// A file of one block that moves for a shorter time is not displayed: there may be many.
const A_WHILE: Duration = Duration::from_millis(500);
/// A size that is not known.
const UNKNOWN: u64 = u64::MAX;

impl Active {
    pub(super) fn new(item: &Item) -> Self {
        let size = if item.task.is_stream() { UNKNOWN } else { item.facts.size };
        Self {
            item: item.id,
            task: Arc::clone(&item.task),
            path: item.path.clone(),
            size: AtomicU64::new(size),
            counted: AtomicU64::new(item.facts.size),
            done: AtomicU64::new(0),
            ahead: AtomicU64::new(0),
            reused: AtomicU64::new(0),
            state: Mutex::new(ItemState::Waiting),
            started: Instant::now(),
            quick: false,
            moving: OnceLock::new(),
            stop: CancellationToken::new(),
            pausing: CancellationToken::new(),
            stopped: Mutex::default(),
            begun: AtomicBool::new(false),
            opened: Mutex::default(),
        }
    }

    /// A file of one block that is in `state`, and shares its sessions with others.
    pub(super) fn quick(item: &Item, state: ItemState) -> Self {
        Self { quick: true, state: Mutex::new(state), ..Self::new(item) }
    }

    /// Stops the transfer, which may take long to end. If it is stopped again before that, the strongest reason counts.
    /// A pause lets it finish the blocks that were begun; the same pause again, or a cancel, interrupts it.
    pub(super) fn stop(&self, why: Why) {
        let mut stopped = self.stopped.lock();
        if stopped.why.is_none_or(|current| current.rank() < why.rank()) {
            stopped.why = Some(why);
        }
        let again = stopped.last.replace(why) == Some(why);
        drop(stopped);
        self.pausing.cancel();
        // A stream cannot go on later with what arrived.
        if again || matches!(why, Why::Cancel { .. }) || self.task.is_stream() {
            self.stop.cancel();
        }
    }

    /// Revokes a pause: the item returns to the queue when its transfer has ended. Returns whether it was paused.
    pub(super) fn resume(&self) -> bool {
        let mut stopped = self.stopped.lock();
        stopped.last = None;
        let paused = stopped.why == Some(Why::Pause);
        if paused {
            stopped.why = Some(Why::Requeue);
        }
        paused
    }

    pub(super) fn why_stopped(&self) -> Option<Why> {
        self.stopped.lock().why
    }

    /// Sets its present size, which the totals include only at the end.
    pub(super) fn set_size(&self, size: u64) {
        self.size.store(size, Relaxed);
    }

    /// Sets its size, which the totals include.
    pub(super) fn set_counted_size(&self, size: u64) {
        self.counted.store(size, Relaxed);
        self.set_size(size);
    }

    /// The bytes that the totals do not include; for a stream, those transferred so far.
    pub(super) fn growth(&self) -> u64 {
        let size = match self.size.load(Relaxed) {
            UNKNOWN => self.present(),
            size => size,
        };
        size.saturating_sub(self.counted.load(Relaxed))
    }

    /// Whether its size is unknown.
    pub(super) fn is_endless(&self) -> bool {
        self.size.load(Relaxed) == UNKNOWN
    }

    pub(super) fn moved(&self, bytes: u64) {
        self.moving.get_or_init(Instant::now);
        self.done.fetch_add(bytes, Relaxed);
        // Those that arrived before are no longer ahead.
        let _ = self.ahead.fetch_update(Relaxed, Relaxed, |ahead| Some(ahead.saturating_sub(bytes)));
    }

    pub(super) fn arriving(&self, bytes: u64) {
        self.moving.get_or_init(Instant::now);
        self.ahead.fetch_add(bytes, Relaxed);
    }

    /// Its content of `size` bytes is on this computer, and only has to be written.
    pub(super) fn arrived(&self, size: u64) {
        self.set_counted_size(size);
        self.done.store(size, Relaxed);
        self.ahead.store(0, Relaxed);
    }

    pub(super) fn kept(&self, bytes: u64) {
        self.done.fetch_add(bytes, Relaxed);
        self.reused.fetch_add(bytes, Relaxed);
    }

    /// Resets the counters for a new attempt.
    pub(super) fn restart(&self) {
        for counter in [&self.done, &self.ahead, &self.reused] {
            counter.store(0, Relaxed);
        }
    }

    pub(super) fn set_state(&self, state: ItemState) -> bool {
        let mut current = self.state.lock();
        std::mem::replace(&mut *current, state) != state
    }

    /// Bytes that are done, without the headers of frames.
    pub(super) fn done(&self) -> u64 {
        self.done.load(Relaxed).min(self.size.load(Relaxed))
    }

    /// Bytes that are done or on their way: of blocks that may still be lost.
    pub(super) fn present(&self) -> u64 {
        self.done.load(Relaxed).saturating_add(self.ahead.load(Relaxed)).min(self.size.load(Relaxed))
    }

    /// Whether it is displayed: a file of one block only while its bytes move, and if that takes a while.
    pub(super) fn is_shown(&self) -> bool {
        let is_partly = || (1..self.size.load(Relaxed)).contains(&self.present());
        !self.quick || self.moving.get().is_some_and(|since| since.elapsed() >= A_WHILE) && is_partly()
    }

    /// Bytes that were sent in this attempt.
    pub(super) fn sent(&self) -> u64 {
        self.done().saturating_sub(self.reused.load(Relaxed))
    }

    pub(super) fn picture(&self) -> ActiveItem {
        let size = self.size.load(Relaxed);
        ActiveItem {
            item: self.item,
            job: self.task.id,
            path: self.path.clone(),
            size: (size != UNKNOWN).then_some(size),
            done: self.present(),
            reused: self.reused.load(Relaxed).min(size),
            state: *self.state.lock(),
            elapsed: self.moving.get().filter(|_| self.quick).unwrap_or(&self.started).elapsed(),
        }
    }
}

impl Active {
    /// Whether its target was written to, or may have been.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Relaxed)
    }

    /// Records that its target may have been written to.
    pub(super) fn set_begun(&self) {
        self.begun.store(true, Relaxed);
    }

    /// Records the source as it was opened.
    pub(super) fn set_opened(&self, opened: Opened) {
        *self.opened.lock() = Some(opened);
    }

    /// The source as it was opened last.
    pub(super) fn take_opened(&self) -> Option<Opened> {
        self.opened.lock().take()
    }
}
