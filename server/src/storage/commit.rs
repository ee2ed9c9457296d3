//! Moves staged files into the home: the data is durable before the name, and the name before the reply.

use std::{collections::HashMap, ffi::OsStr, sync::Arc};

use cap_std::fs::Dir;
use ferry_shared::{
    entry::{Kind, Version},
    path::RemotePath,
};

use super::{Durability, Home, Part, StorageError, TargetState, TempFile, beneath, flush, metadata::Metadata};

/// Up to this many files or folders are flushed one by one; more are flushed by a single `syncfs`.
const ONE_BY_ONE: usize = 4;

/// The rule for an existing target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overwrite {
    /// Refuse.
    Never,
    /// Replace it.
    Always,
    /// Replace it if it still has this version.
    IfVersion(Version),
}

/// A staged file that is ready to be published.
#[derive(Debug)]
pub enum Staged {
    /// A small file or a copy.
    TempFile(TempFile),
    /// A finished part.
    Part(Part),
}

/// A target that has been checked.
#[derive(Debug)]
pub struct Prepared {
    /// The state of the target, against which the quota is settled.
    pub target_state: TargetState,
    target: RemotePath,
    above: RemotePath,
    replace: bool,
    parent: Option<Arc<Dir>>,
}

/// A published file, durable once the names are flushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its new version.
    pub version: Version,
    /// Its size in bytes.
    pub size: u64,
    /// The number of parent folders that were made.
    pub folders: u64,
}

/// A failed commit. The target is unchanged; a part stays staged.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Unpublished {
    /// The cause.
    #[source]
    pub error: StorageError,
    /// The number of folders that were made before the failure and remain; they count against the quota.
    pub folders: u64,
}

/// A group of commits that share their flushes.
///
/// The order is: [`Self::flush_data`] for all files; under the user's lock, [`Self::prepare`] and [`Self::publish`]
/// for each; without that lock, [`Self::flush_names`]; then acknowledge. A group may be used for any number of
/// rounds, but is meant to be short-lived.
#[derive(Debug)]
pub struct CommitGroup {
    home: Home,
    /// The folder used last, and the names epoch at which it was resolved.
    last: Option<(RemotePath, u64, Arc<Dir>)>,
    /// Folders whose names changed since the last flush.
    touched: HashMap<RemotePath, Arc<Dir>>,
}

impl Staged {
    fn is_flushed(&self) -> bool {
        match self {
            Self::TempFile(temp_file) => temp_file.is_flushed(),
            Self::Part(part) => part.is_flushed(),
        }
    }

    fn set_flushed(&mut self) {
        match self {
            Self::TempFile(temp_file) => temp_file.set_flushed(),
            Self::Part(part) => part.set_flushed(),
        }
    }

    /// Gives a temporary file its permission bits; a finished part has them already.
    fn set_mode(&mut self) -> Result<(), StorageError> {
        match self {
            Self::TempFile(temp_file) => temp_file.set_mode(),
            Self::Part(_) => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        match self {
            Self::TempFile(temp_file) => temp_file.flush(),
            Self::Part(part) => part.flush(),
        }
    }

    fn publish(&mut self, to: &Dir, name: &OsStr, replace: bool, target: &RemotePath) -> Result<(), StorageError> {
        match self {
            Self::TempFile(temp_file) => temp_file
                .publish(to, name, replace)
                .map_err(|error| StorageError::at(target, "publish a temporary file", error)),
            Self::Part(part) => part.publish(to, name, replace),
        }
    }
}

impl CommitGroup {
    pub(super) fn new(home: Home) -> Self {
        Self { home, last: None, touched: HashMap::new() }
    }

    /// Like [`Home::target_state`], but faster for several targets in one folder.
    ///
    /// # Errors
    /// Those of [`Home::target_state`].
    pub fn target_state(&mut self, path: &RemotePath) -> Result<TargetState, StorageError> {
        let (above, _) = beneath::split(path)?;
        let parent = self.folder(&above)?;
        self.target_state_in(path, parent.as_deref())
    }

    /// Makes the data of all these files durable.
    ///
    /// # Errors
    /// An error of the disk; none of the files may be published then.
    pub fn flush_data<'a>(&mut self, staged: impl IntoIterator<Item = &'a mut Staged>) -> Result<(), StorageError> {
        if !self.flushes() {
            return Ok(());
        }
        let mut unflushed: Vec<_> = staged.into_iter().filter(|staged| !staged.is_flushed()).collect();
        if unflushed.len() <= ONE_BY_ONE {
            return unflushed.into_iter().try_for_each(Staged::flush);
        }
        unflushed.iter_mut().try_for_each(|staged| staged.set_mode())?;
        self.home.flush_filesystem()?;
        unflushed.iter_mut().for_each(|staged| staged.set_flushed());
        Ok(())
    }

    /// Checks a target. The caller must hold the user's lock from here until the file is published.
    ///
    /// # Errors
    /// `Exists`, `Changed`, `IsDirectory` (the target is a folder), `NotDirectory`, `NotFound` (a parent is missing
    /// and `parents` is not set), `Outside`, or an error of the disk.
    pub fn prepare(
        &mut self,
        target: &RemotePath,
        overwrite: &Overwrite,
        parents: bool,
    ) -> Result<Prepared, StorageError> {
        let (above, _) = beneath::split(target)?;
        let parent = self.folder(&above)?;
        if parent.is_none() && !parents {
            return Err(StorageError::NotFound(above));
        }
        let target_state = self.target_state_in(target, parent.as_deref())?;
        let replace = match (target_state.kind(), overwrite) {
            (Some(Kind::Folder), _) => return Err(StorageError::IsDirectory(target.clone())),
            (Some(_), Overwrite::Never) => return Err(StorageError::Exists(target.clone())),
            (_, Overwrite::IfVersion(version)) if target_state.version().as_ref() != Some(version) => {
                return Err(StorageError::Changed(target.clone()));
            }
            (_, overwrite) => *overwrite != Overwrite::Never,
        };
        Ok(Prepared { target_state, target: target.clone(), above, replace, parent })
    }

    /// Renames a staged file to its target, making missing parent folders.
    ///
    /// # Errors
    /// [`Unpublished`]: `Superseded`, a new obstacle at the target, or an error of the disk.
    pub fn publish(&mut self, mut staged: Staged, prepared: Prepared) -> Result<Published, Unpublished> {
        let mut folders = 0;
        match self.place(&mut staged, prepared, &mut folders) {
            Ok(metadata) => Ok(Published { version: metadata.version(), size: metadata.size, folders }),
            Err(error) => Err(Unpublished { error, folders }),
        }
    }

    fn place(&mut self, staged: &mut Staged, prepared: Prepared, made: &mut u64) -> Result<Metadata, StorageError> {
        let Prepared { target_state, target, above, replace, parent } = prepared;
        let (_, name) = beneath::split(&target)?;
        if self.flushes() && !staged.is_flushed() {
            // A name must never reach the disk before its data, in whatever order the methods are called.
            staged.flush()?;
        }
        staged.set_mode()?;
        let parent = match parent {
            Some(parent) => parent,
            None => {
                let epoch = self.home.names_epoch();
                let folder = Arc::new(self.home.make_dirs(&above, made)?);
                self.last = Some((above.clone(), epoch, Arc::clone(&folder)));
                folder
            }
        };
        staged.publish(&parent, name, replace, &target)?;
        if let Some(old) = target_state.there() {
            self.home.shared_files().removed(old);
        }
        self.touched.entry(above).or_insert_with(|| Arc::clone(&parent));
        Metadata::at(&parent, name).map_err(|error| StorageError::at(&target, "look at what was published", error))
    }

    /// Makes the names of all published files durable. Acknowledge them after this.
    ///
    /// # Errors
    /// An error of the disk; nothing published since the last flush may be acknowledged then.
    pub fn flush_names(&mut self) -> Result<(), StorageError> {
        let touched = std::mem::take(&mut self.touched);
        if !self.flushes() || touched.is_empty() {
            return Ok(());
        }
        // The name of a new folder is itself in a folder that is not listed here.
        if self.home.has_unflushed_folders() || touched.len() > ONE_BY_ONE {
            return self.home.flush_filesystem();
        }
        for (path, folder) in touched {
            flush::folder(&*folder).map_err(|error| StorageError::at(&path, "flush a folder", error))?;
        }
        Ok(())
    }

    fn flushes(&self) -> bool {
        self.home.inner().durability == Durability::Full
    }

    fn target_state_in(&self, path: &RemotePath, parent: Option<&Dir>) -> Result<TargetState, StorageError> {
        let (_, name) = beneath::split(path)?;
        let Some(parent) = parent else { return self.home.target_state(path) };
        let there =
            Metadata::if_there(parent, name).map_err(|error| StorageError::at(path, "look at a target", error))?;
        self.home.require_replaceable(there.as_ref(), path)?;
        Ok(TargetState::new(0, there, self.home.shared_files()))
    }

    /// Opens a folder by its path; the folder used last is resolved again only if names changed since.
    fn folder(&mut self, path: &RemotePath) -> Result<Option<Arc<Dir>>, StorageError> {
        let epoch = self.home.names_epoch();
        if let Some((last, at, folder)) = &self.last
            && last == path
            && *at == epoch
        {
            return Ok(Some(Arc::clone(folder)));
        }
        match beneath::folder(self.home.dir(), path) {
            Ok(folder) => {
                self.home.require_here(&folder, path)?;
                let folder = Arc::new(folder);
                self.last = Some((path.clone(), epoch, Arc::clone(&folder)));
                Ok(Some(folder))
            }
            Err(StorageError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
