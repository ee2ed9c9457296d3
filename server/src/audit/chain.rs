//! One line of the audit log, and the hash that ties it to the one before.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Event, Who};

/// What the very first line says of the one before.
pub(super) const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[derive(Serialize)]
struct Line<'a> {
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
}

/// Writes a line, without its newline.
pub(super) fn line(time: SystemTime, who: &Who, event: &Event, before: &str) -> Result<Vec<u8>, serde_json::Error> {
    let time = Timestamp::try_from(time).map_or_else(|_| String::new(), |time| format!("{time:.3}"));
    serde_json::to_vec(&Line { time, event, who, before })
}

/// The hash the next line carries.
pub(super) fn hash(line: &[u8]) -> String {
    blake3::hash(line).to_hex().to_string()
}
