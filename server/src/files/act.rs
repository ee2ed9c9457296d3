//! The outcome of an operation, for the audit log: once it is through, or how far it came.

use ferry_shared::digest::Digest;

use crate::audit::{
    Audit,
    event::{Event, Reached, Who},
};

/// An operation and how far it came. It is told when it is done; dropped before, it tells how far that came, however
/// the work ended. The default tells nothing.
#[derive(Debug, Default)]
pub(crate) struct Act {
    told: Option<(Audit, Who, Event)>,
    /// All that is done so far; nothing where nobody could see anything of it yet.
    reached: Option<Reached>,
}

impl Act {
    pub(super) fn new(event: Event, audit: &Audit, who: &Who) -> Self {
        Self { told: Some((audit.clone(), who.clone(), event)), reached: None }
    }

    /// All that is done so far, to be added to.
    pub(crate) fn reached(&mut self) -> &mut Reached {
        self.reached.get_or_insert_default()
    }

    /// A transfer is through: its size, and its digest where it was of the whole file.
    pub(crate) fn transferred(&mut self, bytes: u64, root: Option<Digest>) {
        if let Some((_, _, Event::Upload { size, digest, .. } | Event::Download { size, digest, .. })) = &mut self.told
        {
            (*size, *digest) = (bytes, root);
        }
        self.done();
    }

    /// It is done. Blocks while the audit log is behind.
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

/// The event that tells of work that ended before its time. A download has shown a part of the file by then.
fn cut(event: Event, reached: Reached) -> Option<Event> {
    let is_something = reached != Reached::default();
    match event {
        Event::Download { path, .. } => Some(Event::DownloadCut { path, reached: reached.bytes }),
        Event::Remove { path, .. } => is_something.then_some(Event::RemoveCut { path, reached }),
        Event::Copy { from, to } => is_something.then_some(Event::CopyCut { from, to, reached }),
        Event::MakeDir { path } => is_something.then_some(Event::MakeDirCut { path, folders: reached.folders }),
        // Done at once or not at all; what has come of an upload is no file.
        _ => None,
    }
}
