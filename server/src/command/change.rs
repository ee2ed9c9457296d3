//! `MakeDir`, `Rename`, `SetAttributes`: small changes, each one step under the user's lock.

use ferry_shared::{entry::Mtime, message::Reply, path::RemotePath};

use super::record::Act;
use crate::{files::Error, quota::Tally, user_state::UserState};

/// Makes a folder. Folders count against the user's files, and are told to `act` also where not all were made.
pub(super) fn make_dir(user: &UserState, path: &RemotePath, parents: bool, act: &mut Act) -> Result<Reply, Error> {
    make_dirs(user, path, parents, act).map(|_| Reply::Done)
}

/// As [`make_dir`]; how many were made, those above it included.
pub(super) fn make_dirs(user: &UserState, path: &RemotePath, parents: bool, act: &mut Act) -> Result<u64, Error> {
    let changes = user.ledger.lock_changes();
    let prospect = user.home.prospect(path)?;
    let wanted = prospect.missing_folders + u64::from(prospect.kind().is_none());
    let charged = Tally::new(0, wanted);
    changes.charge(Tally::default(), charged)?;
    let mut made = 0;
    let done = user.home.make_dir(path, parents, &mut made);
    // What was made before an error stays, and weighs.
    changes.release_used(charged.minus(Tally::new(0, made)));
    if made > 0 {
        act.reached().folders += made;
    }
    Ok(done.map(|()| made)?)
}

/// Renames or moves; what it replaces is given back.
pub(super) fn rename(user: &UserState, from: &RemotePath, to: &RemotePath, replace: bool) -> Result<Reply, Error> {
    let changes = user.ledger.lock_changes();
    user.hold_alone(&changes, from).map_err(|(part, quota)| Error::LeftBehind { part, quota })?;
    let renamed = user.home.rename(from, to, replace);
    user.hold_again(&changes, from);
    user.hold_again(&changes, to);
    let replaced = renamed?;
    changes.release_used(replaced.into());
    drop(changes);
    // `Done` promises that the new name is on disk.
    user.home.flush_name(to)?;
    Ok(Reply::Done)
}

/// Sets times and permissions.
pub(super) fn set_attributes(
    user: &UserState,
    path: &RemotePath,
    mtime: Option<Mtime>,
    mode: Option<u32>,
) -> Result<Reply, Error> {
    // What is looked at and what is changed are the same only while nothing is renamed.
    let _nothing_moves = user.ledger.lock_changes();
    user.home.set_attributes(path, mtime, mode)?;
    Ok(Reply::Done)
}
