//! The transfer engine against a server that keeps files in memory and fails when told to.

mod conflict;
mod control;
mod download;
mod fit;
mod identity;
mod meanwhile;
mod shelf;
mod stream;
mod upload;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use ferry_client::transfer::{Engine, Event, Job, JobOptions, Outcome, Settings, Summary, Work};
use ferry_shared::{limits::BLOCK_LEN, path::RemotePath};
use tokio::sync::mpsc;

use self::shelf::Server;

/// An engine at work, and what it told so far.
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
        let (engine, events) = Engine::start(server.connector(), settings);
        Self { server, engine, events, told: Vec::new(), folder: tempfile::tempdir().unwrap() }
    }

    fn local(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn upload(&self, from: &str, to: &str, options: JobOptions) {
        let work = Work::Upload { from: self.local(from), to: remote(to) };
        self.engine.add(Job { work, options });
    }

    fn download(&self, from: &str, to: &str, options: JobOptions) {
        let work = Work::Download { from: remote(from), to: self.local(to) };
        self.engine.add(Job { work, options });
    }

    /// Waits for the next event that `wanted` takes something from.
    async fn until<T>(&mut self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        loop {
            let event = self.events.recv().await.expect("the engine went on");
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

    /// What became of each item so far, by its path below the job.
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

fn remote(path: &str) -> RemotePath {
    RemotePath::from_wire(path.as_bytes()).unwrap()
}

/// Bytes that differ from block to block, and with `seed`.
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
