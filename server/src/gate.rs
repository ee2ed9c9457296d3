//! The one gate before every request and every part of a transfer, whatever the door.
//!
//! It only reads: the account as it is *now*, so what an operator changes is felt at the next step.
//! The limits of the account are in force by then (`user_state/allowance.rs`).

use std::{sync::Arc, time::SystemTime};

use tokio_util::sync::CancellationToken;

use crate::{
    session::Session,
    users::{Access, Account, Users},
};

/// What the gate keeps between two frames of one connection.
#[derive(Debug)]
pub(crate) struct Gate {
    users: Users,
    session: Arc<Session>,
    seen: u64,
    account: Arc<Account>,
    shut: CancellationToken,
}

/// How the account and the session are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// As they were; go on.
    Open,
    /// The account may do other things than before; go on, and tell the client first.
    AccessChanged(Access),
    /// The session is over: the account was closed, or does not have any more what was proven.
    Closed,
    /// The operator ended the session, with this word.
    Farewell(String),
}

impl Gate {
    /// A gate for a connection that joins `session`; `None` when the account does not let it in
    /// any more: a proof takes its time, and the account may have changed meanwhile.
    #[must_use]
    pub(crate) fn new(users: Users, session: Arc<Session>) -> Option<Self> {
        // Before the account, which is then of this generation or newer.
        let seen = users.generation();
        let account = users.current(&session.user.name)?;
        let shut = session.ended.child_token();
        let gate = Self { users, session, seen, account, shut };
        gate.is_open().then_some(gate)
    }

    /// The account as it was at the last look.
    #[must_use]
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// Cancelled once the session is over for this connection, for whatever reason.
    #[must_use]
    pub(crate) fn shut(&self) -> CancellationToken {
        self.shut.clone()
    }

    /// How things stand now. Cheap when the user store did not change.
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
        self.session.is_proven_to(&self.account) && self.account.is_open(SystemTime::now())
    }
}
