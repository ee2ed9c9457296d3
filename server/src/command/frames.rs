//! The frames of a transfer: blocks, digests of what the client holds, and the `Commit` at the end.

use ferry_shared::{chunks::Described, digest::Digest, feature::Feature, frame::Payload, message::decode::Follows};

use super::{Conversation, Running, upload, usage};
use crate::{files::Error, refusal};

impl Conversation {
    pub(super) fn block(&mut self, index: u64, bytes: Payload) {
        let written = match &mut self.running {
            Running::Skipping(Follows::UpToCommit) => return,
            Running::Small(arriving) => arriving.block(index, bytes).map_err(Error::Sequence),
            Running::Upload(upload) => upload.block(index, &bytes),
            _ => Err(Error::Sequence("a block outside an upload")),
        };
        self.written(written);
    }

    /// Takes a block that is described by a delta.
    pub(super) fn delta(&mut self, index: u64, steps: &[u8]) {
        let written = match &mut self.running {
            _ if !self.features.has(Feature::Chunks) && !self.features.has(Feature::Packed) => {
                Err(Error::Sequence("a delta, which was not agreed on"))
            }
            Running::Skipping(Follows::UpToCommit) => return,
            Running::Small(arriving) => arriving.delta(index, steps).map_err(Error::Sequence),
            Running::Upload(upload) => upload.delta(index, steps),
            _ => Err(Error::Sequence("a delta outside an upload")),
        };
        self.written(written);
    }

    fn written(&mut self, written: Result<(), Error>) {
        let error = match (written, &self.running) {
            (Ok(()), Running::Upload(upload)) => return self.connection.advance(upload.position()),
            (Ok(()), _) => return,
            (Err(error), _) => error,
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

    pub(super) fn chunks(&mut self, described: &Described) {
        match &mut self.running {
            Running::Skipping(Follows::UpToEmptyHave) => {}
            Running::Download(download) if self.features.has(Feature::Chunks) => {
                if let Err(reason) = download.chunks(described) {
                    self.close(refusal::malformed(reason));
                }
            }
            _ => self.close(refusal::malformed("a chunks-frame outside a download")),
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
