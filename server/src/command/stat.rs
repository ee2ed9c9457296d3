//! `Stat`: one entry.

use ferry_shared::{message::Reply, path::RemotePath, refusal::Refusal};

use super::fault;
use crate::{refusal, user_state::UserState};

/// Looks at `path`, links not followed.
pub(super) fn stat(user: &UserState, path: &RemotePath) -> Result<Reply, Refusal> {
    fault::trip(path);
    let stat = user.home.stat(path).map_err(|error| refusal::of_storage(&error))?;
    Ok(Reply::Entry { entry: stat.entry, version: stat.version })
}
