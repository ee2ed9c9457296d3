//! The users' files on disk: the only part of the server that names real paths.
//!
//! Below the data folder each user has `users/NAME/home` (plain files, nothing of the server's in it),
//! `users/NAME/staging` (unfinished uploads) and `users/NAME/ledger.json`. `digests` remembers digests of files. A home is opened once; every access is
//! relative to that handle and cannot leave it. Everything here blocks on the disk; run it off the async threads.
#![expect(clippy::disallowed_methods, reason = "this is the part that names real paths")]

mod beneath;
mod commit;
mod copy;
mod count;
mod disk;
mod durable;
mod error;
mod file;
mod find;
mod flush;
mod home;
mod inspect;
mod ledger_file;
mod listing;
mod memory;
mod metadata;
mod mode;
mod names;
mod peek;
mod root;
mod shared_files;
mod staging;
mod target_state;
mod tree;
mod volume;
mod walk;

#[cfg(test)]
mod tests;

use rustix::fs::OFlags;

pub(crate) use commit::{CommitGroup, Overwrite, Published, Staged};
pub(crate) use copy::Copying;
pub(crate) use count::Counter;
pub(crate) use error::StorageError;
pub(crate) use file::{OpenFile, Stat};
pub(crate) use find::Finder;
pub(crate) use home::Home;
pub(crate) use inspect::{HomeStatus, inspect_homes};
pub(crate) use listing::Lister;
pub(crate) use root::{Durability, Storage};
pub(crate) use staging::{FileMeta, Lasting, Part, PartInfo, PartMeta, TempFile};
pub(crate) use target_state::TargetState;
pub(crate) use tree::{Removal, Removed};
pub(crate) use walk::{WalkPage, Walker};

/// Flags for opening a folder by a single name.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The amount that an entry adds to a user's usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weight {
    /// Bytes, as `du --apparent-size` counts regular files: an inode with several names counts once.
    pub bytes: u64,
    /// Files, folders, symlinks and everything else; the home itself is not counted.
    pub files: u64,
}
