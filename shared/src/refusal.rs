//! Refusals: the answers to requests that were refused or failed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The reason for a refusal: the stable part, on which programs may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The peer does not speak the protocol; the connection is closed.
    Malformed,
    /// This server does not know the request or feature; the connection continues.
    Unsupported,
    /// The server speaks only to clients that know its seal.
    Unsealed,
    /// Wrong user, password, key or ticket; the refusal never tells which.
    LoginFailed,
    /// This address failed too often; see `retry_after`.
    TooManyAttempts,
    /// The server, or this user's share of it, is full for now; see `retry_after`.
    Busy,
    /// The account was disabled, expired or removed, or this session was ended.
    AccountClosed,
    /// The user may not do this (a read-only account, or a rule of the server).
    NotAllowed,
    /// There is nothing at the path.
    NotFound,
    /// Something exists at the path already.
    Exists,
    /// A folder where a file is needed.
    IsDirectory,
    /// A file where a folder is needed.
    NotDirectory,
    /// The folder is not empty.
    NotEmpty,
    /// The path is invalid, leads out of the home, or leads to something that is not a file or folder.
    BadPath,
    /// The quota would be exceeded; see `needed`, `available` and `held`.
    OverQuota,
    /// The server's disk is full: no space, no inodes, or the server's own quota there is used up.
    DiskFull,
    /// The server's disk is read-only: nothing can be changed, but everything can be read.
    DiskReadOnly,
    /// The server's disk fails to read or write.
    DiskFailing,
    /// The path is on another filesystem of the server, mounted in the home: it can only be read.
    OtherFilesystem,
    /// A newer upload of the same path took over.
    Superseded,
    /// The file changed meanwhile.
    Changed,
    /// The digest of the received data differs from the declared one; correct blocks are kept.
    Mismatch,
    /// A limit of the protocol or the server is exceeded.
    TooLarge,
    /// A fault of the server; its log has the details under `reference`.
    Internal,
    /// This build does not know the code.
    #[serde(other)]
    Unknown,
}

impl Code {
    /// Every code that a server of this version sends.
    pub const ALL: [Self; 24] = [
        Self::Malformed,
        Self::Unsupported,
        Self::Unsealed,
        Self::LoginFailed,
        Self::TooManyAttempts,
        Self::Busy,
        Self::AccountClosed,
        Self::NotAllowed,
        Self::NotFound,
        Self::Exists,
        Self::IsDirectory,
        Self::NotDirectory,
        Self::NotEmpty,
        Self::BadPath,
        Self::OverQuota,
        Self::DiskFull,
        Self::DiskReadOnly,
        Self::DiskFailing,
        Self::OtherFilesystem,
        Self::Superseded,
        Self::Changed,
        Self::Mismatch,
        Self::TooLarge,
        Self::Internal,
    ];

    /// Whether the same request may succeed later although nothing else was changed.
    #[must_use]
    pub fn retry_can_help(self) -> bool {
        matches!(self, Self::TooManyAttempts | Self::Busy | Self::Changed | Self::Mismatch | Self::Internal)
    }

    /// The name of the code in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
            Self::Unsealed => "unsealed",
            Self::LoginFailed => "login_failed",
            Self::TooManyAttempts => "too_many_attempts",
            Self::Busy => "busy",
            Self::AccountClosed => "account_closed",
            Self::NotAllowed => "not_allowed",
            Self::NotFound => "not_found",
            Self::Exists => "exists",
            Self::IsDirectory => "is_directory",
            Self::NotDirectory => "not_directory",
            Self::NotEmpty => "not_empty",
            Self::BadPath => "bad_path",
            Self::OverQuota => "over_quota",
            Self::DiskFull => "disk_full",
            Self::DiskReadOnly => "disk_read_only",
            Self::DiskFailing => "disk_failing",
            Self::OtherFilesystem => "other_filesystem",
            Self::Superseded => "superseded",
            Self::Changed => "changed",
            Self::Mismatch => "mismatch",
            Self::TooLarge => "too_large",
            Self::Internal => "internal",
            Self::Unknown => "unknown",
        }
    }
}

/// The unit of the numbers in a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Files and folders.
    Files,
}

/// A refusal in messages: a code for programs, a sentence for people, and numbers that depend on the code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct Refusal {
    /// The reason, for programs.
    pub code: Code,
    /// The reason and the next step, for people.
    pub message: String,
    /// Whether repeating the same request later can help.
    #[serde(default)]
    pub retry: bool,
    /// `busy`, `too_many_attempts`: seconds to wait before the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// The unit of `needed`, `available` and `held`; absent from older servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// `over_quota`: bytes (or files) the request needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<u64>,
    /// `over_quota`: bytes (or files) that are free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<u64>,
    /// `over_quota`: bytes (or files) reserved for unfinished uploads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<u64>,
    /// `internal`: the reference of the fault in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl Refusal {
    /// A refusal without numbers.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry: code.retry_can_help(),
            retry_after: None,
            unit: None,
            needed: None,
            available: None,
            held: None,
            reference: None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_travels_under_its_own_name() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{}\"", code.as_str()));
        }
    }

    #[test]
    fn a_code_from_the_future_is_unknown_and_not_an_error() {
        assert_eq!(serde_json::from_str::<Code>("\"moon_phase\"").unwrap(), Code::Unknown);
    }

    #[test]
    fn over_quota_says_not_to_retry() {
        assert!(!Refusal::new(Code::OverQuota, "").retry);
        assert!(Refusal::new(Code::Busy, "").retry);
    }
}
