//! A user's usage and limits.

use super::Files;
use crate::{quota::Snapshot, user_state::UserState};

/// A user's usage and limits at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of the user's files.
    pub used: u64,
    /// Bytes that unfinished uploads have reserved.
    pub reserved: u64,
    /// The limit of bytes; `None` if there is no limit.
    pub limit: Option<u64>,
    /// The number of files, folders and everything else.
    pub files: u64,
    /// The limit of files; `None` if there is no limit.
    pub file_limit: Option<u64>,
    /// Bytes free to users on the disk; `None` if unknown.
    pub free: Option<u64>,
}

impl Usage {
    /// The usage of `user` now. An error while asking the disk for its free space is ignored.
    #[must_use]
    pub(crate) fn of(user: &UserState) -> Self {
        let free = user.home.volume_free().inspect_err(|error| {
            tracing::warn!(user = %user.name, %error, "cannot tell how much of the disk is free");
        });
        let Snapshot { used, reserved, limits, .. } = user.ledger.snapshot();
        Self {
            used: used.bytes,
            reserved: reserved.bytes,
            limit: limits.bytes,
            files: used.files,
            file_limit: limits.files,
            free: free.ok(),
        }
    }
}

impl Files {
    /// The user's usage now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage::of(&self.user)
    }
}
