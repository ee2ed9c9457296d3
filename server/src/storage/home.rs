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
use ferry_shared::{name::Name, path::RemotePath};
use parking_lot::Mutex;
use rustix::{
    fd::{AsFd as _, BorrowedFd, OwnedFd},
    io::Errno,
};

use super::{
    CommitGroup, Counter, Durability, Finder, Lister, OpenFile, Stat, StorageError, Walker, beneath, flush,
    metadata::{Metadata, Place},
    shared_files::SharedFiles,
    staging::{Manner, Staging},
};

/// One user's home and staging. Clones share it.
#[derive(Clone)]
pub struct Home {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    user: String,
    home: Dir,
    pub(super) folder: OwnedFd,
    /// Where staging is: only there something can be put or changed.
    place: Place,
    pub(super) durability: Durability,
    pub(super) staging: Arc<Staging>,
    shared: SharedFiles,
    /// Counts renames and removals of folders: what was resolved before one may be elsewhere now.
    names_epoch: AtomicU64,
    /// How many folders were made, and how many of them a flush has covered.
    folders_made: AtomicU64,
    folders_flushed: AtomicU64,
    report: Mutex<Vec<String>>,
}

/// The open handles a [`Home`] is made of.
pub(super) struct Handles {
    /// Holds all the others.
    pub(super) folder: OwnedFd,
    pub(super) home: OwnedFd,
    pub(super) staging: OwnedFd,
}

impl Home {
    /// Takes handles on a user's folders.
    pub(super) fn new(user: &str, handles: Handles, manner: Manner) -> Result<Self, StorageError> {
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

    /// Says that a folder moved or went; see `names_epoch`.
    pub(super) fn names_changed(&self) {
        self.inner.names_epoch.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn names_epoch(&self) -> u64 {
        self.inner.names_epoch.load(Ordering::Acquire)
    }

    /// Says that a folder was made.
    pub(super) fn folder_was_made(&self) {
        self.inner.folders_made.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether folders were made whose names may not be on the disk yet.
    pub(super) fn has_unflushed_folders(&self) -> bool {
        self.inner.folders_flushed.load(Ordering::Acquire) < self.inner.folders_made.load(Ordering::Acquire)
    }

    /// Flushes all of the filesystem the home is on.
    pub(super) fn flush_filesystem(&self) -> Result<(), StorageError> {
        let made = self.inner.folders_made.load(Ordering::Acquire);
        let flushed = flush::filesystem(self.staging().folder());
        flushed.map_err(|error| StorageError::own("flush the filesystem", error))?;
        self.inner.folders_flushed.fetch_max(made, Ordering::AcqRel);
        Ok(())
    }

    /// Whose home it is.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.inner.user
    }

    /// One entry. A link at the end is looked at itself; the home goes by its user's name.
    ///
    /// # Errors
    /// `NotFound`, `NotDirectory`, `Outside`, or the disk's.
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

    /// Opens a regular file for reading. Links inside the home are followed.
    ///
    /// # Errors
    /// `NotFound`, `IsDirectory`, `NotDirectory`, `NotAFile` (which is not opened then),
    /// `Outside`, `Denied`, or the disk's.
    pub fn open_file(&self, path: &RemotePath) -> Result<OpenFile, StorageError> {
        let (file, metadata) = beneath::file_to_read(self.dir(), path)?;
        Ok(OpenFile::new(path, file, &metadata))
    }

    /// The entries of a folder, page by page.
    ///
    /// # Errors
    /// `NotFound`, `NotDirectory`, `Outside`, `Denied`, or the disk's.
    pub fn lister(&self, path: &RemotePath) -> Result<Lister, StorageError> {
        Lister::open(self.dir(), path)
    }

    /// Everything below a folder.
    ///
    /// # Errors
    /// As [`Self::lister`].
    pub fn walker(&self, path: &RemotePath) -> Result<Walker, StorageError> {
        Walker::new(path, beneath::readable_folder(self.dir(), path)?)
    }

    /// At most `limit` entries below a folder whose name matches `pattern`: a part of the
    /// name, or a glob when it has one of `*?[`. Capitals matter only if it has one.
    ///
    /// # Errors
    /// `BadPattern`, or as [`Self::lister`].
    pub fn finder(&self, path: &RemotePath, pattern: &str, limit: u64) -> Result<Finder, StorageError> {
        Finder::new(self.walker(path)?, pattern, limit)
    }

    /// Everything in the home weighed, for a recount; of use if no writer worked meanwhile.
    ///
    /// # Errors
    /// The disk's.
    pub fn counter(&self) -> Result<Counter, StorageError> {
        Counter::new(self.clone(), beneath::readable_folder(self.dir(), &RemotePath::home())?)
    }

    /// A group of commits that share their flushes.
    #[must_use]
    pub fn commit_group(&self) -> CommitGroup {
        CommitGroup::new(self.clone())
    }

    /// Bytes free to users on the disk.
    ///
    /// # Errors
    /// The disk's.
    pub fn volume_free(&self) -> Result<u64, StorageError> {
        self.staging().free()
    }

    /// Where something can be put or changed.
    pub(super) fn place(&self) -> Place {
        self.inner.place
    }

    /// Refuses to change anything in a folder, called `path` in errors, that another filesystem is mounted on or above.
    pub(super) fn require_here(&self, folder: &Dir, path: &RemotePath) -> Result<(), StorageError> {
        let metadata = Metadata::of(folder).map_err(|error| StorageError::at(path, "look at a folder", error))?;
        self.require_at(&metadata, path)
    }

    /// The same, of what was looked at.
    pub(super) fn require_at(&self, metadata: &Metadata, path: &RemotePath) -> Result<(), StorageError> {
        if metadata.is_at(self.place()) { Ok(()) } else { Err(StorageError::OtherFilesystem(path.clone())) }
    }

    /// The folder in which the name at the end of `path` is to be changed, and that name.
    pub(super) fn parent_to_change<'a>(&self, path: &'a RemotePath) -> Result<(Dir, &'a OsStr), StorageError> {
        let (parent, name) = beneath::parent(self.dir(), path)?;
        self.require_here(&parent, path)?;
        Ok((parent, name))
    }

    /// Whether files with several names in the home were counted. Which they are is not
    /// written down, so the home is then to be counted again at the next start.
    #[must_use]
    pub fn has_shared_files(&self) -> bool {
        self.inner.shared.any()
    }

    /// What opening the home threw away from staging, a line each for the log; given once.
    #[must_use]
    pub fn take_report(&self) -> Vec<String> {
        std::mem::take(&mut *self.inner.report.lock())
    }

    /// The user's folder, which holds the home, staging and the ledger.
    pub(super) fn user_folder(&self) -> BorrowedFd<'_> {
        self.inner.folder.as_fd()
    }
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Home({})", self.inner.user)
    }
}
