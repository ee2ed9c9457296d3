//! Notices when the user store's file changes and has it read again.

use std::{path::PathBuf, time::Duration};

use notify_debouncer_full::{
    DebounceEventResult, Debouncer, RecommendedCache, new_debouncer,
    notify::{self, RecommendedWatcher, RecursiveMode},
};

use super::{By, Users};
use crate::private_file::{self, folder_of};

/// How long the file has to be quiet before it is read: an editor writes in several steps.
const QUIET: Duration = Duration::from_millis(100);
/// How long a command that changes the file may take to tell of it.
const TELLING: Duration = Duration::from_secs(2);

/// Keeps watching until dropped.
#[must_use]
pub struct Watch {
    _debouncer: Debouncer<RecommendedWatcher, RecommendedCache>,
}

impl Users {
    /// Starts reloading whenever the file changes. The folder is watched and not the file:
    /// a replaced file is another one, and the first may not be there yet.
    ///
    /// # Errors
    /// [`notify::Error`]: the system cannot watch (the folder is missing, or no watch is left).
    pub fn watch(&self) -> Result<Watch, notify::Error> {
        let users = self.clone();
        let name = self.path().file_name().map(ToOwned::to_owned);
        let react = move |events: DebounceEventResult| match events {
            Ok(events) => {
                let ours = |path: &PathBuf| path.file_name() == name.as_deref();
                let touched = |kind: &notify::EventKind| !kind.is_access();
                if events.iter().any(|event| touched(&event.kind) && event.paths.iter().any(ours)) {
                    users.follow();
                }
            }
            Err(errors) => {
                for error in errors {
                    tracing::warn!(%error, "watching the user store");
                }
                users.follow();
            }
        };
        let mut debouncer = new_debouncer(QUIET, None, react)?;
        debouncer.watch(folder_of(self.path()), RecursiveMode::NonRecursive)?;
        Ok(Watch { _debouncer: debouncer })
    }

    /// Reads the file again. A command that has changed it tells by itself, with who gave it: it comes first.
    fn follow(&self) {
        let held = private_file::lock_within(self.path(), TELLING);
        let _held = held.inspect_err(|error| tracing::debug!(%error, "the user store stays locked"));
        // There is nobody to tell but the log.
        let _ = self.reload_and_log(By::Unknown);
    }
}
