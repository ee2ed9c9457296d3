//! The digests of local files that have not changed since they were read.

use std::sync::Arc;

use ferry_shared::{digest::Digest, digest_cache::DigestCache};

use super::{identity::Identity, source::OpenFile};

/// The remembered digests.
#[derive(Debug, Clone)]
pub(super) struct Remembered(Arc<DigestCache>);

impl Remembered {
    pub(super) fn new(cache: Arc<DigestCache>) -> Self {
        Self(cache)
    }

    /// The digest of the file with this identity.
    pub(super) fn recall(&self, identity: &Identity) -> Option<Digest> {
        self.0.get(&identity.key()?)
    }

    /// Remembers the digest of a file that has just been read, unless it changed meanwhile or a later change could go
    /// unnoticed.
    pub(super) fn note(&self, opened: &OpenFile, digest: &Digest) {
        let (identity, is_whole) = (&opened.identity, opened.content.is_none());
        let key = identity.key().filter(|_| identity.is_settled() && is_whole);
        let Some(key) = key.filter(|_| identity.now(&opened.file).is_ok_and(|now| now == *identity)) else { return };
        // Without the record, the file is only read again next time.
        let _ = self.0.put(&key, digest);
    }
}
