//! A file that has a connection to itself: how far it is, and the word to stop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{event::ItemState, item::Item, job::ItemId, path::ItemPath, progress::ActiveItem, task::Task};

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
    /// Cancelled to close its connection.
    pub(super) stop: CancellationToken,
    why: Mutex<Option<Why>>,
}

/// Why a transfer was stopped from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The item is held until it is resumed.
    Pause,
    /// Its job is held; the item goes back to the queue.
    Requeue,
    /// It is given up.
    Cancel {
        /// What was transferred stays.
        keep_part: bool,
    },
}

impl Why {
    /// How final it is.
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
        }
    }

    /// Stops the transfer. It may be long in coming to its end: of what is said until then,
    /// the stronger word counts.
    pub(super) fn stop(&self, why: Why) {
        let mut said = self.why.lock();
        if said.is_none_or(|said| said.rank() < why.rank()) {
            *said = Some(why);
        }
        drop(said);
        self.stop.cancel();
    }

    /// Takes a pause back: the item goes on when its transfer has come to its end.
    pub(super) fn resume(&self) {
        let mut said = self.why.lock();
        if *said == Some(Why::Pause) {
            *said = Some(Why::Requeue);
        }
    }

    pub(super) fn why_stopped(&self) -> Option<Why> {
        *self.why.lock()
    }

    /// It has this size by now, which is in the totals once it is through.
    pub(super) fn set_size(&self, size: u64) {
        self.size.store(size, Relaxed);
    }

    /// It has this size, and that is in the totals.
    pub(super) fn set_counted_size(&self, size: u64) {
        self.counted.store(size, Relaxed);
        self.set_size(size);
    }

    /// Bytes it has more than the totals know of; of a stream those that came so far.
    pub(super) fn growth(&self) -> u64 {
        let size = match self.size.load(Relaxed) {
            UNKNOWN => self.done(),
            size => size,
        };
        size.saturating_sub(self.counted.load(Relaxed))
    }

    /// Whether nobody knows yet how large it is.
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

    /// The transfer begins anew.
    pub(super) fn restart(&self) {
        self.done.store(0, Relaxed);
        self.reused.store(0, Relaxed);
    }

    pub(super) fn set_state(&self, state: ItemState) -> bool {
        let mut current = self.state.lock();
        std::mem::replace(&mut *current, state) != state
    }

    /// Bytes that are through; the heads of frames, which travel too, are none of them.
    pub(super) fn done(&self) -> u64 {
        self.done.load(Relaxed).min(self.size.load(Relaxed))
    }

    /// Bytes that travelled since it began.
    pub(super) fn travelled(&self) -> u64 {
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
