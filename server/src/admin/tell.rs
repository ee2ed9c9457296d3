//! Tells a running server that the user store changed, so that the next login finds it so, and the audit log who
//! changed it.

use std::path::{Path, PathBuf};

use super::{AdminError, load};
use crate::{
    audit::Audit,
    control::{
        client::{self, AskError, Line},
        message::{Answer, Ask},
    },
    output,
    storage::Storage,
    users::{By, Changes, file::Store},
};

/// Told of a change with what was and what is, while nobody else may change it.
pub(super) type Tell<'a> = &'a dyn Fn(&Store, &Store);

/// Has the server that uses `data` read the user store. It would follow by itself, only later: what
/// is in the way is said and no failure. Where no server runs, the audit log is told here.
pub(super) fn users_changed(config: Option<PathBuf>, data: &Path, old: &Store, new: &Store) {
    // A configuration with faults says nothing of its socket, and is not what was changed.
    let config = load(config).map(|loaded| loaded.config).unwrap_or_default();
    let socket = config.control.socket.as_deref();
    let asked = Line::open(client::path(socket, data)).and_then(|mut line| line.ask(&Ask::Users));
    match asked {
        Ok(Answer::Reloaded { faults, .. }) => faults.iter().for_each(output::error),
        Ok(_) => output::error(AskError::Strange),
        Err(AskError::NoServer(_)) => {
            if let Err(error) = note(data, config.audit.folder(data), old, new) {
                output::error(format_args!("the audit log does not tell of it: {error}"));
            }
        }
        Err(error) => output::error(format_args!("a running server follows within a second; not told now: {error}")),
    }
}

fn note(data: &Path, audit: &Path, old: &Store, new: &Store) -> Result<(), AdminError> {
    // A server that runs and was not found follows by itself.
    let Ok(_alone) = Storage::inspect(data).and_then(Storage::alone) else { return Ok(()) };
    let changes = Changes::of(By::Operator(rustix::process::getuid().as_raw()), old, new);
    Ok(Audit::append(audit, changes.told())?)
}
