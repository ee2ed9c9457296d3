//! A worker: one connection at a time, and whatever the queue has for it.

use super::{
    core::Shared,
    flow::Next,
    large,
    link::{Link, NoLink},
    queue::Turn,
    quick,
};
use crate::{
    error::ClientError,
    reconnect::{Backoff, Patience},
};

/// How a turn ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// The connection, where it can be used again.
    pub(super) link: Option<Link>,
    /// Something failed that may pass: wait a little before the next turn.
    pub(super) hiccup: Option<ClientError>,
}

/// Works until the queue has nothing more for it.
pub(super) async fn work(core: Shared) {
    let _ended = Counted(&core);
    let mut backoff = Backoff::new(Patience::ENDLESS);
    let mut kept = None;
    while !core.stop.is_cancelled() {
        let Some(turn) = core.queue.take_turn() else { break };
        let link = match kept.take() {
            Some(link) => Ok(link),
            None => core.link().await,
        };
        let link = match link {
            Ok(link) => link,
            Err(none) => return stand_back(&core, turn, none).await,
        };
        let ended = match turn {
            Turn::Quick(batch) => quick::run(&core, link, batch).await,
            Turn::Large(item, active) => large::run(&core, link, *item, active).await,
        };
        kept = ended.link;
        match ended.hiccup.and_then(|error| backoff.next_delay(&error)) {
            Some(delay) => tokio::select! {
                () = core.stop.cancelled() => {}
                () = tokio::time::sleep(delay) => {}
            },
            None => backoff.reset(),
        }
    }
    if let Some(link) = kept {
        core.links.put(link);
    }
}

/// Tells the queue that a worker is gone, however it went.
struct Counted<'a>(&'a Shared);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.queue.worker_ended();
    }
}

/// There is no connection for a turn.
async fn stand_back(core: &Shared, turn: Turn, none: NoLink) {
    let items = match turn {
        Turn::Quick(batch) => {
            core.queue.quick_ended();
            batch
        }
        // Stopped meanwhile: where it goes from here is for the queue to say.
        Turn::Large(item, active) if active.why_stopped().is_some() => {
            core.apply(Next::Again(*item)).await;
            Vec::new()
        }
        Turn::Large(item, active) => {
            if matches!(none, NoLink::Failed(_)) {
                core.queue.large_ended(&active);
            }
            vec![*item]
        }
    };
    match none {
        NoLink::Stopped => {}
        NoLink::Enough => {
            for item in items.into_iter().rev() {
                core.apply(Next::Again(item)).await;
            }
        }
        NoLink::Failed(error) => core.fail_waiting(&error, items).await,
    }
}
