//! `ChangePassword`: replaces the user's own password after checking the old one; other sessions end.

use std::sync::Arc;

use ferry_shared::{message::Reply, refusal::Refusal, secret::Secret};
use tokio::runtime::Handle;

use crate::{context::Context, session::Session};

/// Runs on a blocking thread of the runtime, so it may wait for the hash.
pub(super) fn change(
    context: &Arc<Context>,
    session: &Arc<Session>,
    old: &Secret,
    new: &Secret,
) -> Result<Reply, Refusal> {
    let name = &session.user.name;
    let learn = |generation| session.learn_password(generation);
    Handle::current().block_on(context.users.change_password(name, old, new, learn))?;
    tracing::info!(user = %name, "password changed");
    Ok(Reply::Done)
}
