//! One change of accounts or invites: the same whether a command writes the file itself or asks the running server
//! to.

use serde::{Deserialize, Deserializer, Serialize};

use super::{
    Access, PublicKey, StoredHash, UserName,
    file::{Record, RecordBandwidth, Store},
    invite::{self, Invite},
    moment::Moment,
};
use crate::{
    door::Doors,
    size::{ByteCount, sensible_quota},
};

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// Add a user.
    Add {
        /// The name.
        name: UserName,
        /// The hash of the password; without one the user has keys only.
        #[serde(default)]
        password: Option<StoredHash>,
        /// Settings that differ from the default.
        #[serde(default)]
        settings: Box<Settings>,
    },
    /// Change the settings of a user.
    Set {
        /// The user.
        name: UserName,
        /// The settings.
        settings: Box<Settings>,
    },
    /// Set a user's password.
    Password {
        /// The user.
        name: UserName,
        /// Its hash.
        password: StoredHash,
    },
    /// Remove a user.
    Remove {
        /// The user.
        name: UserName,
        /// Whether to remove all files too, including those of a user removed before.
        purge: bool,
    },
    /// Create an invite.
    Invite {
        /// The hash of its token.
        hash: String,
        /// Its terms.
        invite: Invite,
    },
    /// Revoke invites.
    Revoke {
        /// The short name of an invite, or its whole hash.
        id: String,
    },
}

/// A value, or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Limit<T>(pub Option<T>);

/// Settings to change in an account. A field that is left out stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Bytes the user may have.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub quota: Option<Limit<ByteCount>>,
    /// Files and folders the user may have.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub max_files: Option<Limit<u64>>,
    /// The access of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// The doors through which the user may come.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub doors: Option<Limit<Doors>>,
    /// Whether the account is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// When the account expires.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub expires: Option<Limit<Moment>>,
    /// The limit of concurrent sessions.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub max_sessions: Option<Limit<u32>>,
    /// The bandwidth in bytes per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<RecordBandwidth>,
    /// Keys to add.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add_keys: Vec<PublicKey>,
    /// Keys to remove, by comment or text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove_keys: Vec<String>,
}

/// Distinguishes `null`, which lifts a limit, from a field that is left out.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The reason why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum ChangeError {
    /// The name is taken.
    #[error("user '{0}' exists already; see 'ferryd user set' and 'ferryd user passwd'")]
    UserExists(UserName),
    /// The name is unknown.
    #[error("there is no user '{0}'; see 'ferryd user list'")]
    NoSuchUser(UserName),
    /// The text matches no key, or several keys.
    #[error("user '{name}' has {found} keys '{key}'; see 'ferryd user show {name}'")]
    WhichKey {
        /// The user.
        name: UserName,
        /// The text.
        key: String,
        /// The number of keys it matches.
        found: usize,
    },
    /// No such invite.
    #[error("there is no invite '{0}'; 'ferryd invite list' shows them")]
    NoSuchInvite(String),
    /// A value is not acceptable.
    #[error("{0}")]
    Senseless(String),
}

/// Checks that something can be stored within this limit of files.
///
/// # Errors
/// A description of the fault.
pub fn sensible_files(files: u64) -> Result<u64, String> {
    match files {
        0 => Err("nothing could be stored; --access read-only lets a user only list and download".to_owned()),
        files => Ok(files),
    }
}

/// Checks that an expiry time is in the future.
///
/// # Errors
/// A message that the time is over.
pub fn future(end: Moment) -> Result<Moment, String> {
    if end > Moment::now() { Ok(end) } else { Err(format!("{end} (UTC) is over already")) }
}

impl Settings {
    /// Applies the settings to a user's record.
    fn apply(&self, name: &UserName, record: &mut Record) -> Result<(), ChangeError> {
        fn lay<T: Copy>(field: &mut Option<T>, wanted: Option<Limit<T>>) {
            if let Some(Limit(value)) = wanted {
                *field = value;
            }
        }
        self.judge().map_err(ChangeError::Senseless)?;
        for text in &self.remove_keys {
            let found = record.keys.iter().filter(|key| key.is_called(text)).count();
            if found != 1 {
                return Err(ChangeError::WhichKey { name: name.clone(), key: text.clone(), found });
            }
            record.keys.retain(|key| !key.is_called(text));
        }
        for new in &self.add_keys {
            if !record.keys.iter().any(|old| old.key() == new.key()) {
                record.keys.push(new.clone());
            }
        }
        lay(&mut record.quota, self.quota);
        lay(&mut record.max_files, self.max_files);
        lay(&mut record.doors, self.doors);
        lay(&mut record.expires, self.expires);
        lay(&mut record.max_sessions, self.max_sessions);
        record.access = self.access.unwrap_or(record.access);
        record.bandwidth = self.bandwidth.unwrap_or(record.bandwidth);
        record.enabled = self.enabled.unwrap_or(record.enabled);
        Ok(())
    }

    /// Repeats the checks of the command line, for programs that use the control socket directly.
    fn judge(&self) -> Result<(), String> {
        fn value<T: Copy>(limit: Option<Limit<T>>) -> Option<T> {
            limit.and_then(|limit| limit.0)
        }
        value(self.quota).map_or(Ok(()), |quota| sensible_quota(quota).map(drop))?;
        value(self.max_files).map_or(Ok(()), |files| sensible_files(files).map(drop))?;
        value(self.expires).map_or(Ok(()), |end| future(end).map(drop))?;
        let bandwidth = self.bandwidth.unwrap_or_default();
        if value(self.max_sessions) == Some(0) || [bandwidth.up, bandwidth.down].contains(&Some(ByteCount(0))) {
            return Err("a limit of zero lets nobody in; disable the account instead".to_owned());
        }
        Ok(())
    }
}

impl Change {
    /// Applies the change to the store that is to be written.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn apply(&self, store: &mut Store) -> Result<(), ChangeError> {
        let unknown = |name: &UserName| ChangeError::NoSuchUser(name.clone());
        match self {
            Self::Add { name, password, settings } => {
                if store.users.contains_key(name) {
                    return Err(ChangeError::UserExists(name.clone()));
                }
                let mut record = Record::new(password.clone());
                settings.apply(name, &mut record)?;
                store.users.insert(name.clone(), record);
            }
            Self::Set { name, settings } => {
                settings.apply(name, store.users.get_mut(name).ok_or_else(|| unknown(name))?)?;
            }
            Self::Password { name, password } => {
                store.users.get_mut(name).ok_or_else(|| unknown(name))?.password = Some(password.clone());
            }
            Self::Remove { name, purge } => {
                if store.users.remove(name).is_none() && !purge {
                    return Err(unknown(name));
                }
            }
            Self::Invite { hash, invite } => {
                invite.quota.map_or(Ok(()), |quota| sensible_quota(quota).map(drop)).map_err(ChangeError::Senseless)?;
                invite.expires.map_or(Ok(()), |end| future(end).map(drop)).map_err(ChangeError::Senseless)?;
                store.invites.insert(hash.clone(), *invite);
            }
            Self::Revoke { id } => {
                let before = store.invites.len();
                store.invites.retain(|hash, _| invite::id(hash) != id && hash != id);
                if store.invites.len() == before {
                    return Err(ChangeError::NoSuchInvite(id.clone()));
                }
            }
        }
        Ok(())
    }

    /// The user whose account this change enables.
    #[must_use]
    pub fn enables(&self) -> Option<&UserName> {
        match self {
            Self::Set { name, settings } if settings.enabled == Some(true) => Some(name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::size::QUOTA_MAX;

    fn set(settings: Settings) -> Change {
        Change::Set { name: "anna".parse().unwrap(), settings: Box::new(settings) }
    }

    fn with_anna() -> Store {
        let mut store = Store::default();
        let mut record = Record::new(None);
        record.quota = Some(ByteCount(5));
        store.users.insert("anna".parse().unwrap(), record);
        store
    }

    #[test]
    fn a_field_that_is_left_out_stays_and_one_that_is_null_lifts_the_limit() {
        for (json, quota) in [
            (r#"{"set":{"name":"anna","settings":{}}}"#, Some(ByteCount(5))),
            (r#"{"set":{"name":"anna","settings":{"quota":null}}}"#, None),
            (r#"{"set":{"name":"anna","settings":{"quota":"1MiB"}}}"#, Some(ByteCount(1 << 20))),
        ] {
            let change: Change = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&change).unwrap(), json);
            let mut store = with_anna();
            change.apply(&mut store).unwrap();
            assert_eq!(store.users["anna"].quota, quota, "{json}");
        }
    }

    #[test]
    fn unacceptable_values_are_refused_whoever_asks_for_them() {
        let quota = |bytes| Settings { quota: Some(Limit(Some(ByteCount(bytes)))), ..Settings::default() };
        let past = Settings { expires: Some(Limit(Some("2020-01-01".parse().unwrap()))), ..Settings::default() };
        let nobody = Settings { max_sessions: Some(Limit(Some(0))), ..Settings::default() };
        let none = Settings { max_files: Some(Limit(Some(0))), ..Settings::default() };
        for settings in [quota(0), quota(QUOTA_MAX.0 + 1), past, nobody, none] {
            let mut store = with_anna();
            let refused = set(settings.clone()).apply(&mut store);
            assert!(matches!(refused, Err(ChangeError::Senseless(_))), "{settings:?}: {refused:?}");
        }
        assert_eq!(set(quota(QUOTA_MAX.0)).apply(&mut with_anna()), Ok(()));
        let invite = Invite { quota: None, uses: 1, expires: Some("2020-01-01".parse().unwrap()) };
        let refused = Change::Invite { hash: "cafe".into(), invite }.apply(&mut Store::default());
        assert!(matches!(refused, Err(ChangeError::Senseless(said)) if said.contains("2020-01-01T00:00:00Z (UTC)")));
    }
}
