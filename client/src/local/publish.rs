//! The last step of writing a file: renaming the part to its target, if the target may be replaced.

use std::io;

use ferry_shared::entry::Kind;

use super::{folder::Found, identity::Identity, landing::Target, part::Part};
use crate::{
    error::ClientError,
    obstacle::Obstacle,
    site::{Location, Over},
};

/// The outcome of publishing a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Published {
    Named,
    /// The target exists and must not be replaced.
    InTheWay,
}

/// Renames a part to its target, after a last check of the file that this would replace.
pub(super) fn publish(part: &Part, target: &Target, over: &Over) -> io::Result<Published> {
    let name = target.name()?;
    let there = if matches!(over, Over::Nothing) { None } else { part.folder().look(name)? };
    if there.is_some_and(|found| !is_replaceable(&found, over)) {
        return Ok(Published::InTheWay);
    }
    match part.publish(name, there.is_some()) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Published::InTheWay),
        result => result.map(|()| Published::Named),
    }
}

fn is_replaceable(found: &Found, over: &Over) -> bool {
    match over {
        _ if matches!(found.kind, Kind::Folder | Kind::Other) => false,
        Over::Nothing => false,
        Over::Anything => true,
        Over::This(seen) => {
            let seen = seen.as_ref().and_then(|seen| seen.get::<Identity>());
            seen.is_some() && found.identity.as_ref() == seen
        }
    }
}

/// The error for a target that must not be replaced.
pub(super) fn in_the_way(at: &Location, over: &Over) -> ClientError {
    let (obstacle, what) = match over {
        Over::Nothing | Over::Anything => (Obstacle::Exists, "it already exists"),
        Over::This(_) => (Obstacle::Changed, "it has changed meanwhile"),
    };
    let path = at.path().map(|path| path.to_string()).unwrap_or_default();
    ClientError::obstructed(obstacle, format!("{path}: {what}"))
}
