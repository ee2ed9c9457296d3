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
    /// The block that was read last for [`Reading::read_at`], and its index.
    block: Option<(u64, Vec<u8>)>,
    /// Bytes that [`Reading::read_at`] has delivered.
    delivered: u64,
    is_finished: bool,
    counters: Arc<Counters>,
    act: Act,
}

impl Files {
    /// Opens a file to be read.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read(&self, path: &RemotePath) -> Result<Reading, Error> {
        let mut reading = self.open(path)?;
        // Record the download even if it is interrupted before its first byte.
        reading.act.reached();
        Ok(reading)
    }

    /// Opens a file to be read at any offset with [`Reading::read_at`]. If nothing is read, nothing is recorded.
    ///
    /// # Errors
    /// [`Error`].
    pub fn open(&self, path: &RemotePath) -> Result<Reading, Error> {
        let source = self.user.home.open_file(path)?;
        let act = self.act(Event::Download { path: shown(path), size: 0, digest: None });
        let (root, counters) = (Some(RootBuilder::new()), Arc::clone(&self.counters));
        Ok(Reading { source, root, next: 0, block: None, delivered: 0, is_finished: false, counters, act })
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

    /// Appends up to `length` bytes from `offset` on to `out`; none only at the end of the file.
    ///
    /// A reader that goes from front to back gets its bytes from blocks that are read ahead and digested.
    ///
    /// # Errors
    /// [`PathFault::Changed`](super::PathFault) if the file is shorter now, or has changed by its end; or another
    /// [`Error`].
    pub fn read_at(&mut self, offset: u64, length: usize, out: &mut Vec<u8>) -> Result<usize, Error> {
        let left = self.source.size.saturating_sub(offset);
        let length = length.min(usize::try_from(left).unwrap_or(usize::MAX));
        if length == 0 {
            self.finish_if_whole()?;
            return self.unchanged().map(|()| 0);
        }
        let begin = out.len();
        while out.len() - begin < length {
            let (at, more) = (offset + (out.len() - begin) as u64, length - (out.len() - begin));
            let index = at / BLOCK_SIZE;
            if self.block.as_ref().is_none_or(|(held, _)| *held != index) {
                if index != self.next || self.root.is_none() {
                    self.read_directly(at, more, out)?;
                    break;
                }
                let mut block = self.block.take().map(|(_, block)| block).unwrap_or_default();
                block.clear();
                self.read_block(index, &mut block)?;
                self.block = Some((index, block));
            }
            let Some((_, block)) = &self.block else { break };
            let skip = usize::try_from(at - index * BLOCK_SIZE).unwrap_or(usize::MAX);
            let bytes = block.get(skip..).unwrap_or_default();
            out.extend_from_slice(&bytes[..bytes.len().min(more)]);
        }
        self.delivered = self.delivered.saturating_add((out.len() - begin) as u64);
        Ok(out.len() - begin)
    }

    fn read_directly(&mut self, offset: u64, length: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        let begin = out.len();
        out.resize(begin + length, 0);
        let read = blocks::read_exact_at(&self.source.file, &mut out[begin..], offset);
        read.inspect_err(|_| out.truncate(begin)).map_err(Error::of_reading)?;
        let reached = self.act.reached();
        reached.bytes = reached.bytes.max(offset + length as u64);
        Ok(())
    }

    /// Frees the memory of what was read ahead.
    pub fn rest(&mut self) {
        if self.block.take().is_some() {
            // The rest of the block is read again, without its digest.
            self.root = None;
        }
    }

    /// Bytes of it in memory.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.block.as_ref().map_or(0, |(_, block)| block.capacity())
    }

    /// Ends the reading. If the whole file was read, the download is complete.
    ///
    /// # Errors
    /// [`PathFault::Changed`](super::PathFault) if its version changed, or another [`Error`].
    pub fn close(mut self) -> Result<(), Error> {
        if self.delivered == 0 && self.source.size > 0 {
            return Ok(());
        }
        self.finish_if_whole()?;
        self.unchanged()
    }

    fn unchanged(&self) -> Result<(), Error> {
        if self.source.version_now()? == self.source.version { Ok(()) } else { Err(Error::read_changed()) }
    }

    fn finish_if_whole(&mut self) -> Result<(), Error> {
        if self.is_finished || self.delivered < self.source.size {
            return Ok(());
        }
        self.finish()?;
        self.is_finished = true;
        Ok(())
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
        if let Some(digest) = &digest {
            self.source.remember(digest);
        }
        self.counters.downloads.one();
        self.act.transferred(self.source.size, digest);
        Ok((digest, version))
    }
}
