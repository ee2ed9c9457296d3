//! A connection as a session.

use std::sync::Arc;

use ferry_shared::{digest::Digest, message::reply::Usage, pool::BufferPool};
use tokio::sync::mpsc;

use super::{batch, get, look, prepare, put, walk};
use crate::{
    error::ClientError,
    remote::{Asked, Remote},
    site::{
        Answer, End, Found, Get, Location, Make, Outcome, Page, Piece, Prepared, Put, Reach, Request, Room, Session,
        Stored, Surroundings, TargetKind, Walk, Watch,
    },
    traffic::Traffic,
};

/// A connection that carries one call at a time.
#[derive(Debug)]
pub(super) struct FerrySession {
    remote: Remote,
    pool: BufferPool,
    traffic: Arc<Traffic>,
    usage: Usage,
    /// The bytes that all sessions had sent when the server reported the usage.
    sent: u64,
    /// Whether a call is running, was dropped before its end, or left the conversation out of step.
    in_call: bool,
    /// The question that was sent with the login, until the first call.
    asked: Option<Asked>,
}

impl FerrySession {
    pub(super) fn new(remote: Remote, surroundings: &Surroundings, asked: Option<Asked>) -> Self {
        let Surroundings { pool, traffic, .. } = surroundings;
        let (usage, sent) = (remote.logged_in().usage, traffic.sent());
        Self { remote, pool: pool.clone(), traffic: Arc::clone(traffic), usage, sent, in_call: false, asked }
    }

    fn begin(&mut self) -> Remote {
        self.in_call = true;
        self.asked = None;
        self.remote.clone()
    }

    /// Marks the session as usable after a call, if all answers have arrived and it did not fail except by a refusal.
    fn end<T>(&mut self, result: Result<T, ClientError>) -> Result<T, ClientError> {
        self.in_call = !matches!(result, Ok(_) | Err(ClientError::Refused(_)));
        result
    }

    fn known_room(&self) -> Room {
        let Usage { used, reserved, limit, volume_free, .. } = self.usage;
        let disk = volume_free.saturating_add(reserved);
        let quota = limit.map(|limit| limit.saturating_sub(used));
        let free = quota.map_or(disk, |quota| disk.min(quota));
        let since = self.traffic.sent().saturating_sub(self.sent);
        let is_quota = quota.is_some_and(|quota| quota <= free);
        Room { volume: 0, free: free.saturating_sub(since), quota: is_quota, held: reserved }
    }
}

impl Drop for FerrySession {
    fn drop(&mut self) {
        if self.in_call {
            // The result of the running call is no longer needed, and the call may wait long for the server.
            self.remote.abort();
        }
    }
}

impl Session for FerrySession {
    fn is_usable(&self) -> bool {
        !self.in_call && !self.remote.is_closed()
    }

    fn stat<'a>(&'a mut self, at: &'a Location) -> Outcome<'a, Found> {
        Box::pin(async move {
            let path = look::path(at)?;
            let asked = self.asked.take().filter(|asked| asked.is_about(&path));
            let remote = self.begin();
            let found = look::look(&remote, &path, at.reach() == Reach::Follow, asked).await;
            self.end(found)
        })
    }

    fn prepare<'a>(
        &'a mut self,
        at: &'a Location,
        target: TargetKind,
        make: Make,
        digests: bool,
    ) -> Outcome<'a, Prepared> {
        Box::pin(async move {
            let path = look::path(at)?;
            if target == TargetKind::File {
                return Ok(prepare::unknown());
            }
            let remote = self.begin();
            let prepared = prepare::folder(&remote, &path, make, digests).await;
            self.end(prepared)
        })
    }

    fn room<'a>(&'a mut self, _at: &'a Location, ask: bool) -> Outcome<'a, Option<Room>> {
        Box::pin(async move {
            if ask {
                let remote = self.begin();
                let usage = remote.usage().await;
                match self.end(usage) {
                    Ok(usage) => (self.usage, self.sent) = (usage, self.traffic.sent()),
                    Err(ClientError::Refused(_)) if self.is_usable() => return Ok(None),
                    Err(error) => return Err(error),
                }
            }
            Ok(Some(self.known_room()))
        })
    }

    fn walk<'a>(&'a mut self, at: &'a Location, walk: Walk, pages: mpsc::Sender<Page>) -> Outcome<'a, ()> {
        Box::pin(async move {
            let path = look::path(at)?;
            let remote = self.begin();
            let walked = walk::run(&remote, &path, &walk, &pages).await;
            let whole = self.end(walked)?;
            // Much unwanted data may still arrive.
            self.in_call = !whole;
            Ok(())
        })
    }

    fn batch(&mut self, requests: mpsc::Receiver<Request>, answers: mpsc::Sender<Answer>) -> Outcome<'_, ()> {
        Box::pin(async move {
            let remote = self.begin();
            let result = batch::run(&remote, &self.pool, requests, answers).await;
            self.in_call = result.is_err();
            result
        })
    }

    fn get(
        &mut self,
        get: Get,
        held: mpsc::Receiver<Vec<Digest>>,
        pieces: mpsc::Sender<Piece>,
        watch: Arc<dyn Watch>,
    ) -> Outcome<'_, End> {
        Box::pin(async move {
            let path = look::path(&get.at)?;
            let remote = self.begin();
            let result = get::run(&remote, &self.pool, path, &get, held, &pieces, &watch).await;
            self.end(result)
        })
    }

    fn put(
        &mut self,
        put: Put,
        pieces: mpsc::Receiver<Piece>,
        held: mpsc::Sender<Vec<Digest>>,
        watch: Arc<dyn Watch>,
    ) -> Outcome<'_, Stored> {
        Box::pin(async move {
            let path = look::path(&put.at)?;
            let remote = self.begin();
            let (result, in_step) = put::run(&remote, &self.pool, path, &put, pieces, held, watch).await;
            self.in_call = !in_step;
            result
        })
    }
}
