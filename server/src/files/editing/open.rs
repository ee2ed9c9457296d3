//! How the writing of a file at any offset begins: from nothing, from the present file, or from a parked part.

use std::ops::ControlFlow;

use ferry_shared::{entry::Kind, path::RemotePath};

use super::{Body, Editing, Front};
use crate::{
    files::{Error, Files, Replace},
    storage::{FileMeta, Lasting, Part, PartMeta, StorageError},
    user_state::growth,
};

/// The treatment of what exists at the path of a file that is opened for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// An existing file is refused.
    Refuse,
    /// The new file begins empty and replaces an existing one.
    Replace,
    /// The new file begins with the content of the existing one, or else continues an unfinished upload.
    Keep,
}

impl Files {
    /// Starts to write a file at any offset; a new one, with these permission bits, only if `create` is set. An
    /// existing file keeps its permission bits.
    ///
    /// # Errors
    /// [`Error`].
    pub fn edit(
        &self,
        path: &RemotePath,
        existing: Existing,
        create: bool,
        mode: Option<u32>,
    ) -> Result<Editing, Error> {
        crate::files::may_change(&self.user)?;
        self.user.failed.take(path);
        let home = &self.user.home;
        let target_state = home.target_state(path)?;
        if target_state.missing_folders > 0 {
            return Err(StorageError::NotFound(path.parent().unwrap_or_default()).into());
        }
        let is_there = match target_state.kind() {
            Some(Kind::Folder) => return Err(StorageError::IsDirectory(path.clone()).into()),
            Some(_) if existing == Existing::Refuse => return Err(StorageError::Exists(path.clone()).into()),
            kind => kind.is_some(),
        };
        let parked = home.part_info(path).filter(|_| !is_there).and_then(|part| part.shown_size());
        if !is_there && !create && parked.is_none() {
            return Err(StorageError::NotFound(path.clone()).into());
        }
        let mode = if is_there { home.stat_through(path).ok().map(|stat| stat.entry.mode).or(mode) } else { mode };
        let replace = if existing == Existing::Refuse { Replace::Never } else { Replace::Always };
        let mut editing = Editing {
            files: self.clone(),
            path: path.clone(),
            replace,
            attributes: FileMeta { mtime: None, mode },
            size: 0,
            body: Body::Nothing,
            held: 0,
            is_resumed: false,
            is_spoiled: false,
        };
        match parked {
            _ if is_there && existing == Existing::Keep => {
                let reading = self.open(path)?;
                editing.size = reading.size();
                editing.body = Body::Present(Box::new(reading));
            }
            Some(size) if existing == Existing::Keep => editing.resume(size)?,
            _ => {
                if home.part_info(path).is_some_and(|part| !part.active) {
                    self.user.discard(path)?;
                }
                editing.begin_anew()?;
            }
        }
        Ok(editing)
    }
}

impl Editing {
    /// Starts with no bytes, in memory.
    pub(super) fn begin_anew(&mut self) -> Result<(), Error> {
        let user = &self.files.user;
        let target_state = user.home.target_state(&self.path)?;
        let room = user.ledger.reserve(growth(&target_state, 0))?;
        self.body = Body::Front(None, Front::new(), Some(room));
        (self.size, self.held) = (0, 0);
        Ok(())
    }

    /// Continues the parked part, which is shown with `size` bytes: the rest of it is cut off.
    fn resume(&mut self, size: u64) -> Result<(), Error> {
        let user = &self.files.user;
        let Some(part) = user.home.open_part(self.meta(true, size))? else {
            return self.begin_anew();
        };
        part.set_length(size.min(part.length()))?;
        let changes = user.ledger.lock_changes();
        user.refit(&changes, &self.path);
        drop(changes);
        (self.size, self.held) = (part.length(), part.length());
        self.body = Body::Front(Some(part), if size == 0 { Front::new() } else { Front::from(size) }, None);
        self.is_resumed = true;
        Ok(())
    }

    /// Makes the part; what is in memory stays there.
    pub(super) fn begin_part(&mut self, in_order: bool) -> Result<(), Error> {
        // Both reservations together may be more than there is room for.
        if let Body::Front(_, _, room) = &mut self.body {
            *room = None;
        }
        let part = self.make_part(self.meta(in_order, 0), false)?;
        if let Body::Front(staged, ..) = &mut self.body {
            *staged = Some(part);
        }
        self.held = 0;
        self.hold_for(self.size)
    }

    /// Before the first change of a present file: copies it into a part.
    pub(super) fn leave_present(&mut self) -> Result<(), Error> {
        let Body::Present(reading) = &self.body else { return Ok(()) };
        let is_file = self.files.user.home.stat(&self.path)?.entry.kind == Kind::File;
        if is_file {
            // A symlink has no version.
            self.replace = Replace::IfVersion(reading.version().clone());
        }
        let part = self.make_part(self.meta(false, 0), true)?;
        self.files.user.waste.begun(&self.path, part.length());
        (self.size, self.held) = (part.length(), part.length());
        self.body = Body::Anywhere(part);
        Ok(())
    }

    fn make_part(&self, meta: PartMeta, from_present: bool) -> Result<Part, Error> {
        let (files, path) = (&self.files, &self.path);
        let user = &files.user;
        let size = if from_present { self.size } else { 0 };
        user.reserve(path, growth(&user.home.target_state(path)?, size))?;
        let mut go_on = |_| match files.stop.is_cancelled() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let made = if from_present { user.home.seed_part(meta, &mut go_on) } else { user.home.create_part(meta) };
        let changes = user.ledger.lock_changes();
        let part = made.inspect_err(|_| user.refit(&changes, path))?;
        if let Err(error) = user.refit_opened(&changes, path) {
            drop((changes, part));
            user.discard(path)?;
            return Err(error.into());
        }
        Ok(part)
    }

    fn meta(&self, in_order: bool, durable: u64) -> PartMeta {
        let lasting = Some(Lasting { in_order, durable });
        PartMeta { path: self.path.clone(), size: None, file: self.attributes, lasting }
    }
}
