//! The fields of accounts and invites that operators see; never a password's hash, nor a token's.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{
    Access, UserName,
    file::{Record, Store},
    invite::{self, Invite},
    moment::Moment,
};
use crate::{door::Doors, size::ByteCount};

/// A user: sizes in bytes, times in RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountFacts {
    /// The name.
    pub name: UserName,
    /// The access of the user.
    pub access: Access,
    /// The doors through which the user may come; `None` for all.
    #[serde(default)]
    pub doors: Option<Doors>,
    /// Whether the account is enabled.
    pub enabled: bool,
    /// Whether it has expired.
    pub expired: bool,
    /// When it expires.
    pub expires: Option<Moment>,
    /// Bytes the user may have.
    pub quota: Option<u64>,
    /// Files and folders the user may have.
    pub max_files: u64,
    /// The limit of concurrent sessions.
    pub max_sessions: Option<u32>,
    /// Bytes per second from the client.
    pub bandwidth_up: Option<u64>,
    /// Bytes per second to the client.
    pub bandwidth_down: Option<u64>,
    /// Whether there is a password.
    pub password: bool,
    /// Public keys.
    pub keys: Vec<String>,
    /// When the account was made.
    pub created: Option<Moment>,
}

impl AccountFacts {
    /// The visible fields of a record.
    #[must_use]
    pub fn of(name: &UserName, record: &Record) -> Self {
        Self {
            name: name.clone(),
            access: record.access,
            doors: record.doors,
            enabled: record.enabled,
            expired: record.expires.is_some_and(|end| end.to_system_time() <= SystemTime::now()),
            expires: record.expires,
            quota: record.quota.map(|size| size.0),
            max_files: record.file_limit(),
            max_sessions: record.max_sessions,
            bandwidth_up: record.bandwidth.up.map(|size| size.0),
            bandwidth_down: record.bandwidth.down.map(|size| size.0),
            password: record.password.is_some(),
            keys: record.keys.iter().map(ToString::to_string).collect(),
            created: record.created,
        }
    }

    /// The state as one word.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match (self.enabled, self.expired) {
            (false, _) => "disabled",
            (true, true) => "expired",
            (true, false) => "open",
        }
    }
}

/// An invite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteFacts {
    /// Its short name.
    pub id: String,
    /// Bytes an account may have.
    pub quota: Option<ByteCount>,
    /// Accounts that can still be made with it.
    pub uses: u32,
    /// When it expires.
    pub expires: Option<Moment>,
}

impl InviteFacts {
    /// Whether an account can be made with it now.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        Invite { quota: self.quota, uses: self.uses, expires: self.expires }.is_valid()
    }
}

/// All visible fields of a store.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// The users, by name.
    pub users: Vec<AccountFacts>,
    /// The invites.
    pub invites: Vec<InviteFacts>,
}

impl Facts {
    /// The visible fields of a store.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        let invites = store.invites.iter().map(|(hash, invite)| InviteFacts {
            id: invite::id(hash).to_owned(),
            quota: invite.quota,
            uses: invite.uses,
            expires: invite.expires,
        });
        let users = store.users.iter().map(|(name, record)| AccountFacts::of(name, record));
        Self { users: users.collect(), invites: invites.collect() }
    }
}
