//! Parses the text of the user store and reports its faults with line and column.

use std::{collections::BTreeMap, fmt, path::Path};

use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use super::{Record, Store, StoreFault, VERSION};
use crate::{
    size::ByteCount,
    users::{UserName, invite::Invite},
};

/// The file with unparsed records, so that a broken record does not hide others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outline<'a> {
    version: u32,
    #[serde(borrow, default)]
    users: Entries<'a>,
    #[serde(default)]
    invites: BTreeMap<String, Invite>,
}

/// The members of an object in the order of the file, including duplicates.
#[derive(Default)]
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Vec<(String, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a record for each user")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Visitor).map(Self)
    }
}

/// Parses the text of the file; `path` is for the faults.
///
/// # Errors
/// The first fault of every user, or the first fault of the file as a whole.
pub(super) fn store(text: &str, path: &Path) -> Result<Store, Vec<StoreFault>> {
    let place = |(line, column), message| StoreFault { path: path.to_owned(), line, column, message };
    if text.chars().all(|c| c == '\0' || c.is_whitespace()) {
        // The result of a power cut, or of an editor that failed.
        let why = if text.trim().is_empty() { "the file is empty" } else { "there are only zeros in the file" };
        let message = format!("{why}; restore it from a backup, or write {{\"version\": 1}} to it to start anew");
        return Err(vec![place((1, 1), message)]);
    }
    let outline: Outline<'_> =
        serde_json::from_str(text).map_err(|error| vec![place((error.line(), error.column()), message(&error))])?;
    let mut faults = Vec::new();
    if outline.version != VERSION {
        let found = outline.version;
        faults.push(place((1, 1), format!("version {found} of the user store; this ferryd reads version {VERSION}")));
    }
    let mut users = BTreeMap::new();
    let mut lines = Lines::new(text);
    for (name, raw) in &outline.users.0 {
        let start = lines.position(raw.get());
        match user(name, raw, start) {
            Ok((name, record)) => {
                if users.contains_key(&name) {
                    faults.push(place(start, format!("user '{name}' is there twice")));
                }
                users.insert(name, record);
            }
            Err((at, message)) => faults.push(place(at, message)),
        }
    }
    if faults.is_empty() { Ok(Store::new(users, outline.invites)) } else { Err(faults) }
}

type Place = (usize, usize);

fn user(name: &str, raw: &RawValue, start: Place) -> Result<(UserName, Record), (Place, String)> {
    let name: UserName = name.parse().map_err(|error: crate::users::UserNameError| (start, error.to_string()))?;
    match serde_json::from_str(raw.get()) {
        Ok(record) => match senseless(&record) {
            Some(message) => Err((start, format!("user '{name}': {message}"))),
            None => Ok((name, record)),
        },
        Err(error) => {
            let line = start.0 + error.line().saturating_sub(1);
            let column = if error.line() <= 1 { start.1 + error.column().saturating_sub(1) } else { error.column() };
            Err(((line, column), format!("user '{name}': {}", message(&error))))
        }
    }
}

/// A fault of a record whose fields all have the right types.
fn senseless(record: &Record) -> Option<&'static str> {
    let zero = |size: Option<ByteCount>| size == Some(ByteCount(0));
    if zero(record.bandwidth.up) || zero(record.bandwidth.down) {
        return Some("a bandwidth of zero would stop every transfer; null is no limit");
    }
    (record.max_sessions == Some(0)).then_some("max_sessions is zero; set enabled to false to let nobody in")
}

/// Finds the line and column of pieces of a text, which must be requested in order. Each byte is scanned once,
/// however many pieces there are: a store has one for each user.
struct Lines<'a> {
    text: &'a str,
    /// Bytes of `text` that were scanned.
    counted: usize,
    /// The line that contains `counted`, from 1, and the offset of its start.
    line: usize,
    line_start: usize,
    /// The total number of bytes scanned.
    #[cfg(test)]
    looked_at: usize,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            counted: 0,
            line: 1,
            line_start: 0,
            #[cfg(test)]
            looked_at: 0,
        }
    }

    /// Line and column, from 1, of `part`, a piece of the text that starts no earlier than the previous one.
    fn position(&mut self, part: &str) -> Place {
        let offset = part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        let between = self.text.get(self.counted..offset).unwrap_or_default();
        #[cfg(test)]
        {
            self.looked_at += between.len();
        }
        self.line += between.matches('\n').count();
        if let Some(newline) = between.rfind('\n') {
            self.line_start = self.counted + newline + 1;
        }
        self.counted += between.len();
        (self.line, self.counted - self.line_start + 1)
    }
}

/// The message without the position that serde_json appends, which is relative to the record.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(message, _)| message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::Access;

    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let found = store(text, Path::new("users.json")).unwrap_err();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_field_that_is_left_out_has_its_default() {
        let store = store(r#"{"version": 1, "users": {"bob": {}}}"#, Path::new("")).unwrap();
        let bob = &store.users["bob"];
        assert!(bob.enabled && bob.password.is_none() && bob.quota.is_none());
        assert_eq!(bob.access, Access::ReadWrite);
    }

    #[test]
    fn every_broken_record_is_found_with_its_line_and_column() {
        let text = r#"{
  "version": 1,
  "users": {
    "alice": {
      "qouta": "1GiB"
    },
    "bob": { "quota": "lots" },
    "carol": { "password": "secret" },
    "Dave": {},
    "erin": { "access": "all" },
    "frank": { "quota": "1GiB" },
    "frank": {},
    "grace": { "bandwidth": { "up": "0B" } }
  }
}"#;
        let found = faults(text);
        let expected = [
            ("5:13", "unknown field `qouta`"),
            ("7:28", "'lots' is not a size"),
            ("8:35", "not a password hash"),
            ("9:13", "a user name is"),
            ("10:29", "unknown variant `all`"),
            ("12:14", "'frank' is there twice"),
            ("13:14", "a bandwidth of zero"),
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (fault, (place, message)) in found.iter().zip(expected) {
            assert!(fault.starts_with(&format!("users.json:{place}: ")) && fault.contains(message), "{fault}");
        }
    }

    #[test]
    fn a_store_is_read_in_one_pass_however_many_users_it_has() {
        let text: Vec<String> = (0..1000).map(|number| format!("{{\n \"a\": {number}}}")).collect();
        let joined = text.join(",\n");
        let mut lines = Lines::new(&joined);
        let mut rest = joined.as_str();
        for number in 0..1000 {
            let at = rest.find('{').unwrap();
            assert_eq!(lines.position(&rest[at..]), (2 * number + 1, 1));
            rest = &rest[at + 1..];
        }
        assert!(lines.looked_at <= joined.len(), "{} of {} bytes", lines.looked_at, joined.len());
    }

    #[test]
    fn a_file_that_is_not_a_store_is_refused_as_a_whole() {
        for (text, place, message) in [
            ("", "1:1", "the file is empty; restore it"),
            ("\n \n", "1:1", "the file is empty"),
            ("\0\0\0\n", "1:1", "only zeros"),
            ("{\n\"version\": 1,\n}", "3:1", "trailing comma"),
            ("{\"version\": 1, \"user\": {}}", "1:21", "unknown field `user`"),
            ("{}", "1:2", "missing field `version`"),
            ("{\"version\": 2}", "1:1", "version 2"),
            ("{\"version\": 1} x", "1:16", "trailing characters"),
        ] {
            let found = faults(text);
            assert!(found[0].starts_with(&format!("users.json:{place}: ")) && found[0].contains(message), "{found:?}");
        }
    }
}
