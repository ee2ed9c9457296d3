//! `Remove`: one entry, or a folder with all below it, in steps the ledger follows.

use std::sync::Arc;

use ferry_shared::{entry::Version, message::Reply, path::RemotePath};

use super::{Running, Task, record::Act};
use crate::{
    audit::event::Reached,
    files::Error,
    outbox::Outbox,
    quota::Tally,
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
    act: Act,
) -> Result<Running, Error> {
    // Only files have versions: there is nothing below what has one.
    let task: Box<dyn Task> = if recursive && version.is_none() {
        let removal = user.home.removal(path)?;
        Box::new(Tree { user: Arc::clone(user), path: path.clone(), removal, total: Removed::default(), act })
    } else {
        Box::new(One { user: Arc::clone(user), path: path.clone(), version, act })
    };
    Ok(Running::Task(task))
}

#[derive(Debug)]
struct One {
    user: Arc<UserState>,
    path: RemotePath,
    version: Option<Version>,
    act: Act,
}

impl Task for One {
    fn writes(&self) -> bool {
        true
    }

    fn step(&mut self, out: &mut Outbox) -> Result<bool, Error> {
        let changes = self.user.ledger.lock_changes();
        let removed = match &self.version {
            Some(version) => self.user.home.remove_version(&self.path, version),
            None => self.user.home.remove(&self.path),
        };
        let removed = removed?;
        self.user.hold_again(&changes, &self.path);
        changes.release_used(weight(removed));
        self.act.done();
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
    act: Act,
}

impl Task for Tree {
    fn writes(&self) -> bool {
        true
    }

    fn is_heavy(&self) -> bool {
        true
    }

    fn step(&mut self, out: &mut Outbox) -> Result<bool, Error> {
        let changes = self.user.ledger.lock_changes();
        let step = self.removal.step(STEP);
        self.user.hold_again(&changes, &self.path);
        changes.release_used(weight(step.removed));
        drop(changes);
        self.total.add(step.removed);
        let Removed { files, dirs: folders, bytes } = self.total;
        *self.act.reached() = Reached { files, folders, bytes };
        let more = step.outcome?;
        if !more {
            self.act.done();
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
