//! Obtains sessions: takes idle ones, opens new ones, and retries when a site cannot be reached.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use super::{
    engine_state::EngineState,
    sessions::{Open, Pool},
};
use crate::{error::ClientError, obstacle::Obstacle, reconnect::Backoff};

/// The reason why there is no session.
#[derive(Debug)]
pub(super) enum NoSession {
    /// The engine stops.
    Stopped,
    /// Not now: another worker is retrying, or the site accepts no more sessions. Other workers continue.
    Enough,
    /// The site cannot be reached, or rejects the login.
    Failed(ClientError),
}

impl EngineState {
    /// Takes an idle session or opens a new one. When the site cannot be reached, one caller retries while its patience
    /// lasts.
    pub(super) async fn session(&self, pool: &Pool) -> Result<Open, NoSession> {
        tokio::select! {
            biased;
            () = self.stop().cancelled() => Err(NoSession::Stopped),
            result = self.find_session(pool) => result,
        }
    }

    /// Like [`Self::session`], but waits instead of returning [`NoSession::Enough`].
    pub(super) async fn session_in_turn(&self, pool: &Pool) -> Result<Open, NoSession> {
        loop {
            match self.session(pool).await {
                Err(NoSession::Enough) if pool.is_probing() => {
                    // Waiting cannot fail: the pool owns the sender.
                    drop(pool.probing.subscribe().wait_for(|probing| !probing).await);
                }
                Err(NoSession::Enough) => tokio::time::sleep(Duration::from_millis(100)).await,
                result => return result,
            }
        }
    }

    async fn find_session(&self, pool: &Pool) -> Result<Open, NoSession> {
        if let Some(open) = pool.take_idle() {
            return Ok(open);
        }
        if pool.is_probing() || pool.open() >= pool.abilities.connections {
            return Err(NoSession::Enough);
        }
        match pool.dial(&self.surroundings).await {
            Ok(open) => {
                // Another caller may have stopped retrying without an event that the site is back.
                self.reached_again(pool);
                Ok(open)
            }
            Err(error) if is_full(&error) && pool.open() > 0 => {
                self.queue.limit_transfers(pool.open());
                Err(NoSession::Enough)
            }
            Err(error) => self.probe(pool, error).await,
        }
    }

    async fn probe(&self, pool: &Pool, mut error: ClientError) -> Result<Open, NoSession> {
        if pool.probing.send_replace(true) {
            return Err(NoSession::Enough);
        }
        let _ended = Probe(self, pool);
        let mut backoff = Backoff::new(self.patience);
        loop {
            let Some(delay) = backoff.next_delay(&error) else { return Err(NoSession::Failed(error)) };
            pool.lost.store(true, Relaxed);
            self.queue.link_lost(pool.name.clone(), error, delay, backoff.attempt());
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = pool.at_once.notified() => {}
            }
            match pool.dial(&self.surroundings).await {
                Ok(open) => {
                    self.reached_again(pool);
                    return Ok(open);
                }
                Err(again) => error = again,
            }
        }
    }

    /// Emits that the site is back, if it was reported as lost.
    fn reached_again(&self, pool: &Pool) {
        if pool.lost.swap(false, Relaxed) {
            self.queue.link_restored(pool.name.clone());
        }
    }
}

/// Whether a site accepts no more sessions for now.
fn is_full(error: &ClientError) -> bool {
    error.obstacle() == Obstacle::Busy && error.is_transient()
}

/// Lets other callers try again when it is dropped.
struct Probe<'a>(&'a EngineState, &'a Pool);

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        self.1.probing.send_replace(false);
        self.0.queue.changed.notify_one();
    }
}
