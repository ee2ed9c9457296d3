//! Tells a running server that the user store is about to change or has changed, so that the next login sees the
//! change and the audit log names its author.

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
    users::{By, Changes, UserName, file::Store},
};

/// The socket of the server that uses `data`. If the configuration has faults, the default path is used: the
/// configuration is not what the command changes.
pub(super) fn socket(config: Option<PathBuf>, data: &Path) -> PathBuf {
    let socket = load(config).ok().and_then(|loaded| loaded.config.control.socket);
    client::path(socket.as_deref(), data)
}

fn ask(config: Option<PathBuf>, data: &Path, ask: &Ask) -> Result<Answer, AskError> {
    Line::open(socket(config, data)).and_then(|mut line| line.ask(ask))
}

/// Makes the server close these accounts before the file says so; returns those that it closed.
pub(super) fn closing(config: Option<PathBuf>, data: &Path, names: &[UserName]) -> Vec<UserName> {
    if names.is_empty() {
        return Vec::new();
    }
    match ask(config, data, &Ask::Bar { users: names.to_vec() }) {
        Ok(Answer::Barred { users }) => users,
        // The server learns of the change from the file; problems are reported then.
        _ => Vec::new(),
    }
}

/// Makes the server reopen an account that it keeps closed although the file has it open.
pub(super) fn allow(config: Option<PathBuf>, data: &Path, name: &UserName) {
    // A server that is not reached has closed nothing that outlives it.
    let _ = ask(config, data, &Ask::Allow { user: name.clone() });
}

/// Makes the server that uses `data` read the user store. The server would do so by itself, only later, so a
/// problem is printed but is not a failure. If no server runs, the change is recorded in the audit log here.
pub(super) fn users_changed(config: Option<PathBuf>, data: &Path, old: &Store, new: &Store) {
    match ask(config.clone(), data, &Ask::Users) {
        Ok(Answer::Reloaded { faults, .. }) => faults.iter().for_each(output::error),
        Ok(_) => output::error(AskError::Strange),
        Err(AskError::NoServer(_)) => {
            let audit = load(config).map(|loaded| loaded.config.audit).unwrap_or_default();
            if let Err(error) = note(data, audit.folder(data), old, new) {
                output::error(format_args!("the audit log does not tell of it: {error}"));
            }
        }
        Err(error) => output::error(format_args!("a running server follows within a second; not told now: {error}")),
    }
}

fn note(data: &Path, audit: &Path, old: &Store, new: &Store) -> Result<(), AdminError> {
    // A running server that was not found notices the change by itself.
    let Ok(_alone) = Storage::inspect(data).and_then(Storage::alone) else { return Ok(()) };
    let changes = Changes::of(By::Operator(rustix::process::getuid().as_raw()), old, new);
    Ok(Audit::append(audit, changes.told())?)
}
