//! The digest of a file, computed in steps, so that the server notices when the client leaves.

use ferry_shared::{
    blocks,
    digest::{self, Digest, RootBuilder},
    limits::block_count,
    path::RemotePath,
};
use sha2::{Digest as _, Sha256};

use super::{Error, Files, Step, Work};
use crate::storage::OpenFile;

/// Blocks digested in one step.
const STEP: u64 = 4;

/// The function that computes a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// BLAKE3.
    Blake3,
    /// SHA-256.
    Sha256,
}

impl Files {
    /// The digest of a file.
    ///
    /// # Errors
    /// [`Error`]; [`PathFault::Changed`](super::PathFault) if the file was written to meanwhile.
    pub fn hash(&self, path: &RemotePath, algorithm: Algorithm) -> Result<Box<dyn Work<Item = Digest>>, Error> {
        let source = self.user.home.open_file(path)?;
        let hasher = match algorithm {
            Algorithm::Blake3 => Hasher::Blake3(RootBuilder::new()),
            Algorithm::Sha256 => Hasher::Sha256(Box::default()),
        };
        Ok(Box::new(Hashing { source, hasher, next: 0, buffer: Vec::new() }))
    }
}

#[derive(Debug)]
enum Hasher {
    Blake3(RootBuilder),
    Sha256(Box<Sha256>),
}

#[derive(Debug)]
struct Hashing {
    source: OpenFile,
    hasher: Hasher,
    next: u64,
    buffer: Vec<u8>,
}

impl Work for Hashing {
    type Item = Digest;

    fn is_heavy(&self) -> bool {
        true
    }

    fn step(&mut self) -> Result<Step<Digest>, Error> {
        let size = self.source.size;
        let end = block_count(size).min(self.next + STEP);
        for index in self.next..end {
            self.buffer.clear();
            blocks::read_block(&self.source.file, size, index, &mut self.buffer).map_err(Error::of_reading)?;
            match &mut self.hasher {
                Hasher::Blake3(root) => root.push(digest::block_digest(size, index, &self.buffer)),
                Hasher::Sha256(sha256) => sha256.update(&self.buffer),
            }
        }
        self.next = end;
        if end < block_count(size) {
            return Ok(Step::Busy);
        }
        if self.source.version_now()? != self.source.version {
            return Err(Error::read_changed());
        }
        Ok(Step::Last(match &mut self.hasher {
            Hasher::Blake3(root) => root.root(),
            Hasher::Sha256(sha256) => Digest(std::mem::take(sha256).finalize().into()),
        }))
    }
}
