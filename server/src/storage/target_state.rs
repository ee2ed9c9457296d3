//! What a change would replace and add, for quota to admit it first.

use cap_std::fs::Dir;
use ferry_shared::{
    entry::{Kind, Version},
    path::RemotePath,
};

use super::{Home, StorageError, Weight, beneath, metadata::Metadata, shared_files::SharedFiles};

/// What is at a path now, and what a file put there would add.
#[derive(Debug, Clone)]
pub struct TargetState {
    /// Folders above it that are not there.
    pub missing_folders: u64,
    there: Option<Metadata>,
    old: Weight,
}

impl TargetState {
    pub(super) fn new(missing_folders: u64, there: Option<Metadata>, shared: &SharedFiles) -> Self {
        let old = there.map_or(Weight::default(), |metadata| Weight { bytes: shared.bytes(&metadata), files: 1 });
        Self { missing_folders, there, old }
    }

    pub(super) fn there(&self) -> Option<&Metadata> {
        self.there.as_ref()
    }

    /// What is there; `None` when nothing is.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.there.map(|metadata| metadata.kind)
    }

    /// The version of the file there.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.there.filter(Metadata::is_file).map(|metadata| metadata.version())
    }

    /// What is there weighs; nothing, when nothing is. Of a folder only itself, not what is in it.
    #[must_use]
    pub fn old(&self) -> Weight {
        self.old
    }

    /// What will weigh there once a file of `size` bytes is, with the folders to be made above it.
    #[must_use]
    pub fn new_file(&self, size: u64) -> Weight {
        Weight { bytes: size, files: self.missing_folders.saturating_add(1) }
    }

    /// What will weigh there once a folder is, with the folders to be made above it.
    #[must_use]
    pub fn new_folder(&self) -> Weight {
        self.new_file(0)
    }
}

impl Home {
    /// What is at `path`, for quota: also where a folder is to be made.
    ///
    /// # Errors
    /// `BadPath` for the home itself, `NotDirectory`, `Outside`, `OtherFilesystem`, or the disk's.
    pub fn target_state(&self, path: &RemotePath) -> Result<TargetState, StorageError> {
        let (above, name) = beneath::split(path)?;
        let (parent, missing) = self.nearest(&above)?;
        let there = match missing {
            0 => {
                Metadata::if_there(&parent, name).map_err(|error| StorageError::at(path, "look at a target", error))?
            }
            _ => None,
        };
        self.require_replaceable(there.as_ref(), path)?;
        Ok(TargetState::new(missing, there, self.shared_files()))
    }

    /// Refuses what another filesystem is mounted on. A folder is in the way for another reason.
    pub(super) fn require_replaceable(&self, there: Option<&Metadata>, path: &RemotePath) -> Result<(), StorageError> {
        there.filter(|there| !there.is_folder()).map_or(Ok(()), |there| self.require_at(there, path))
    }

    /// The nearest folder that is there, from `path` upwards, and how many are missing below it. Things can be put there.
    pub(super) fn nearest(&self, path: &RemotePath) -> Result<(Dir, u64), StorageError> {
        let mut missing = 0;
        let mut at = path.clone();
        loop {
            match beneath::folder(self.dir(), &at) {
                Err(StorageError::NotFound(_)) if !at.is_home() => {
                    missing += 1;
                    at = at.parent().unwrap_or_default();
                }
                found => {
                    let found = found?;
                    self.require_here(&found, path)?;
                    return Ok((found, missing));
                }
            }
        }
    }
}
