//! The description of a file to write, and the checks before any of its data arrives.

use std::{ops::ControlFlow, sync::Arc};

use ferry_shared::{
    blocks,
    entry::{Kind, Mtime, Version},
    limits::FILE_SIZE_MAX,
    path::RemotePath,
};

use super::{Error, Files, PathFault, Writing};
use crate::{
    audit::event::{Event, shown},
    storage::{FileMeta, Overwrite, Part, PartMeta, StorageError, TargetState},
    user_state::growth,
};

/// A file to write.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// Its path.
    pub path: RemotePath,
    /// Its size in bytes; `None` if only the end will tell.
    pub size: Option<u64>,
    /// The treatment of an existing file at the path.
    pub replace: Replace,
    /// Whether missing parent folders are made.
    pub parents: bool,
    /// Its modification time; the time of the commit, if absent.
    pub mtime: Option<Mtime>,
    /// Its permission bits; the server's default, if absent.
    pub mode: Option<u32>,
    /// The bytes that it may start from.
    pub from: Basis,
}

/// The treatment of an existing file at the path of a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replace {
    /// The existing file stays, and the new one is refused.
    Never,
    /// The existing file is replaced.
    Always,
    /// The existing file is replaced if it still has this version.
    IfVersion(Version),
}

/// The bytes that a new file starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Nothing.
    Nothing,
    /// The part of an unfinished upload to the same path.
    Staged,
    /// The part of an unfinished upload to the same path, or else a copy of the existing file.
    Current,
}

impl From<Replace> for Overwrite {
    fn from(replace: Replace) -> Self {
        match replace {
            Replace::Never => Self::Never,
            Replace::Always => Self::Always,
            Replace::IfVersion(version) => Self::IfVersion(version),
        }
    }
}

impl NewFile {
    pub(super) fn meta(&self) -> FileMeta {
        FileMeta { mtime: self.mtime, mode: self.mode }
    }

    /// Refuses a file that could not be published in the present state of the target.
    fn check_target(&self, target_state: &TargetState) -> Result<(), Error> {
        let target = || self.path.clone();
        if target_state.missing_folders > 0 && !self.parents {
            return Err(StorageError::NotFound(self.path.parent().unwrap_or_default()).into());
        }
        match (target_state.kind(), &self.replace) {
            (Some(Kind::Folder), _) => Err(StorageError::IsDirectory(target()).into()),
            (Some(_), Replace::Never) => Err(StorageError::Exists(target()).into()),
            (_, Replace::IfVersion(version)) if target_state.version().as_ref() != Some(version) => {
                Err(StorageError::Changed(target()).into())
            }
            _ => Ok(()),
        }
    }
}

impl Files {
    /// Starts to write a file: checks, reserves and opens its part.
    ///
    /// # Errors
    /// [`Error`], before any data is requested.
    pub fn write(&self, new: NewFile) -> Result<Writing, Error> {
        super::may_change(&self.user)?;
        let user = &self.user;
        if new.size.is_some_and(|size| size > FILE_SIZE_MAX) {
            return Err(Error::path(PathFault::TooLarge, "no file can be that large"));
        }
        let target_state = user.home.target_state(&new.path)?;
        new.check_target(&target_state)?;
        user.reserve(&new.path, growth(&target_state, new.size.unwrap_or(0)))?;
        let opened = self.fits_the_disk(&new).and_then(|()| Ok(self.open_part(&new, &target_state)?));
        let changes = user.ledger.lock_changes();
        let (part, basis) = opened.inspect_err(|_| user.refit(&changes, &new.path))?;
        if let Err(error) = user.refit_opened(&changes, &new.path) {
            drop(changes);
            if basis != Basis::Staged {
                user.discard(&new.path)?;
            }
            return Err(error.into());
        }
        drop(changes);
        let held = match new.size {
            Some(size) if basis != Basis::Nothing => blocks::held_blocks(size, part.length()),
            _ => 0,
        };
        tracing::debug!(user = %user.name, path = %new.path.display(), size = ?new.size, held, "upload begins");
        let act = self.act(Event::Upload { path: shown(&new.path), size: 0, digest: None });
        Ok(Writing::new(Arc::clone(user), Arc::clone(&self.counters), act, new, part, basis, held))
    }

    /// Refuses a file that does not fit on the disk, before any data arrives. The bytes of an existing part already
    /// have their space.
    fn fits_the_disk(&self, new: &NewFile) -> Result<(), Error> {
        let staged = self.user.home.part_info(&new.path).filter(|_| new.from != Basis::Nothing);
        // A replaced file takes its space until the end.
        let needed = new.size.map_or(1, |size| size.saturating_sub(staged.map_or(0, |part| part.length)));
        let free = self.user.home.volume_free()?;
        if needed <= free { Ok(()) } else { Err(Error::NoRoom { needed, free }) }
    }

    /// The part to write to, and the basis that it really starts from.
    fn open_part(&self, new: &NewFile, target_state: &TargetState) -> Result<(Part, Basis), StorageError> {
        let home = &self.user.home;
        let meta = PartMeta { path: new.path.clone(), size: new.size, file: new.meta(), lasting: None };
        if new.size.is_some() && new.from != Basis::Nothing {
            if let Some(part) = home.open_part(meta.clone())? {
                return Ok((part, Basis::Staged));
            }
            if new.from == Basis::Current && target_state.version().is_some() {
                let mut go_on = |_| match self.stop.is_cancelled() {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                };
                let part = home.seed_part(meta, &mut go_on)?;
                self.user.waste.begun(&new.path, part.length());
                return Ok((part, Basis::Current));
            }
        }
        Ok((home.create_part(meta)?, Basis::Nothing))
    }
}
