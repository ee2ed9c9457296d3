//! A session with a site in memory.

use std::{fmt, sync::Arc};

use ferry_shared::digest::Digest;
use tokio::sync::mpsc;

use super::{
    Shared, batch, existing, get, put, walk,
    way::{Way, look},
};
use crate::{
    error::ClientError,
    site::{
        Answer, End, Found, Get, Location, Make, Outcome, Page, Piece, Prepared, Put, Reach, Request, Room, Session,
        Stored, TargetKind, Walk, Watch,
    },
};

/// A session with a site in memory.
pub(super) struct MemorySession {
    pub(super) way: Way,
    /// Whether the last call has ended.
    ended: bool,
}

impl MemorySession {
    pub(super) fn new(shared: &Arc<Shared>, opened_after: u64) -> Self {
        Self { way: Way::new(shared, opened_after), ended: true }
    }

    async fn call<T>(&mut self, work: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
        self.ended = false;
        let result = work.await;
        self.ended = true;
        result
    }
}

impl fmt::Debug for MemorySession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySession").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Session for MemorySession {
    fn is_usable(&self) -> bool {
        self.ended && !self.way.is_broken()
    }

    fn stat<'a>(&'a mut self, at: &'a Location) -> Outcome<'a, Found> {
        let way = self.way.clone();
        let at = Location::new(at.root(), at.below().clone(), Reach::Follow);
        Box::pin(self.call(async move {
            way.begin().await?;
            way.tree(|tree| look(tree, &at))
        }))
    }

    fn prepare<'a>(
        &'a mut self,
        at: &'a Location,
        target: TargetKind,
        make: Make,
        _digests: bool,
    ) -> Outcome<'a, Prepared> {
        let way = self.way.clone();
        Box::pin(self.call(async move {
            way.begin().await?;
            existing::prepare(&way, at, target, make)
        }))
    }

    fn room<'a>(&'a mut self, _at: &'a Location, _ask: bool) -> Outcome<'a, Option<Room>> {
        let way = self.way.clone();
        Box::pin(self.call(async move {
            way.begin().await?;
            let room = |free| Room { volume: 0, free, quota: false, held: 0 };
            Ok(way.tree(|tree| tree.free()).map(room))
        }))
    }

    fn walk<'a>(&'a mut self, at: &'a Location, walk: Walk, pages: mpsc::Sender<Page>) -> Outcome<'a, ()> {
        let way = self.way.clone();
        Box::pin(self.call(async move { walk::run(&way, at, &walk, &pages).await }))
    }

    fn batch(&mut self, requests: mpsc::Receiver<Request>, answers: mpsc::Sender<Answer>) -> Outcome<'_, ()> {
        let way = self.way.clone();
        Box::pin(self.call(async move { batch::run(&way, requests, &answers).await }))
    }

    fn get(
        &mut self,
        get: Get,
        held: mpsc::Receiver<Vec<Digest>>,
        pieces: mpsc::Sender<Piece>,
        watch: Arc<dyn Watch>,
    ) -> Outcome<'_, End> {
        let way = self.way.clone();
        Box::pin(self.call(async move { get::run(&way, &get, held, &pieces, &*watch).await }))
    }

    fn put(
        &mut self,
        put: Put,
        pieces: mpsc::Receiver<Piece>,
        held: mpsc::Sender<Vec<Digest>>,
        watch: Arc<dyn Watch>,
    ) -> Outcome<'_, Stored> {
        let way = self.way.clone();
        Box::pin(self.call(async move { put::run(&way, &put, pieces, held, &*watch).await }))
    }
}
