//! What of a conversation the audit log and the figures are told: once it is done, or how far it came.

use std::sync::Arc;

use ferry_shared::{
    digest::Digest,
    message::{Reply, Request},
};

use super::Conversation;
use crate::{
    audit::{
        Audit,
        event::{Event, Reached, shown},
    },
    live::Wire,
};

/// What a request will have done. It is told when it is done; dropped before, it tells how far that came, however
/// the work ended. The default tells nothing.
#[derive(Debug, Default)]
pub(super) struct Act {
    told: Option<(Audit, Arc<Wire>, Event)>,
    /// What is done so far; nothing where nobody could see anything of it yet.
    reached: Option<Reached>,
}

impl Act {
    pub(super) fn new(request: &Request, audit: &Audit, wire: &Arc<Wire>) -> Self {
        let told = event(request).map(|event| (audit.clone(), Arc::clone(wire), event));
        Self { told, reached: None }
    }

    /// What is done so far, to be added to.
    pub(super) fn reached(&mut self) -> &mut Reached {
        self.reached.get_or_insert_default()
    }

    /// It is done. Blocks while the audit log is behind.
    pub(super) fn done(&mut self) {
        if let Some((audit, wire, event)) = self.told.take() {
            audit.record(wire.who(), event);
        }
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        if let (Some((audit, wire, event)), Some(reached)) = (self.told.take(), self.reached)
            && let Some(cut) = cut(event, reached, &wire)
        {
            audit.record_now(wire.who(), cut);
        }
    }
}

/// What a request will have done; `None` for one that only looks. Transfers get size and digest
/// when they are through; small uploads are told of by their group.
fn event(request: &Request) -> Option<Event> {
    use Request as R;
    Some(match request {
        R::MakeDir { path, .. } => Event::MakeDir { path: shown(path) },
        R::Rename { from, to, .. } => Event::Rename { from: shown(from), to: shown(to) },
        R::Copy { from, to, .. } => Event::Copy { from: shown(from), to: shown(to) },
        R::Remove { path, recursive, .. } => Event::Remove { path: shown(path), recursive: *recursive },
        R::SetAttributes { path, .. } => Event::Attributes { path: shown(path) },
        R::Discard { path } => Event::Discard { path: shown(path) },
        R::ChangePassword { .. } => Event::Password,
        R::Get { path, .. } => Event::Download { path: shown(path), size: 0, digest: None },
        R::Put(put) => Event::Upload { path: shown(&put.path), size: 0, digest: None },
        _ => return None,
    })
}

/// What is told of work that ended before its time. A download has shown a part of the file by then.
fn cut(event: Event, reached: Reached, wire: &Wire) -> Option<Event> {
    let is_something = reached != Reached::default();
    match event {
        Event::Download { path, .. } => Some(Event::DownloadCut { path, reached: wire.position() }),
        Event::Remove { path, .. } => is_something.then_some(Event::RemoveCut { path, reached }),
        Event::Copy { from, to } => is_something.then_some(Event::CopyCut { from, to, reached }),
        Event::MakeDir { path } => is_something.then_some(Event::MakeDirCut { path, folders: reached.folders }),
        // Done at once or not at all; what has come of an upload is no file.
        _ => None,
    }
}

impl Conversation {
    /// The request that ran is done.
    pub(super) fn done(&mut self) {
        self.act.done();
    }

    /// An upload is stored.
    pub(super) fn stored(&mut self, reply: &Reply) {
        self.context.figures.uploads.one();
        if let (Some((_, _, Event::Upload { size, digest, .. })), Reply::Stored { root, size: stored, .. }) =
            (&mut self.act.told, reply)
        {
            (*size, *digest) = (*stored, Some(*root));
        }
        self.done();
    }

    /// A file was sent; without a root only a part of it was asked for.
    pub(super) fn sent(&mut self, whole: u64, root: Option<Digest>) {
        self.context.figures.downloads.one();
        if let Some((_, _, Event::Download { size, digest, .. })) = &mut self.act.told {
            (*size, *digest) = (whole, root);
        }
    }
}
