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
    /// A gate for a session that was just logged in with `account`.
    #[must_use]
    pub fn new(users: Users, session: Arc<Session>, account: Arc<Account>) -> Self {
        let seen = users.generation();
        session.user.bandwidth.set(account.bandwidth);
        let shut = session.ended.child_token();
        Self { users, session, seen, account, shut }
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
        let generation = self.users.generation();
        if generation != self.seen {
            self.seen = generation;
            let Some(now) = self.users.current(&self.session.user.name) else {
                return Verdict::Closed(refusal::account_closed());
            };
            let before = std::mem::replace(&mut self.account, now);
            self.session.user.ledger.set_limits(limits(&self.account));
            self.session.user.bandwidth.set(self.account.bandwidth);
            if !self.session.is_proven_to(&self.account) {
                return Verdict::Closed(refusal::account_closed());
            }
            if before.access != self.account.access {
                return self
                    .closed()
                    .unwrap_or(Verdict::Changed(Notice::AccountChanged { access: self.account.access }));
            }
        }
        self.closed().unwrap_or(Verdict::Open)
    }

    fn closed(&self) -> Option<Verdict> {
        (!self.account.is_open(SystemTime::now())).then(|| Verdict::Closed(refusal::account_closed()))
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

/// What an account may have, in the ledger's words.
#[must_use]
pub fn limits(account: &Account) -> Limits {
    Limits { bytes: account.quota, files: account.max_files }
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
