//! A complete new file in staging that cannot be resumed, for small files and copies.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Write as _},
    sync::Arc,
};

use cap_std::fs::Dir;
use ferry_shared::entry::Mtime;
use rustix::{
    fs::{Mode, OFlags, openat},
    io::Errno,
};

use super::{FileMeta, Staging};
use crate::storage::{
    Home, StorageError, disk, durable, flush,
    mode::{self, OWN_MODE},
    names::{rename_to_nothing, times},
};

/// Permission bits of a file whose upload declared none.
const FILE_MODE: u32 = 0o644;

/// A file in staging with a number as its name; removed if it is dropped unpublished.
#[derive(Debug)]
pub struct TempFile {
    staging: Arc<Staging>,
    name: String,
    size: u64,
    /// The final permission bits, while the file still has [`OWN_MODE`]: until then nobody else may read it, and
    /// the server can reopen it whatever was declared.
    mode: Option<u32>,
    flushed: bool,
    published: bool,
}

impl TempFile {
    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Creates an empty temporary file, open for writing, that gets these permission bits before it is published.
    pub(in crate::storage) fn create(staging: &Arc<Staging>, mode: Option<u32>) -> Result<(Self, File), StorageError> {
        let own = |error: Errno| StorageError::own("make a temporary file", error);
        let flags = durable::OWN | OFlags::RDWR | OFlags::EXCL;
        let mode = Some(mode_of(mode)).filter(|mode| *mode != OWN_MODE.bits());
        loop {
            let name = staging.next_temp_file();
            let file = match disk::create(&staging.folder, &name, flags, OWN_MODE) {
                Ok(file) => File::from(file),
                Err(Errno::EXIST) => continue,
                Err(error) => return Err(own(error).making(&staging.folder)),
            };
            let temp_file =
                Self { staging: Arc::clone(staging), name, size: 0, mode, flushed: false, published: false };
            return Ok((temp_file, file));
        }
    }

    /// Refuses to write this many more bytes if users would no longer leave enough space free.
    pub(in crate::storage) fn require_room(&self, bytes: u64) -> Result<(), StorageError> {
        self.staging.require_room(bytes, "write a temporary file")
    }

    /// Notes that `file`, which belongs to this temporary file, is completely written.
    pub(in crate::storage) fn complete(
        &mut self,
        file: &File,
        size: u64,
        mtime: Option<Mtime>,
    ) -> Result<(), StorageError> {
        self.size = size;
        set_mtime(file, mtime).map_err(|error| StorageError::own("finish a temporary file", error))
    }

    pub(in crate::storage) fn is_flushed(&self) -> bool {
        self.flushed
    }

    pub(in crate::storage) fn set_flushed(&mut self) {
        self.flushed = true;
    }

    /// Sets its permission bits and flushes it, opening it by its name: temporary files are not kept open, because
    /// there may be hundreds.
    pub(in crate::storage) fn flush(&mut self) -> Result<(), StorageError> {
        let flushed = || {
            let file = openat(&self.staging.folder, &self.name, durable::OWN | OFlags::RDONLY, Mode::empty())?;
            self.mode.map_or(Ok(()), |mode| mode::set(&file, mode))?;
            flush::file(file)
        };
        flushed().map_err(|error: Errno| StorageError::own("flush a temporary file", error))?;
        (self.mode, self.flushed) = (None, true);
        Ok(())
    }

    /// Sets its permission bits, before a flush of the whole filesystem or without any flush.
    pub(in crate::storage) fn set_mode(&mut self) -> Result<(), StorageError> {
        let Some(mode) = self.mode.take() else { return Ok(()) };
        let set = if mode::is_plain(mode) {
            disk::set_mode_at(&self.staging.folder, &self.name, Mode::from_bits_truncate(mode))
        } else {
            openat(&self.staging.folder, &self.name, durable::OWN | OFlags::RDONLY, Mode::empty())
                .and_then(|file| mode::set(file, mode))
        };
        set.map_err(|error| StorageError::own("finish a temporary file", error))
    }

    /// Renames it into a home; with `replace`, over an existing file.
    pub(in crate::storage) fn publish(&mut self, to: &Dir, name: &OsStr, replace: bool) -> rustix::io::Result<()> {
        let from = (&self.staging.folder, OsStr::new(&self.name));
        if replace {
            disk::rename(from.0, from.1, to, name)?
        } else {
            rename_to_nothing(from, (to, name))?
        }
        flush::note(flush::Done::Name);
        self.published = true;
        Ok(())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.published {
            // If it cannot be removed now, it is removed when the home is opened next.
            let _ = self.staging.unlink(&self.name);
        }
    }
}

/// Sets time and permissions of a staged file.
pub(super) fn apply(file: &File, meta: &FileMeta) -> rustix::io::Result<()> {
    mode::set(file, mode_of(meta.mode))?;
    set_mtime(file, meta.mtime)
}

fn mode_of(declared: Option<u32>) -> u32 {
    declared.unwrap_or(FILE_MODE) & 0o777
}

fn set_mtime(file: &File, mtime: Option<Mtime>) -> rustix::io::Result<()> {
    mtime.map_or(Ok(()), |mtime| disk::set_times(file, &times(mtime)))
}

impl Home {
    /// Writes a complete new file to staging.
    ///
    /// # Errors
    /// An error of the disk. The disk also counts as full if users would no longer leave enough space free.
    pub fn temp_file(&self, bytes: &[u8], meta: &FileMeta) -> Result<TempFile, StorageError> {
        self.staging().require_room(bytes.len() as u64, "make a temporary file")?;
        let (mut temp_file, mut file) = TempFile::create(self.staging(), meta.mode)?;
        let written = disk::write().map_err(io::Error::from).and_then(|()| file.write_all(bytes));
        written.map_err(|error| StorageError::own("write a temporary file", error))?;
        temp_file.complete(&file, bytes.len() as u64, meta.mtime)?;
        Ok(temp_file)
    }
}
