//! The transfer engine against an in-memory server with fault injection.

mod conflict;
mod control;
mod download;
mod fit;
mod identity;
mod local;
mod meanwhile;
pub(crate) mod memory_server;
mod pause;
mod stream;
mod under_way;
mod upload;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use ferry_client::{
    Connector, Ferry, Local, Site, SitePath,
    transfer::{Engine, Event, Job, JobOptions, Outcome, Piece, Settings, Summary, Work},
};
use ferry_shared::{limits::BLOCK_LEN, path::RemotePath};
use tokio::sync::{Semaphore, mpsc};

use self::memory_server::Server;

/// A running engine and its events so far.
struct Rig {
    server: Server,
    engine: Engine,
    events: mpsc::Receiver<Event>,
    told: Vec<Event>,
    folder: tempfile::TempDir,
}

impl Rig {
    async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Self {
        let server = Server::start().await;
        let (engine, events) = Engine::start(settings);
        Self { server, engine, events, told: Vec::new(), folder: tempfile::tempdir().unwrap() }
    }

    /// Lets further downloads send this many halves of blocks, and more with further permits.
    fn halves(&self, permits: usize) -> Arc<Semaphore> {
        let halves = Arc::new(Semaphore::new(permits));
        self.server.state().halves = Some(Arc::clone(&halves));
        halves
    }

    fn local(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn site(&self) -> Arc<dyn Site> {
        Arc::new(Ferry::new(self.server.connector()))
    }

    fn upload(&self, from: &str, to: &str, options: JobOptions) {
        self.engine.add(Job { work: upload(self.server.connector(), self.local(from), remote(to)), options });
    }

    fn download(&self, from: &str, to: &str, options: JobOptions) {
        let (from, to) = (remote(from).into(), self.local(to).into());
        self.engine.add(Job { work: copy(self.site(), from, Arc::new(Local), to), options });
    }

    /// Waits for the next event for which `wanted` returns a value.
    async fn until<T>(&mut self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        loop {
            let event = self.events.recv().await.expect("the engine ended");
            let found = wanted(&event);
            self.told.push(event);
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// Waits for the end of a job.
    async fn job_done(&mut self) -> Summary {
        let done = self.until(|event| match event {
            Event::JobDone { summary, .. } => Some(summary.clone()),
            _ => None,
        });
        done.await
    }

    /// The outcome of each item so far, by its path in the job.
    fn outcomes(&self) -> BTreeMap<String, Outcome> {
        let done = self.told.iter().filter_map(|event| match event {
            Event::ItemDone { path, outcome, .. } => {
                Some((String::from_utf8_lossy(path.relative().as_bytes()).into_owned(), outcome.clone()))
            }
            _ => None,
        });
        done.collect()
    }

    async fn uploaded(&mut self, from: &str, to: &str, options: JobOptions) -> Summary {
        self.upload(from, to, options);
        self.job_done().await
    }

    async fn downloaded(&mut self, from: &str, to: &str, options: JobOptions) -> Summary {
        self.download(from, to, options);
        self.job_done().await
    }
}

/// A job that transfers one piece from one site to another.
fn copy(from: Arc<dyn Site>, source: SitePath, to: Arc<dyn Site>, target: SitePath) -> Work {
    Work::Copy { from, to, pieces: vec![Piece { from: source, to: target }] }
}

/// A job that uploads a local file or folder.
fn upload(to: Connector, source: PathBuf, target: RemotePath) -> Work {
    copy(Arc::new(Local), source.into(), Arc::new(Ferry::new(to)), target.into())
}

fn remote(path: &str) -> RemotePath {
    RemotePath::from_wire(path.as_bytes()).unwrap()
}

/// Bytes that differ in each block and for each `seed`.
fn bytes(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from((i / 7 + i / BLOCK_LEN + seed) % 251).unwrap()).collect()
}

fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// All files below `root`, and its empty folders with a `/`.
fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries: Vec<_> = fs::read_dir(&folder).unwrap().map(Result::unwrap).collect();
        let name = |path: &Path| path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        if entries.is_empty() {
            found.insert(name(&folder) + "/", Vec::new());
        }
        for entry in entries {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                found.insert(name(&entry.path()), fs::read(entry.path()).unwrap_or_default());
            }
        }
    }
    found
}
