//! The digests of files that have not changed since they were read.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Arc,
};

use ferry_shared::{
    digest::Digest,
    digest_cache::{DigestCache, Key},
    disk::is_local,
};
use rustix::fd::AsFd;

use super::{
    disk,
    metadata::{Metadata, Place},
};

/// The name of the file in the data folder. It may be removed at any time.
const NAME: &str = "digests";

/// The remembered digests of all users' files.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Option<Arc<DigestCache>>);

/// Where the digest of an open file is to be remembered.
#[derive(Debug)]
pub(super) struct Slot {
    cache: Arc<DigestCache>,
    key: Key,
}

impl Memory {
    /// Opens the file in the data folder. Without it, or if the times of files are not reliable on the file system of
    /// `users`, nothing is remembered.
    pub(super) fn open(data: &Path, users: impl AsFd) -> Self {
        if !is_local(&users) {
            return Self::default();
        }
        let open = || {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            let path = data.join(NAME);
            disk::give(options.open(&path)?, File::open(data)?);
            DigestCache::open(&path)
        };
        match open() {
            Ok(cache) => Self(Some(Arc::new(cache))),
            Err(error) => {
                tracing::warn!(%error, "no digests are remembered: {NAME} in the data folder cannot be opened");
                Self::default()
            }
        }
    }

    /// The digest of a file, which is on the file system `place` of its home, if it is unchanged since it was read.
    pub(super) fn recall(&self, metadata: &Metadata, place: Place) -> Option<Digest> {
        let cache = self.0.as_ref().filter(|_| metadata.is_file() && metadata.is_at(place))?;
        cache.get(&metadata.key())
    }

    /// Where to remember the digest of a file that is read from now on; `None` if a change could go unnoticed.
    pub(super) fn slot(&self, metadata: &Metadata, place: Place) -> Option<Slot> {
        let cache = self.0.as_ref().filter(|_| metadata.is_settled() && metadata.is_at(place))?;
        Some(Slot { cache: Arc::clone(cache), key: metadata.key() })
    }
}

impl Slot {
    /// Remembers the digest of the file, which was unchanged after it was read.
    pub(super) fn remember(&self, digest: &Digest) {
        if let Err(error) = self.cache.put(&self.key, digest) {
            // The file is only read again next time.
            tracing::debug!(%error, "a digest is not remembered");
        }
    }
}
