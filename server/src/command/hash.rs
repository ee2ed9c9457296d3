//! `Hash`: a file's digest, in steps, so that a client that left is noticed.

use ferry_shared::{
    blocks,
    digest::{self, RootBuilder},
    limits::block_count,
    message::{Reply, request::Algorithm},
    path::RemotePath,
};
use sha2::{Digest as _, Sha256};

use super::{Running, Task};
use crate::{files::Error, outbox::Outbox, storage::OpenFile, user_state::UserState};

/// Blocks digested in one step.
const STEP: u64 = 4;

pub(super) fn start(user: &UserState, path: &RemotePath, algorithm: Algorithm) -> Result<Running, Error> {
    let source = user.home.open_file(path)?;
    let state = match algorithm {
        Algorithm::Blake3 => State::Blake3(RootBuilder::new()),
        Algorithm::Sha256 => State::Sha256(Box::default()),
    };
    Ok(Running::Task(Box::new(Hashing { source, state, next: 0, buffer: Vec::new() })))
}

#[derive(Debug)]
enum State {
    Blake3(RootBuilder),
    Sha256(Box<Sha256>),
}

#[derive(Debug)]
struct Hashing {
    source: OpenFile,
    state: State,
    next: u64,
    buffer: Vec<u8>,
}

impl Task for Hashing {
    fn is_heavy(&self) -> bool {
        true
    }

    fn step(&mut self, out: &mut Outbox) -> Result<bool, Error> {
        let size = self.source.size;
        let end = block_count(size).min(self.next + STEP);
        for index in self.next..end {
            self.buffer.clear();
            blocks::read_block(&self.source.file, size, index, &mut self.buffer).map_err(Error::of_reading)?;
            match &mut self.state {
                State::Blake3(root) => root.push(digest::block_digest(size, index, &self.buffer)),
                State::Sha256(hasher) => hasher.update(&self.buffer),
            }
        }
        self.next = end;
        if end < block_count(size) {
            return Ok(true);
        }
        if self.source.version_now()? != self.source.version {
            return Err(Error::ReadChanged);
        }
        let reply = match &mut self.state {
            State::Blake3(root) => Reply::Hashed { algorithm: Algorithm::Blake3, digest: root.root().to_string() },
            State::Sha256(hasher) => {
                let bytes: [u8; 32] = std::mem::take(hasher).finalize().into();
                Reply::Hashed { algorithm: Algorithm::Sha256, digest: digest::Digest(bytes).to_string() }
            }
        };
        out.reply(&reply);
        Ok(false)
    }
}
