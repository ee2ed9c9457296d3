//! What all parts of a running engine share.

use std::{
    io,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use ferry_shared::pool::BufferPool;
use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    active::Active,
    event::{Event, Failure, ItemState, Outcome},
    fit::Places,
    flow::{self, Next},
    item::{Item, Step},
    link::Links,
    queue::{Hold, Queue},
    settings::Settings,
    throttle::Throttle,
};
use crate::{connect::Connector, error::ClientError, reconnect::Patience};

#[derive(Debug)]
pub(super) struct Core {
    pub(super) queue: Queue,
    pub(super) links: Links,
    pub(super) places: Places,
    pub(super) throttle: Throttle,
    pub(super) pool: BufferPool,
    pub(super) patience: Patience,
    pub(super) silence: Duration,
    /// Cancelled when the engine is to stop.
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
    pub(super) sent: AtomicU64,
    pub(super) received: AtomicU64,
    events: mpsc::Sender<Event>,
    runtime: Handle,
}

impl Core {
    pub(super) fn new(connector: Connector, settings: Settings, events: mpsc::Sender<Event>) -> Self {
        Self {
            queue: Queue::new(settings.transfers),
            throttle: Throttle::new(settings.bandwidth),
            pool: connector.buffers().clone(),
            links: Links::new(connector),
            places: Places::default(),
            patience: settings.patience(),
            silence: settings.silence,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            events,
            runtime: Handle::current(),
        }
    }

    /// Tells an event; waits while the channel is full, unless the engine stops.
    pub(super) async fn emit(&self, event: Event) {
        let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) else { return };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            // Nobody listens any more: nobody wants to know.
            sent = self.events.send(event) => drop(sent),
        }
    }

    /// Runs something that blocks on a thread of its own; it is waited for at shutdown.
    pub(super) fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        self.tasks.spawn_blocking(work)
    }

    /// Does in a blocking thread what is written for a task.
    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Sends an item that was taken from the queue on its way.
    pub(super) async fn apply(&self, next: Next) {
        match next {
            Next::Again(mut item) => {
                item.uncount();
                self.queue.again(item);
            }
            Next::Ask(mut item, conflict) => {
                item.uncount();
                let (job, id) = (item.task.id, item.id);
                // Held before it is told, so that an answer finds it.
                if self.queue.hold(item, Hold::Asking(conflict.clone())) {
                    self.emit(Event::Asks { job, item: id, conflict }).await;
                }
            }
            Next::Done(mut item, outcome) => {
                item.growth = None;
                item.uncount();
                let job = item.task.id;
                let failed = matches!(outcome, Outcome::Failed(_));
                let dated = matches!(item.step, Step::FolderDate);
                // A folder was told of when it was made.
                if matches!(item.step, Step::Discard) || dated && !failed {
                    return self.queue.finished(job);
                }
                item.task.came_to(&item.path, &outcome);
                if matches!(item.step, Step::Folder | Step::FolderMode | Step::FolderDate) {
                    if failed {
                        // Another thing has its name, with a date of its own.
                        item.task.forget_date(item.path.remote());
                        item.task.tally.folder_failed();
                    } else {
                        item.task.tally.folder_done();
                    }
                } else {
                    item.task.tally.file_done(item.weight(), &outcome);
                }
                let leftover = flow::leaves_part(&item, &outcome);
                let event = Event::ItemDone { job, item: item.id, path: item.path.clone(), outcome };
                if leftover {
                    self.emit(event).await;
                    return self.queue.again(Item { step: Step::Discard, ..item });
                }
                let mut full = false;
                if let Event::ItemDone { outcome: Outcome::Failed(failure), .. } = &event {
                    // Without room on the disk or in the quota the rest need not travel.
                    full = failure.error.is_no_room() && !dated && !item.task.options.fill;
                }
                if failed && !dated {
                    self.queue.keep_failed(item);
                }
                self.emit(event).await;
                if full {
                    self.queue.stop_full(job);
                }
                // Last, so that nobody hears of the job's end before.
                self.queue.finished(job);
            }
        }
    }

    /// The server cannot be reached, or lets nobody in: what was taken and all that waits fails.
    pub(super) async fn fail_waiting(&self, error: &ClientError, taken: Vec<Item>) {
        let waiting = self.queue.take_all(error);
        for item in taken.into_iter().chain(waiting) {
            let failure = Failure { error: error.clone(), retryable: true };
            self.apply(Next::Done(item, Outcome::Failed(failure))).await;
        }
    }

    /// Tells that a file entered a state.
    pub(super) async fn state(&self, active: &Active, state: ItemState) {
        if active.set_state(state) {
            self.emit(Event::ItemState { item: active.item, state }).await;
        }
    }
}

/// What a thread of ours came to; a panic in it is an error of this file only.
pub(super) async fn joined<T>(thread: JoinHandle<Result<T, ClientError>>) -> Result<T, ClientError> {
    thread.await.unwrap_or_else(|error| Err(ClientError::local("", io::Error::other(error))))
}

#[cfg(test)]
impl Core {
    /// An engine that connects to nobody, for what needs no server; its events.
    pub(super) fn alone() -> (Shared, mpsc::Receiver<Event>) {
        use crate::{
            connect::{ConnectOptions, Target},
            identity::Credential,
            trust::Trust,
        };
        let target = Target { user: "al".into(), host: "localhost".into(), port: 1 };
        let password = Credential::Password(ferry_shared::secret::Secret::new("p".into()));
        let connector = Connector::new(target, password, ConnectOptions::new(Trust::KnownOnly, "none"));
        let (events, receiver) = mpsc::channel(64);
        (Arc::new(Self::new(connector, Settings::default(), events)), receiver)
    }
}

/// Shares the engine.
pub(super) type Shared = Arc<Core>;
