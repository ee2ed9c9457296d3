//! The operations on files that a user has, whatever the protocol: storage, quota and the audit log put together.
//!
//! Knows no message, frame or connection. Everything in it blocks, as storage does. Each operation tells the audit
//! log itself, also where it is cut short.

mod act;
mod batch;
mod change;
mod copy;
mod error;
mod fault;
mod hash;
mod listing;
mod new_file;
mod publish;
mod reading;
mod remove;
mod unfinished;
mod usage;
mod work;
mod writing;

use std::{sync::Arc, time::Duration};

use ferry_shared::{
    entry::{Entry, Version},
    path::RemotePath,
};
use tokio_util::sync::CancellationToken;

use self::act::Act;
pub(crate) use self::{
    batch::Batch,
    copy::Copied,
    error::{Error, PathFault},
    hash::Algorithm,
    listing::Page,
    new_file::{Basis, NewFile, Replace},
    publish::Stored,
    reading::Reading,
    remove::Gone,
    unfinished::Unfinished,
    usage::Usage,
    work::{Step, Work},
    writing::Writing,
};
use crate::{
    audit::{
        Audit,
        event::{Event, Who},
    },
    counters::Counters,
    user_state::UserState,
};

/// The longest an operation is held up; a longer wait is told and not waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// One connection's use of its user's home.
#[derive(Debug, Clone)]
pub struct Files {
    user: Arc<UserState>,
    audit: Audit,
    counters: Arc<Counters>,
    who: Who,
    stop: CancellationToken,
}

impl Files {
    /// The home of `user`; what is done is told to `audit` as the doing of `who`, and counted in `counters`. Long steps
    /// end when `stop` is cancelled.
    #[must_use]
    pub fn new(user: Arc<UserState>, audit: Audit, counters: Arc<Counters>, who: Who, stop: CancellationToken) -> Self {
        Self { user, audit, counters, who, stop }
    }

    /// The entry at `path`, links not followed, and its version if it is a file.
    ///
    /// # Errors
    /// [`Error`].
    pub fn stat(&self, path: &RemotePath) -> Result<(Entry, Option<Version>), Error> {
        fault::trip(path);
        let stat = self.user.home.stat(path)?;
        Ok((stat.entry, stat.version))
    }

    /// How long to wait before an operation that makes the server write much for few bytes of the peer's: nothing,
    /// unless the user has thrown much of that away.
    #[must_use]
    pub fn pause(&self) -> Duration {
        self.user.waste.wait()
    }

    /// As [`Files::pause`], for an operation that is just asked for.
    ///
    /// # Errors
    /// [`Error::Wasteful`] where it is too long to wait for.
    pub fn pause_at_first(&self) -> Result<Duration, Error> {
        let wait = self.pause();
        if wait > LONGEST_PAUSE { Err(Error::Wasteful { seconds: wait.as_secs() }) } else { Ok(wait) }
    }

    /// An act that will have been `event`.
    fn act(&self, event: Event) -> Act {
        Act::new(event, &self.audit, &self.who)
    }
}

/// Whether the account may change its home now, and the disk lets it begin. Each operation that changes something asks
/// this first, and again at each of its steps.
fn may_change(user: &UserState) -> Result<(), Error> {
    if user.is_read_only() { Err(Error::ReadOnly) } else { Ok(user.begin_changing()?) }
}
