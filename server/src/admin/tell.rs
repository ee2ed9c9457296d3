//! Tells a running server that the user store changed, so that the next login finds it so.

use std::path::{Path, PathBuf};

use super::load;
use crate::{
    control::{
        client::{self, AskError, Line},
        message::{Answer, Ask},
    },
    output,
};

/// Has the server that uses `data` read the user store. It would follow by itself, only later: what
/// is in the way is said and no failure. Where no server runs there is nothing to say.
pub(super) fn users_changed(config: Option<PathBuf>, data: &Path) {
    // A configuration with faults says nothing of its socket, and is not what was changed.
    let socket = load(config).ok().and_then(|loaded| loaded.config.control.socket);
    let asked = Line::open(client::path(socket.as_deref(), data)).and_then(|mut line| line.ask(&Ask::Users));
    match asked {
        Ok(Answer::Reloaded { faults, .. }) => faults.iter().for_each(output::error),
        Ok(_) => output::error(AskError::Strange),
        Err(AskError::NoServer(_)) => {}
        Err(error) => output::error(format_args!("a running server follows within a second; not told now: {error}")),
    }
}
