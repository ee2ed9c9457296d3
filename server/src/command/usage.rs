//! `Usage`: a user's usage and limits, in the types of the protocol.

use ferry_shared::message::{
    Notice,
    reply::{self, Access},
};

use crate::{files::Usage, outbox::Outbox, session::Session, user_state::UserState};

/// The user's usage now.
#[must_use]
pub(crate) fn now(user: &UserState) -> reply::Usage {
    let Usage { used, reserved, limit, files, file_limit, free } = Usage::of(user);
    // The message cannot express that the free space is unknown.
    reply::Usage { used, reserved, limit, files, file_limit, volume_free: free.unwrap_or(0) }
}

/// The access of a user, in the types of the protocol.
#[must_use]
pub(crate) fn access(is_read_only: bool) -> Access {
    if is_read_only { Access::ReadOnly } else { Access::ReadWrite }
}

/// Warns the session that little of the quota is left, once until there is room again. Send this before the reply
/// to the request that used the space, because the client may disconnect after that reply.
pub(super) fn warn(session: &Session, usage: reply::Usage, out: &mut Outbox) {
    if session.is_first_warning(usage.is_nearly_full()) {
        out.notice(Notice::UsageChanged(usage));
    }
}
