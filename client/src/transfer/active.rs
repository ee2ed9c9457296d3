//! The progress of a streamed file, and the means to stop it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
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
    reused: AtomicU64,
    state: Mutex<ItemState>,
    started: Instant,
    /// Cancelled to interrupt the transfer.
    pub(super) stop: CancellationToken,
    why: Mutex<Option<Why>>,
    /// Whether its target was written to, or may have been.
    begun: AtomicBool,
    /// The source as it was opened last.
    opened: Mutex<Option<Opened>>,
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
            reused: AtomicU64::new(0),
            state: Mutex::new(ItemState::Waiting),
            started: Instant::now(),
            stop: CancellationToken::new(),
            why: Mutex::default(),
            begun: AtomicBool::new(false),
            opened: Mutex::default(),
        }
    }

    /// Stops the transfer, which may take long to end. If it is stopped again before that, the strongest reason counts.
    pub(super) fn stop(&self, why: Why) {
        let mut current = self.why.lock();
        if current.is_none_or(|current| current.rank() < why.rank()) {
            *current = Some(why);
        }
        drop(current);
        self.stop.cancel();
    }

    /// Revokes a pause: the item returns to the queue when its transfer has ended.
    pub(super) fn resume(&self) {
        let mut current = self.why.lock();
        if *current == Some(Why::Pause) {
            *current = Some(Why::Requeue);
        }
    }

    pub(super) fn why_stopped(&self) -> Option<Why> {
        *self.why.lock()
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
            UNKNOWN => self.done(),
            size => size,
        };
        size.saturating_sub(self.counted.load(Relaxed))
    }

    /// Whether its size is unknown.
    pub(super) fn is_endless(&self) -> bool {
        self.size.load(Relaxed) == UNKNOWN
    }

    pub(super) fn moved(&self, bytes: u64) {
        self.done.fetch_add(bytes, Relaxed);
    }

    pub(super) fn kept(&self, bytes: u64) {
        self.done.fetch_add(bytes, Relaxed);
        self.reused.fetch_add(bytes, Relaxed);
    }

    /// Resets the counters for a new attempt.
    pub(super) fn restart(&self) {
        self.done.store(0, Relaxed);
        self.reused.store(0, Relaxed);
    }

    pub(super) fn set_state(&self, state: ItemState) -> bool {
        let mut current = self.state.lock();
        std::mem::replace(&mut *current, state) != state
    }

    /// Bytes that are done, without the headers of frames.
    pub(super) fn done(&self) -> u64 {
        self.done.load(Relaxed).min(self.size.load(Relaxed))
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
            done: self.done(),
            reused: self.reused.load(Relaxed).min(size),
            state: *self.state.lock(),
            elapsed: self.started.elapsed(),
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
