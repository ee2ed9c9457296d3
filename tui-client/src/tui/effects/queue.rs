//! The engine and its journal: orders become jobs, and the engine's events become events of the browser.

mod keeper;
mod order;

use std::sync::Arc;

use ferry_client::{
    reconnect::Patience,
    sync::Ends,
    transfer::{Engine, JobOptions, Progress, Settings},
};
use tokio::{sync::mpsc, task::AbortHandle};
use tokio_util::task::TaskTracker;

use self::keeper::{Keeper, Note};
use super::{Options, connection::ConnectionKeeper, sync::Means};
use crate::{
    args::Links,
    home::Home,
    tui::{
        config::Remembered,
        effect::TransferEffect,
        event::Event,
        state::{
            transfers::{Key, Order},
            trees::Trees,
        },
    },
};

/// The engine, once there was something to move.
#[derive(Debug)]
struct Running {
    engine: Arc<Engine>,
    forward: AbortHandle,
}

/// The engine and its journal.
#[derive(Debug)]
pub(super) struct Queue {
    events: mpsc::Sender<Event>,
    home: Home,
    settings: Settings,
    resume: bool,
    verify: bool,
    running: Option<Running>,
    keeper: Keeper,
    /// Engines that are being shut down.
    ending: TaskTracker,
}

impl Queue {
    pub(super) fn new(events: mpsc::Sender<Event>, home: &Home, options: Options) -> Self {
        Self {
            keeper: Keeper::start(events.clone(), home.state().to_owned()),
            home: home.clone(),
            events,
            settings: options.settings,
            resume: options.resume,
            verify: options.verify,
            running: None,
            ending: TaskTracker::new(),
        }
    }

    pub(super) fn run(&mut self, effect: TransferEffect, connections: &ConnectionKeeper) {
        match effect {
            TransferEffect::Add(key, order) => {
                self.keeper.note(Note::Add(key, Box::new(order::kept(&order))));
                self.begin(key, &order, connections, false);
            }
            // The outcome of an order before its server was left is no longer known.
            TransferEffect::Begin(key, order) => self.begin(key, &order, connections, true),
            TransferEffect::TryAtOnce(server) => self.tell(|engine| engine.try_at_once(&server.url())),
            TransferEffect::Settle(key) => self.keeper.note(Note::Settle(key)),
            TransferEffect::Through(key, path) => self.keeper.note(Note::Through(key, path)),
            TransferEffect::AtOnce(at_once) => {
                self.settings.transfers = at_once;
                self.tell(|engine| engine.set_transfers(at_once));
                self.keeper.note(Note::Remember(Remembered::of(&self.settings)));
            }
            TransferEffect::Bandwidth(bandwidth) => {
                self.settings.bandwidth = bandwidth;
                self.tell(|engine| engine.set_bandwidth(bandwidth));
                self.keeper.note(Note::Remember(Remembered::of(&self.settings)));
            }
            TransferEffect::Pause(what) => self.tell(|engine| engine.pause(what)),
            TransferEffect::Resume(what) => self.tell(|engine| engine.resume(what)),
            TransferEffect::Retry(what) => self.tell(|engine| engine.retry(what)),
            TransferEffect::Cancel(what, keep) => self.tell(|engine| engine.cancel(what, keep)),
            TransferEffect::Answer(item, decision, scope) => self.tell(|engine| engine.answer(item, decision, scope)),
            TransferEffect::Reorder(job, true) => self.tell(|engine| engine.move_down(job)),
            TransferEffect::Reorder(job, false) => self.tell(|engine| engine.move_up(job)),
        }
    }

    pub(super) fn progress(&self) -> Option<Progress> {
        self.running.as_ref().map(|running| running.engine.progress())
    }

    /// Shuts the engine down; incomplete files stay staged.
    pub(super) fn stop(&mut self) {
        if let Some(Running { engine, forward }) = self.running.take() {
            forward.abort();
            self.ending.spawn(async move { engine.shutdown().await });
        }
    }

    /// Ends: the engine stops in order, the journal is written.
    pub(super) async fn end(mut self) {
        self.stop();
        self.ending.close();
        self.ending.wait().await;
        self.keeper.end().await;
    }

    fn tell(&self, command: impl FnOnce(&Engine)) {
        if let Some(running) = &self.running {
            command(&running.engine);
        }
    }

    /// The means of a comparison of two trees; `None` if a server is not connected.
    pub(super) fn means(&mut self, trees: &Trees, connections: &ConnectionKeeper) -> Option<Means> {
        let Trees { from, to, links } = trees;
        let (source, target) = (connections.site(&from.site)?, connections.site(&to.site)?);
        let running = self.running.get_or_insert_with(|| start(self.settings, &self.home, &self.events));
        Some(Means {
            engine: Arc::clone(&running.engine),
            ends: Ends { from: source, source: from.path.clone(), to: target, target: to.path.clone() },
            links: Links::rule(*links),
            patience: Patience { time: self.settings.retry_for, retries: self.settings.retries },
            options: JobOptions { resume: self.resume, verify: self.verify, ..JobOptions::default() },
            events: self.events.clone(),
        })
    }

    fn begin(&mut self, key: Key, order: &Order, connections: &ConnectionKeeper, again: bool) {
        // Orders whose servers are not connected are not begun.
        let ends = connections.site(&order.from.site).zip(connections.site(&order.to.site));
        let Some((from, to)) = ends else { return };
        let running = self.running.get_or_insert_with(|| start(self.settings, &self.home, &self.events));
        let options = JobOptions {
            conflict: order.rule,
            resume: self.resume,
            verify: self.verify,
            links: match order.links {
                Some(links) => Links::rule(Some(links)),
                None => connections.links(&order.from, &order.to),
            },
            remove_source: order.moves,
            mode: order.mode,
            parents: true,
            again,
            // The plan has shown whether everything fits.
            fill: true,
            ..JobOptions::default()
        };
        let started = Event::Started(key, running.engine.add(order::job(from, to, order, options)));
        let events = self.events.clone();
        // The loop reads this channel: waiting here for room in it would block both.
        match events.try_send(started) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(started)) => {
                drop(tokio::spawn(async move { events.send(started).await }))
            }
        }
    }
}

fn start(settings: Settings, home: &Home, events: &mpsc::Sender<Event>) -> Running {
    let (engine, mut told) = Engine::remembering(settings, home.digests());
    let events = events.clone();
    let forward = tokio::spawn(async move {
        while let Some(event) = told.recv().await {
            if events.send(Event::Transfer(event)).await.is_err() {
                return;
            }
        }
    });
    Running { engine: Arc::new(engine), forward: forward.abort_handle() }
}
