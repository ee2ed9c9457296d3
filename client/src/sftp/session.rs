//! A channel as a session.

use std::{fmt, sync::Arc};

use ferry_shared::{digest::Digest, pool::BufferPool, sftp::StatVfs};
use tokio::sync::mpsc;

use super::{batch, calls::Calls, get, parts::Parts, place, prepare, put, walk};
use crate::site::{
    Answer, End, Found, Get, Location, Make, Outcome, Page, Piece, Prepared, Put, Reach, Request, Room, Session,
    Stored, TargetKind, Walk, Watch,
};

/// A channel that carries one call at a time. A call that is dropped does not put it out of step: answers that are not
/// wanted any more are ignored.
pub(super) struct SftpSession {
    calls: Calls,
    pool: BufferPool,
    parts: Parts,
}

impl SftpSession {
    pub(super) fn new(calls: Calls, pool: BufferPool, parts: Parts) -> Self {
        Self { calls, pool, parts }
    }
}

impl fmt::Debug for SftpSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SftpSession").field("closed", &self.calls.link.is_closed()).finish_non_exhaustive()
    }
}

impl Session for SftpSession {
    fn is_usable(&self) -> bool {
        !self.calls.link.is_closed()
    }

    fn stat<'a>(&'a mut self, at: &'a Location) -> Outcome<'a, Found> {
        Box::pin(async move {
            let follow = Location::new(at.root(), at.below().clone(), Reach::Follow);
            batch::stat(&self.calls, &follow).await
        })
    }

    fn prepare<'a>(
        &'a mut self,
        at: &'a Location,
        target: TargetKind,
        make: Make,
        _digests: bool,
    ) -> Outcome<'a, Prepared> {
        Box::pin(prepare::prepare(&self.calls, &self.parts, at, target, make))
    }

    fn room<'a>(&'a mut self, at: &'a Location, _ask: bool) -> Outcome<'a, Option<Room>> {
        Box::pin(async move {
            let mut path = Some(self.calls.place(at).await?);
            // The target may be missing: the folder above it is on the same volume.
            while let Some(here) = path {
                if let Some(volume) = self.calls.volume(here.clone()).await? {
                    return Ok(Some(free(&volume)));
                }
                path = place::parent(&here).filter(|_| self.calls.facts.statvfs);
            }
            Ok(None)
        })
    }

    fn walk<'a>(&'a mut self, at: &'a Location, walk: Walk, pages: mpsc::Sender<Page>) -> Outcome<'a, ()> {
        Box::pin(async move {
            let path = self.calls.place(at).await?;
            walk::run(&self.calls, path, &walk, &pages).await
        })
    }

    fn batch(&mut self, requests: mpsc::Receiver<Request>, answers: mpsc::Sender<Answer>) -> Outcome<'_, ()> {
        Box::pin(batch::run(&self.calls, &self.pool, &self.parts, requests, answers))
    }

    fn get(
        &mut self,
        get: Get,
        held: mpsc::Receiver<Vec<Digest>>,
        pieces: mpsc::Sender<Piece>,
        watch: Arc<dyn Watch>,
    ) -> Outcome<'_, End> {
        Box::pin(async move { get::run(&self.calls, &self.pool, &get, held, &pieces, &*watch).await })
    }

    fn put(
        &mut self,
        put: Put,
        pieces: mpsc::Receiver<Piece>,
        held: mpsc::Sender<Vec<Digest>>,
        watch: Arc<dyn Watch>,
    ) -> Outcome<'_, Stored> {
        Box::pin(async move { put::run(&self.calls, &self.parts, &put, pieces, held, watch).await })
    }
}

/// The free space of a volume.
fn free(volume: &StatVfs) -> Room {
    let unit = if volume.fragment_size > 0 { volume.fragment_size } else { volume.block_size };
    Room { volume: volume.id, free: volume.blocks_available.saturating_mul(unit), quota: false, held: 0 }
}
