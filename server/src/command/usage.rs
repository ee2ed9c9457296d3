//! `Usage`: what the user has and may have.

use ferry_shared::message::reply::Usage;

use crate::{storage::StorageError, user_state::UserState};

/// The user's figures now.
///
/// # Errors
/// The disk's, when it will not say how much is free.
pub fn now(user: &UserState) -> Result<Usage, StorageError> {
    Ok(with_free(user, user.home.volume_free()?))
}

/// The user's figures now, with a figure for the disk that is known already.
#[must_use]
pub fn with_free(user: &UserState, volume_free: u64) -> Usage {
    let snapshot = user.ledger.snapshot();
    Usage {
        used: snapshot.used.bytes,
        reserved: snapshot.reserved.bytes,
        limit: snapshot.limits.bytes,
        files: snapshot.used.files,
        file_limit: snapshot.limits.files,
        volume_free,
    }
}
