//! The file of the user store: suited to version control and editing by hand, and written atomically.
#![expect(clippy::disallowed_methods, reason = "reads the user store, a file of the server's own")]

mod parse;

use std::{collections::BTreeMap, fmt, fs, io, os::unix::fs::MetadataExt as _, path::Path, path::PathBuf};

use ferry_shared::text_file;
use serde::{Deserialize, Serialize};

use super::{
    Access, Account, StoredHash, UserName, account::default_max_files, invite::Invite, key::PublicKey, moment::Moment,
};
use crate::{bandwidth::BandwidthLimits, door::Doors, private_file, size::ByteCount};

/// The version this build reads and writes.
pub(super) const VERSION: u32 = 1;

/// The folder beside the file, which contains the users' files.
const USERS: &str = "users";

/// The contents of the file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Store {
    version: u32,
    /// The users, by name.
    pub users: BTreeMap<UserName, Record>,
    /// Invites, by the hash of their token.
    pub invites: BTreeMap<String, Invite>,
}

impl Default for Store {
    fn default() -> Self {
        Self::new(BTreeMap::new(), BTreeMap::new())
    }
}

impl Store {
    pub(super) fn new(users: BTreeMap<UserName, Record>, invites: BTreeMap<String, Invite>) -> Self {
        Self { version: VERSION, users, invites }
    }
}

/// One user in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The hash of the password; null for a user who logs in with keys only.
    #[serde(default)]
    pub password: Option<StoredHash>,
    /// OpenSSH public key lines.
    #[serde(default)]
    pub keys: Vec<PublicKey>,
    /// Bytes the user may have; null for no limit.
    #[serde(default)]
    pub quota: Option<ByteCount>,
    /// Files and folders the user may have; null for a limit derived from the quota.
    #[serde(default)]
    pub max_files: Option<u64>,
    /// The access of the user.
    #[serde(default)]
    pub access: Access,
    /// The doors through which the user may come; null for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doors: Option<Doors>,
    /// Whether the account is enabled.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// When the account expires; null for never.
    #[serde(default)]
    pub expires: Option<Moment>,
    /// The limit of concurrent sessions; null for the server's default.
    #[serde(default)]
    pub max_sessions: Option<u32>,
    /// The bandwidth in bytes per second.
    #[serde(default)]
    pub bandwidth: RecordBandwidth,
    /// When the account was made.
    #[serde(default)]
    pub created: Option<Moment>,
}

/// One user's bandwidth in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordBandwidth {
    /// From the client to the server; null for no limit.
    #[serde(default)]
    pub up: Option<ByteCount>,
    /// From the server to the client; null for no limit.
    #[serde(default)]
    pub down: Option<ByteCount>,
}

fn yes() -> bool {
    true
}

impl Record {
    /// A new user with default settings.
    #[must_use]
    pub fn new(password: Option<StoredHash>) -> Self {
        Self {
            password,
            keys: Vec::new(),
            quota: None,
            max_files: None,
            access: Access::default(),
            doors: None,
            enabled: true,
            expires: None,
            max_sessions: None,
            bandwidth: RecordBandwidth::default(),
            created: Some(Moment::now()),
        }
    }

    /// Files and folders the user may have.
    #[must_use]
    pub fn file_limit(&self) -> u64 {
        self.max_files.unwrap_or_else(|| default_max_files(self.quota.map(|quota| quota.0)))
    }

    pub(crate) fn account(self, name: UserName) -> Account {
        Account {
            max_files: self.file_limit(),
            name,
            password_generation: self.password.as_ref().map_or(0, StoredHash::generation),
            password: self.password,
            keys: self.keys,
            access: self.access,
            doors: self.doors,
            enabled: self.enabled,
            expires: self.expires.map(Moment::to_system_time),
            quota: self.quota.map(|bytes| bytes.0),
            max_sessions: self.max_sessions,
            bandwidth: BandwidthLimits {
                up: self.bandwidth.up.map(|bytes| bytes.0),
                down: self.bandwidth.down.map(|bytes| bytes.0),
            },
        }
    }
}

/// The reason why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file could not be locked or written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is missing, and there are signs that it existed.
    #[error("{} is missing; restore it, or write {{\"version\": 1}} to it to start anew", .0.display())]
    Gone(PathBuf),
    /// The file contains faults. It is never overwritten.
    #[error("{}", List(.0))]
    Broken(Vec<StoreFault>),
}

/// A fault in the file, and its position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}:{column}: {message}", path.display())]
pub struct StoreFault {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The description of the fault.
    pub message: String,
}

/// Faults, one per line.
struct List<'a>(&'a [StoreFault]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if number > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

/// Identifies a state of the file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of the present file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let now = fs::metadata(path).ok()?;
        Some(Self {
            file: (now.dev(), now.ino()),
            size: now.size(),
            modified: (now.mtime(), now.mtime_nsec()),
            changed: (now.ctime(), now.ctime_nsec()),
        })
    }
}

/// Reads the store; a missing file is an empty store.
///
/// # Errors
/// [`StoreError::Read`], also for a dangling symlink; [`StoreError::Broken`] with the first fault of every user.
pub fn load(path: &Path) -> Result<Store, StoreError> {
    Ok(load_present(path)?.unwrap_or_default())
}

/// Reads the store; `None` if the file does not exist.
///
/// # Errors
/// Those of [`load`].
pub(super) fn load_present(path: &Path) -> Result<Option<Store>, StoreError> {
    match text_file::read(path) {
        Ok(text) => parse::store(&text, path).map(Some).map_err(StoreError::Broken),
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => Ok(None),
        Err(source) => Err(StoreError::Read { path: path.to_owned(), source }),
    }
}

/// Fails if the file is missing although users have had files: a new store would end the accounts of all other
/// users.
///
/// # Errors
/// [`StoreError::Gone`].
pub fn is_not_gone(path: &Path) -> Result<(), StoreError> {
    let has_users = || fs::read_dir(path.with_file_name(USERS)).is_ok_and(|mut folders| folders.next().is_some());
    if fs::symlink_metadata(path).is_err() && has_users() { Err(StoreError::Gone(path.to_owned())) } else { Ok(()) }
}

/// Fails if the file is missing although there are signs that it existed, be it only the lock file of a writer.
/// Such signs do not prevent creating a new store, but they do prevent showing an empty one.
///
/// # Errors
/// [`StoreError::Gone`].
pub fn is_there_or_new(path: &Path) -> Result<(), StoreError> {
    is_not_gone(path)?;
    let was_written = private_file::lock_path(path).exists();
    if fs::symlink_metadata(path).is_err() && was_written { Err(StoreError::Gone(path.to_owned())) } else { Ok(()) }
}

/// Reads, changes and writes the store under its lock. An error of `change`, or a store that cannot be parsed,
/// leaves the file unchanged.
///
/// # Errors
/// [`StoreError`]; inside, the error of `change`.
pub fn edit<T, E>(path: &Path, change: impl FnOnce(&mut Store) -> Result<T, E>) -> Result<Result<T, E>, StoreError> {
    Ok(edit_then(path, change, |_| {}, |_, _| ())?.map(|(changed, ())| changed))
}

/// Like [`edit`], with two callbacks. Before the file is written, `closing` gets the users whose accounts are about
/// to be closed, even if the file then cannot be written. After it is written, and while it is still locked, `then`
/// gets the old and the new store: the author of a change can so tell the server about it before the server sees
/// the new file by itself.
///
/// # Errors
/// Those of [`edit`].
pub fn edit_then<T, E, U>(
    path: &Path,
    change: impl FnOnce(&mut Store) -> Result<T, E>,
    closing: impl FnOnce(&[UserName]),
    then: impl FnOnce(&Store, &Store) -> U,
) -> Result<Result<(T, U), E>, StoreError> {
    let write_error = |source| StoreError::Write { path: path.to_owned(), source };
    private_file::make_folder(private_file::folder_of(path)).map_err(write_error)?;
    // A disk on which the lock cannot be taken must not prevent closing an account.
    let locked = private_file::lock(path).map_err(write_error);
    is_not_gone(path)?;
    let before = load(path)?;
    let mut store = before.clone();
    let result = change(&mut store);
    let is_changed = result.is_ok() && store != before;
    if is_changed {
        closing(&closed(&before, &store));
    }
    let _locked = locked?;
    if is_changed {
        private_file::remove_leftovers(path).map_err(write_error)?;
        let json = serde_json::to_vec_pretty(&store).map_err(|error| write_error(error.into()))?;
        private_file::replace(path, &[&json[..], b"\n"].concat()).map_err(write_error)?;
    }
    Ok(result.map(|changed| (changed, then(&before, &store))))
}

/// The users whose accounts are open in the first state of the file and not in the second.
fn closed(before: &Store, after: &Store) -> Vec<UserName> {
    let is_open = |store: &Store, name: &UserName| store.users.get(name).is_some_and(|record| record.enabled);
    before.users.keys().filter(|name| is_open(before, name) && !is_open(after, name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn add(path: &Path, name: &str, quota: &str) {
        edit(path, |store| {
            let mut record = Record::new(None);
            record.quota = Some(quota.parse().unwrap());
            record.created = Some("2026-01-02".parse().unwrap());
            store.users.insert(name.parse().unwrap(), record);
            Ok::<_, Infallible>(())
        })
        .unwrap()
        .unwrap();
    }

    #[test]
    fn the_file_is_written_for_people_in_a_stable_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/users.json");
        add(&path, "zoe", "500MB");
        add(&path, "alice", "10GiB");
        insta::assert_snapshot!(fs::read_to_string(&path).unwrap(), @r#"
        {
          "version": 1,
          "users": {
            "alice": {
              "password": null,
              "keys": [],
              "quota": "10GiB",
              "max_files": null,
              "access": "read-write",
              "enabled": true,
              "expires": null,
              "max_sessions": null,
              "bandwidth": {
                "up": null,
                "down": null
              },
              "created": "2026-01-02T00:00:00Z"
            },
            "zoe": {
              "password": null,
              "keys": [],
              "quota": "500MB",
              "max_files": null,
              "access": "read-write",
              "enabled": true,
              "expires": null,
              "max_sessions": null,
              "bandwidth": {
                "up": null,
                "down": null
              },
              "created": "2026-01-02T00:00:00Z"
            }
          },
          "invites": {}
        }
        "#);
    }

    #[test]
    fn unrelated_records_survive_an_edit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.json");
        let invite = r#"{"version":1,"invites":{"cafe":{"quota":"1GiB","uses":1,"expires":"2027-01-01"}}}"#;
        fs::write(&path, invite).unwrap();
        add(&path, "alice", "1GiB");
        let text = fs::read_to_string(&path).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["invites"]["cafe"]["uses"], 1, "{text}");
        assert_eq!(json["invites"]["cafe"]["expires"], "2027-01-01T00:00:00Z", "{text}");
        assert!(json["users"]["alice"].is_object(), "{text}");
    }

    #[test]
    fn a_store_that_does_not_parse_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.json");
        let broken = r#"{"version":1,"users":{"alice":{"quota":"lots"}}}"#;
        fs::write(&path, broken).unwrap();
        let edited = edit(&path, |store| {
            store.users.clear();
            Ok::<_, Infallible>(())
        });
        assert!(matches!(edited, Err(StoreError::Broken(_))), "{edited:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), broken);
    }

    #[test]
    fn a_missing_store_is_not_recreated_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.json");
        assert!(is_there_or_new(&path).is_ok());
        drop(private_file::lock(&path).unwrap());
        assert!(is_there_or_new(&path).is_err() && is_not_gone(&path).is_ok());
        fs::create_dir_all(folder.path().join("users/alice")).unwrap();
        let edited = edit(&path, |_| Ok::<_, Infallible>(()));
        assert!(matches!(edited, Err(StoreError::Gone(_))), "{edited:?}");
        assert!(!path.exists());
        fs::write(&path, "{\"version\": 1}").unwrap();
        add(&path, "alice", "1GiB");
        assert_eq!(load(&path).unwrap().users.len(), 1);
    }

    #[test]
    fn a_change_that_fails_or_changes_nothing_leaves_the_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.json");
        let by_hand = "{\"users\": {},   \"version\": 1}";
        fs::write(&path, by_hand).unwrap();
        let failed = edit(&path, |store| {
            store.users.insert("alice".parse().unwrap(), Record::new(None));
            Err::<(), _>("no")
        });
        assert_eq!(failed.unwrap(), Err("no"));
        edit(&path, |_| Ok::<_, Infallible>(())).unwrap().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), by_hand);
    }

    #[test]
    fn edits_at_the_same_time_are_all_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.json");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || add(path, &format!("user{number}"), "1GiB"));
            }
        });
        assert_eq!(load(&path).unwrap().users.len(), 8);
    }
}
