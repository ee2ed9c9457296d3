//! The check before every request and every part of a transfer, whatever the door.
//!
//! The gate only reads the account as it is *now*, so a change by an operator takes effect at the next step. The
//! limits of the account are applied by then (`user_state/allowance.rs`).

use std::{sync::Arc, time::SystemTime};

use tokio_util::sync::CancellationToken;

use crate::{
    session::Session,
    users::{Access, Account, Users},
};

/// The state that the gate keeps between two frames of one connection.
#[derive(Debug)]
pub(crate) struct Gate {
    users: Users,
    session: Arc<Session>,
    seen: u64,
    account: Arc<Account>,
    shut: CancellationToken,
}

/// The present state of the account and the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Unchanged; continue.
    Open,
    /// The access of the account changed; tell the client, then continue.
    AccessChanged(Access),
    /// The session is over: the account was closed, here or altogether, or it no longer has the password or key of
    /// the login.
    Closed,
    /// The operator ended the session, with this message.
    Farewell(String),
}

impl Gate {
    /// A gate for a connection that joins `session`; `None` if the account no longer allows it: checking a proof
    /// takes time, and the account may have changed meanwhile.
    #[must_use]
    pub(crate) fn new(users: Users, session: Arc<Session>) -> Option<Self> {
        // Read the generation first: the account is then of this generation or newer.
        let seen = users.generation();
        let account = users.current(&session.user.name)?;
        let shut = session.ended.child_token();
        let gate = Self { users, session, seen, account, shut };
        gate.is_open().then_some(gate)
    }

    /// The account as of the last check.
    #[must_use]
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// Cancelled once the session is over for this connection, for whatever reason.
    #[must_use]
    pub(crate) fn shut(&self) -> CancellationToken {
        self.shut.clone()
    }

    /// The present standing. Cheap if the user store did not change.
    pub(crate) fn standing(&mut self) -> Standing {
        let standing = self.judge();
        if standing == Standing::Closed {
            self.shut.cancel();
        }
        standing
    }

    fn judge(&mut self) -> Standing {
        if self.session.ended.is_cancelled() {
            let word = self.session.farewell().map(str::to_owned);
            return word.map_or(Standing::Closed, Standing::Farewell);
        }
        let before = self.account.access;
        let now = self.users.generation();
        if now != self.seen {
            let Some(account) = self.users.current(&self.session.user.name) else { return Standing::Closed };
            (self.seen, self.account) = (now, account);
        }
        match self.account.access {
            _ if !self.is_open() => Standing::Closed,
            access if access == before => Standing::Open,
            access => Standing::AccessChanged(access),
        }
    }

    fn is_open(&self) -> bool {
        let account = &self.account;
        self.session.is_proven_to(account) && account.is_open(SystemTime::now()) && account.may_use(self.session.door)
    }
}
