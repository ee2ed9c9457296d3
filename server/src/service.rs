//! Notifications for the service manager, if one started the process: ready, reloading, stopping, status, and signs
//! of life.

use std::{env, future, sync::Arc, time::Duration};

use sd_notify::NotifyState;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::context::Context;

/// The minimum time between two status reports.
const STATUS: Duration = Duration::from_secs(10);
/// How long an orderly stop may take beyond the time for transfers.
pub(crate) const LAST_STEPS: Duration = Duration::from_secs(20);

/// The connection of a running server to its service manager. Without a manager it does nothing.
#[derive(Debug)]
pub(crate) struct ServiceManager {
    context: Arc<Context>,
    ticks: Option<Interval>,
    said: String,
}

impl ServiceManager {
    /// Determines from the environment whether there is a manager, and how often it expects signs of life.
    pub(crate) fn find(context: Arc<Context>) -> Self {
        let wanted = env::var_os("NOTIFY_SOCKET").is_some();
        // A single late sign of life must not end the server.
        let every = sd_notify::watchdog_enabled().map_or(STATUS, |most| STATUS.min(most / 3));
        let every = every.max(Duration::from_millis(1));
        let ticks = wanted.then(|| {
            let mut ticks = interval_at(Instant::now() + every, every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        Self { context, ticks, said: String::new() }
    }

    /// Reports that the server accepts clients.
    pub(crate) fn ready(&self) {
        tell(&[NotifyState::Ready, NotifyState::Status("ready")]);
    }

    /// Reports that a reload has started; [`ready`](Self::ready) ends it.
    pub(crate) fn reloading(&self) {
        let now = NotifyState::monotonic_usec_now();
        let now = now.inspect_err(|error| tracing::warn!(%error, "the system's clock cannot be read"));
        tell(&[Some(NotifyState::Reloading), now.ok()].into_iter().flatten().collect::<Vec<_>>());
    }

    /// Reports that the server gives transfers `drain` and then ends.
    pub(crate) fn stopping(&self, drain: Duration) {
        let needed = u32::try_from((drain + LAST_STEPS).as_micros()).unwrap_or(u32::MAX);
        let status = NotifyState::Status("stopping: running transfers get their time");
        tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(needed), status]);
    }

    /// Waits until the next sign of life is due; forever if none is expected.
    pub(crate) async fn time_to_speak(&mut self) {
        match &mut self.ticks {
            Some(ticks) => drop(ticks.tick().await),
            None => future::pending().await,
        }
    }

    /// Reports that the server is alive, after checking it: a worker of the runtime must find the time, and acquire
    /// the locks that every connection needs.
    pub(crate) async fn say_alive(&mut self) {
        let context = Arc::clone(&self.context);
        let status = match tokio::spawn(async move { summary(&context) }).await {
            Ok(status) => status,
            Err(error) => return tracing::error!(%error, "no sign of life"),
        };
        let mut words = vec![NotifyState::Watchdog];
        if status != self.said {
            words.push(NotifyState::Status(&status));
        }
        tell(&words);
        self.said = status;
    }

    /// Continues to report signs of life for as long as it is awaited.
    pub(crate) async fn keep_alive(&mut self) {
        loop {
            self.time_to_speak().await;
            self.say_alive().await;
        }
    }
}

fn summary(context: &Context) -> String {
    let connections = context.connections.list();
    let transfers = connections.iter().filter(|connection| connection.transfer().is_some()).count();
    let state = if context.drain.is_cancelled() { "stopping: " } else { "" };
    format!("{state}{} sessions, {transfers} transfers", context.sessions.count())
}

fn tell(words: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(words) {
        tracing::warn!(%error, "cannot notify the service manager");
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::mpsc,
        task::{self, Waker},
    };

    use super::*;
    use crate::{
        config::{Config, Tls},
        identity::Identity,
        storage::{Durability, Storage},
        users::{self, Users},
    };

    #[test]
    fn a_runtime_whose_workers_hang_gives_no_sign_of_life() {
        let folder = tempfile::tempdir().unwrap();
        let users = Users::load(users::store_file(folder.path())).unwrap();
        let identity = Identity::load_or_create(folder.path(), &Tls::default()).unwrap();
        let storage = Storage::open(folder.path(), Durability::Rename).unwrap();
        let context = Arc::new(Context::new(Config::default(), users, identity, storage));
        let mut manager = ServiceManager { context, ticks: None, said: String::new() };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let ((hung, is_hung), (end, wait)) = (mpsc::channel(), mpsc::channel::<()>());
        runtime.spawn(async move {
            hung.send(()).unwrap();
            let _ = wait.recv();
        });
        is_hung.recv().unwrap();
        let _inside = runtime.enter();
        {
            let mut alive = pin!(manager.say_alive());
            let mut poll = || alive.as_mut().poll(&mut task::Context::from_waker(Waker::noop()));
            assert!(poll().is_pending());
            drop(end);
            while poll().is_pending() {
                std::thread::yield_now();
            }
        }
        assert_eq!(manager.said, "0 sessions, 0 transfers");
    }
}
