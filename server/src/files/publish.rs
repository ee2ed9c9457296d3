//! The one commit: what is whole in staging gets its name, with the quota settled.
//!
//! In this order: data durable; then, under the user's lock, each target looked at, the quota settled with what is
//! there, the name changed, and the settlement undone where that failed; without the lock, names durable. Only then
//! may any of it be acknowledged.

use ferry_shared::{digest::Digest, entry::Version, path::RemotePath};

use super::Error;
use crate::{
    quota::{Changes, Reservation, Tally},
    storage::{CommitGroup, Overwrite, Published, Staged},
    user_state::UserState,
};

/// The room that pays for a file, and so what becomes of an unfinished upload to the same name.
#[derive(Debug)]
pub(super) enum Payment {
    /// What the upload holds, whose part this is. The part becomes the file.
    Part,
    /// A reservation of its own, for an upload that came whole: it overtakes an unfinished one, which is discarded.
    Upload(Reservation),
    /// A reservation of its own, for a copy or an empty file: an unfinished upload may still go on, and holds what it must now.
    Copy(Reservation),
}

/// A file that is whole in staging.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) staged: Staged,
    pub(super) target: RemotePath,
    pub(super) size: u64,
    pub(super) digest: Digest,
    pub(super) overwrite: Overwrite,
    /// Whether folders above it that are missing are made.
    pub(super) parents: bool,
    pub(super) payment: Payment,
}

/// A file that is durable under its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its version.
    pub version: Version,
    /// Bytes.
    pub size: u64,
    /// The digest of what arrived, or was copied.
    pub digest: Digest,
    /// Bytes of the file it replaced.
    pub replaced: u64,
}

/// Publishes one file.
///
/// # Errors
/// [`Error`]; the target is then as it was, and a part stays staged.
pub(super) fn publish_one(user: &UserState, ready: Ready) -> Result<Stored, Error> {
    let mut placed = publish(user, &mut user.home.commit_group(), vec![ready])?;
    placed.pop().unwrap_or(Err(Error::NotStored))
}

/// Publishes files that share their flushes; the outcomes are in the order of the files.
///
/// # Errors
/// When data or names cannot be made durable. None of the files may be acknowledged then.
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
            // Folders made on the way stay, and weigh.
            changes.add_used(Tally::new(0, failed.folders));
            Err(failed.error.into())
        }
    }
}

/// Settles the unfinished upload to a name that is a new file now.
fn see_to_parts(user: &UserState, changes: &Changes<'_>, target: &RemotePath, payment: &Payment) {
    match payment {
        Payment::Part => user.release_if_unstaged(target),
        Payment::Upload(_) => {
            if let Err(error) = user.discard(target) {
                tracing::warn!(%error, "cannot discard a part that was overtaken");
                user.refit(changes, target);
            }
        }
        Payment::Copy(_) => user.refit(changes, target),
    }
}
