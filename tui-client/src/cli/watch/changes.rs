//! Tells when something in a folder has changed.

use std::{io, path::Path, sync::Arc};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::sync::Notify;

use crate::{exit::Looking, failure::Failure};

/// The changes below a folder. Their paths are not kept: each comparison sees everything.
pub(super) struct Changes {
    changed: Arc<Notify>,
    _watcher: RecommendedWatcher,
}

impl Changes {
    /// Watches a folder from now on.
    ///
    /// # Errors
    /// [`Failure::Local`] if the system cannot watch it.
    pub(super) fn of(folder: &Path) -> Result<Self, Failure> {
        let failed = |error: notify::Error| match error.kind {
            notify::ErrorKind::Io(error) => Failure::local(folder, Looking::Folder, error),
            _ => Failure::local(folder, Looking::Folder, io::Error::other(error.to_string())),
        };
        let changed = Arc::new(Notify::new());
        let told = Arc::clone(&changed);
        let handler = move |event: notify::Result<Event>| {
            // After an error, changes may have been missed.
            if event.map_or(true, |event| is_change(event.kind)) {
                told.notify_one();
            }
        };
        let mut watcher = notify::recommended_watcher(handler).map_err(failed)?;
        watcher.watch(folder, RecursiveMode::Recursive).map_err(failed)?;
        Ok(Self { changed, _watcher: watcher })
    }

    /// Waits for a change since the last call, or since [`forget`](Self::forget).
    pub(super) async fn next(&mut self) {
        self.changed.notified().await;
    }

    /// Forgets the changes so far, because everything is compared now.
    pub(super) fn forget(&mut self) {
        // Takes the permit, if there is one.
        let mut waiting = std::pin::pin!(self.changed.notified());
        waiting.as_mut().enable();
    }
}

/// Whether an event is a change; the comparison itself reads files.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}
