//! Files with several names: which of the names counts the bytes.
//!
//! `du` counts an inode once. Clients cannot make a second name, so after a count all inodes with several names in
//! the home are known, and the removal of the last name can be recognised. Names outside the home, such as those of
//! a hard-linked backup, do not matter.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::metadata::{FileId, Metadata};

/// The number of names of each inode that has more than one in the home. Consistent after every statement, so also
/// after a panic.
#[derive(Debug, Default)]
pub(super) struct SharedFiles(Mutex<HashMap<FileId, u64>>);

impl SharedFiles {
    /// Takes the names that a count has seen.
    pub(super) fn set(&self, mut names: HashMap<FileId, u64>) {
        names.retain(|_, names| *names > 1);
        *self.0.lock() = names;
    }

    /// Whether there are any.
    pub(super) fn any(&self) -> bool {
        !self.0.lock().is_empty()
    }

    /// The bytes that are freed if this name is removed.
    pub(super) fn bytes(&self, metadata: &Metadata) -> u64 {
        if !metadata.is_file() || (metadata.names > 1 && self.0.lock().contains_key(&metadata.id)) {
            0
        } else {
            metadata.size
        }
    }

    /// Records that one name of this file was removed; returns the bytes that this freed.
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
