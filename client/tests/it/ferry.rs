//! A ferry server as a site: its sessions against scripted servers.

mod batch;
mod connection;
mod get;
mod pipe;
mod put;
mod walk;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use ferry_client::{
    ClientError, Connector, Ferry, Site,
    site::{FileFacts, Get, Location, Opened, Over, Phase, Put, Reach, Root, Session, Surroundings, Watch},
    traffic::Traffic,
};
use ferry_shared::{
    digest::{Digest, block_digest},
    entry::{Mtime, Version},
    limits::{BLOCK_LEN, BLOCK_SIZE},
    message::Reply,
    path::RemotePath,
    pool::BufferPool,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The progress that a file reported.
#[derive(Debug, Default)]
struct Told {
    opened: Mutex<Vec<Opened>>,
    phases: Mutex<Vec<Phase>>,
    moved: Mutex<u64>,
    kept: Mutex<u64>,
}

impl Watch for Told {
    fn opened(&self, opened: &Opened) {
        self.opened.lock().unwrap().push(opened.clone());
    }
    fn phase(&self, phase: Phase) {
        let mut phases = self.phases.lock().unwrap();
        if phases.last() != Some(&phase) {
            phases.push(phase);
        }
    }
    fn moved(&self, bytes: u64) {
        *self.moved.lock().unwrap() += bytes;
    }
    fn kept(&self, bytes: u64) {
        *self.kept.lock().unwrap() += bytes;
    }
    fn is_stopped(&self) -> bool {
        false
    }
}

impl Told {
    fn bytes(&self) -> (u64, u64) {
        (*self.moved.lock().unwrap(), *self.kept.lock().unwrap())
    }
}

fn surroundings(silence: Duration) -> Surroundings {
    Surroundings {
        traffic: Arc::new(Traffic::default()),
        pool: BufferPool::new(4),
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
        silence,
        digests: None,
    }
}

async fn session(connector: Connector) -> Box<dyn Session> {
    Ferry::new(connector).open(&surroundings(Duration::from_secs(90))).await.unwrap()
}

fn path(text: &str) -> RemotePath {
    RemotePath::from_wire(text.as_bytes()).unwrap()
}

fn at(text: &str) -> Location {
    Location::new(&Root::new(RemotePath::home().into()), path(text), Reach::Follow)
}

fn get(text: &str) -> Get {
    let expected = FileFacts { size: 0, mtime: Mtime(0, 0) };
    Get { at: at(text), expected, growing: false, opened_first: false, basis: None }
}

fn put(text: &str) -> Put {
    Put {
        at: at(text),
        over: Over::Nothing,
        resume: true,
        begun: false,
        keep_attributes: true,
        mode: None,
        parents: true,
        expected: FileFacts { size: 0, mtime: Mtime(0, 0) },
        verify: false,
    }
}

/// Bytes that differ in each block and for each `seed`.
fn data(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from((i / 7 + i / BLOCK_LEN + seed) % 251).unwrap()).collect()
}

/// The digests of the blocks of a file.
fn digests(bytes: &[u8]) -> Vec<Digest> {
    let size = bytes.len() as u64;
    bytes.chunks(BLOCK_LEN).enumerate().map(|(index, block)| block_digest(size, index as u64, block)).collect()
}

fn opened(size: u64) -> Opened {
    Opened { size: Some(size), mtime: Mtime(3, 4), mode: 0o640, version: None }
}

fn version(text: &str) -> Version {
    Version(text.into())
}

fn opens(size: u64, named: &str) -> Reply {
    Reply::Opened { size, mtime: Mtime(3, 4), mode: 0o640, version: version(named) }
}

fn sent(root: Digest) -> Reply {
    Reply::Sent { root: Some(root), version: version("1") }
}

fn is_refused<T>(result: &Result<T, ClientError>, code: ferry_shared::refusal::Code) -> bool {
    matches!(result, Err(ClientError::Refused(refusal)) if refusal.code == code)
}

/// Three blocks and a bit.
const SIZE: usize = 3 * BLOCK_LEN + 99;

const _: () = assert!(SIZE as u64 > BLOCK_SIZE);
