//! A site with an empty folder, and short helpers for requests to it.

use std::{
    any::Any,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use ferry_shared::{
    digest::Digest,
    entry::Mtime,
    limits::{BLOCK_LEN, BLOCK_SIZE, block_count, block_len},
    name::Name,
    path::RemotePath,
    pool::BufferPool,
};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    error::ClientError,
    local::Local,
    memory::Memory,
    obstacle::Obstacle,
    site::{
        Abilities, Answer, BlockBytes, Content, Dates, Done, End, FileFacts, Folders, Found, Get, Grown, Location,
        Names, Op, Opened, Over, Phase, Piece, Put, Reach, Replace, Request, Resume, Root, Session, Site, SitePath,
        Stored, Surroundings, Watch,
    },
    traffic::Traffic,
};

/// A server without digests and versions.
pub(crate) const LIKE_SFTP: Abilities = Abilities {
    digest: false,
    only_if_unchanged: false,
    resume: Resume::Offset,
    replace: Replace::ByRename,
    mtime: Dates::Seconds,
    server_copy: false,
    search: false,
    quota: false,
    ..Abilities::ALL
};
/// A store without folders, permission bits and links.
pub(crate) const LIKE_A_BUCKET: Abilities = Abilities {
    folders: Folders::Implied,
    mode_bits: false,
    links: false,
    mtime: Dates::None,
    names: Names::Utf8,
    resume: Resume::Parts,
    rename: false,
    size_first: true,
    ..Abilities::ALL
};
/// A server that overwrites files in place.
pub(crate) const IN_PLACE: Abilities =
    Abilities { replace: Replace::InPlace, resume: Resume::None, digest: false, ..Abilities::ALL };

/// The date of test files.
pub(crate) const DATE: Mtime = Mtime(1_234_567_890, 250_000_000);

/// A site and a folder in it for one test.
pub(crate) struct Scene {
    pub(crate) site: Box<dyn Site>,
    top: SitePath,
    root: Arc<Root>,
    surroundings: Surroundings,
    /// A value that must live as long as the scene, such as a temporary folder.
    _keep: Box<dyn Any + Send + Sync>,
}

/// This computer.
pub(crate) fn local() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    Scene::new(Box::new(Local), folder.path().into(), Box::new(folder))
}

/// A site in memory.
pub(crate) fn memory(abilities: Abilities) -> Scene {
    let site = Memory::new(abilities);
    site.tree(|tree| tree.make_folder("home/top"));
    Scene::new(Box::new(site), RemotePath::from_wire(b"home/top").unwrap().into(), Box::new(()))
}

/// The surroundings of the sessions of a test.
pub(crate) fn surroundings() -> Surroundings {
    Surroundings {
        traffic: Arc::new(Traffic::default()),
        pool: BufferPool::new(4),
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
        silence: Duration::from_secs(60),
        digests: None,
    }
}

impl Scene {
    /// Creates a scene with an empty folder of a site.
    pub(crate) fn new(site: Box<dyn Site>, top: SitePath, keep: Box<dyn Any + Send + Sync>) -> Self {
        let root = Root::new(top.join(&Name::try_from("root").unwrap()).unwrap());
        Self { site, top, root, surroundings: surroundings(), _keep: keep }
    }

    pub(crate) fn abilities(&self) -> Abilities {
        self.site.abilities()
    }

    /// Whether the site is a server.
    pub(crate) fn is_server(&self) -> bool {
        self.site.name().contains("://")
    }

    pub(crate) async fn session(&self) -> Box<dyn Session> {
        self.site.open(&self.surroundings).await.unwrap()
    }

    /// A target below the root, which need not exist.
    pub(crate) fn at(&self, below: &str) -> Location {
        Location::new(&self.root, RemotePath::from_wire(below.as_bytes()).unwrap(), Reach::Contained)
    }

    /// A source below the root.
    pub(crate) fn source(&self, below: &str) -> Location {
        Location::new(&self.root, RemotePath::from_wire(below.as_bytes()).unwrap(), Reach::Follow)
    }

    /// A target that is itself a root.
    pub(crate) fn own_root(&self, path: &str) -> Location {
        let path = self.top.join_path(&RemotePath::from_wire(path.as_bytes()).unwrap()).unwrap();
        Location::new(&Root::new(path), RemotePath::home(), Reach::Contained)
    }

    /// A request to store a file with its attributes and parent folders.
    pub(crate) fn put(&self, below: &str, over: Over) -> Put {
        Put {
            at: self.at(below),
            over,
            resume: false,
            begun: false,
            keep_attributes: true,
            mode: None,
            parents: true,
            expected: FileFacts { size: 0, mtime: DATE },
            verify: false,
        }
    }

    /// Sends all of `ops` in one batch; returns the answers in the order of the requests.
    pub(crate) async fn ask_all(&self, ops: Vec<Op>) -> Vec<Result<Done, ClientError>> {
        let count = ops.len();
        let (requests, incoming) = mpsc::channel(count.max(1));
        let (outgoing, mut answers) = mpsc::channel(count.max(1));
        for (id, op) in ops.into_iter().enumerate() {
            requests.try_send(Request { id: id as u64, op, watch: None }).unwrap();
        }
        drop(requests);
        self.session().await.batch(incoming, outgoing).await.unwrap();
        let mut answered = Vec::new();
        while let Some(answer) = answers.recv().await {
            answered.push(answer);
        }
        answered.sort_by_key(|answer| answer.id);
        let ids: Vec<u64> = answered.iter().map(|answer| answer.id).collect();
        assert_eq!(ids, (0..count as u64).collect::<Vec<_>>(), "each is answered once");
        answered.into_iter().map(|Answer { result, .. }| result).collect()
    }

    pub(crate) async fn ask(&self, op: Op) -> Result<Done, ClientError> {
        self.ask_all(vec![op]).await.pop().unwrap()
    }

    /// Sends a request that succeeds without a value.
    pub(crate) async fn do_it(&self, op: Op) {
        match self.ask(op).await {
            Ok(Done::Done) => {}
            other => panic!("{other:?}"),
        }
    }

    /// Sends a request that fails, and returns the obstacle.
    pub(crate) async fn refused(&self, op: Op) -> Obstacle {
        self.ask(op).await.unwrap_err().obstacle()
    }

    /// Returns the entry at a target, if it exists.
    pub(crate) async fn look(&self, below: &str) -> Option<Found> {
        match self.ask(Op::Stat { at: self.at(below) }).await {
            Ok(Done::Found(found)) => Some(found),
            Err(error) if error.obstacle() == Obstacle::NotFound => None,
            other => panic!("{other:?}"),
        }
    }

    /// Stores a small file.
    pub(crate) async fn store(&self, put: Put, bytes: &[u8]) -> Result<Stored, ClientError> {
        match self.ask(Op::Put { put, content: Box::new(content(bytes)) }).await {
            Ok(Done::Stored(stored)) => Ok(stored),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        }
    }

    /// Stores a small file and replaces an existing one.
    pub(crate) async fn write(&self, below: &str, bytes: &[u8]) {
        self.store(self.put(below, Over::Anything), bytes).await.unwrap();
    }

    /// Reads a file of any size as a stream; `None` if it does not exist.
    pub(crate) async fn read(&self, below: &str) -> Option<(Opened, Vec<u8>, End)> {
        let expected = self.look(below).await?.facts;
        let (pieces, mut taken) = mpsc::channel(2);
        let (_, held) = mpsc::channel(1);
        let get = Get { at: self.source(below), expected, growing: false, opened_first: true, basis: None };
        let mut session = self.session().await;
        let reading = session.get(get, held, pieces, Noted::new());
        let taking = async {
            let (mut content, mut opened, mut last) = (Vec::new(), None, None);
            while let Some(piece) = taken.recv().await {
                match piece {
                    Piece::Opened(first) => opened = Some(first),
                    Piece::Block { index, bytes, equal } => {
                        assert_eq!((index * BLOCK_SIZE, equal), (content.len() as u64, false));
                        content.extend_from_slice(&bytes);
                    }
                    Piece::End(end) => last = Some(end),
                }
            }
            (opened.unwrap(), content, last.unwrap())
        };
        let (end, (opened, content, last)) = tokio::join!(reading, taking);
        let end = end.unwrap();
        assert_eq!((end.root, end.size), (last.root, last.size));
        Some((opened, content, end))
    }

    /// Stores a file as a stream: sends the blocks before block `most` that the site does not hold, and the end unless
    /// there are later blocks.
    pub(crate) async fn stream(&self, put: Put, content: &[u8], most: usize, watch: Arc<Noted>) -> Streamed {
        self.stream_as(put, content, Some(content.len() as u64), most, Digest::of(content), watch).await
    }

    /// Like [`Self::stream`], but announces this size and digest, which may differ from those of the content.
    pub(crate) async fn stream_as(
        &self,
        mut put: Put,
        content: &[u8],
        size: Option<u64>,
        most: usize,
        root: Digest,
        watch: Arc<Noted>,
    ) -> Streamed {
        put.expected.size = size.unwrap_or(0);
        let (pieces, taken) = mpsc::channel(2);
        let (told, mut held) = mpsc::channel(1);
        let mut session = self.session().await;
        let writing = session.put(put, taken, told, watch);
        let sending = async {
            let opened = Opened { size, mtime: DATE, mode: 0o640, version: None };
            if pieces.send(Piece::Opened(opened)).await.is_err() {
                return 0;
            }
            let mut known = Vec::new();
            while let Some(digests) = held.recv().await {
                known.extend::<Vec<Digest>>(digests);
            }
            let (mut reused, whole) = (0, content.len() as u64);
            let count = usize::try_from(block_count(whole)).unwrap();
            for index in 0..count.min(most) {
                let block = &content[index * BLOCK_LEN..][..block_len(whole, index as u64).unwrap()];
                if known.get(index) == Some(&ferry_shared::digest::block_digest(whole, index as u64, block)) {
                    reused += block.len() as u64;
                    continue;
                }
                let bytes = match ferry_shared::blocks::is_zero(block) {
                    true => BlockBytes::Zeros(block.len()),
                    false => BlockBytes::Shared(Bytes::copy_from_slice(block)),
                };
                if pieces.send(Piece::Block { index: index as u64, bytes, equal: false }).await.is_err() {
                    return reused;
                }
            }
            if most >= count {
                let end = End { root, size: whole, transferred: whole - reused, reused, grown: None, version: None };
                drop(pieces.send(Piece::End(end)).await);
            }
            drop(pieces);
            reused
        };
        let (result, reused) = tokio::join!(writing, sending);
        Streamed { result, reused }
    }
}

/// The outcome of storing a file as a stream.
pub(crate) struct Streamed {
    pub(crate) result: Result<Stored, ClientError>,
    /// The number of bytes that the site already held.
    pub(crate) reused: u64,
}

/// A small file as its source sends it.
pub(crate) fn content(bytes: &[u8]) -> Content {
    Content {
        opened: Opened { size: Some(bytes.len() as u64), mtime: DATE, mode: 0o640, version: None },
        bytes: BlockBytes::Shared(Bytes::copy_from_slice(bytes)),
        root: Digest::of(bytes),
        grown: None::<Grown>,
    }
}

/// Several different blocks, one of them only zeros, and a few more bytes.
pub(crate) fn large(seed: u8) -> Vec<u8> {
    let mut content = Vec::new();
    for block in 0..4_u8 {
        let byte = if block == 2 { 0 } else { seed.wrapping_add(block) };
        content.resize(content.len() + BLOCK_LEN, byte);
    }
    content.extend_from_slice(b"the end");
    content
}

/// Records the progress of a file.
#[derive(Default)]
pub(crate) struct Noted {
    pub(crate) phases: Mutex<Vec<Phase>>,
    pub(crate) opened: Mutex<Option<Opened>>,
    pub(crate) moved: AtomicU64,
    pub(crate) kept: AtomicU64,
    pub(crate) grown_to: AtomicU64,
    pub(crate) stop: AtomicBool,
    pub(crate) pausing: CancellationToken,
}

impl Noted {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// An observer that stops its transfer.
    pub(crate) fn stopped() -> Arc<Self> {
        Arc::new(Self { stop: AtomicBool::new(true), ..Self::default() })
    }

    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.moved.load(Relaxed), self.kept.load(Relaxed))
    }
}

impl fmt::Debug for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Noted")
    }
}

impl Watch for Noted {
    fn opened(&self, opened: &Opened) {
        *self.opened.lock() = Some(opened.clone());
    }

    fn phase(&self, phase: Phase) {
        self.phases.lock().push(phase);
    }

    fn moved(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Relaxed);
    }

    fn kept(&self, bytes: u64) {
        self.kept.fetch_add(bytes, Relaxed);
    }

    fn grown_to(&self, bytes: u64) {
        self.grown_to.store(bytes, Relaxed);
    }

    fn pausing(&self) -> CancellationToken {
        self.pausing.clone()
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Relaxed)
    }
}
