//! The single commit path: complete files in staging get their names, and the quota is settled.
//!
//! The order is: make the data durable; then, under the user's lock, check each target, settle the quota against
//! it, change the name, and undo the settlement if that fails; then, without the lock, make the names durable. Only
//! then may any of the files be acknowledged.

use ferry_shared::{digest::Digest, entry::Version, path::RemotePath};

use super::Error;
use crate::{
    quota::{Changes, Reservation, Tally},
    storage::{CommitGroup, Overwrite, Published, Staged},
    user_state::UserState,
};

/// The reservation that pays for a file. It also decides what happens to an unfinished upload to the same name.
#[derive(Debug)]
pub(super) enum Payment {
    /// The reservation of the upload whose part this is. The part becomes the file.
    Part,
    /// A separate reservation, for an upload that arrived whole. It supersedes an unfinished upload, which is
    /// discarded.
    Upload(Reservation),
    /// A separate reservation, for a copy or an empty file. An unfinished upload may still continue, and its
    /// reservation is refitted.
    Copy(Reservation),
}

/// A file that is complete in staging.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) staged: Staged,
    pub(super) target: RemotePath,
    pub(super) size: u64,
    pub(super) digest: Digest,
    pub(super) overwrite: Overwrite,
    /// Whether missing parent folders are made.
    pub(super) parents: bool,
    pub(super) payment: Payment,
}

/// A file that is durable under its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its version.
    pub version: Version,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of the received or copied bytes.
    pub digest: Digest,
    /// The size in bytes of the file it replaced.
    pub replaced: u64,
}

/// Publishes one file.
///
/// # Errors
/// [`Error`]; the target is then unchanged, and a part stays staged.
pub(super) fn publish_one(user: &UserState, ready: Ready) -> Result<Stored, Error> {
    let mut placed = publish(user, &mut user.home.commit_group(), vec![ready])?;
    placed.pop().unwrap_or(Err(Error::NotStored))
}

/// Publishes files that share their flushes; the outcomes are in the order of the files.
///
/// # Errors
/// If data or names cannot be made durable. None of the files may be acknowledged then.
pub(super) fn publish(
    user: &UserState,
    group: &mut CommitGroup,
    mut files: Vec<Ready>,
) -> Result<Vec<Result<Stored, Error>>, Error> {
    group.flush_data(files.iter_mut().map(|ready| &mut ready.staged))?;
    let changes = user.ledger.lock_changes();
    let placed = files.into_iter().map(|ready| place(user, group, &changes, ready)).collect();
    drop(changes);
    group.flush_names()?;
    Ok(placed)
}

fn place(user: &UserState, group: &mut CommitGroup, changes: &Changes<'_>, ready: Ready) -> Result<Stored, Error> {
    let Ready { staged, target, size, digest, overwrite, parents, mut payment } = ready;
    let prepared = group.prepare(&target, &overwrite, parents)?;
    let (old, new) = (Tally::from(prepared.target_state.old()), Tally::from(prepared.target_state.new_file(size)));
    let before = match &mut payment {
        Payment::Part => user.settle(changes, &target, old, new)?,
        Payment::Upload(reservation) | Payment::Copy(reservation) => {
            let before = reservation.amount();
            changes.settle(reservation, old, new)?;
            before
        }
    };
    match group.publish(staged, prepared) {
        Ok(Published { version, size, .. }) => {
            see_to_parts(user, changes, &target, &payment);
            Ok(Stored { version, size, digest, replaced: old.bytes })
        }
        Err(failed) => {
            match &mut payment {
                Payment::Part => user.unsettle(changes, &target, before, old, new),
                Payment::Upload(reservation) | Payment::Copy(reservation) => {
                    changes.unsettle(reservation, before, old, new);
                }
            }
            // Folders made on the way stay, and count.
            changes.add_used(Tally::new(0, failed.folders));
            Err(failed.error.into())
        }
    }
}

/// Settles the unfinished upload to a name that is now a new file.
fn see_to_parts(user: &UserState, changes: &Changes<'_>, target: &RemotePath, payment: &Payment) {
    match payment {
        Payment::Part => user.release_if_unstaged(target),
        Payment::Upload(_) => {
            if let Err(error) = user.discard(target) {
                tracing::warn!(%error, "cannot discard a superseded part");
                user.refit(changes, target);
            }
        }
        Payment::Copy(_) => user.refit(changes, target),
    }
}
