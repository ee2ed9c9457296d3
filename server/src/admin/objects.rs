//! The `--json` objects of verbs that change something, and of failures; `docs/scripting.md` documents each of
//! them.

use std::path::Path;

use serde::Serialize;

use super::AdminError;
use crate::{
    audit::verify::Broken,
    users::{UserName, change::ChangeError, moment::Moment},
};

/// The result of a change of a user.
#[derive(Debug, Serialize)]
pub(super) struct UserObject<'a> {
    pub(super) name: &'a UserName,
    pub(super) outcome: &'static str,
    /// When the account expires, if that was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<Moment>,
    /// A fact that the operator may want to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

/// The result of a change of an invite.
#[derive(Debug, Serialize)]
pub(super) struct InviteObject<'a> {
    pub(super) id: &'a str,
    pub(super) outcome: &'static str,
}

/// A folder that was written.
#[derive(Debug, Serialize)]
pub(super) struct WrittenObject<'a> {
    pub(super) folder: &'a Path,
    pub(super) outcome: &'static str,
}

/// A failure.
#[derive(Debug, Serialize)]
pub(super) struct FailureObject<'a> {
    error: About<'a>,
}

#[derive(Debug, Serialize)]
struct About<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    code: &'static str,
    message: String,
    exit: u8,
}

impl<'a> FailureObject<'a> {
    /// The object for a command line that is wrong as `message` describes.
    pub(super) fn usage(message: &str) -> Self {
        // Keep the parser's first paragraph; the others are the usage and where to find help.
        let first = message.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
        let words: Vec<_> = first.split_whitespace().collect();
        Self { error: About { path: None, line: None, code: "usage", message: words.join(" "), exit: 2 } }
    }

    /// The object of `error`; `None` if the printed result contains it already, or if nothing can be printed.
    pub(super) fn new(error: &'a AdminError) -> Option<Self> {
        let (path, line) = match error {
            AdminError::File { path, .. } | AdminError::NoKey(path) | AdminError::InUse(path) => (Some(&**path), None),
            AdminError::Audit(Broken::Line { path, line, .. }) => (Some(&**path), Some(*line)),
            AdminError::Audit(Broken::Read { path, .. }) => (Some(&**path), None),
            _ => (None, None),
        };
        let (code, message, exit) = (code(error)?, error.to_string(), 1);
        Some(Self { error: About { path, line, code, message, exit } })
    }
}

fn code(error: &AdminError) -> Option<&'static str> {
    Some(match error {
        AdminError::Faulty(_) | AdminError::NotCounted(_) | AdminError::Reload(_) | AdminError::Output(_) => {
            return None;
        }
        AdminError::Config(_) => "config",
        AdminError::Store(_) | AdminError::Barred(_) | AdminError::NotYours(_) => "users",
        AdminError::Identity(_) | AdminError::NoKey(_) => "identity",
        AdminError::Change(error) => match error {
            ChangeError::UserExists(_) => "exists",
            ChangeError::NoSuchUser(_) | ChangeError::WhichKey { .. } | ChangeError::NoSuchInvite(_) => "not_found",
            ChangeError::Senseless(_) => "users",
        },
        AdminError::NoSuchUpload { .. } => "not_found",
        AdminError::NewPassword(_)
        | AdminError::NoTerminal
        | AdminError::PasswordsDiffer
        | AdminError::Input(_)
        | AdminError::KeysOnly(_)
        | AdminError::Declined => "password",
        AdminError::File { .. } => "file",
        AdminError::Control(_) => "control",
        AdminError::Audit(_) => "audit",
        AdminError::Storage(_) | AdminError::Purge { .. } | AdminError::InUse(_) => "storage",
        _ => "other",
    })
}
