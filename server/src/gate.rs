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
    users::{Access, Account, UserName, Users},
};
use ferry_shared::{
    message::{Notice, reply},
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
            access => Verdict::Changed(Notice::AccountChanged { access: told(access) }),
        }
    }

    fn is_open(&self) -> bool {
        self.session.is_proven_to(&self.account) && self.account.is_open(SystemTime::now())
    }
}

/// The account as it is now, with its limits in force for the user, and the generation of the
/// store it is of or newer than. `None` when there is no such account.
fn put_in_force(users: &Users, user: &UserState) -> Option<(u64, Arc<Account>)> {
    put_in_force_by(users, &user.name, |account| {
        user.ledger.set_limits(limits(account));
        user.bandwidth.set(account.bandwidth);
        user.set_read_only(account.access == Access::ReadOnly);
    })
}

fn put_in_force_by(users: &Users, name: &UserName, mut put: impl FnMut(&Account)) -> Option<(u64, Arc<Account>)> {
    loop {
        let generation = users.generation();
        let account = users.current(name)?;
        put(&account);
        // Else these limits may be older than what another connection has just put in force.
        if users.generation() == generation {
            return Some((generation, account));
        }
    }
}

/// What a user may do, in the protocol's words.
#[must_use]
pub fn told(access: Access) -> reply::Access {
    match access {
        Access::ReadOnly => reply::Access::ReadOnly,
        Access::ReadWrite => reply::Access::ReadWrite,
    }
}

/// What an account may have, in the ledger's words.
#[must_use]
pub fn limits(account: &Account) -> Limits {
    Limits { bytes: account.quota, files: Some(account.max_files) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn limits_that_became_old_while_they_were_put_in_force_do_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let store = crate::users::store_file(folder.path());
        let write = |quota: u64| {
            let user = format!(r#"{{"password":null,"quota":"{quota} B","created":"2026-01-01T00:00:00Z"}}"#);
            fs::write(&store, format!(r#"{{"version":1,"users":{{"anna":{user}}},"invites":{{}}}}"#)).unwrap();
        };
        write(1000);
        let users = Users::load(&store).unwrap();
        let name = "anna".parse().unwrap();
        let mut in_force = Vec::new();
        let (generation, account) = put_in_force_by(&users, &name, |account| {
            if in_force.is_empty() {
                // The account changes, and another connection is quicker with what it is now.
                write(500);
                users.reload().unwrap();
                in_force.push(500);
            }
            in_force.extend(account.quota);
        })
        .unwrap();
        assert_eq!(in_force, [500, 1000, 500], "the last word is the newest");
        assert_eq!((generation, account.quota), (users.generation(), Some(500)));
    }
}
