//! A problem as the browser shows it: the cause and what to do about it.

use std::fmt;

use ferry_client::ClientError;
use ferry_shared::{
    fingerprint::Fingerprint,
    refusal::{Code, Refusal, Unit},
};

use crate::{
    advice::{Advice, missing},
    fault::Kind,
};

/// A problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Its kind.
    pub(crate) kind: Kind,
    /// The cause, in a sentence.
    pub(crate) text: String,
    /// The cause without names and figures: the same for everything that failed for it.
    pub(crate) cause: String,
    /// The advice.
    pub(crate) hint: Option<String>,
    /// The keys, where a server showed another one than it should.
    pub(crate) keys: Option<Box<Keys>>,
}

/// A key that a server should have, and the one that it showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    /// The server, as `host:port`.
    pub(crate) host: String,
    /// The key it is known by.
    pub(crate) expected: Fingerprint,
    /// The key it showed.
    pub(crate) found: Fingerprint,
    /// The file with the known key, unless the key was given.
    pub(crate) known_servers: Option<String>,
}

impl Keys {
    fn of(error: &ClientError) -> Option<Box<Self>> {
        let (host, expected, found, file) = match error {
            ClientError::ChangedKey { host, expected, found, known_servers } => {
                (host, expected, found, Some(known_servers.display().to_string()))
            }
            ClientError::WrongKey { host, expected, found } => (host, expected, found, None),
            _ => return None,
        };
        Some(Box::new(Self { host: host.clone(), expected: *expected, found: *found, known_servers: file }))
    }
}

impl Problem {
    /// Problem of no special kind.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        let text = plain(&text.into());
        Self { kind: Kind::Other, cause: text.clone(), text, hint: None, keys: None }
    }

    /// Of this kind.
    pub(crate) fn of(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl From<&ClientError> for Problem {
    fn from(error: &ClientError) -> Self {
        Self {
            kind: Kind::of(error),
            text: plain(&text(error)),
            cause: plain(&cause(error)),
            hint: Advice::about(error).browser,
            keys: Keys::of(error),
        }
    }
}

/// The cause in a sentence, with figures in units that people read.
fn text(error: &ClientError) -> String {
    match error {
        ClientError::NoRoom { needed, available, .. } => {
            format!("no room on this computer: {}", missing(*needed, *available, Unit::Bytes))
        }
        ClientError::Refused(Refusal {
            code: Code::OverQuota,
            unit: Some(unit),
            needed: Some(needed),
            available: Some(available),
            ..
        }) => format!("over quota: {}", missing(*needed, *available, *unit)),
        _ => error.to_string(),
    }
}

/// The cause without names and figures.
fn cause(error: &ClientError) -> String {
    match error {
        ClientError::NoRoom { quota: true, .. } => "over quota".to_owned(),
        ClientError::NoRoom { near: true, .. } => "no room on this computer".to_owned(),
        ClientError::NoRoom { .. } => "the server's disk is full".to_owned(),
        ClientError::Refused(Refusal { code: Code::OverQuota, .. }) => "over quota".to_owned(),
        ClientError::Refused(Refusal { code: Code::DiskFull, .. }) => "the server's disk is full".to_owned(),
        ClientError::Local { error, .. } => error.to_string(),
        ClientError::Mismatch { .. } => "the content arrived damaged".to_owned(),
        _ => text(error),
    }
}

/// A text without the words of the system's libraries.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(" (os error ") {
        plain += before;
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    plain += rest;
    plain
        .replace("failed to lookup address information: Name or service not known", "no host of this name is known")
        .replace("invalid dns name", "this is not the name of a host")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_over_quota_is_reported_in_units_and_once() {
        let told = |unit| {
            let refusal = Refusal {
                unit,
                needed: Some(2 << 30),
                available: Some(1 << 20),
                ..Refusal::new(Code::OverQuota, "over quota: so many")
            };
            Problem::from(&ClientError::from(refusal)).to_string()
        };
        assert!(told(Some(Unit::Bytes)).starts_with("over quota: 2.0 GiB needed, 1.0 MiB free; delete"));
        assert!(told(Some(Unit::Files)).starts_with("over quota: 2147483648 files needed, 1048576 free; delete"));
        assert!(told(None).starts_with("over quota: so many; delete"));
    }

    #[test]
    fn no_error_is_told_in_the_words_of_the_systems_libraries() {
        let refused = std::io::Error::from_raw_os_error(111);
        let error = ClientError::Unreachable { address: "h:1".into(), error: std::sync::Arc::new(refused) };
        let problem = Problem::from(&error);
        assert_eq!(problem.text, "cannot reach h:1: Connection refused");
        assert_eq!(Problem::new("a (os error 2) and b (os error 13)").text, "a and b");
        assert!(!Problem::new("invalid dns name").text.contains("dns"));
    }

    #[test]
    fn files_that_failed_alike_have_one_cause_whatever_their_names_and_figures() {
        let denied = |path: &str| {
            Problem::from(&ClientError::local(path, std::io::Error::from(std::io::ErrorKind::PermissionDenied))).cause
        };
        assert_eq!(denied("/a"), denied("/b"));
        let full = |needed| {
            let refusal = Refusal { needed: Some(needed), available: Some(1), ..Refusal::new(Code::OverQuota, "over") };
            Problem::from(&ClientError::from(Refusal { unit: Some(Unit::Bytes), ..refusal })).cause
        };
        assert_eq!(full(5), full(900));
    }
}
