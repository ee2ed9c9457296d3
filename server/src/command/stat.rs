//! `Stat`: one entry.

use ferry_shared::{message::Reply, path::RemotePath};

use super::fault;
use crate::{files::Error, user_state::UserState};

/// Looks at `path`, links not followed.
pub(super) fn stat(user: &UserState, path: &RemotePath) -> Result<Reply, Error> {
    fault::trip(path);
    let stat = user.home.stat(path)?;
    Ok(Reply::Entry { entry: stat.entry, version: stat.version })
}
