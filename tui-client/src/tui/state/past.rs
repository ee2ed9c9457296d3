//! Transfers that have ended, as the history keeps them.

use serde::{Deserialize, Serialize};

/// A transfer that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Past {
    /// When it ended, in seconds since 1970.
    pub(crate) at: i64,
    /// `copy`, `move` or `sync`.
    pub(crate) verb: String,
    /// The file or folder, or how many there are, for a person.
    pub(crate) what: String,
    /// The folder it came from, with its site.
    pub(crate) from: String,
    /// The folder it went to, with its site.
    pub(crate) to: String,
    /// Files that arrived.
    pub(crate) files: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// What is proven of what arrived, or how much failed.
    pub(crate) told: String,
    /// The cause of the first failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
}

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Everything arrived.
    Done,
    /// Something failed.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// Everything was skipped.
    Skipped,
}
