//! The reasons why logins are refused: for the operator's log, never for the peer.

use std::time::SystemTime;

use super::Account;
use crate::door::Door;

/// A reason against a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// Nobody has this name.
    Unknown,
    /// The account is disabled.
    Disabled,
    /// The account has expired.
    Expired,
    /// The account may not be used through this door.
    Door,
    /// The password is wrong, or the account has none.
    Password,
    /// The account does not have the key, or the signature is wrong.
    Key,
}

impl Denied {
    /// Its name in the logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Door => "door",
            Self::Password => "password",
            Self::Key => "key",
        }
    }

    /// The reason against the account at `now` and at this door, or else `proof`.
    pub(super) fn of(account: Option<&Account>, door: Door, now: SystemTime, proof: Self) -> Self {
        match account {
            None => Self::Unknown,
            Some(account) if !account.enabled => Self::Disabled,
            Some(account) if !account.is_open(now) => Self::Expired,
            Some(account) if !account.may_use(door) => Self::Door,
            Some(_) => proof,
        }
    }
}
