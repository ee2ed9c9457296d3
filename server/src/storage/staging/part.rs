//! The data of a resumable upload, and the rule that only one upload writes to it.
//!
//! A newer upload of the same path takes the part over: it marks the older holder as superseded under the part's
//! own lock, so never in the middle of a write. Each write of the older upload checks this under the lock first, so
//! it cannot write afterwards. Both uploads refer to the same data.

use std::{ffi::OsStr, fs::File, io, num::NonZeroU64, sync::Arc};

use cap_std::fs::Dir;
use parking_lot::{Mutex, MutexGuard};
use rustix::fs::{Advice, fadvise};

use super::{FileMeta, Lasting, PartMeta, Staging, sidecar, sidecar::Sidecar, temp_file::apply};
use crate::storage::{Durability, StorageError, disk, flush, names::rename_to_nothing};

/// Bytes after which writeback is started, so that little is left to flush at the end.
const WRITE_BACK: u64 = 8 << 20;
/// Bytes after which the part is flushed: limits how long a flush for others has to wait.
const FLUSH: u64 = 256 << 20;

/// A staged part that an upload writes to. Dropping it leaves it staged.
#[derive(Debug)]
pub struct Part {
    staging: Arc<Staging>,
    holder: Arc<Holder>,
    meta: PartMeta,
}

/// The hold of one upload on a part.
#[derive(Debug)]
pub(super) struct Holder {
    file: Arc<File>,
    /// After a panic in a write, the length may be shorter than the data that was written: then a resume only
    /// starts earlier.
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    length: u64,
    superseded: bool,
    flushed: bool,
    /// The end of the data for which writeback was started.
    written_back: u64,
    /// The end of the data that was flushed.
    flushed_to: u64,
}

impl Holder {
    pub(super) fn new(file: Arc<File>, length: u64) -> Arc<Self> {
        let progress = Progress { length, written_back: length, flushed_to: length, ..Progress::default() };
        Arc::new(Self { file, progress: Mutex::new(progress) })
    }

    /// Ends this hold after the write in progress; returns the file, for the next holder.
    pub(super) fn supersede(&self) -> Arc<File> {
        self.progress.lock().superseded = true;
        Arc::clone(&self.file)
    }

    pub(super) fn is_superseded(&self) -> bool {
        self.progress.lock().superseded
    }
}

impl Part {
    pub(super) fn new(staging: &Arc<Staging>, holder: Arc<Holder>, meta: PartMeta) -> Self {
        Self { staging: Arc::clone(staging), holder, meta }
    }

    /// The declaration of the upload.
    #[must_use]
    pub fn meta(&self) -> &PartMeta {
        &self.meta
    }

    /// Its length in bytes now.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.holder.progress.lock().length
    }

    /// The file, for reading its data. Write through [`Self::write`] only.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.holder.file
    }

    /// Whether a newer upload took the part over.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        self.holder.is_superseded()
    }

    /// Runs one write that adds `bytes`; `write` gets the file, and the length, which it must update.
    ///
    /// # Errors
    /// `Superseded`, or a full disk, without running `write`; or the error of `write`.
    pub fn write<T>(
        &self,
        bytes: u64,
        write: impl FnOnce(&File, &mut u64) -> io::Result<T>,
    ) -> Result<T, StorageError> {
        let mut progress = self.unless_superseded()?;
        // Bytes that are overwritten already have their space.
        if bytes > 0 {
            self.staging.require_room(bytes, "write a part")?;
        }
        progress.flushed = false;
        let begun = disk::write().map_err(io::Error::from);
        let done = begun
            .and_then(|()| write(&self.holder.file, &mut progress.length))
            .map_err(|error| self.at("write a part", error))?;
        self.write_back(&mut progress)?;
        Ok(done)
    }

    /// Changes its length; bytes that are added are zeros.
    ///
    /// # Errors
    /// `Superseded`, or an error of the disk.
    pub fn set_length(&self, size: u64) -> Result<(), StorageError> {
        let mut progress = self.unless_superseded()?;
        progress.flushed = false;
        disk::set_length(&self.holder.file, size).map_err(|error| self.at("change the length of a part", error))?;
        progress.length = size;
        progress.written_back = progress.written_back.min(size);
        progress.flushed_to = progress.flushed_to.min(size);
        Ok(())
    }

    /// Sets the attributes that the file gets when it is finished.
    pub fn set_attributes(&mut self, file: FileMeta) {
        self.meta.file = file;
    }

    /// The number of leading bytes that were flushed, if the part was written front to back.
    #[must_use]
    pub fn flushed_to(&self) -> u64 {
        self.holder.progress.lock().flushed_to
    }

    /// Flushes all of its bytes.
    ///
    /// # Errors
    /// `Superseded`, or an error of the disk.
    pub fn flush_bytes(&self) -> Result<(), StorageError> {
        let mut progress = self.unless_superseded()?;
        if self.staging.durability == Durability::Full {
            flush::some_bytes(&*self.holder.file).map_err(|error| self.at("flush a part", error))?;
        }
        (progress.flushed_to, progress.written_back) = (progress.length, progress.length);
        Ok(())
    }

    /// Records the state from which later connections, also after a restart, can continue it.
    ///
    /// # Errors
    /// `Superseded`, or an error of the disk.
    pub fn record(&mut self, lasting: Lasting) -> Result<(), StorageError> {
        let mut parts = self.staging.parts.lock();
        // Nobody can take the part over while the list is locked.
        drop(self.unless_superseded()?);
        self.meta.lasting = Some(lasting);
        let Some(record) = parts.get_mut(&self.meta.path) else { return Ok(()) };
        let sidecar = Sidecar::new(&self.meta, record.sidecar.started);
        if sidecar != record.sidecar {
            self.staging.write_sidecar(&sidecar)?;
            record.sidecar = sidecar;
        }
        Ok(())
    }

    /// Truncates the part to `size` and sets its time and permissions: it is then ready to be published.
    ///
    /// # Errors
    /// `Superseded`, or an error of the disk; also if the part is shorter than `size`.
    pub fn finish(&self, size: u64) -> Result<(), StorageError> {
        let mut progress = self.unless_superseded()?;
        progress.flushed = false;
        if progress.length < size {
            return Err(self.at("finish a part", io::Error::from(io::ErrorKind::UnexpectedEof)));
        }
        if progress.length > size {
            disk::set_length(&self.holder.file, size).map_err(|error| self.at("cut a part", error))?;
            progress.length = size;
        }
        apply(&self.holder.file, &self.meta.file).map_err(|error| self.at("finish a part", error))
    }

    fn unless_superseded(&self) -> Result<MutexGuard<'_, Progress>, StorageError> {
        let progress = self.holder.progress.lock();
        if progress.superseded { Err(StorageError::Superseded(self.meta.path.clone())) } else { Ok(progress) }
    }

    /// Limits the amount of data that is not on the disk yet. Without it the flush before `Stored`, and with
    /// `syncfs` that of everybody else, would wait for all the data that a fast network has delivered.
    fn write_back(&self, progress: &mut Progress) -> Result<(), StorageError> {
        if self.staging.durability != Durability::Full {
            return Ok(());
        }
        if progress.length.saturating_sub(progress.flushed_to) >= FLUSH {
            flush::some_bytes(&*self.holder.file).map_err(|error| self.at("flush a part", error))?;
            (progress.flushed_to, progress.written_back) = (progress.length, progress.length);
        } else if let Some(bytes) = NonZeroU64::new(progress.length.saturating_sub(progress.written_back))
            && bytes.get() >= WRITE_BACK
        {
            // On Linux this starts the writeback of dirty pages and drops only clean ones. It is a hint and may
            // fail.
            let _ = fadvise(&*self.holder.file, progress.written_back, Some(bytes), Advice::DontNeed);
            progress.written_back = progress.length;
        }
        Ok(())
    }

    pub(in crate::storage) fn is_flushed(&self) -> bool {
        self.holder.progress.lock().flushed
    }

    pub(in crate::storage) fn set_flushed(&self) {
        self.holder.progress.lock().flushed = true;
    }

    pub(in crate::storage) fn flush(&self) -> Result<(), StorageError> {
        let mut progress = self.unless_superseded()?;
        flush::file(&*self.holder.file).map_err(|error| self.at("flush a part", error))?;
        progress.flushed = true;
        Ok(())
    }

    /// Renames the part into a home and removes its record; with `replace`, over an existing file. After a failure
    /// it stays staged.
    pub(in crate::storage) fn publish(&self, to: &Dir, name: &OsStr, replace: bool) -> Result<(), StorageError> {
        let mut parts = self.staging.parts.lock();
        let mut progress = self.unless_superseded()?;
        let id = sidecar::id(&self.meta.path);
        let part = format!("{id}.part");
        let from = (&self.staging.folder, OsStr::new(&part));
        let renamed =
            if replace { disk::rename(from.0, from.1, to, name) } else { rename_to_nothing(from, (to, name)) };
        renamed.map_err(|error| self.at("publish a part", error))?;
        flush::note(flush::Done::Name);
        progress.superseded = true;
        parts.remove(&self.meta.path);
        // If this fails, the next start removes the sidecar because its part is missing.
        let _ = self.staging.unlink(&format!("{id}.json"));
        Ok(())
    }

    fn at(&self, what: &'static str, error: impl Into<io::Error>) -> StorageError {
        StorageError::at(&self.meta.path, what, error)
    }
}
