//! What a server answers instead of doing what was asked.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a request was refused: the stable part, which programs may act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The peer does not speak the protocol; the connection is closed.
    Malformed,
    /// A request or feature this server does not know; the connection goes on.
    Unsupported,
    /// The server speaks only to clients that know its seal.
    Unsealed,
    /// Wrong user, password, key or ticket; never says which.
    LoginFailed,
    /// This address failed too often; see `retry_after`.
    TooManyAttempts,
    /// The server, or this user's share of it, is full for now; see `retry_after`.
    Busy,
    /// The account was disabled, expired or removed, or this session was ended.
    AccountClosed,
    /// The user may not do this (a read-only account, or a rule of the server).
    NotAllowed,
    /// Nothing there.
    NotFound,
    /// Something is already there.
    Exists,
    /// A folder where a file is needed.
    IsDirectory,
    /// A file where a folder is needed.
    NotDirectory,
    /// The folder is not empty.
    NotEmpty,
    /// The path is not one, or leads out of the home, or to what is no file or folder.
    BadPath,
    /// Would exceed the user's quota; see `needed`, `available` and `held`.
    OverQuota,
    /// The server's disk is full: of bytes, of files, or of what the server may have there.
    DiskFull,
    /// The server's disk is read-only: nothing can be changed, and all can be read.
    DiskReadOnly,
    /// The server's disk does not read or write what it should.
    DiskFailing,
    /// The path is on another filesystem of the server, mounted in the home: it can only be read.
    OtherFilesystem,
    /// A newer upload of the same path took over.
    Superseded,
    /// The file changed meanwhile.
    Changed,
    /// The digest of what arrived is not the declared one; what is right is kept.
    Mismatch,
    /// Beyond a limit of the protocol or the server.
    TooLarge,
    /// A fault of the server; its log has the details under `reference`.
    Internal,
    /// A code this build does not know.
    #[serde(other)]
    Unknown,
}

impl Code {
    /// Every code a server of this version sends.
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

    /// Whether the same request may succeed later without anybody changing anything else.
    #[must_use]
    pub fn retry_can_help(self) -> bool {
        matches!(self, Self::TooManyAttempts | Self::Busy | Self::Changed | Self::Mismatch | Self::Internal)
    }

    /// The code as it travels.
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

/// What the figures of a refusal count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Files and folders.
    Files,
}

/// A refusal as it travels: a code for programs, a sentence for people, figures per code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct Refusal {
    /// Why, for programs.
    pub code: Code,
    /// Why and what to do next, for people.
    pub message: String,
    /// Whether trying the same again later can help.
    #[serde(default)]
    pub retry: bool,
    /// `busy`, `too_many_attempts`: seconds to wait before trying again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// What `needed`, `available` and `held` count; older servers do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// `over_quota`: bytes (or files) the request needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<u64>,
    /// `over_quota`: bytes (or files) that are free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<u64>,
    /// `over_quota`: bytes (or files) held by unfinished uploads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<u64>,
    /// `internal`: the name of the fault in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl Refusal {
    /// A refusal without figures.
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
