//! The engine's handle, and the supervisor task that starts scans, workers and cleanups.

use std::sync::Arc;

use ferry_shared::digest_cache::DigestCache;
use tokio::sync::mpsc;

use super::{
    cleanup,
    conflict::{Decision, Scope},
    engine_state::{EngineState, Shared},
    event::Event,
    item::Stream,
    job::{ItemId, Job, JobId, Selected, Work},
    progress::Progress,
    queue, scan,
    settings::{Bandwidth, Settings},
    task::End,
    worker,
};
use crate::{local::stream::Sink, site::Surroundings};

/// Capacity of the event channel.
const EVENTS: usize = 1024;

/// Runs jobs until it is shut down. Dropping it stops everything at once.
#[derive(Debug)]
pub struct Engine {
    core: Shared,
}

impl Engine {
    /// Starts an engine. Must be called in a runtime.
    ///
    /// The receiver must be read: the engine stalls once the event channel is full.
    #[must_use]
    pub fn start(settings: Settings) -> (Self, mpsc::Receiver<Event>) {
        Self::remembering(settings, None)
    }

    /// As [`start`](Self::start); the digests of files on this computer are remembered.
    #[must_use]
    pub fn remembering(settings: Settings, digests: Option<Arc<DigestCache>>) -> (Self, mpsc::Receiver<Event>) {
        let (events, receiver) = mpsc::channel(EVENTS);
        let core = Arc::new(EngineState::new(settings, digests, events));
        core.tasks().spawn(supervise(Arc::clone(&core)));
        (Self { core }, receiver)
    }

    /// The resources of the engine's sessions, for sessions that its owner opens beside them.
    #[must_use]
    pub fn surroundings(&self) -> &Surroundings {
        &self.core.surroundings
    }

    /// Puts a job at the end of the queue.
    pub fn add(&self, job: Job) -> JobId {
        let end = |site| End::site(self.core.pool(site));
        let (from, to, work) = match job.work {
            Work::Copy { from, to, pieces } => (end(from), end(to), queue::Work::Pieces(pieces)),
            Work::FromStream { from, to, path } => {
                (End::stream(), end(to), queue::Work::FromStream(Stream::Source(from), path))
            }
            Work::ToStream { from, path, to } => {
                (end(from), End::stream(), queue::Work::ToStream(path, Stream::Sink(Sink::new(to))))
            }
        };
        self.core.queue.add(from, to, work, job.options)
    }

    /// Pauses a job or an item. A file being transferred is interrupted, and its part is kept.
    pub fn pause(&self, what: impl Into<Selected>) {
        self.core.queue.pause(what.into());
    }

    /// Resumes a paused job or item.
    pub fn resume(&self, what: impl Into<Selected>) {
        self.core.queue.resume(what.into());
    }

    /// Retries a failed item, or all failed items of a job.
    pub fn retry(&self, what: impl Into<Selected>) {
        self.core.queue.retry(what.into());
    }

    /// Cancels a job or an item. The parts of unfinished files are kept for a later resume only with `keep_part`.
    pub fn cancel(&self, what: impl Into<Selected>, keep_part: bool) {
        self.core.queue.cancel(what.into(), keep_part);
    }

    /// Answers an [`Event::Asks`].
    pub fn answer(&self, item: ItemId, decision: Decision, scope: Scope) {
        self.core.queue.answer(item, decision, scope);
    }

    /// Changes the maximum number of connections. A lower maximum does not interrupt active transfers.
    pub fn set_transfers(&self, transfers: usize) {
        self.core.queue.set_transfers(transfers);
    }

    /// Changes the bandwidth limits.
    pub fn set_bandwidth(&self, bandwidth: Bandwidth) {
        self.core.surroundings.traffic.set(bandwidth);
    }

    /// Tries at once to reach a site that is not reached now, instead of after the delay.
    pub fn try_at_once(&self, site: &str) {
        self.core.pools().iter().filter(|pool| pool.name == site).for_each(|pool| pool.try_at_once());
    }

    /// Moves a job one place towards the front.
    pub fn move_up(&self, job: JobId) {
        self.core.queue.move_up(job);
    }

    /// Moves a job one place towards the end.
    pub fn move_down(&self, job: JobId) {
        self.core.queue.move_down(job);
    }

    /// The progress of all jobs and active files.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let active = self.core.queue.active();
        Progress {
            jobs: self.core.queue.pictures(),
            active: active.iter().filter(|active| active.is_shown()).map(|active| active.picture()).collect(),
            connections: self.core.pools().iter().filter(|pool| !pool.abilities.near).map(|pool| pool.open()).sum(),
            sent: self.core.surroundings.traffic.sent(),
            received: self.core.surroundings.traffic.received(),
        }
    }

    /// Waits until no work is left, apart from held items.
    pub async fn drained(&self) {
        self.core.queue.drained().await;
    }

    fn stop(&self) {
        self.core.stop().cancel();
        self.core.pools().iter().for_each(|pool| pool.close_all());
    }

    /// Stops the engine: begins nothing new, closes all connections, and waits for threads and tasks. The parts of
    /// unfinished files stay staged. The channel of events ends when the engine is dropped.
    pub async fn shutdown(&self) {
        self.stop();
        self.core.tasks().close();
        self.core.tasks().wait().await;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts due work and emits queued events until the engine stops.
async fn supervise(core: Shared) {
    while !core.stop().is_cancelled() {
        let orders = core.queue.orders();
        for event in orders.events {
            core.emit(event).await;
        }
        for (task, work) in orders.scans {
            core.tasks().spawn(scan::run(Arc::clone(&core), task, work));
        }
        for cleanup in orders.cleanups {
            core.tasks().spawn(cleanup::run(Arc::clone(&core), cleanup));
        }
        for _ in 0..orders.workers {
            core.tasks().spawn(worker::work(Arc::clone(&core)));
        }
        if core.queue.settle_quiet() {
            core.emit(Event::Idle).await;
        }
        let until_old = core.pools().iter().filter_map(|pool| pool.close_old()).min();
        tokio::select! {
            biased;
            () = core.stop().cancelled() => {}
            () = core.queue.changed.notified() => {}
            () = tokio::time::sleep(until_old.unwrap_or_default()), if until_old.is_some() => {}
        }
    }
}
