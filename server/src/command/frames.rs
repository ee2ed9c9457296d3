//! The frames of a transfer: blocks, digests of what the client holds, and the `Commit` at the end.

use ferry_shared::{digest::Digest, frame::Payload, message::decode::Follows};

use super::{Conversation, Running, upload, usage};
use crate::{files::Error, refusal};

impl Conversation {
    pub(super) fn block(&mut self, index: u64, bytes: Payload) {
        let error = match &mut self.running {
            Running::Skipping(Follows::UpToCommit) => return,
            Running::Small(arriving) => match arriving.block(index, bytes) {
                Ok(()) => return,
                Err(reason) => return self.close(refusal::malformed(reason)),
            },
            Running::Upload(upload) => match upload.block(index, &bytes) {
                Ok(()) => return self.connection.advance(upload.position()),
                Err(error) => error,
            },
            _ => return self.close(refusal::malformed("a block outside an upload")),
        };
        if let Error::Sequence(_) = error {
            return self.close(error.into());
        }
        // More frames of this upload, up to its `Commit`, may be in flight; this refusal answers all of them.
        self.running = Running::Skipping(Follows::UpToCommit);
        self.refuse(error);
    }

    pub(super) fn have(&mut self, first: u64, digests: Vec<Digest>) {
        match &mut self.running {
            Running::Skipping(Follows::UpToEmptyHave) => {
                if digests.is_empty() {
                    self.running = Running::Nothing;
                }
            }
            Running::Download(download) => {
                if let Err(reason) = download.have(first, digests) {
                    self.close(refusal::malformed(reason));
                }
            }
            _ => self.close(refusal::malformed("a have-frame outside a download")),
        }
    }

    pub(super) fn commit(&mut self, size: u64, root: Digest) {
        match std::mem::replace(&mut self.running, Running::Nothing) {
            Running::Skipping(Follows::UpToCommit) => {}
            Running::Small(arriving) => {
                self.group.add(arriving, size, root);
                self.flush_if_full();
            }
            Running::Upload(upload) => {
                self.flush_group();
                match upload.commit(size, root) {
                    Ok(file) => self.out.reply(&upload::stored(file, usage::now(&self.session.user))),
                    Err(error) => self.refuse(error),
                }
            }
            _ => self.close(refusal::malformed("'commit' outside an upload")),
        }
    }
}
