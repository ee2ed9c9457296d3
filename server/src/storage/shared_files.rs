//! Files with several names: which of their names weighs the bytes.
//!
//! `du` counts an inode once. Clients cannot make a second name, so after a count the
//! inodes that have several in a home are known, and each that goes can be told from the
//! last one. Names outside the home, such as of a hard-linked backup, do not matter.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::metadata::{FileId, Metadata};

/// How many names in the home each inode has that has more than one there; whole after every statement, so also after a
/// panic.
#[derive(Debug, Default)]
pub(super) struct SharedFiles(Mutex<HashMap<FileId, u64>>);

impl SharedFiles {
    /// Takes the names a count has seen.
    pub(super) fn set(&self, mut names: HashMap<FileId, u64>) {
        names.retain(|_, names| *names > 1);
        *self.0.lock() = names;
    }

    /// Whether there are any.
    pub(super) fn any(&self) -> bool {
        !self.0.lock().is_empty()
    }

    /// The bytes that go when this name goes.
    pub(super) fn bytes(&self, metadata: &Metadata) -> u64 {
        if !metadata.is_file() || (metadata.names > 1 && self.0.lock().contains_key(&metadata.id)) {
            0
        } else {
            metadata.size
        }
    }

    /// Notes that this name went; returns the bytes that went with it.
    pub(super) fn removed(&self, metadata: &Metadata) -> u64 {
        let bytes = self.bytes(metadata);
        if metadata.is_file() && metadata.names > 1 {
            let mut shared = self.0.lock();
            if let Some(names) = shared.get_mut(&metadata.id) {
                *names -= 1;
                if *names == 1 {
                    shared.remove(&metadata.id);
                }
            }
        }
        bytes
    }
}
