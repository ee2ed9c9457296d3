//! The operations on a user's files, whatever the protocol: they combine storage, quota and the audit log.
//!
//! This module knows no message, frame or connection. Everything in it blocks, as storage does. Each operation
//! writes to the audit log itself, also when it is interrupted.

mod act;
mod batch;
mod change;
mod copy;
mod editing;
mod error;
mod fault;
mod fold;
mod hash;
mod link;
mod listing;
mod new_file;
mod parked;
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
    editing::{Editing, Existing},
    error::{Error, PathFault},
    fold::Fold,
    hash::Algorithm,
    listing::Page,
    new_file::{Basis, NewFile, Replace},
    parked::Parked,
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

/// The longest time for which an operation is delayed; the caller is refused instead of made to wait longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The files of one user, as one connection uses them.
#[derive(Debug, Clone)]
pub struct Files {
    user: Arc<UserState>,
    audit: Audit,
    counters: Arc<Counters>,
    who: Who,
    stop: CancellationToken,
}

impl Files {
    /// Opens the home of `user`; operations are recorded in `audit` as those of `who`, and counted in `counters`.
    /// Long steps end when `stop` is cancelled.
    #[must_use]
    pub fn new(user: Arc<UserState>, audit: Audit, counters: Arc<Counters>, who: Who, stop: CancellationToken) -> Self {
        Self { user, audit, counters, who, stop }
    }

    /// The entry at `path`, without following symlinks, and its version if it is a file.
    ///
    /// # Errors
    /// [`Error`].
    pub fn stat(&self, path: &RemotePath) -> Result<(Entry, Option<Version>), Error> {
        fault::trip(path);
        let stat = self.user.home.stat(path)?;
        Ok((stat.entry, stat.version))
    }

    /// How long to delay an operation that makes the server write a lot for a few bytes from the peer. Zero unless
    /// the user has thrown much of such work away.
    #[must_use]
    pub fn pause(&self) -> Duration {
        self.user.waste.wait()
    }

    /// As [`Files::pause`], for an operation that has just been requested.
    ///
    /// # Errors
    /// [`Error::Wasteful`] if the delay is too long.
    pub fn pause_at_first(&self) -> Result<Duration, Error> {
        let wait = self.pause();
        if wait > LONGEST_PAUSE { Err(Error::Wasteful { seconds: wait.as_secs() }) } else { Ok(wait) }
    }

    /// Whether whoever uses the files wants no more of it.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Where refusals are counted and recorded, and as whose.
    pub(crate) fn records(&self) -> (&Counters, &Audit, &Who) {
        (&self.counters, &self.audit, &self.who)
    }

    /// An act that is recorded as `event` once it is done.
    fn act(&self, event: Event) -> Act {
        Act::new(event, &self.audit, &self.who)
    }
}

/// Checks that the account may change its home now, and that the disk lets the change begin. Each operation that
/// changes something checks this first, and again at each of its steps.
fn may_change(user: &UserState) -> Result<(), Error> {
    if user.is_read_only() { Err(Error::ReadOnly) } else { Ok(user.begin_changing()?) }
}
