//! One user's home: an open handle that every access goes through and cannot leave.

use std::{
    ffi::OsStr,
    fmt,
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use cap_std::fs::Dir;
use ferry_shared::{
    entry::{Entry, Kind},
    name::Name,
    path::RemotePath,
};
use parking_lot::Mutex;
use rustix::{
    fd::{AsFd as _, BorrowedFd, OwnedFd},
    fs::readlinkat,
    io::Errno,
};

use super::{
    CommitGroup, Counter, Durability, Finder, Lister, OpenFile, Stat, StorageError, Walker, beneath, flush,
    memory::Memory,
    metadata::{Metadata, Place},
    shared_files::SharedFiles,
    staging::{Manner, Staging},
};

/// One user's home and staging; clones share it.
#[derive(Clone)]
pub struct Home {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    user: String,
    home: Dir,
    pub(super) folder: OwnedFd,
    /// The filesystem of staging: entries can be created or changed only there.
    place: Place,
    pub(super) durability: Durability,
    memory: Memory,
    pub(super) staging: Arc<Staging>,
    shared: SharedFiles,
    /// The number of renames and removals of folders: a folder that was resolved before one may be elsewhere now.
    names_epoch: AtomicU64,
    /// The number of folders that were made, and how many of them a flush has covered.
    folders_made: AtomicU64,
    folders_flushed: AtomicU64,
    report: Mutex<Vec<String>>,
}

/// The open handles that make up a [`Home`].
pub(super) struct Handles {
    /// The user's folder, which contains the other two.
    pub(super) folder: OwnedFd,
    pub(super) home: OwnedFd,
    pub(super) staging: OwnedFd,
}

impl Home {
    /// Creates a home from handles on a user's folders.
    pub(super) fn new(user: &str, handles: Handles, manner: Manner, memory: Memory) -> Result<Self, StorageError> {
        let Handles { folder, home, staging } = handles;
        let durability = manner.durability;
        let metadata = |open: &OwnedFd| Metadata::of(open).map_err(|error| StorageError::own("look at a home", error));
        let place = metadata(&staging)?.place();
        if metadata(&home)?.id.0 != place.0 {
            return Err(StorageError::Unsafe(format!("home and staging of {user} are on different filesystems")));
        }
        let (staging, report) = Staging::open(staging, manner)?;
        let inner = Inner {
            user: user.to_owned(),
            home: Dir::from_std_file(File::from(home)),
            folder,
            place,
            durability,
            memory,
            staging: Arc::new(staging),
            shared: SharedFiles::default(),
            names_epoch: AtomicU64::new(0),
            folders_made: AtomicU64::new(0),
            folders_flushed: AtomicU64::new(0),
            report: Mutex::new(report),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(super) fn from_inner(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    pub(super) fn dir(&self) -> &Dir {
        &self.inner.home
    }

    pub(super) fn staging(&self) -> &Arc<Staging> {
        &self.inner.staging
    }

    pub(super) fn shared_files(&self) -> &SharedFiles {
        &self.inner.shared
    }

    /// Notes that a folder was moved or removed; see `names_epoch`.
    pub(super) fn names_changed(&self) {
        self.inner.names_epoch.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn names_epoch(&self) -> u64 {
        self.inner.names_epoch.load(Ordering::Acquire)
    }

    /// Notes that a folder was made.
    pub(super) fn folder_was_made(&self) {
        self.inner.folders_made.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether the names of new folders may not be on the disk yet.
    pub(super) fn has_unflushed_folders(&self) -> bool {
        self.inner.folders_flushed.load(Ordering::Acquire) < self.inner.folders_made.load(Ordering::Acquire)
    }

    /// Flushes the whole filesystem of the home.
    pub(super) fn flush_filesystem(&self) -> Result<(), StorageError> {
        let made = self.inner.folders_made.load(Ordering::Acquire);
        let flushed = flush::filesystem(self.staging().folder());
        flushed.map_err(|error| StorageError::own("flush the filesystem", error))?;
        self.inner.folders_flushed.fetch_max(made, Ordering::AcqRel);
        Ok(())
    }

    /// The name of the user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.inner.user
    }

    /// One entry. A symlink at the end of the path is not followed; the home has its user's name.
    ///
    /// # Errors
    /// `NotFound`, `NotDirectory`, `Outside`, or an error of the disk.
    pub fn stat(&self, path: &RemotePath) -> Result<Stat, StorageError> {
        let at = |error: Errno| StorageError::at(path, "look at an entry", error);
        let Some(name) = path.name() else {
            let name = Name::try_from(self.user()).map_err(|_| StorageError::NoSuchUser)?;
            return Ok(Stat { entry: Metadata::of(self.dir()).map_err(at)?.entry(self.dir(), name), version: None });
        };
        let (parent, last) = beneath::parent(self.dir(), path)?;
        let metadata = Metadata::at(&parent, last).map_err(at)?;
        Ok(Stat { version: metadata.is_file().then(|| metadata.version()), entry: metadata.entry(&parent, name) })
    }

    /// One entry, or what a symlink inside the home leads to at the end of the path.
    ///
    /// # Errors
    /// `NotFound`, `NotDirectory`, `Outside`, or an error of the disk.
    pub fn stat_through(&self, path: &RemotePath) -> Result<Stat, StorageError> {
        let stat = self.stat(path)?;
        if stat.entry.kind != Kind::Symlink {
            return Ok(stat);
        }
        let at = |error: Errno| StorageError::at(path, "look at an entry", error);
        let metadata = Metadata::of(beneath::anything(self.dir(), path)?).map_err(at)?;
        let size = if metadata.is_file() { metadata.size } else { 0 };
        let Metadata { kind, mtime, mode, .. } = metadata;
        let version = metadata.is_file().then(|| metadata.version());
        Ok(Stat { entry: Entry { kind, size, mtime, mode, ..stat.entry }, version })
    }

    /// The text of a symlink.
    ///
    /// # Errors
    /// `BadPath` if the entry is no symlink, `NotFound`, `NotDirectory`, `Outside`, or an error of the disk.
    pub fn link_text(&self, path: &RemotePath) -> Result<Vec<u8>, StorageError> {
        let (parent, name) = beneath::parent(self.dir(), path)?;
        let text = readlinkat(&parent, name, Vec::new());
        Ok(text.map_err(|error| StorageError::at(path, "read a link", error))?.into_bytes())
    }

    /// Opens a regular file for reading. Symlinks inside the home are followed.
    ///
    /// # Errors
    /// `NotFound`, `IsDirectory`, `NotDirectory`, `NotAFile` (the entry is then not opened), `Outside`, `Denied`,
    /// or an error of the disk.
    pub fn open_file(&self, path: &RemotePath) -> Result<OpenFile, StorageError> {
        let (file, metadata) = beneath::file_to_read(self.dir(), path)?;
        let slot = self.inner.memory.slot(&metadata, self.inner.place);
        Ok(OpenFile::new(path, file, &metadata, slot))
    }

    /// Lists the entries of a folder, page by page.
    ///
    /// # Errors
    /// `NotFound`, `NotDirectory`, `Outside`, `Denied`, or an error of the disk.
    pub fn lister(&self, path: &RemotePath) -> Result<Lister, StorageError> {
        Lister::open(self.dir(), path)
    }

    /// Lists everything below a folder.
    ///
    /// # Errors
    /// Those of [`Self::lister`].
    pub fn walker(&self, path: &RemotePath) -> Result<Walker, StorageError> {
        Walker::new(path, beneath::readable_folder(self.dir(), path)?)
    }

    /// As [`Self::walker`], with the remembered digests of the files.
    ///
    /// # Errors
    /// Those of [`Self::lister`].
    pub fn walker_with_digests(&self, path: &RemotePath) -> Result<Walker, StorageError> {
        Ok(self.walker(path)?.with_digests(self.inner.memory.clone(), self.inner.place))
    }

    /// Finds at most `limit` entries below a folder whose name matches `pattern`: a part of the name, or a glob if
    /// it contains one of `*?[`. The search is case-sensitive only if the pattern contains capitals.
    ///
    /// # Errors
    /// `BadPattern`, or those of [`Self::lister`].
    pub fn finder(&self, path: &RemotePath, pattern: &str, limit: u64) -> Result<Finder, StorageError> {
        Finder::new(self.walker(path)?, pattern, limit)
    }

    /// Counts the weight of everything in the home, for a recount; useful only if nobody writes meanwhile.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn counter(&self) -> Result<Counter, StorageError> {
        Counter::new(self.clone(), beneath::readable_folder(self.dir(), &RemotePath::home())?)
    }

    /// Starts a group of commits that share their flushes.
    #[must_use]
    pub fn commit_group(&self) -> CommitGroup {
        CommitGroup::new(self.clone())
    }

    /// Bytes free to users on the disk.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn volume_free(&self) -> Result<u64, StorageError> {
        self.staging().free()
    }

    /// The filesystem on which entries can be created or changed.
    pub(super) fn place(&self) -> Place {
        self.inner.place
    }

    /// Refuses a change in a folder if another filesystem is mounted on it or on one of its parents; errors call the
    /// folder `path`.
    pub(super) fn require_here(&self, folder: &Dir, path: &RemotePath) -> Result<(), StorageError> {
        let metadata = Metadata::of(folder).map_err(|error| StorageError::at(path, "look at a folder", error))?;
        self.require_at(&metadata, path)
    }

    /// The same check for an entry with this metadata.
    pub(super) fn require_at(&self, metadata: &Metadata, path: &RemotePath) -> Result<(), StorageError> {
        if metadata.is_at(self.place()) { Ok(()) } else { Err(StorageError::OtherFilesystem(path.clone())) }
    }

    /// Opens the parent folder of `path` for a change, and returns the name in it.
    pub(super) fn parent_to_change<'a>(&self, path: &'a RemotePath) -> Result<(Dir, &'a OsStr), StorageError> {
        let (parent, name) = beneath::parent(self.dir(), path)?;
        self.require_here(&parent, path)?;
        Ok((parent, name))
    }

    /// Whether the home contains files with several names. Those names are not written to the ledger, so the home
    /// must be counted again at the next start.
    #[must_use]
    pub fn has_shared_files(&self) -> bool {
        self.inner.shared.any()
    }

    /// Files that were removed from staging when the home was opened, one line each for the log; returned once.
    #[must_use]
    pub fn take_report(&self) -> Vec<String> {
        std::mem::take(&mut *self.inner.report.lock())
    }

    /// The user's folder, which contains the home, staging and the ledger.
    pub(super) fn user_folder(&self) -> BorrowedFd<'_> {
        self.inner.folder.as_fd()
    }
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Home({})", self.inner.user)
    }
}
