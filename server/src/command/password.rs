//! `ChangePassword`: the user's own, after the old one was proven; other sessions end.

use std::sync::Arc;

use ferry_shared::{
    message::Reply,
    refusal::{Code, Refusal},
    secret::Secret,
};
use tokio::runtime::Handle;

use crate::{context::Context, refusal, session::Session, users::ChangePasswordError};

/// Runs on a blocking thread of the runtime, so waiting for the hash there is allowed.
pub(super) fn change(
    context: &Arc<Context>,
    session: &Arc<Session>,
    old: &Secret,
    new: &Secret,
) -> Result<Reply, Refusal> {
    let name = &session.user.name;
    let learn = |generation| session.learn_password(generation);
    let changed = Handle::current().block_on(context.users.change_password(name, old, new, learn));
    changed.map_err(|error| match error {
        ChangePasswordError::Wrong => Refusal::new(Code::LoginFailed, "the old password is wrong"),
        ChangePasswordError::New(reason) => Refusal::new(Code::NotAllowed, reason.to_string()),
        ChangePasswordError::Busy => refusal::busy("too many logins at once; try again"),
        ChangePasswordError::Changed => Refusal::new(Code::Changed, "the account was changed meanwhile; try again"),
        ChangePasswordError::Store(error) => refusal::internal(&error),
    })?;
    tracing::info!(user = %name, "password changed");
    Ok(Reply::Done)
}
