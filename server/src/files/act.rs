//! The outcome of an operation, for the audit log: complete, or how far it got.

use ferry_shared::digest::Digest;

use crate::audit::{
    Audit,
    event::{Event, Reached, Who},
};

/// An operation and its progress. It is recorded when it is done; if it is dropped earlier, its progress is
/// recorded, however the work ended. The default records nothing.
#[derive(Debug, Default)]
pub(crate) struct Act {
    told: Option<(Audit, Who, Event)>,
    /// The progress so far; `None` while nothing of it is visible to anybody.
    reached: Option<Reached>,
}

impl Act {
    pub(super) fn new(event: Event, audit: &Audit, who: &Who) -> Self {
        Self { told: Some((audit.clone(), who.clone(), event)), reached: None }
    }

    /// The progress so far, to add to.
    pub(crate) fn reached(&mut self) -> &mut Reached {
        self.reached.get_or_insert_default()
    }

    /// Completes a transfer of this size, with its digest if the whole file was transferred.
    pub(crate) fn transferred(&mut self, bytes: u64, root: Option<Digest>) {
        if let Some((_, _, Event::Upload { size, digest, .. } | Event::Download { size, digest, .. })) = &mut self.told
        {
            (*size, *digest) = (bytes, root);
        }
        self.done();
    }

    /// Completes the operation. Blocks while the audit log lags behind.
    pub(crate) fn done(&mut self) {
        if let Some((audit, who, event)) = self.told.take() {
            audit.record(who, event);
        }
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        if let (Some((audit, who, event)), Some(reached)) = (self.told.take(), self.reached)
            && let Some(cut) = cut(event, reached)
        {
            audit.record_now(who, cut);
        }
    }
}

/// The event for work that was interrupted. An interrupted download has already sent part of the file.
fn cut(event: Event, reached: Reached) -> Option<Event> {
    let is_something = reached != Reached::default();
    match event {
        Event::Download { path, .. } => Some(Event::DownloadCut { path, reached: reached.bytes }),
        Event::Remove { path, .. } => is_something.then_some(Event::RemoveCut { path, reached }),
        Event::Copy { from, to } => is_something.then_some(Event::CopyCut { from, to, reached }),
        Event::MakeDir { path } => is_something.then_some(Event::MakeDirCut { path, folders: reached.folders }),
        // These happen at once or not at all; an interrupted upload leaves no file.
        _ => None,
    }
}
