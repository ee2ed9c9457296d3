//! Copies made on the server: no data crosses the network, and blocks are shared where the filesystem can.

use std::{
    fs::File,
    io::{self, ErrorKind},
    ops::ControlFlow,
};

use ferry_shared::{
    blocks,
    digest::{Digest, RootBuilder, block_digest},
    limits::block_count,
};
use rustix::{
    fs::{SeekFrom, copy_file_range, ioctl_ficlone, seek},
    io::Errno,
};

use super::{Durability, Home, OpenFile, Part, PartMeta, StorageError, TempFile, beneath, disk, flush};

/// Bytes to copy before checking again whether to stop.
const STEP: usize = 16 << 20;

/// Blocks to copy before flushing the copy.
const FLUSH: u64 = 64;

/// Receives the number of bytes that are done; may ask to stop.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(u64) -> ControlFlow<()>;

impl Home {
    /// Starts to copy `source` to staging, with its modification time and permission bits.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn copy(&self, source: OpenFile) -> Result<Copying, StorageError> {
        let (temp_file, file) = TempFile::create(self.staging(), Some(source.mode))?;
        let cloned = ioctl_ficlone(&file, &source.file).is_ok();
        let flushes = !cloned && self.inner().durability == Durability::Full;
        let (root, buffer) = (RootBuilder::new(), Vec::new());
        Ok(Copying { source, temp_file, file, cloned, flushes, root, buffer, length: 0, next: 0 })
    }

    /// Makes a new staged part for `meta.path` that starts with the bytes of the present file, up to the declared
    /// size; the part is empty if there is no such file. If the disk fails half-way, the part is discarded.
    ///
    /// # Errors
    /// Those of [`Self::create_part`]; `Superseded`, `Stopped`, `IsDirectory`, `NotAFile`.
    pub fn seed_part(&self, meta: PartMeta, progress: Progress<'_>) -> Result<Part, StorageError> {
        let source = match beneath::file_to_read(self.dir(), &meta.path) {
            Ok((file, metadata)) => Some((file, metadata.size)),
            Err(StorageError::NotFound(_)) => None,
            Err(error) => return Err(error),
        };
        let most = meta.size.unwrap_or(u64::MAX);
        let part = self.create_part(meta)?;
        let Some((source, size)) = source else { return Ok(part) };
        match seed(&part, &source, size.min(most), progress) {
            Ok(()) => Ok(part),
            Err(error @ (StorageError::Superseded(_) | StorageError::Stopped)) => Err(error),
            Err(error) => {
                self.discard(&part.meta().path)?;
                Err(error)
            }
        }
    }
}

/// Fills a new part with the first `size` bytes of `source`.
fn seed(part: &Part, source: &File, size: u64, progress: Progress<'_>) -> Result<(), StorageError> {
    let cloned = part.write(0, |file, length| {
        let cloned = ioctl_ficlone(file, source).is_ok();
        if cloned {
            *length = file.metadata()?.len().min(size);
            file.set_len(*length)?;
        }
        Ok(cloned)
    })?;
    while !cloned && part.length() < size {
        let next = (STEP as u64).min(size - part.length());
        let done = part.write(next, |file, length| copy_step(source, file, size, length))?;
        if !done {
            break;
        }
        go_on(progress(part.length()))?;
    }
    Ok(())
}

/// A file that is being copied and digested. If it is dropped before its end, nothing of it remains.
#[derive(Debug)]
pub struct Copying {
    source: OpenFile,
    temp_file: TempFile,
    file: File,
    /// Whether the blocks are shared with the source and only have to be digested.
    cloned: bool,
    /// Whether the copy is flushed from time to time, so that no single flush takes long.
    flushes: bool,
    root: RootBuilder,
    buffer: Vec<u8>,
    length: u64,
    next: u64,
}

impl Copying {
    /// Copies at most this many blocks; returns whether there is more to do.
    ///
    /// # Errors
    /// `Changed` if the source changed meanwhile, or an error of the disk.
    pub fn step(&mut self, blocks: u64) -> Result<bool, StorageError> {
        let Self { source, temp_file, file, buffer, length, .. } = self;
        let at = |error: io::Error| StorageError::at(source.path(), "copy a file", error);
        let count = block_count(source.size);
        let end = count.min(self.next.saturating_add(blocks));
        for index in self.next..end {
            buffer.clear();
            match blocks::read_block(&source.file, source.size, index, buffer) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Err(StorageError::Changed(source.path().clone()));
                }
                read => read.map_err(at)?,
            }
            disk::write().map_err(|error| at(error.into()))?;
            self.root.push(if self.cloned {
                block_digest(source.size, index, buffer)
            } else {
                let bytes = if blocks::is_zero(buffer) { &[] } else { buffer.as_slice() };
                temp_file.require_room(bytes.len() as u64)?;
                blocks::write_block(file, source.size, index, bytes, length).map_err(at)?
            });
        }
        if self.flushes && self.next / FLUSH != end / FLUSH {
            flush::some_bytes(&self.file).map_err(|error| at(error.into()))?;
        }
        self.next = end;
        Ok(end < count)
    }

    /// The complete copy and its digest.
    ///
    /// # Errors
    /// `Changed` if the source changed meanwhile, or an error of the disk.
    pub fn finish(mut self) -> Result<(TempFile, Digest), StorageError> {
        while self.step(1)? {}
        let Self { source, mut temp_file, file, root, .. } = self;
        if source.version_now()? != source.version {
            return Err(StorageError::Changed(source.path().clone()));
        }
        temp_file.complete(&file, source.size, Some(source.mtime))?;
        Ok((temp_file, root.root()))
    }
}

fn go_on(flow: ControlFlow<()>) -> Result<(), StorageError> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(StorageError::Stopped),
    }
}

/// Copies some bytes, starting at the end of `to`; returns false if `from` ends there too. Holes stay holes.
fn copy_step(from: &File, to: &File, size: u64, length: &mut u64) -> io::Result<bool> {
    let start = match seek(from, SeekFrom::Data(*length)) {
        Ok(start) => start.min(size),
        // Only a hole follows.
        Err(Errno::NXIO) => size,
        Err(_) => *length,
    };
    if start > *length {
        to.set_len(start)?;
        *length = start;
        return Ok(true);
    }
    let end = match seek(from, SeekFrom::Hole(start)) {
        Ok(hole) if hole > start => hole.min(size),
        _ => size,
    };
    let bytes = usize::try_from(end - start).unwrap_or(STEP).min(STEP);
    let copied = match copy_file_range(from, Some(&mut { start }), to, Some(&mut { start }), bytes) {
        Ok(copied) => copied,
        Err(_) => copy_through_memory(from, to, start, bytes)?,
    };
    *length = start + copied as u64;
    Ok(copied > 0)
}

/// Copies up to `bytes` bytes through a buffer, where `copy_file_range` fails.
fn copy_through_memory(from: &File, to: &File, start: u64, bytes: usize) -> io::Result<usize> {
    let mut buffer = vec![0; bytes.min(1 << 20)];
    let count = std::os::unix::fs::FileExt::read_at(from, &mut buffer, start)?;
    blocks::write_all_at(to, &buffer[..count], start)?;
    Ok(count)
}
