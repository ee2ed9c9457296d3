//! The state of a target before a change, from which the quota computes what the change adds.

use cap_std::fs::Dir;
use ferry_shared::{
    entry::{Kind, Version},
    path::RemotePath,
};

use super::{Home, StorageError, Weight, beneath, metadata::Metadata, shared_files::SharedFiles};

/// The present entry at a path, and the weight that a new file there would add.
#[derive(Debug, Clone)]
pub struct TargetState {
    /// The number of missing parent folders.
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

    /// The kind of the present entry; `None` if nothing is there.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.there.map(|metadata| metadata.kind)
    }

    /// The version of the present file.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.there.filter(Metadata::is_file).map(|metadata| metadata.version())
    }

    /// The weight of the present entry; nothing if there is none. For a folder, only the folder itself counts, not
    /// its contents.
    #[must_use]
    pub fn old(&self) -> Weight {
        self.old
    }

    /// The weight of a file of `size` bytes at the path, including the parent folders to be made.
    #[must_use]
    pub fn new_file(&self, size: u64) -> Weight {
        Weight { bytes: size, files: self.missing_folders.saturating_add(1) }
    }

    /// The weight of a folder at the path, including the parent folders to be made.
    #[must_use]
    pub fn new_folder(&self) -> Weight {
        self.new_file(0)
    }
}

impl Home {
    /// The state of `path`, for the quota; also for a folder to be made.
    ///
    /// # Errors
    /// `BadPath` for the home itself, `NotDirectory`, `Outside`, `OtherFilesystem`, or an error of the disk.
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

    /// Refuses a target, other than a folder, that is on another filesystem. For folders, the caller checks this.
    pub(super) fn require_replaceable(&self, there: Option<&Metadata>, path: &RemotePath) -> Result<(), StorageError> {
        there.filter(|there| !there.is_folder()).map_or(Ok(()), |there| self.require_at(there, path))
    }

    /// Opens the nearest existing folder, from `path` upwards, and counts the missing folders below it. Entries can
    /// be created in that folder.
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
