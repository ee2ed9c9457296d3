//! A file as it is: its entry, its version, and its bytes.

use std::fs::File;

use ferry_shared::{
    digest::Digest,
    entry::{Entry, Mtime, Version},
    path::RemotePath,
};

use super::{StorageError, memory::Slot, metadata::Metadata, mode};

/// One entry and, where it is a regular file, its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// The entry. The home itself has its user's name.
    pub entry: Entry,
    /// Its version, if it is a regular file.
    pub version: Option<Version>,
}

/// A regular file that is open for reading. It stays the same file even if its name is changed or removed.
#[derive(Debug)]
pub struct OpenFile {
    /// The file.
    pub file: File,
    /// Its size in bytes when it was opened.
    pub size: u64,
    /// The time its content last changed.
    pub mtime: Mtime,
    /// Permission bits.
    pub mode: u32,
    /// Its version when it was opened.
    pub version: Version,
    path: RemotePath,
    slot: Option<Slot>,
}

impl OpenFile {
    pub(super) fn new(path: &RemotePath, file: File, metadata: &Metadata, slot: Option<Slot>) -> Self {
        let Metadata { size, mtime, .. } = *metadata;
        let mode = mode::shown(&file, metadata.mode);
        Self { file, size, mtime, mode, version: metadata.version(), path: path.clone(), slot }
    }

    /// The path it was opened by.
    #[must_use]
    pub fn path(&self) -> &RemotePath {
        &self.path
    }

    /// Remembers the digest of its content, if any later change will be noticed. Its version must be the same after
    /// reading as before.
    pub fn remember(&self, digest: &Digest) {
        if let Some(slot) = &self.slot {
            slot.remember(digest);
        }
    }

    /// Its version now.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn version_now(&self) -> Result<Version, StorageError> {
        match Metadata::of(&self.file) {
            Ok(metadata) => Ok(metadata.version()),
            Err(error) => Err(StorageError::at(&self.path, "look at an open file", error)),
        }
    }
}
