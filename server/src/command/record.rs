//! What of a conversation the audit log and the figures are told, once it is done.

use ferry_shared::{
    digest::Digest,
    message::{Reply, Request},
};

use super::Conversation;
use crate::audit::event::{Event, shown};

/// What a request will have done; `None` for one that only looks. Transfers get size and digest
/// when they are through; small uploads are told of by their group.
pub(super) fn act(request: &Request) -> Option<Event> {
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

impl Drop for Conversation {
    fn drop(&mut self) {
        self.cut_off();
    }
}

impl Conversation {
    /// The request that ran is done.
    pub(super) fn done(&mut self) {
        if let Some(event) = self.act.take() {
            self.context.audit.record(self.wire.who(), event);
        }
    }

    /// What was under way ends before its time. A download has shown a part of the file by then.
    pub(super) fn cut_off(&mut self) {
        if let Some(Event::Download { path, .. }) = self.act.take() {
            let reached = self.wire.position();
            self.context.audit.record_now(self.wire.who(), Event::DownloadCut { path, reached });
        }
    }

    /// An upload is stored.
    pub(super) fn stored(&mut self, reply: &Reply) {
        self.context.figures.uploads.one();
        if let (Some(Event::Upload { size, digest, .. }), Reply::Stored { root, size: stored, .. }) =
            (&mut self.act, reply)
        {
            (*size, *digest) = (*stored, Some(*root));
        }
        self.done();
    }

    /// A file was sent; without a root only a part of it was asked for.
    pub(super) fn sent(&mut self, whole: u64, root: Option<Digest>) {
        self.context.figures.downloads.one();
        if let Some(Event::Download { size, digest, .. }) = &mut self.act {
            (*size, *digest) = (whole, root);
        }
    }
}
