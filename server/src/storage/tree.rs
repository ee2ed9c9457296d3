//! Removes a whole tree, step by step, so that usage can follow the removed entries.

use std::{ffi::CString, fmt, os::unix::ffi::OsStrExt as _};

use cap_std::fs::Dir;
use ferry_shared::{entry::Version, name::Name, path::RemotePath};
use rustix::{
    fd::{AsFd, BorrowedFd},
    fs::AtFlags,
    io::Errno,
    path::Arg,
};

use super::{Home, StorageError, count::LEVELS_MAX, disk, listing::Stream, metadata::Metadata, walk::open_child};

/// How often to read a folder again that is not empty after its entries were removed.
const READ_AGAIN: u8 = 3;

/// The number of removed entries and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Files, symlinks and others.
    pub files: u64,
    /// Folders.
    pub dirs: u64,
    /// Bytes, as usage counts them.
    pub bytes: u64,
}

impl Removed {
    /// Adds the entries that another step removed.
    pub fn add(&mut self, more: Self) {
        self.files = self.files.saturating_add(more.files);
        self.dirs = self.dirs.saturating_add(more.dirs);
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}

/// The result of one step of a [`Removal`].
#[derive(Debug)]
#[must_use = "what was removed is to be taken off the usage, also when the step failed"]
pub struct Step {
    /// The entries that this step removed, even if it failed afterwards.
    pub removed: Removed,
    /// Whether there is more to remove, or the error that stopped the removal.
    pub outcome: Result<bool, StorageError>,
}

/// A running removal. It never follows a symlink.
pub struct Removal {
    home: Home,
    path: RemotePath,
    parent: Dir,
    /// The name in `parent`; `None` once the removal has started.
    first: Option<CString>,
    levels: Vec<Level>,
}

/// A folder that is being emptied, and its name in its parent.
struct Level {
    stream: Stream,
    name: CString,
    left: u8,
}

impl Removal {
    pub(super) fn new(home: Home, path: &RemotePath) -> Result<Self, StorageError> {
        let (parent, name) = home.parent_to_change(path)?;
        let at = |error: Errno| StorageError::at(path, "remove", error);
        home.require_at(&Metadata::at(&parent, name).map_err(at)?, path)?;
        let name = CString::new(name.as_bytes()).map_err(|_| StorageError::BadPath(path.clone()))?;
        Ok(Self { home, path: path.clone(), parent, first: Some(name), levels: Vec::new() })
    }

    /// Removes about `max` entries. After an error, for example at another filesystem, the rest stays.
    pub fn step(&mut self, max: u64) -> Step {
        let mut removed = Removed::default();
        let mut outcome = Ok(true);
        while matches!(outcome, Ok(true)) && removed.files + removed.dirs < max {
            outcome = self.remove_one(&mut removed);
        }
        self.home.names_changed();
        Step { removed, outcome: outcome.map(|_| self.first.is_some() || !self.levels.is_empty()) }
    }

    /// Removes the next entry, or descends one level to be able to.
    fn remove_one(&mut self, removed: &mut Removed) -> Result<bool, StorageError> {
        if let Some(name) = self.first.take() {
            let metadata = Metadata::at(&self.parent, name.as_c_str()).map_err(|error| self.at(error))?;
            self.remove_entry(name, &metadata, removed)?;
            return Ok(!self.levels.is_empty());
        }
        let Some(level) = self.levels.last_mut() else { return Ok(false) };
        match level.stream.next() {
            Some(found) => {
                let (name, metadata) = found?;
                self.remove_entry(name, &metadata, removed)?;
            }
            None => self.ascend(removed)?,
        }
        Ok(!self.levels.is_empty())
    }

    /// Removes an entry of the innermost folder, or descends into it.
    fn remove_entry(&mut self, name: CString, metadata: &Metadata, removed: &mut Removed) -> Result<(), StorageError> {
        if !metadata.is_at(self.home.place()) {
            return Err(StorageError::OtherFilesystem(self.path_of(&name)));
        }
        if metadata.is_folder() {
            if self.levels.len() >= LEVELS_MAX {
                return Err(StorageError::TooLong(self.path.clone()));
            }
            let folder = self.in_innermost(|folder| open_child(folder, name.to_bytes()))?;
            // The entry was removed or replaced meanwhile; its parent is then read again.
            let Some(folder) = folder else { return Ok(()) };
            let stream = Stream::new(folder, self.path.clone())?;
            self.levels.push(Level { stream, name, left: READ_AGAIN });
            return Ok(());
        }
        if self.unlink(&name, AtFlags::empty())? {
            removed.files += 1;
            removed.bytes = removed.bytes.saturating_add(self.home.shared_files().removed(metadata));
        }
        Ok(())
    }

    /// Removes the innermost folder, now empty.
    fn ascend(&mut self, removed: &mut Removed) -> Result<(), StorageError> {
        let Some(mut level) = self.levels.pop() else { return Ok(()) };
        match self.unlink(&level.name, AtFlags::REMOVEDIR) {
            Ok(gone) => removed.dirs += u64::from(gone),
            Err(StorageError::NotEmpty(_)) if level.left > 0 => {
                level.left -= 1;
                level.stream.rewind();
                self.levels.push(level);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Unlinks a name in the innermost folder; false if it was gone already.
    fn unlink(&self, name: &CString, flags: AtFlags) -> Result<bool, StorageError> {
        self.in_innermost(|folder| match unlink(folder, name.as_c_str(), flags) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error),
        })
    }

    fn in_innermost<T>(&self, call: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<T>) -> Result<T, StorageError> {
        match self.levels.last() {
            Some(level) => call(level.stream.folder()?),
            None => call(self.parent.as_fd()),
        }
        .map_err(|error| self.at(error))
    }

    /// The path of an entry in the innermost folder; the path of the removal itself if that is too long.
    fn path_of(&self, name: &CString) -> RemotePath {
        // The first level is the removed folder itself.
        let Some((_, below)) = self.levels.split_first() else { return self.path.clone() };
        let mut names = below.iter().map(|level| &level.name).chain([name]);
        let join = |path: RemotePath, name: &CString| path.join(&Name::new(name.as_bytes().to_vec()).ok()?).ok();
        names.try_fold(self.path.clone(), join).unwrap_or_else(|| self.path.clone())
    }

    fn at(&self, error: Errno) -> StorageError {
        StorageError::at(&self.path, "remove", error)
    }
}

impl fmt::Debug for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Removal({:?}, {} levels down)", self.path, self.levels.len())
    }
}

/// `unlinkat` with a single errno for a folder that is not empty; POSIX allows two.
fn unlink(folder: impl AsFd, name: impl Arg, flags: AtFlags) -> rustix::io::Result<()> {
    match disk::unlink(folder, name, flags) {
        Err(Errno::EXIST) => Err(Errno::NOTEMPTY),
        result => result,
    }
}

impl Home {
    /// Removes one file, symlink or empty folder.
    ///
    /// # Errors
    /// `NotFound`, `NotEmpty`, `OtherFilesystem`, `BadPath` for the home itself, or an error of the disk.
    pub fn remove(&self, path: &RemotePath) -> Result<Removed, StorageError> {
        self.remove_if(path, |_| true)
    }

    /// Removes a file if it still has this version. Safe against other changes only under the user's lock.
    ///
    /// # Errors
    /// `Changed` if it has another version or is not a file, `NotFound`, `BadPath`, or an error of the disk.
    pub fn remove_version(&self, path: &RemotePath, version: &Version) -> Result<Removed, StorageError> {
        self.remove_if(path, |metadata| metadata.is_file() && metadata.version() == *version)
    }

    fn remove_if(&self, path: &RemotePath, meant: impl FnOnce(&Metadata) -> bool) -> Result<Removed, StorageError> {
        let (parent, name) = self.parent_to_change(path)?;
        let at = |error: Errno| StorageError::at(path, "remove", error);
        let metadata = Metadata::at(&parent, name).map_err(at)?;
        self.require_at(&metadata, path)?;
        if !meant(&metadata) {
            return Err(StorageError::Changed(path.clone()));
        }
        if metadata.is_folder() {
            unlink(&parent, name, AtFlags::REMOVEDIR).map_err(at)?;
            self.names_changed();
            return Ok(Removed { dirs: 1, ..Removed::default() });
        }
        unlink(&parent, name, AtFlags::empty()).map_err(at)?;
        Ok(Removed { files: 1, bytes: self.shared_files().removed(&metadata), dirs: 0 })
    }

    /// Removes everything at `path`, in steps.
    ///
    /// # Errors
    /// `NotFound`, `OtherFilesystem`, `BadPath` for the home itself, or an error of the disk.
    pub fn removal(&self, path: &RemotePath) -> Result<Removal, StorageError> {
        Removal::new(self.clone(), path)
    }
}
