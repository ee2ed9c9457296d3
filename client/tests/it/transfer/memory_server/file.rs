//! The files of the in-memory server.

use ferry_shared::{
    digest::Digest,
    entry::{Mtime, Version},
};

/// A file on the server.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    pub(crate) mtime: Mtime,
    pub(crate) mode: u32,
}

impl File {
    pub(crate) fn new(bytes: &[u8], mtime: i64) -> Self {
        Self { bytes: bytes.to_vec(), mtime: Mtime(mtime, 5), mode: 0o640 }
    }

    pub(super) fn version(&self) -> Version {
        Version(format!("{}-{:?}-{:o}", Digest::of(&self.bytes), self.mtime, self.mode))
    }
}

/// An action of a test while a request waits.
pub(crate) type Meanwhile = Box<dyn FnOnce() + Send>;
