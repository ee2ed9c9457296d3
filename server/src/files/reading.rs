//! A file that is being read: its blocks, their digests, and whether it is unchanged at the end.

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

/// A file that is being read. It stays the same file even if its name is changed or removed. If it is dropped
/// before [`Reading::finish`], the audit log records an interrupted download.
#[derive(Debug)]
pub struct Reading {
    source: OpenFile,
    /// The digest of the blocks up to `next`; `None` once a block was left out.
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
        // Record the download even if it is interrupted.
        act.reached();
        let (root, counters) = (Some(RootBuilder::new()), Arc::clone(&self.counters));
        Ok(Reading { source, root, next: 0, counters, act })
    }
}

impl Reading {
    /// Its size in bytes when it was opened.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.source.size
    }

    /// Its modification time when it was opened.
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

    /// Appends block `index` to `buffer` and returns its digest. Blocks have 1 MiB, except the last one.
    ///
    /// # Errors
    /// [`PathFault::Changed`](super::PathFault) if the file is shorter now, or another [`Error`].
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

    /// Finishes the reading: returns the digest of the file, if all its blocks were read in order, and its version.
    ///
    /// # Errors
    /// [`PathFault::Changed`](super::PathFault) if its version changed, or another [`Error`].
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
