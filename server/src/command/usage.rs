//! `Usage`: what the user has and may have, in the protocol's words.

use ferry_shared::message::{
    Notice,
    reply::{self, Access},
};

use crate::{files::Usage, outbox::Outbox, session::Session, user_state::UserState};

/// The user's figures now.
#[must_use]
pub(crate) fn now(user: &UserState) -> reply::Usage {
    let Usage { used, reserved, limit, files, file_limit, free } = Usage::of(user);
    // The message has no word for a disk that does not say.
    reply::Usage { used, reserved, limit, files, file_limit, volume_free: free.unwrap_or(0) }
}

/// The access of a user, in the protocol's words.
#[must_use]
pub(crate) fn access(is_read_only: bool) -> Access {
    if is_read_only { Access::ReadOnly } else { Access::ReadWrite }
}

/// Tells the session, once until there is room again, that little is left of the quota. To be
/// said before the answer of what took it: who has that answer may leave.
pub(super) fn warn(session: &Session, usage: reply::Usage, out: &mut Outbox) {
    if session.is_first_warning(usage.is_nearly_full()) {
        out.notice(Notice::UsageChanged(usage));
    }
}
