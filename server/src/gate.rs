//! The one gate before every request and every frame of a transfer.
//!
//! Commands cannot forget it: they are only reached through it. It reads the account as
//! it is *now*, so what an operator changes is felt at the next frame.

use std::{sync::Arc, time::SystemTime};

use tokio_util::sync::CancellationToken;

use crate::{
    quota::Limits,
    refusal,
    session::Session,
    user_state::UserState,
    users::{Account, Users},
};
use ferry_shared::{
    message::{Notice, Request, reply::Access},
    refusal::Refusal,
};

/// What the gate keeps between two frames of one connection.
#[derive(Debug)]
pub struct Gate {
    users: Users,
    session: Arc<Session>,
    seen: u64,
    account: Arc<Account>,
    shut: CancellationToken,
}

/// What changed since the last look.
#[derive(Debug)]
pub enum Verdict {
    /// Go on.
    Open,
    /// Go on, and tell the client first.
    Changed(Notice),
    /// The session is over.
    Closed(Refusal),
    /// The operator ended the session, with this word.
    Ended(String),
}

impl Gate {
    /// A gate for a connection that joins `session`; `None` when the account does not let it in
    /// any more: a proof takes its time, and the account may have changed meanwhile.
    #[must_use]
    pub fn new(users: Users, session: Arc<Session>) -> Option<Self> {
        let (seen, account) = put_in_force(&users, &session.user)?;
        let shut = session.ended.child_token();
        let gate = Self { users, session, seen, account, shut };
        gate.is_open().then_some(gate)
    }

    /// The account as it was at the last look.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Cancelled once the session is over for this connection, for whatever reason.
    #[must_use]
    pub fn shut(&self) -> CancellationToken {
        self.shut.clone()
    }

    /// Looks at the account again. Cheap when the user store did not change.
    pub fn look(&mut self) -> Verdict {
        let verdict = self.judge();
        if matches!(verdict, Verdict::Closed(_)) {
            self.shut.cancel();
        }
        verdict
    }

    fn judge(&mut self) -> Verdict {
        if self.session.ended.is_cancelled() {
            let word = self.session.farewell().map(str::to_owned);
            return word.map_or_else(|| Verdict::Closed(refusal::account_closed()), Verdict::Ended);
        }
        let before = self.account.access;
        if self.users.generation() != self.seen {
            let Some(now) = put_in_force(&self.users, &self.session.user) else {
                return Verdict::Closed(refusal::account_closed());
            };
            (self.seen, self.account) = now;
        }
        if !self.is_open() {
            return Verdict::Closed(refusal::account_closed());
        }
        match self.account.access {
            access if access == before => Verdict::Open,
            access => Verdict::Changed(Notice::AccountChanged { access }),
        }
    }

    fn is_open(&self) -> bool {
        self.session.is_proven_to(&self.account) && self.account.is_open(SystemTime::now())
    }

    /// Whether this request may run.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub fn admit(&self, request: &Request) -> Result<(), Refusal> {
        if writes(request) { self.admit_write() } else { Ok(()) }
    }

    /// Whether the account may change its home now.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub fn admit_write(&self) -> Result<(), Refusal> {
        match self.account.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => Err(refusal::read_only()),
        }
    }
}

/// The account as it is now, with its limits in force for the user, and the generation of the
/// store it is of or newer than. `None` when there is no such account.
fn put_in_force(users: &Users, user: &UserState) -> Option<(u64, Arc<Account>)> {
    loop {
        let generation = users.generation();
        let account = users.current(&user.name)?;
        user.ledger.set_limits(limits(&account));
        user.bandwidth.set(account.bandwidth);
        // Else these limits may be older than what another connection has just put in force.
        if users.generation() == generation {
            return Some((generation, account));
        }
    }
}

/// What an account may have, in the ledger's words.
#[must_use]
pub fn limits(account: &Account) -> Limits {
    Limits { bytes: account.quota, files: Some(account.max_files) }
}

/// Whether a request changes the home. An unlisted request counts as one that does.
fn writes(request: &Request) -> bool {
    use Request as R;
    !matches!(
        request,
        R::List { .. }
            | R::Walk { .. }
            | R::Find { .. }
            | R::Stat { .. }
            | R::Hash { .. }
            | R::Get { .. }
            | R::Usage
            | R::Uploads
            | R::Ping
            | R::ChangePassword { .. }
            | R::Hello(_)
            | R::Login { .. }
            | R::Attach { .. }
            | R::Register { .. }
    )
}
