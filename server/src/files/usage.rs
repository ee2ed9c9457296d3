//! The figures of what a user has and may have.

use super::Files;
use crate::{quota::Snapshot, user_state::UserState};

/// A user's figures at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of the user's files.
    pub used: u64,
    /// Bytes that unfinished uploads hold.
    pub reserved: u64,
    /// Bytes there may be; no limit where absent.
    pub limit: Option<u64>,
    /// Files, folders and all else.
    pub files: u64,
    /// How many there may be; no limit where absent.
    pub file_limit: Option<u64>,
    /// Bytes free to users on the disk; absent where the disk does not say.
    pub free: Option<u64>,
}

impl Usage {
    /// The figures of `user` now. Nothing fails because the disk does not tell its own.
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
    /// The user's figures now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage::of(&self.user)
    }
}
