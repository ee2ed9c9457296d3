//! Users as a table, a list of facts, or JSON; never with a password's hash.

use std::{fmt::Write as _, io, time::SystemTime};

use ferry_shared::message::reply::Access;
use serde::Serialize;

use crate::{
    output,
    users::{
        UserName,
        file::{Record, Store},
        moment::Moment,
    },
};

/// A user for programs: sizes in bytes, moments in RFC 3339.
#[derive(Serialize)]
struct Facts<'a> {
    name: &'a UserName,
    access: Access,
    enabled: bool,
    expired: bool,
    expires: Option<Moment>,
    quota: Option<u64>,
    max_files: u64,
    max_sessions: Option<u32>,
    bandwidth_up: Option<u64>,
    bandwidth_down: Option<u64>,
    password: bool,
    keys: Vec<String>,
    created: Option<Moment>,
}

impl<'a> Facts<'a> {
    fn of(name: &'a UserName, record: &Record) -> Self {
        Self {
            name,
            access: record.access,
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

    fn state(&self) -> &'static str {
        match (self.enabled, self.expired) {
            (false, _) => "disabled",
            (true, true) => "expired",
            (true, false) => "open",
        }
    }
}

/// All users: a table or a JSON array.
pub(super) fn list(store: &Store, json: bool) -> io::Result<()> {
    let facts: Vec<_> = store.users.iter().map(|(name, record)| Facts::of(name, record)).collect();
    output::result(json, || list_text(store, &facts), &facts)
}

fn list_text(store: &Store, facts: &[Facts<'_>]) -> String {
    let head = ["NAME", "STATE", "ACCESS", "QUOTA", "MAX FILES", "EXPIRES"].map(str::to_owned);
    let rows = store.users.iter().zip(facts).map(|((name, record), facts)| {
        [
            name.to_string(),
            facts.state().to_owned(),
            access(record.access).to_owned(),
            or_none(record.quota),
            record.file_limit().to_string(),
            or_none(record.expires),
        ]
    });
    table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

/// One user: facts line by line or a JSON object.
pub(super) fn show(name: &UserName, record: &Record, json: bool) -> io::Result<()> {
    let facts = Facts::of(name, record);
    output::result(json, || show_text(name, record, &facts), &facts)
}

fn show_text(name: &UserName, record: &Record, facts: &Facts<'_>) -> String {
    let password = if facts.password { "set" } else { "none" };
    let mut rows = vec![
        ["name", name.as_str()].map(str::to_owned),
        ["state", facts.state()].map(str::to_owned),
        ["access", access(record.access)].map(str::to_owned),
        ["quota".to_owned(), or_none(record.quota)],
        ["max files".to_owned(), record.file_limit().to_string()],
        ["max sessions".to_owned(), or_none(record.max_sessions)],
        ["bandwidth up".to_owned(), or_none(record.bandwidth.up)],
        ["bandwidth down".to_owned(), or_none(record.bandwidth.down)],
        ["expires".to_owned(), or_none(record.expires)],
        ["created".to_owned(), or_none(record.created)],
        ["password", password].map(str::to_owned),
    ];
    rows.extend(facts.keys.iter().map(|key| ["key".to_owned(), key.clone()]));
    table(&rows)
}

fn access(access: Access) -> &'static str {
    match access {
        Access::ReadWrite => "read-write",
        Access::ReadOnly => "read-only",
    }
}

fn or_none(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

/// Columns as wide as their widest cell.
pub(super) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
