//! One line of the audit log, its number, and the hash that ties it to the one before.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Event, Who};

/// What the very first line says of the one before.
pub(super) const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Where the chain has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    /// The number of the last line; 0 before the first one.
    pub(super) number: u64,
    /// Its hash, which the next line carries.
    pub(super) hash: String,
}

impl Default for End {
    fn default() -> Self {
        Self { number: 0, hash: FIRST.to_owned() }
    }
}

impl End {
    /// Appends a line to `lines`, and is its end then.
    pub(super) fn append(
        &mut self,
        lines: &mut Vec<u8>,
        time: SystemTime,
        who: &Who,
        event: &Event,
    ) -> Result<(), serde_json::Error> {
        let time = Timestamp::try_from(time).map_or_else(|_| String::new(), |time| format!("{time:.3}"));
        let number = self.number.saturating_add(1);
        let line = serde_json::to_vec(&Line { number, time, event, who, before: &self.hash })?;
        *self = Self { number, hash: hash(&line) };
        lines.extend(line);
        lines.push(b'\n');
        Ok(())
    }
}

#[derive(Serialize)]
struct Line<'a> {
    number: u64,
    time: String,
    #[serde(flatten)]
    event: &'a Event,
    #[serde(flatten)]
    who: &'a Who,
    before: &'a str,
}

/// The part of a line that the chain is made of.
#[derive(Debug, Deserialize)]
pub(super) struct Tie {
    pub(super) event: String,
    pub(super) before: String,
    /// Absent in logs of earlier builds.
    #[serde(default)]
    pub(super) number: Option<u64>,
    /// Of `retired` and `moved_away`: the last line that was taken away.
    #[serde(default)]
    through: Option<u64>,
    #[serde(default)]
    hash: Option<String>,
}

impl Tie {
    /// The last of the lines that the server itself gave up, if this line says so.
    pub(super) fn retired(&self) -> Option<End> {
        match (self.event.as_str(), self.through, &self.hash) {
            ("retired", Some(number), Some(hash)) => Some(End { number, hash: hash.clone() }),
            _ => None,
        }
    }
}

/// The hash of a line, without its newline.
pub(super) fn hash(line: &[u8]) -> String {
    blake3::hash(line).to_hex().to_string()
}
