//! A file that is being read: its blocks, their digests, and whether it is the same at the end.

use std::sync::Arc;

use ferry_shared::{
    blocks,
    digest::{Digest, RootBuilder, block_digest},
    entry::{Mtime, Version},
    limits::{BLOCK_SIZE, block_count},
    path::RemotePath,
};

use super::{Act, Error, Files};
use crate::{
    audit::event::{Event, shown},
    counters::Counters,
    storage::OpenFile,
};

/// A file that is being read. It stays the file that it was, whatever becomes of its name. Dropped before
/// [`Reading::finish`], it is told to the audit log as cut.
#[derive(Debug)]
pub struct Reading {
    source: OpenFile,
    /// The digest of the blocks up to `next`, as long as none was left out.
    root: Option<RootBuilder>,
    next: u64,
    counters: Arc<Counters>,
    act: Act,
}

impl Files {
    /// Opens a file to be read.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read(&self, path: &RemotePath) -> Result<Reading, Error> {
        let source = self.user.home.open_file(path)?;
        let mut act = self.act(Event::Download { path: shown(path), size: 0, digest: None });
        // It is told of whatever becomes of it.
        act.reached();
        let (root, counters) = (Some(RootBuilder::new()), Arc::clone(&self.counters));
        Ok(Reading { source, root, next: 0, counters, act })
    }
}

impl Reading {
    /// Bytes when it was opened.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.source.size
    }

    /// Its date when it was opened.
    #[must_use]
    pub fn mtime(&self) -> Mtime {
        self.source.mtime
    }

    /// Its permission bits.
    #[must_use]
    pub fn mode(&self) -> u32 {
        self.source.mode
    }

    /// Its version when it was opened.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.source.version
    }

    /// Appends block `index`, of 1 MiB but for the last one, to `buffer`; returns its digest.
    ///
    /// # Errors
    /// [`PathFault::Changed`](super::PathFault) where the file ends early now, or another [`Error`].
    pub fn read_block(&mut self, index: u64, buffer: &mut Vec<u8>) -> Result<Digest, Error> {
        let (size, start) = (self.source.size, buffer.len());
        blocks::read_block(&self.source.file, size, index, buffer).map_err(Error::of_reading)?;
        let digest = block_digest(size, index, buffer.get(start..).unwrap_or_default());
        match &mut self.root {
            Some(root) if index == self.next => root.push(digest),
            _ => self.root = None,
        }
        self.next = index.saturating_add(1);
        self.act.reached().bytes = self.next.saturating_mul(BLOCK_SIZE).min(size);
        Ok(digest)
    }

    /// Ends it: the file's digest, where all its blocks were read in order, and its version.
    ///
    /// # Errors
    /// [`PathFault::Changed`](super::PathFault) when it is not the version it was, or another [`Error`].
    pub fn finish(&mut self) -> Result<(Option<Digest>, Version), Error> {
        let version = self.source.version_now()?;
        if version != self.source.version {
            return Err(Error::read_changed());
        }
        let is_whole = self.next == block_count(self.source.size);
        let digest = self.root.as_ref().filter(|_| is_whole).map(RootBuilder::root);
        self.counters.downloads.one();
        self.act.transferred(self.source.size, digest);
        Ok((digest, version))
    }
}
