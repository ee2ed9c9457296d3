//! What went wrong, in words: the cause and what to do about it.

use std::fmt;

use ferry_client::ClientError;
use ferry_shared::refusal::{Code, Refusal};

use crate::human;

/// What kind of trouble, where it matters what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    /// Any other.
    #[default]
    Other,
    /// There is nothing of that name.
    Missing,
    /// It is a file where a folder is needed.
    NotFolder,
    /// Something of that name is there already.
    Exists,
    /// The password was wrong.
    Login,
    /// It does not fit.
    Space,
    /// There is no connection.
    Offline,
    /// The server's key is not the known one.
    ChangedKey,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// Its kind.
    pub(crate) kind: Kind,
    /// The cause, in a sentence.
    pub(crate) text: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

impl Trouble {
    /// Trouble of no special kind.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { kind: Kind::Other, text: text.into(), hint: None }
    }

    /// With what to do about it.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Of this kind.
    pub(crate) fn of(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl From<&ClientError> for Trouble {
    fn from(error: &ClientError) -> Self {
        let trouble = Self::new(error.to_string());
        match error {
            ClientError::Refused(refusal) => refused(trouble, refusal),
            ClientError::ChangedKey { .. } | ClientError::WrongKey { .. } => trouble.of(Kind::ChangedKey),
            ClientError::Unreachable { .. } => {
                trouble.of(Kind::Offline).hint("check the address, and that ferryd runs there")
            }
            ClientError::Lost(_) | ClientError::Timeout(_) | ClientError::Cancelled => trouble.of(Kind::Offline),
            ClientError::Local { error, .. } => match error.kind() {
                std::io::ErrorKind::NotFound => trouble.of(Kind::Missing),
                std::io::ErrorKind::NotADirectory => trouble.of(Kind::NotFolder),
                std::io::ErrorKind::AlreadyExists => trouble.of(Kind::Exists),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    trouble.of(Kind::Space).hint("make room on this computer, then r tries again")
                }
                std::io::ErrorKind::PermissionDenied => trouble.hint("this computer's permissions do not allow it"),
                _ => trouble,
            },
            ClientError::NoRoom { needed, available, .. } => {
                let text = format!(
                    "no room on this computer: {} needed, {} free",
                    human::size(*needed),
                    human::size(*available)
                );
                Self::new(text).of(Kind::Space).hint("make room on this computer, then r tries again")
            }
            ClientError::SourceChanged => trouble.hint("r tries again with what it is now"),
            _ => trouble,
        }
    }
}

fn refused(trouble: Trouble, refusal: &Refusal) -> Trouble {
    match refusal.code {
        Code::NotFound => trouble.of(Kind::Missing),
        Code::NotDirectory => trouble.of(Kind::NotFolder),
        Code::Exists => trouble.of(Kind::Exists),
        Code::LoginFailed => trouble.of(Kind::Login),
        Code::TooManyAttempts | Code::Busy => match refusal.retry_after {
            Some(seconds) if !refusal.message.contains("try again") => {
                trouble.of(Kind::Login).hint(format!("try again in {seconds} s"))
            }
            _ => trouble.of(Kind::Login),
        },
        Code::OverQuota => {
            let text = match (refusal.needed, refusal.available) {
                // It may be files that are too many.
                (Some(needed), Some(available)) if refusal.message.contains("bytes") => {
                    format!("over quota: {} needed, {} free", human::size(needed), human::size(available))
                }
                _ => trouble.text,
            };
            Trouble::new(text).of(Kind::Space).hint("delete something there, then r tries again")
        }
        Code::DiskFull => trouble.of(Kind::Space).hint("the server's operator must make room; r tries again"),
        Code::DiskReadOnly | Code::DiskFailing => trouble.hint("r tries again when that is mended"),
        Code::NotAllowed => trouble.hint("your account may not do this"),
        _ => trouble,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_quota_is_told_in_units_and_once() {
        let refusal = |message: &str| Refusal {
            needed: Some(2 << 30),
            available: Some(1 << 20),
            ..Refusal::new(Code::OverQuota, message)
        };
        let of = |message: &str| Trouble::from(&ClientError::from(refusal(message))).to_string();
        let told = of("over quota: 2147483648 bytes needed, 1048576 available");
        assert!(told.starts_with("over quota: 2.0 GiB needed, 1.0 MiB free; delete"), "{told}");
        assert!(of("over quota: 5 more files needed, 0 available").starts_with("over quota: 5 more files needed"));
    }
}
