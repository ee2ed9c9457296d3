//! The entries of a folder, page by page, in the order the disk returns them.

use std::{ffi::CString, fmt};

use cap_std::fs::Dir as Home;
use ferry_shared::{entry::Entry, name::Name, path::RemotePath};
use rustix::{
    fd::{BorrowedFd, OwnedFd},
    fs::Dir,
    io::Errno,
};

use super::{StorageError, beneath, metadata::Metadata};

/// Reads the entries of a folder: one stream of names, one `statx` each.
pub struct Lister {
    stream: Stream,
}

impl Lister {
    pub(super) fn open(home: &Home, path: &RemotePath) -> Result<Self, StorageError> {
        let folder = beneath::readable_folder(home, path)?;
        Ok(Self { stream: Stream::new(folder, path.clone())? })
    }

    /// The next entries, at most `max`, in the disk's order; `None` at the end.
    ///
    /// An entry that disappears between reading its name and its metadata is left out. So is a name longer than the
    /// protocol allows, which the usual Linux filesystems do not allow.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn next_page(&mut self, max: usize) -> Result<Option<Vec<Entry>>, StorageError> {
        let mut page = Vec::with_capacity(max.min(64));
        while page.len() < max {
            let Some(found) = self.stream.next() else { break };
            let (name, metadata) = found?;
            if let Ok(name) = Name::new(name.into_bytes()) {
                page.push(metadata.entry(self.stream.folder()?, name));
            }
        }
        Ok((!page.is_empty()).then_some(page))
    }
}

impl fmt::Debug for Lister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lister({:?})", self.stream.path)
    }
}

/// The names in an open folder, each with its metadata.
pub(super) struct Stream {
    dir: Dir,
    /// Used in errors only.
    path: RemotePath,
}

impl Stream {
    pub(super) fn new(folder: OwnedFd, path: RemotePath) -> Result<Self, StorageError> {
        match Dir::new(folder) {
            Ok(dir) => Ok(Self { dir, path }),
            Err(error) => Err(StorageError::at(&path, "read a folder", error)),
        }
    }

    pub(super) fn path(&self) -> &RemotePath {
        &self.path
    }

    /// The folder's handle, for calls on its entries.
    pub(super) fn folder(&self) -> Result<BorrowedFd<'_>, StorageError> {
        self.dir.fd().map_err(|error| StorageError::at(&self.path, "read a folder", error))
    }

    /// Starts again at the first name.
    pub(super) fn rewind(&mut self) {
        self.dir.rewind();
    }
}

impl Iterator for Stream {
    type Item = Result<(CString, Metadata), StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let name = match self.dir.read()? {
                Ok(entry) => entry.file_name().to_owned(),
                Err(error) => return Some(Err(StorageError::at(&self.path, "read a folder", error))),
            };
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let folder = match self.folder() {
                Ok(folder) => folder,
                Err(error) => return Some(Err(error)),
            };
            return match Metadata::at(folder, name.as_c_str()) {
                Ok(metadata) => Some(Ok((name, metadata))),
                Err(Errno::NOENT) => continue,
                Err(error) => Some(Err(StorageError::at(&self.path, "look at an entry", error))),
            };
        }
    }
}
