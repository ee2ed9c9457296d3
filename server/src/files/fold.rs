//! A value computed from the whole content of a file, in steps, so that the server notices when the client leaves.

use ferry_shared::{blocks, digest::Digest, limits::block_count, path::RemotePath};

use super::{Error, Files, Step, Work};
use crate::storage::OpenFile;

/// Blocks read in one step.
const STEP: u64 = 4;

/// A value that takes in a file block by block.
pub trait Fold: std::fmt::Debug + Send {
    /// The value.
    type Value;

    /// Takes in block `index` of a file of `size` bytes.
    fn take(&mut self, size: u64, index: u64, block: &[u8]);

    /// The digest of the file, after its last block, if that is what is computed.
    fn digest(&self) -> Option<Digest> {
        None
    }

    /// The value of the file, after its last block.
    fn end(&mut self) -> Self::Value;
}

impl Files {
    /// The value that `fold` computes from a file.
    ///
    /// # Errors
    /// [`Error`]; [`PathFault::Changed`](super::PathFault) if the file was written to meanwhile.
    pub fn fold<F: Fold + 'static>(&self, path: &RemotePath, fold: F) -> Result<Box<dyn Work<Item = F::Value>>, Error> {
        let source = self.user.home.open_file(path)?;
        Ok(Box::new(Folding { source, fold, next: 0, buffer: Vec::new() }))
    }
}

#[derive(Debug)]
struct Folding<F> {
    source: OpenFile,
    fold: F,
    next: u64,
    buffer: Vec<u8>,
}

impl<F: Fold> Work for Folding<F> {
    type Item = F::Value;

    fn is_heavy(&self) -> bool {
        true
    }

    fn step(&mut self) -> Result<Step<F::Value>, Error> {
        let size = self.source.size;
        let end = block_count(size).min(self.next + STEP);
        for index in self.next..end {
            self.buffer.clear();
            blocks::read_block(&self.source.file, size, index, &mut self.buffer).map_err(Error::of_reading)?;
            self.fold.take(size, index, &self.buffer);
        }
        self.next = end;
        if end < block_count(size) {
            return Ok(Step::Busy);
        }
        if self.source.version_now()? != self.source.version {
            return Err(Error::read_changed());
        }
        if let Some(digest) = self.fold.digest() {
            self.source.remember(&digest);
        }
        Ok(Step::Last(self.fold.end()))
    }
}
