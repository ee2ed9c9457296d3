//! The engine's handle, and the task that starts what is due.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tokio::sync::mpsc;

use super::{
    cleanup,
    conflict::{Decision, Scope},
    core::{Core, Shared},
    event::Event,
    job::{ItemId, Job, JobId, Selected},
    progress::Progress,
    scan,
    settings::{Bandwidth, Settings},
    worker,
};
use crate::connect::Connector;

/// Events that wait to be read.
const EVENTS: usize = 1024;

/// Moves what its jobs say until it is shut down. Dropping it stops everything at once.
#[derive(Debug)]
pub struct Engine {
    core: Shared,
}

impl Engine {
    /// Starts an engine that opens its connections through `connector`. Must be called in a runtime.
    ///
    /// The receiver must be read, or the engine comes to a halt.
    #[must_use]
    pub fn start(connector: Connector, settings: Settings) -> (Self, mpsc::Receiver<Event>) {
        let (events, receiver) = mpsc::channel(EVENTS);
        let core = Arc::new(Core::new(connector, settings, events));
        core.tasks.spawn(supervise(Arc::clone(&core)));
        (Self { core }, receiver)
    }

    /// Puts a job at the end of the queue.
    pub fn add(&self, job: Job) -> JobId {
        self.core.queue.add(job)
    }

    /// Holds a job or an item; an active file's connection is closed, what is there is kept.
    pub fn pause(&self, what: impl Into<Selected>) {
        self.core.queue.pause(what.into());
    }

    /// Lets a held job or item go on.
    pub fn resume(&self, what: impl Into<Selected>) {
        self.core.queue.resume(what.into());
    }

    /// Tries a failed item, or all failed items of a job, again.
    pub fn retry(&self, what: impl Into<Selected>) {
        self.core.queue.retry(what.into());
    }

    /// Gives up a job or an item. What was transferred of an unfinished file stays, to be
    /// resumed later, only with `keep_part`.
    pub fn cancel(&self, what: impl Into<Selected>, keep_part: bool) {
        self.core.queue.cancel(what.into(), keep_part);
    }

    /// Answers an [`Event::Asks`].
    pub fn answer(&self, item: ItemId, decision: Decision, scope: Scope) {
        self.core.queue.answer(item, decision, scope);
    }

    /// Changes how many connections may be open; active transfers are not cut off by less.
    pub fn set_transfers(&self, transfers: usize) {
        self.core.queue.set_transfers(transfers);
    }

    /// Changes the most bytes a second.
    pub fn set_bandwidth(&self, bandwidth: Bandwidth) {
        self.core.throttle.set(bandwidth);
    }

    /// Moves a job one place towards the front.
    pub fn move_up(&self, job: JobId) {
        self.core.queue.move_up(job);
    }

    /// Moves a job one place towards the end.
    pub fn move_down(&self, job: JobId) {
        self.core.queue.move_down(job);
    }

    /// How far everything is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress {
            jobs: self.core.queue.pictures(),
            active: self.core.queue.active().iter().map(|active| active.picture()).collect(),
            connections: self.core.links.open(),
            sent: self.core.sent.load(Relaxed),
            received: self.core.received.load(Relaxed),
        }
    }

    /// Waits until nothing is left to do (held items aside).
    pub async fn drained(&self) {
        self.core.queue.drained().await;
    }

    /// Stops: nothing new is begun, connections are closed, threads and tasks end. What
    /// was not finished stays staged.
    pub async fn shutdown(self) {
        self.core.stop.cancel();
        self.core.links.close_all();
        self.core.tasks.close();
        self.core.tasks.wait().await;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.core.stop.cancel();
        self.core.links.close_all();
    }
}

/// Starts what is due, tells what happened, until the engine stops.
async fn supervise(core: Shared) {
    while !core.stop.is_cancelled() {
        let orders = core.queue.orders(core.links.is_probing());
        for event in orders.events {
            core.emit(event).await;
        }
        for (task, work) in orders.scans {
            core.tasks.spawn(scan::run(Arc::clone(&core), task, work));
        }
        for task in orders.cleanups {
            core.tasks.spawn(cleanup::run(Arc::clone(&core), task));
        }
        for _ in 0..orders.workers {
            core.tasks.spawn(worker::work(Arc::clone(&core)));
        }
        if core.queue.settle_quiet() {
            core.emit(Event::Idle).await;
        }
        let until_old = core.links.close_old();
        tokio::select! {
            biased;
            () = core.stop.cancelled() => {}
            () = core.queue.changed.notified() => {}
            () = tokio::time::sleep(until_old.unwrap_or_default()), if until_old.is_some() => {}
        }
    }
}
