//! A worker: takes work from the queue, and keeps sessions open for one pair of sites at a time.

use std::{sync::Arc, time::Duration};

use super::{
    connecting::NoSession,
    engine_state::Shared,
    pair::Sessions,
    pipelined,
    queue::Turn,
    sessions::Pool,
    streamed,
    task::{End, Task},
    transitions::Next,
};
use crate::reconnect::{Backoff, Patience};

/// How long a worker waits when a site accepts no more sessions.
pub(super) const ENOUGH: Duration = Duration::from_millis(100);

/// Works until the queue has no more turns.
pub(super) async fn work(core: Shared) {
    let _ended = Counted(&core);
    let mut backoff = Backoff::new(Patience::ENDLESS);
    let mut kept: Option<(Arc<Task>, Sessions)> = None;
    while !core.stop().is_cancelled() {
        let Some(turn) = core.queue.take_turn() else { break };
        let task = Arc::clone(turn.task());
        let mut sessions = Sessions::default();
        if let Some((earlier, open)) = kept.take() {
            match earlier.is_between(&task) && !open.is_broken() {
                true => sessions = open,
                false => open.put_back(&earlier),
            }
        }
        if let Err((pool, none)) = complete(&core, &task, &mut sessions).await {
            sessions.put_back(&task);
            return stand_back(&core, turn, &pool, none).await;
        }
        let ended = match turn {
            Turn::Quick(task, batch) => pipelined::run(&core, sessions, &task, batch).await,
            Turn::Large(item, active) => streamed::run(&core, sessions, *item, active).await,
        };
        kept = Some((task, ended.sessions));
        match ended.hiccup.and_then(|error| backoff.next_delay(&error)) {
            Some(delay) => tokio::select! {
                () = core.stop().cancelled() => {}
                () = tokio::time::sleep(delay) => {}
            },
            None => backoff.reset(),
        }
    }
    if let Some((task, sessions)) = kept {
        sessions.put_back(&task);
    }
}

/// Opens the sessions that are missing.
async fn complete(core: &Shared, task: &Task, sessions: &mut Sessions) -> Result<(), (Arc<Pool>, NoSession)> {
    for (end, open) in [(&task.from, &mut sessions.source), (&task.to, &mut sessions.target)] {
        if let Some(pool) = End::pool(end)
            && open.is_none()
        {
            *open = Some(core.session(pool).await.map_err(|none| (Arc::clone(pool), none))?);
        }
    }
    Ok(())
}

/// Notifies the queue when a worker ends.
struct Counted<'a>(&'a Shared);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.queue.worker_ended();
    }
}

/// Gives up a turn, because there is no session with the site of `pool`.
async fn stand_back(core: &Shared, turn: Turn, pool: &Arc<Pool>, none: NoSession) {
    let items = match turn {
        Turn::Quick(task, batch) => {
            core.queue.quick_ended(&task);
            batch
        }
        // The queue decides about an item that was stopped.
        Turn::Large(item, active) if active.why_stopped().is_some() => {
            core.apply(Next::Again(*item)).await;
            Vec::new()
        }
        Turn::Large(item, active) => {
            if matches!(none, NoSession::Failed(_)) {
                core.queue.active_ended(&active);
            }
            vec![*item]
        }
    };
    match none {
        NoSession::Stopped => {}
        NoSession::Enough => {
            for item in items.into_iter().rev() {
                core.apply(Next::Again(item)).await;
            }
            // Wait, because a new worker would find no session either.
            tokio::select! {
                () = core.stop().cancelled() => {}
                () = tokio::time::sleep(ENOUGH) => {}
            }
        }
        NoSession::Failed(error) => core.fail_waiting(pool, &error, items).await,
    }
}
