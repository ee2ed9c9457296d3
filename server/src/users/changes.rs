//! The differences between two readings of the user store, and who made them.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use serde_json::Value;

use super::{
    Account, Accounts, UserName, Users,
    file::{Record, Store},
    invite::{self, Invite},
    key,
    moment::Moment,
};
use crate::{
    audit::event::{Event, FieldChange, Who},
    door::Doors,
};

/// Accounts, or invites, that are reported in one line.
const AT_ONCE: usize = 100;

/// Invites by the hash of their token.
pub(super) type Invites = BTreeMap<String, Invite>;

/// The author of a change of the store, or of a request to read it again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum By {
    /// Somebody who can write the file.
    #[default]
    Unknown,
    /// The system user with this ID, with a command.
    Operator(u32),
    /// The user of an account, who registered or changed the password.
    User(UserName),
}

/// The changes of a reload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The author of the changes.
    pub by: By,
    /// Users that were added.
    pub added: Vec<UserName>,
    /// Users that were removed.
    pub removed: Vec<UserName>,
    /// Users of whom something changed.
    pub changed: Vec<UserName>,
    /// The changed fields of each of these users.
    pub fields: BTreeMap<UserName, Vec<FieldChange>>,
    /// Short names of new invites.
    pub created: Vec<String>,
    /// Short names of invites with which an account was made.
    pub used: Vec<String>,
    /// Short names of revoked invites.
    pub revoked: Vec<String>,
}

impl Changes {
    /// Whether no account changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }

    /// Whether no invite changed.
    #[must_use]
    pub fn has_no_invites(&self) -> bool {
        self.created.is_empty() && self.used.is_empty() && self.revoked.is_empty()
    }

    /// The lines for the audit log. Each is about a limited number of accounts, so that no line gets too long.
    #[must_use]
    pub fn told(&self) -> Vec<(Who, Event)> {
        let who = match &self.by {
            By::Unknown => Who::default(),
            By::Operator(uid) => Who::operator(*uid),
            By::User(name) => Who { user: Some(name.to_string()), ..Who::default() },
        };
        let fields = |name: &String| Some((name.clone(), self.fields.get(name.as_str())?.clone()));
        let accounts = |added: &[String], removed: &[String], changed: &[String]| Event::Accounts {
            added: added.to_vec(),
            removed: removed.to_vec(),
            changed: changed.to_vec(),
            fields: changed.iter().filter_map(fields).collect(),
        };
        let invites = |created: &[String], used: &[String], revoked: &[String]| Event::Invites {
            created: created.to_vec(),
            used: used.to_vec(),
            revoked: revoked.to_vec(),
        };
        let names = |names: &[UserName]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (added, removed, changed) = (names(&self.added), names(&self.removed), names(&self.changed));
        let mut events = Vec::new();
        events.extend(added.chunks(AT_ONCE).map(|some| accounts(some, &[], &[])));
        events.extend(removed.chunks(AT_ONCE).map(|some| accounts(&[], some, &[])));
        events.extend(changed.chunks(AT_ONCE).map(|some| accounts(&[], &[], some)));
        events.extend(self.created.chunks(AT_ONCE).map(|some| invites(some, &[], &[])));
        events.extend(self.used.chunks(AT_ONCE).map(|some| invites(&[], some, &[])));
        events.extend(self.revoked.chunks(AT_ONCE).map(|some| invites(&[], &[], some)));
        events.into_iter().map(|event| (who.clone(), event)).collect()
    }

    /// The differences between two states of the file.
    #[must_use]
    pub fn of(by: By, old: &Store, new: &Store) -> Self {
        let mut changes = Self::between(by, &accounts(&old.users), &accounts(&new.users));
        changes.add_invites(&old.invites, &new.invites);
        changes
    }

    pub(super) fn between(by: By, old: &Accounts, new: &Accounts) -> Self {
        let gone = |from: &Accounts, to: &Accounts| -> Vec<UserName> {
            from.keys().filter(|name| !to.contains_key(*name)).cloned().collect()
        };
        let differs = |(name, account): (&UserName, &Arc<Account>)| {
            let before = old.get(name).filter(|before| *before != account)?;
            Some((name.clone(), fields(before, account)))
        };
        let fields: BTreeMap<_, _> = new.iter().filter_map(differs).collect();
        let changed = fields.keys().cloned().collect();
        Self { by, added: gone(new, old), removed: gone(old, new), changed, fields, ..Self::default() }
    }

    /// Adds the changes of invites. If a user made the changes, a missing invite was used up.
    pub(super) fn add_invites(&mut self, old: &Invites, new: &Invites) {
        let short = |hash: &String| invite::id(hash).to_owned();
        self.created = new.keys().filter(|hash| !old.contains_key(*hash)).map(short).collect();
        for (hash, before) in old {
            match new.get(hash) {
                Some(now) if now.uses < before.uses => self.used.push(short(hash)),
                Some(_) => {}
                None if matches!(self.by, By::User(_)) => self.used.push(short(hash)),
                None => self.revoked.push(short(hash)),
            }
        }
    }
}

impl Users {
    /// Takes the changes since the last call; waits for at least one.
    pub async fn next_changes(&self) -> Vec<Changes> {
        loop {
            let changes = self.take_changes();
            if !changes.is_empty() {
                return changes;
            }
            self.0.changed.notified().await;
        }
    }

    /// Takes the changes since the last call.
    #[must_use]
    pub fn take_changes(&self) -> Vec<Changes> {
        std::mem::take(&mut *self.0.untold.lock())
    }
}

/// The accounts of the file's records.
pub(super) fn accounts(users: &BTreeMap<UserName, Record>) -> Accounts {
    let account = |(name, record): (&UserName, &Record)| (name.clone(), Arc::new(record.clone().account(name.clone())));
    users.iter().map(account).collect()
}

/// The differences between two states of an account. The patterns name all fields, so that none can be forgotten.
fn fields(old: &Account, new: &Account) -> Vec<FieldChange> {
    let Account {
        name: _,
        password,
        keys,
        access,
        doors,
        enabled,
        expires,
        quota,
        max_files,
        max_sessions,
        bandwidth,
        password_generation: _,
    } = new;
    let prints = |keys: &[key::PublicKey]| keys.iter().map(|key| key::fingerprint(key.key())).collect::<Vec<_>>();
    let mut found = Vec::new();
    let mut differ = |field, from: Value, to: Value| {
        if from != to {
            found.push(FieldChange { field, from: Some(from), to: Some(to) });
        }
    };
    let end = |expires: Option<SystemTime>| expires.map(|at| Moment::from_system_time(at).to_string());
    differ("keys", prints(&old.keys).into(), prints(keys).into());
    differ("quota", old.quota.into(), (*quota).into());
    differ("max_files", old.max_files.into(), (*max_files).into());
    differ("access", old.access.as_str().into(), access.as_str().into());
    let names = |doors: Option<Doors>| doors.map(|doors| doors.to_string());
    differ("doors", names(old.doors).into(), names(*doors).into());
    differ("enabled", old.enabled.into(), (*enabled).into());
    differ("expires", end(old.expires).into(), end(*expires).into());
    differ("max_sessions", old.max_sessions.into(), (*max_sessions).into());
    differ("bandwidth.up", old.bandwidth.up.into(), bandwidth.up.into());
    differ("bandwidth.down", old.bandwidth.down.into(), bandwidth.down.into());
    if old.password != *password {
        found.push(FieldChange { field: "password", from: None, to: None });
    }
    found
}
