//! `Usage`: what the user has and may have.

use ferry_shared::message::{Notice, reply::Usage};

use crate::{outbox::Outbox, session::Session, user_state::UserState};

/// The user's figures now.
#[must_use]
pub fn now(user: &UserState) -> Usage {
    with_free(user, free(user))
}

/// Bytes free to users on the disk; none where it does not say. Nothing else fails because it cannot be told.
#[must_use]
pub(super) fn free(user: &UserState) -> u64 {
    user.home.volume_free().unwrap_or_else(|error| {
        tracing::warn!(user = %user.name, %error, "cannot tell how much of the disk is free");
        0
    })
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

/// Tells the session, once until there is room again, that little is left of the quota. To be
/// said before the answer of what took it: who has that answer may leave.
pub(super) fn warn(session: &Session, volume_free: u64, out: &mut Outbox) {
    let usage = with_free(&session.user, volume_free);
    if session.is_first_warning(usage.is_nearly_full()) {
        out.notice(Notice::UsageChanged(usage));
    }
}
