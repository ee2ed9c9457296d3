//! A session with this computer. Each call has one or two threads of its own.

use std::{fs::File, sync::Arc};

use ferry_shared::{digest::Digest, pool::BufferPool};
use tokio::sync::mpsc;

use super::{
    batch::Batch,
    existing,
    landing::{Create, Targets},
    place::{self, failed},
    put,
    read::Reader,
    remembered::Remembered,
    threads::Threads,
    walk,
};
use crate::site::{
    Answer, BoxFuture, End, Found, Get, Location, Make, Outcome, Page, Piece, Prepared, Put, Request, Room, Session,
    Stored, Surroundings, TargetKind, Walk, Watch,
};

/// A session with this computer.
#[derive(Debug)]
pub(super) struct LocalSession {
    pool: BufferPool,
    threads: Threads,
    remembered: Option<Remembered>,
}

impl LocalSession {
    pub(super) fn new(surroundings: &Surroundings) -> Self {
        let remembered = surroundings.digests.clone().map(Remembered::new);
        Self { pool: surroundings.pool.clone(), threads: Threads::new(surroundings), remembered }
    }
}

impl Session for LocalSession {
    fn is_usable(&self) -> bool {
        self.threads.are_idle()
    }

    fn settle(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.threads.settle())
    }

    fn stat<'a>(&'a mut self, at: &'a Location) -> Outcome<'a, Found> {
        let at = at.clone();
        Box::pin(self.threads.call().run(move |_| {
            let found = place::source_path(&at).and_then(std::fs::metadata).and_then(|found| place::found(&found));
            found.map_err(|error| place::failed(&at, error))
        }))
    }

    fn prepare<'a>(
        &'a mut self,
        at: &'a Location,
        target: TargetKind,
        make: Make,
        digests: bool,
    ) -> Outcome<'a, Prepared> {
        let (at, remembered) = (at.clone(), self.remembered.clone().filter(|_| digests));
        Box::pin(self.threads.call().run(move |_| existing::prepare(&at, target, make, remembered)))
    }

    fn room<'a>(&'a mut self, at: &'a Location, _ask: bool) -> Outcome<'a, Option<Room>> {
        let at = at.clone();
        Box::pin(self.threads.call().run(move |_| existing::room(&at)))
    }

    fn walk<'a>(&'a mut self, at: &'a Location, walk: Walk, pages: mpsc::Sender<Page>) -> Outcome<'a, ()> {
        let (at, remembered) = (at.clone(), self.remembered.clone().filter(|_| walk.digests));
        Box::pin(self.threads.call().run(move |stop| walk::run(&at, walk, remembered, pages, stop)))
    }

    fn batch(&mut self, requests: mpsc::Receiver<Request>, answers: mpsc::Sender<Answer>) -> Outcome<'_, ()> {
        let (pool, remembered) = (self.pool.clone(), self.remembered.clone());
        Box::pin(self.threads.call().run(move |stop| Batch::new(pool, remembered, answers, stop).run(requests)))
    }

    fn basis<'a>(&'a mut self, at: &'a Location) -> BoxFuture<'a, Option<File>> {
        let at = at.clone();
        let open = self.threads.call().run(move |_| {
            let open = || {
                let target = Targets::default().get(&at, Create::None)?;
                target.folder.open_file(target.name()?)
            };
            open().map_err(|error| failed(&at, error))
        });
        Box::pin(async { open.await.ok() })
    }

    fn get(
        &mut self,
        get: Get,
        held: mpsc::Receiver<Vec<Digest>>,
        pieces: mpsc::Sender<Piece>,
        watch: Arc<dyn Watch>,
    ) -> Outcome<'_, End> {
        let (pool, remembered) = (self.pool.clone(), self.remembered.clone());
        Box::pin(
            self.threads.call().run(move |stop| Reader::new(pool, remembered, get, held, pieces, watch, stop).run()),
        )
    }

    fn put(
        &mut self,
        put: Put,
        pieces: mpsc::Receiver<Piece>,
        held: mpsc::Sender<Vec<Digest>>,
        watch: Arc<dyn Watch>,
    ) -> Outcome<'_, Stored> {
        let pool = self.pool.clone();
        Box::pin(put::run(self.threads.call(), pool, put, pieces, held, watch))
    }
}

#[cfg(test)]
mod tests {
    use ferry_shared::{entry::Mtime, path::RemotePath};

    use super::*;
    use crate::{
        conformance::scene::{Noted, surroundings},
        site::{FileFacts, Op, Reach, Root},
    };

    fn at(folder: &std::path::Path, below: &str) -> Location {
        Location::new(&Root::new(folder.into()), RemotePath::from_wire(below.as_bytes()).unwrap(), Reach::Contained)
    }

    #[tokio::test]
    async fn threads_of_a_call_that_was_dropped_end_and_are_waited_for() {
        let (dir, around) = (tempfile::tempdir().unwrap(), surroundings());
        let mut session = LocalSession::new(&around);
        // Both calls wait forever, because their senders stay open.
        let (_requests, incoming) = mpsc::channel(1);
        let (answers, _answered) = mpsc::channel(1);
        let (_pieces, taken) = mpsc::channel(1);
        let (told, mut held) = mpsc::channel(1);
        let put = Put {
            at: at(dir.path(), "x"),
            over: crate::site::Over::Nothing,
            resume: false,
            begun: false,
            keep_attributes: false,
            mode: None,
            parents: true,
            expected: FileFacts { size: 0, mtime: Mtime(0, 0) },
            verify: false,
        };
        {
            let mut batch = session.batch(incoming, answers);
            assert!(is_waiting(&mut batch).await);
        }
        assert!(!session.is_usable());
        session.settle().await;
        assert!(session.is_usable());
        tokio::select! {
            biased;
            _ = session.put(put, taken, told, Noted::new()) => panic!("no piece was sent"),
            none = held.recv() => assert!(none.is_none()),
        }
        assert!(!session.is_usable());
        session.settle().await;
        assert!(session.is_usable());
        around.tasks.close();
        around.tasks.wait().await;
    }

    /// Polls a future once; whether it is pending.
    async fn is_waiting<T>(future: &mut BoxFuture<'_, T>) -> bool {
        tokio::select! {
            biased;
            _ = future => false,
            () = tokio::task::yield_now() => true,
        }
    }

    #[tokio::test]
    async fn a_session_ends_its_calls_when_the_engine_ends() {
        let around = surroundings();
        let mut session = LocalSession::new(&around);
        let (_requests, incoming) = mpsc::channel(1);
        let (answers, _answered) = mpsc::channel(1);
        let mut batch = session.batch(incoming, answers);
        assert!(is_waiting(&mut batch).await);
        around.stop.cancel();
        batch.await.unwrap();
    }

    #[tokio::test]
    async fn a_fresh_target_is_not_looked_into() {
        let dir = tempfile::tempdir().unwrap();
        let mut session = LocalSession::new(&surroundings());
        let top = at(&dir.path().join("new"), "");
        let prepared = session.prepare(&top, TargetKind::Folder, Make::Itself, false).await.unwrap();
        let mut existing = prepared.existing;
        std::fs::write(dir.path().join("new/x"), "of this job").unwrap();
        assert!(existing.look(&RemotePath::from_wire(b"x").unwrap()).unwrap().is_none());
        let mut again = session.prepare(&top, TargetKind::Folder, Make::Itself, false).await.unwrap();
        assert!(again.there && again.existing.look(&RemotePath::from_wire(b"x").unwrap()).unwrap().is_some());
    }

    #[tokio::test]
    async fn the_room_is_that_of_the_disk_the_target_is_on() {
        let dir = tempfile::tempdir().unwrap();
        let mut session = LocalSession::new(&surroundings());
        let one = session.room(&at(dir.path(), "x"), false).await.unwrap();
        let other = session.room(&at(&dir.path().join("y"), ""), false).await.unwrap();
        assert_eq!(one.map(|room| room.volume), other.map(|room| room.volume));
        assert!(!cfg!(unix) || one.is_some_and(|room| !room.quota));
        assert!(session.room(&at(&dir.path().join("gone/y"), ""), false).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_file_is_in_the_way_of_a_target_folder() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let mut session = LocalSession::new(&surroundings());
        let result = session.prepare(&at(&dir.path().join("file"), ""), TargetKind::Folder, Make::Itself, false).await;
        assert_eq!(result.unwrap_err().obstacle(), crate::Obstacle::NotFolder);
        let (requests, incoming) = mpsc::channel(1);
        let (outgoing, mut answers) = mpsc::channel(1);
        requests.try_send(Request { id: 0, op: Op::Stat { at: at(dir.path(), "file") }, watch: None }).unwrap();
        drop(requests);
        session.batch(incoming, outgoing).await.unwrap();
        assert!(answers.recv().await.unwrap().result.is_ok());
    }
}
