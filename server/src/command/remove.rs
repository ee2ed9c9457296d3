//! `Remove`: one entry, or a folder with all below it, in steps the ledger follows.

use std::sync::Arc;

use ferry_shared::{entry::Version, message::Reply, path::RemotePath, refusal::Refusal};

use super::{Running, Task};
use crate::{
    outbox::Outbox,
    quota::Tally,
    refusal,
    storage::{Removal, Removed},
    user_state::UserState,
};

/// Entries removed in one step, under the user's lock: little enough to end soon on a slow disk.
const STEP: u64 = 100;

pub(super) fn start(
    user: &Arc<UserState>,
    path: &RemotePath,
    recursive: bool,
    version: Option<Version>,
) -> Result<Running, Refusal> {
    // Only files have versions: there is nothing below what has one.
    let task: Box<dyn Task> = if recursive && version.is_none() {
        let removal = user.home.removal(path).map_err(|error| refusal::of_storage(&error))?;
        Box::new(Tree { user: Arc::clone(user), path: path.clone(), removal, total: Removed::default() })
    } else {
        Box::new(One { user: Arc::clone(user), path: path.clone(), version })
    };
    Ok(Running::Task(task))
}

#[derive(Debug)]
struct One {
    user: Arc<UserState>,
    path: RemotePath,
    version: Option<Version>,
}

impl Task for One {
    fn step(&mut self, out: &mut Outbox) -> Result<bool, Refusal> {
        let changes = self.user.ledger.lock_changes();
        let removed = match &self.version {
            Some(version) => self.user.home.remove_version(&self.path, version),
            None => self.user.home.remove(&self.path),
        };
        let removed = removed.map_err(|error| refusal::of_storage(&error))?;
        self.user.hold_again(&changes, &self.path);
        changes.release_used(weight(removed));
        out.reply(&reply(removed));
        Ok(false)
    }
}

#[derive(Debug)]
struct Tree {
    user: Arc<UserState>,
    path: RemotePath,
    removal: Removal,
    total: Removed,
}

impl Task for Tree {
    fn is_heavy(&self) -> bool {
        true
    }

    fn step(&mut self, out: &mut Outbox) -> Result<bool, Refusal> {
        let changes = self.user.ledger.lock_changes();
        let step = self.removal.step(STEP);
        self.user.hold_again(&changes, &self.path);
        changes.release_used(weight(step.removed));
        drop(changes);
        self.total.files += step.removed.files;
        self.total.dirs += step.removed.dirs;
        self.total.bytes += step.removed.bytes;
        let more = step.outcome.map_err(|error| refusal::of_storage(&error))?;
        if !more {
            out.reply(&reply(self.total));
        }
        Ok(more)
    }
}

fn weight(removed: Removed) -> Tally {
    Tally::new(removed.bytes, removed.files + removed.dirs)
}

fn reply(removed: Removed) -> Reply {
    Reply::Removed { files: removed.files, dirs: removed.dirs, bytes: removed.bytes }
}
