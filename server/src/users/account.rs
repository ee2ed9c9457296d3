//! An account, in the form the server uses.

use std::time::SystemTime;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::{StoredHash, UserName, key::PublicKey};
use crate::{
    bandwidth::BandwidthLimits,
    door::{Door, Doors},
};

/// The extent to which a user may use the home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Look and download
    ReadOnly,
    /// Everything in the home
    #[default]
    ReadWrite,
}

impl Access {
    /// Whether the account is read-only.
    #[must_use]
    pub fn is_read_only(self) -> bool {
        self == Self::ReadOnly
    }

    /// Its name in the user store and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
        }
    }
}

/// The identity, permissions and limits of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The name.
    pub name: UserName,
    /// The hash of the password; without one, no password is accepted.
    pub password: Option<StoredHash>,
    /// Keys that log the user in.
    pub keys: Vec<PublicKey>,
    /// The user's access to the files.
    pub access: Access,
    /// The doors through which the user may come; `None` for all.
    pub doors: Option<Doors>,
    /// Whether the account is enabled.
    pub enabled: bool,
    /// When the account expires.
    pub expires: Option<SystemTime>,
    /// Bytes the user may have.
    pub quota: Option<u64>,
    /// The limit of files and folders, set by the operator or derived from the quota.
    pub max_files: u64,
    /// Sessions the user may have at once.
    pub max_sessions: Option<u32>,
    /// The rates that all connections of the user share.
    pub bandwidth: BandwidthLimits,
    /// Differs if the password differs, also across restarts; sessions that were opened with another generation
    /// must end.
    pub password_generation: u64,
}

/// Bytes of a quota for each file or folder that a user may have.
const BYTES_PER_FILE: u64 = 16 << 10;
/// The least limit of files and folders.
const FILES_LEAST: u64 = 10_000;
/// The limit of files and folders for a user without a quota.
const FILES_WITHOUT_QUOTA: u64 = 1_000_000;

/// The default limit of files and folders: each file takes some space that a quota of bytes does not count.
#[must_use]
pub fn default_max_files(quota: Option<u64>) -> u64 {
    quota.map_or(FILES_WITHOUT_QUOTA, |quota| (quota / BYTES_PER_FILE).max(FILES_LEAST))
}

impl Account {
    /// Whether this key is one of the user's.
    #[must_use]
    pub fn has_key(&self, key: &[u8]) -> bool {
        self.keys.iter().any(|known| **known.key() == *key)
    }

    /// Whether the user may come through this door.
    #[must_use]
    pub fn may_use(&self, door: Door) -> bool {
        self.doors.is_none_or(|doors| doors.contains(door))
    }

    /// Whether the account may be used at `now`.
    #[must_use]
    pub fn is_open(&self, now: SystemTime) -> bool {
        self.enabled && self.expires.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::users::file::Record;

    #[test]
    fn the_default_limit_of_files_is_derived_from_the_quota() {
        let most = |quota: Option<u64>, max_files| {
            let record = Record { quota: quota.map(crate::size::ByteCount), max_files, ..Record::new(None) };
            record.account("alice".parse().unwrap()).max_files
        };
        assert_eq!([None, Some(1 << 20), Some(10 << 30)].map(|quota| most(quota, None)), [1_000_000, 10_000, 655_360]);
        assert_eq!((most(Some(1 << 20), Some(5)), most(None, Some(2_000_000))), (5, 2_000_000));
    }

    #[test]
    fn is_open_while_enabled_and_until_it_ends() {
        let now = SystemTime::now();
        let mut account = Record::new(None).account("alice".parse().unwrap());
        assert!(account.is_open(now));
        account.expires = Some(now);
        assert!(!account.is_open(now));
        assert!(account.is_open(now - Duration::from_secs(1)));
        (account.expires, account.enabled) = (None, false);
        assert!(!account.is_open(now));
    }
}
