//! The operations on files that a user has, whatever the protocol: storage, quota and the audit log put together.
//!
//! Knows no message, frame or connection. Everything in it blocks, as storage does. Each operation tells the audit
//! log itself, also where it is cut short.

mod act;
mod change;
mod copy;
mod error;
mod fault;
mod hash;
mod listing;
pub(crate) mod publish;
mod remove;
mod unfinished;
mod work;

use std::sync::Arc;

use ferry_shared::{
    entry::{Entry, Version},
    path::RemotePath,
};

pub(crate) use self::act::Act;
pub use self::{
    copy::Copied,
    error::Error,
    hash::Algorithm,
    listing::Page,
    publish::Placed,
    remove::Gone,
    unfinished::Unfinished,
    work::{Step, Work},
};
use crate::{
    audit::{
        Audit,
        event::{Event, Who},
    },
    user_state::UserState,
};

/// One connection's use of its user's home.
#[derive(Debug, Clone)]
pub struct Files {
    user: Arc<UserState>,
    audit: Audit,
    who: Who,
}

impl Files {
    /// The home of `user`; what is done is told to `audit` as the doing of `who`.
    #[must_use]
    pub fn new(user: Arc<UserState>, audit: Audit, who: Who) -> Self {
        Self { user, audit, who }
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

    /// The user.
    pub(crate) fn user(&self) -> &Arc<UserState> {
        &self.user
    }

    /// An act that will have been `event`.
    pub(crate) fn act(&self, event: Event) -> Act {
        Act::new(event, &self.audit, &self.who)
    }
}
