//! Removal of one entry, or of a folder with everything below it, in steps that the ledger follows.

use std::sync::Arc;

use ferry_shared::{entry::Version, path::RemotePath};

use super::{Act, Error, Files, Step, Work};
use crate::{
    audit::event::{Event, Reached, shown},
    quota::Tally,
    storage::{Removal, Removed},
    user_state::UserState,
};

/// Entries removed in one step, under the user's lock: few enough to finish soon on a slow disk.
const STEP: u64 = 100;

/// Counts of what was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gone {
    /// Files and everything else that is not a folder.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Bytes that were freed.
    pub bytes: u64,
}

impl Files {
    /// Removes an entry; a non-empty folder only if `recursive`. With a version, only the file of that version.
    ///
    /// # Errors
    /// [`Error`].
    pub fn remove(
        &self,
        path: RemotePath,
        recursive: bool,
        version: Option<Version>,
    ) -> Result<Box<dyn Work<Item = Gone>>, Error> {
        super::may_change(&self.user)?;
        let act = self.act(Event::Remove { path: shown(&path), recursive });
        let user = Arc::clone(&self.user);
        // Only files have versions, and nothing is below a file.
        if recursive && version.is_none() {
            let removal = user.home.removal(&path)?;
            return Ok(Box::new(Tree { user, path, removal, total: Removed::default(), act }));
        }
        Ok(Box::new(One { user, path, version, act }))
    }
}

#[derive(Debug)]
struct One {
    user: Arc<UserState>,
    path: RemotePath,
    version: Option<Version>,
    act: Act,
}

impl Work for One {
    type Item = Gone;

    fn step(&mut self) -> Result<Step<Gone>, Error> {
        super::may_change(&self.user)?;
        let changes = self.user.ledger.lock_changes();
        let removed = match &self.version {
            Some(version) => self.user.home.remove_version(&self.path, version)?,
            None => self.user.home.remove(&self.path)?,
        };
        self.user.refit(&changes, &self.path);
        changes.release_used(weight(removed));
        drop(changes);
        self.act.done();
        Ok(Step::Last(gone(removed)))
    }
}

#[derive(Debug)]
struct Tree {
    user: Arc<UserState>,
    path: RemotePath,
    removal: Removal,
    total: Removed,
    act: Act,
}

impl Work for Tree {
    type Item = Gone;

    fn step(&mut self) -> Result<Step<Gone>, Error> {
        super::may_change(&self.user)?;
        let changes = self.user.ledger.lock_changes();
        let step = self.removal.step(STEP);
        self.user.refit(&changes, &self.path);
        changes.release_used(weight(step.removed));
        drop(changes);
        self.total.add(step.removed);
        let gone = gone(self.total);
        let Gone { files, folders, bytes } = gone;
        *self.act.reached() = Reached { files, folders, bytes };
        if step.outcome? {
            return Ok(Step::Busy);
        }
        self.act.done();
        Ok(Step::Last(gone))
    }

    fn is_heavy(&self) -> bool {
        true
    }
}

fn weight(removed: Removed) -> Tally {
    Tally::new(removed.bytes, removed.files + removed.dirs)
}

fn gone(removed: Removed) -> Gone {
    Gone { files: removed.files, folders: removed.dirs, bytes: removed.bytes }
}
