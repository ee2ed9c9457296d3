//! Small changes, each a single step under the user's lock.

use std::time::SystemTime;

use ferry_shared::{digest::Digest, entry::Mtime, path::RemotePath};

use super::{
    Act, Error, Files, Stored,
    publish::{self, Payment, Ready},
};
use crate::{
    audit::event::{Event, shown},
    quota::Tally,
    storage::{FileMeta, Overwrite, Staged},
    user_state::{UserState, growth},
};

impl Files {
    /// Makes a folder, with `parents` also its missing parents.
    ///
    /// # Errors
    /// [`Error`]; parents made before the error stay.
    pub fn make_dir(&self, path: &RemotePath, parents: bool) -> Result<(), Error> {
        super::may_change(&self.user)?;
        let mut act = self.act(Event::MakeDir { path: shown(path) });
        make_dirs(&self.user, path, parents, &mut act)?;
        act.done();
        Ok(())
    }

    /// Makes an empty file if nothing is there, else sets the modification time to now.
    ///
    /// # Errors
    /// [`Error`].
    pub fn touch(&self, path: &RemotePath) -> Result<(), Error> {
        match self.set_attributes(path, Some(SystemTime::now().into()), None) {
            Err(error) if error.is_not_found() => {}
            dated => return dated,
        }
        let mut act = self.act(Event::Upload { path: shown(path), size: 0, digest: None });
        let stored = make_empty(&self.user, path)?;
        self.counters.uploads.one();
        act.transferred(0, Some(stored.digest));
        Ok(())
    }

    /// Renames or moves an entry; the space of a replaced file is given back.
    ///
    /// # Errors
    /// [`Error`].
    pub fn rename(&self, from: &RemotePath, to: &RemotePath, replace: bool) -> Result<(), Error> {
        super::may_change(&self.user)?;
        let user = &*self.user;
        let changes = user.ledger.lock_changes();
        user.reserve_sole(&changes, from).map_err(|(part, quota)| Error::left_behind(&part, quota))?;
        let renamed = user.home.rename(from, to, replace);
        user.refit(&changes, from);
        user.refit(&changes, to);
        changes.release_used(renamed?.into());
        drop(changes);
        // A reply of success promises that the new name is on disk.
        user.home.flush_name(to)?;
        self.act(Event::Rename { from: shown(from), to: shown(to) }).done();
        Ok(())
    }

    /// Sets the modification time and the permission bits.
    ///
    /// # Errors
    /// [`Error`].
    pub fn set_attributes(&self, path: &RemotePath, mtime: Option<Mtime>, mode: Option<u32>) -> Result<(), Error> {
        super::may_change(&self.user)?;
        set_attributes(&self.user, path, mtime, mode)?;
        self.act(Event::Attributes { path: shown(path) }).done();
        Ok(())
    }
}

/// Makes an empty file where nothing is. An unfinished upload to the same path stays and can be resumed.
fn make_empty(user: &UserState, path: &RemotePath) -> Result<Stored, Error> {
    let target_state = user.home.target_state(path)?;
    let reservation = user.ledger.reserve(growth(&target_state, 0))?;
    let ready = Ready {
        staged: Staged::TempFile(user.home.temp_file(b"", &FileMeta::default())?),
        target: path.clone(),
        size: 0,
        digest: Digest::of(b""),
        overwrite: Overwrite::Never,
        parents: false,
        payment: Payment::Copy(reservation),
    };
    publish::publish_one(user, ready)
}

/// Makes a folder and returns how many folders were made, parents included. Folders count against the user's limit
/// of files. They are recorded in `act` even if an error stops the operation half-way.
pub(super) fn make_dirs(user: &UserState, path: &RemotePath, parents: bool, act: &mut Act) -> Result<u64, Error> {
    let changes = user.ledger.lock_changes();
    let target_state = user.home.target_state(path)?;
    let wanted = target_state.missing_folders + u64::from(target_state.kind().is_none());
    let charged = Tally::new(0, wanted);
    changes.charge(Tally::default(), charged)?;
    let mut made = 0;
    let done = user.home.make_dir(path, parents, &mut made);
    // Folders made before an error stay, and count.
    changes.release_used(charged.minus(Tally::new(0, made)));
    if made > 0 {
        act.reached().folders += made;
    }
    Ok(done.map(|()| made)?)
}

pub(super) fn set_attributes(
    user: &UserState,
    path: &RemotePath,
    mtime: Option<Mtime>,
    mode: Option<u32>,
) -> Result<(), Error> {
    // Without renames in between, the checked entry and the changed entry are the same.
    let _nothing_moves = user.ledger.lock_changes();
    Ok(user.home.set_attributes(path, mtime, mode)?)
}
