//! The state that all parts of a running engine share.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Weak},
};

use ferry_shared::{digest_cache::DigestCache, pool::BufferPool};
use parking_lot::Mutex;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    event::{Event, Failure, Outcome},
    item::{Item, Step},
    queue::{Hold, Queue},
    sessions::Pool,
    settings::Settings,
    transitions::{self, Next},
};
use crate::{
    error::ClientError,
    reconnect::Patience,
    site::{Site, Surroundings},
    traffic::Traffic,
};

/// Spare block buffers.
const SPARE_BUFFERS: usize = 8;

#[derive(Debug)]
pub(super) struct EngineState {
    pub(super) queue: Queue,
    pub(super) surroundings: Surroundings,
    pub(super) patience: Patience,
    /// The session pool of each site in use, by the site's name.
    pools: Mutex<BTreeMap<String, Weak<Pool>>>,
    events: mpsc::Sender<Event>,
}

/// A shared handle to the engine's state.
pub(super) type Shared = Arc<EngineState>;

impl EngineState {
    pub(super) fn new(settings: Settings, digests: Option<Arc<DigestCache>>, events: mpsc::Sender<Event>) -> Self {
        Self {
            queue: Queue::new(settings.transfers),
            surroundings: Surroundings {
                traffic: Arc::new(Traffic::new(settings.bandwidth)),
                pool: BufferPool::new(SPARE_BUFFERS),
                tasks: TaskTracker::new(),
                stop: CancellationToken::new(),
                silence: settings.silence,
                digests,
            },
            patience: settings.patience(),
            pools: Mutex::default(),
            events,
        }
    }

    /// Cancelled when the engine is to stop.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.surroundings.stop
    }

    /// The tasks and threads that are waited for at shutdown.
    pub(super) fn tasks(&self) -> &TaskTracker {
        &self.surroundings.tasks
    }

    /// The session pool of a site, created on first use.
    pub(super) fn pool(&self, site: Arc<dyn Site>) -> Arc<Pool> {
        let mut pools = self.pools.lock();
        pools.retain(|_, pool| pool.strong_count() > 0);
        let name = site.name();
        if let Some(pool) = pools.get(&name).and_then(Weak::upgrade) {
            return pool;
        }
        let pool = Arc::new(Pool::new(site));
        pools.insert(name, Arc::downgrade(&pool));
        pool
    }

    /// The session pools of all sites in use.
    pub(super) fn pools(&self) -> Vec<Arc<Pool>> {
        self.pools.lock().values().filter_map(Weak::upgrade).collect()
    }

    /// Emits an event; waits while the channel is full, unless the engine stops.
    pub(super) async fn emit(&self, event: Event) {
        let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) else { return };
        tokio::select! {
            biased;
            () = self.stop().cancelled() => {}
            // If the receiver is gone, the event is dropped.
            sent = self.events.send(event) => drop(sent),
        }
    }

    /// Runs blocking `work` on its own thread; shutdown waits for it.
    pub(super) fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        self.tasks().spawn_blocking(work)
    }

    /// Carries out the decided next step of an item that was taken from the queue.
    pub(super) async fn apply(&self, next: Next) {
        match next {
            Next::Again(mut item) => {
                item.uncount();
                item.active = None;
                self.queue.again(item);
            }
            Next::Ask(mut item, conflict) => {
                item.uncount();
                item.active = None;
                let (job, id) = (item.task.id, item.id);
                // Hold the item before the event is emitted, so that an answer finds it.
                if self.queue.hold(item, Hold::Asking(conflict.clone())) {
                    self.emit(Event::Asks { job, item: id, conflict }).await;
                }
            }
            Next::Done(item, outcome) => self.done(item, outcome).await,
        }
    }

    async fn done(&self, mut item: Item, outcome: Outcome) {
        item.growth = None;
        item.uncount();
        if let Some(active) = item.active.take() {
            self.queue.active_ended(&active);
        }
        let (job, piece) = (item.task.id, item.path.piece());
        let task = Arc::clone(&item.task);
        let failed = matches!(outcome, Outcome::Failed(_));
        let dated = matches!(item.step, Step::FolderDate);
        // The event for the folder was emitted when it was made.
        if matches!(item.step, Step::Discard) || dated && !failed {
            task.pieces.closed(piece, false);
            return self.queue.finished(job);
        }
        task.ended(&item.path, &outcome);
        if matches!(item.step, Step::Folder | Step::FolderMode | Step::FolderDate) {
            if failed {
                // Something else may have the folder's name; its date must not be changed.
                task.pieces.forget_date(piece, &item.path.target_below());
                task.tally.folder_failed();
            } else {
                task.tally.folder_done();
            }
        } else {
            task.tally.file_done(item.weight(), &outcome);
        }
        let leftover = transitions::leaves_part(&item, &outcome);
        let (path, facts) = (item.path.clone(), item.facts);
        let event = Event::ItemDone { job, item: item.id, path, facts, outcome };
        if leftover {
            self.emit(event).await;
            return self.queue.again(Item { step: Step::Discard, ..item });
        }
        let mut full = false;
        if let Event::ItemDone { outcome: Outcome::Failed(failure), .. } = &event {
            // The disk or the quota is full: the rest of the job would fail, too.
            full = failure.error.is_no_room() && !dated && !task.options.fill;
        }
        if failed && !dated {
            self.queue.keep_failed(item);
        }
        self.emit(event).await;
        if full {
            self.queue.stop_full(job);
        }
        task.pieces.closed(piece, failed);
        // Last, so that `JobDone` is not emitted before this item's event.
        self.queue.finished(job);
    }

    /// Fails the taken items, and all items that wait for a site that cannot be reached or rejects the login.
    pub(super) async fn fail_waiting(&self, pool: &Arc<Pool>, error: &ClientError, taken: Vec<Item>) {
        let waiting = self.queue.take_all(pool, error);
        for item in taken.into_iter().chain(waiting) {
            let failure = Failure { error: error.clone(), retryable: true };
            self.apply(Next::Done(item, Outcome::Failed(failure))).await;
        }
    }
}

/// The result of a thread. A panic in it becomes an error of its file only.
pub(super) async fn joined<T>(thread: JoinHandle<Result<T, ClientError>>) -> Result<T, ClientError> {
    thread.await.unwrap_or_else(|error| Err(ClientError::local("", io::Error::other(error))))
}
