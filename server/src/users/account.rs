//! An account as the server asks for it.

use std::time::SystemTime;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::{
    StoredHash, UserName,
    key::{KeyBytes, PublicKey},
};
use crate::bandwidth::BandwidthLimits;

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
    /// Whether the user may look and download only.
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

/// What a user is and may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The name.
    pub name: UserName,
    /// The password's hash; without one no password is right.
    pub password: Option<StoredHash>,
    /// Keys that log the user in.
    pub keys: Vec<PublicKey>,
    /// What the user may do with the files.
    pub access: Access,
    /// Whether the account is switched on.
    pub enabled: bool,
    /// When it ends.
    pub expires: Option<SystemTime>,
    /// Bytes the user may have.
    pub quota: Option<u64>,
    /// Files and folders the user may have, as the operator says or as fits the quota.
    pub max_files: u64,
    /// Sessions the user may have at once.
    pub max_sessions: Option<u32>,
    /// How fast the user's bytes may travel, all connections together.
    pub bandwidth: BandwidthLimits,
    /// Differs when the password does, also across restarts; sessions that logged in under
    /// another one are to end.
    pub password_generation: u64,
}

/// Bytes of a quota for which there may be one file or folder.
const BYTES_PER_FILE: u64 = 16 << 10;
/// Files and folders that any user may have.
const FILES_LEAST: u64 = 10_000;
/// Files and folders of a user without a quota.
const FILES_WITHOUT_QUOTA: u64 = 1_000_000;

/// Files and folders a user may have of whom the operator does not say it: a file takes from the disk what no quota
/// of bytes counts.
#[must_use]
pub fn default_max_files(quota: Option<u64>) -> u64 {
    quota.map_or(FILES_WITHOUT_QUOTA, |quota| (quota / BYTES_PER_FILE).max(FILES_LEAST))
}

impl Account {
    /// Whether this key logs the user in.
    #[must_use]
    pub fn has_key(&self, key: &KeyBytes) -> bool {
        self.keys.iter().any(|known| known.key() == *key)
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
    fn without_a_word_of_the_operator_the_quota_says_how_many_files() {
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
