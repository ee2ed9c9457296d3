//! A line of the audit log, its number, and the hash that ties it to the previous line.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Event, Who};

/// The hash of the previous line in the very first line.
pub(super) const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The end of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    /// The number of the last line; 0 before the first one.
    pub(super) number: u64,
    /// Its hash, which the next line contains.
    pub(super) hash: String,
}

impl Default for End {
    fn default() -> Self {
        Self { number: 0, hash: FIRST.to_owned() }
    }
}

impl End {
    /// Appends a line to `lines` and becomes its end.
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

/// The fields of a line that form the chain.
#[derive(Debug, Deserialize)]
pub(super) struct Tie {
    pub(super) event: String,
    pub(super) before: String,
    /// Absent in logs of earlier versions.
    #[serde(default)]
    pub(super) number: Option<u64>,
    /// In `retired` and `moved_away`: the last line that is no longer there.
    #[serde(default)]
    through: Option<u64>,
    #[serde(default)]
    hash: Option<String>,
}

impl Tie {
    /// The last line that the server itself removed, if this line says so.
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
