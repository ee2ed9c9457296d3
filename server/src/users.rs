//! Who may use the server: the user store in force, swapped whole when its file changes.

pub mod account;
mod denied;
pub mod file;
pub mod invite;
pub mod key;
pub mod moment;
pub mod name;
mod parse;
pub mod password;
pub mod register;
mod text;
pub mod watch;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use arc_swap::ArcSwap;
use ferry_shared::secret::Secret;
use tokio::sync::watch as latest;

pub use account::{Account, BandwidthLimits};
pub use denied::Denied;
pub use file::StoreError;
pub use key::PublicKey;
pub use name::{UserName, UserNameError};
pub use password::{StoredHash, Verdict, Verifier};
pub use register::RegisterError;

/// Where the user store of a data folder is.
#[must_use]
pub fn store_file(data: &Path) -> PathBuf {
    data.join("users.json")
}

/// Accounts by name.
type Accounts = BTreeMap<UserName, Arc<Account>>;

/// The user store in force. A handle: clones share it.
#[derive(Debug, Clone)]
pub struct Users(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    accounts: ArcSwap<Accounts>,
    generation: latest::Sender<u64>,
    verifier: Verifier,
    /// Held while the file is read and swapped in, so that an older reading never wins.
    reloading: Mutex<()>,
}

/// What a reload changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Users that were not there before.
    pub added: Vec<UserName>,
    /// Users that are no more.
    pub removed: Vec<UserName>,
    /// Users of whom anything is different.
    pub changed: Vec<UserName>,
}

impl Changes {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }

    fn between(old: &Accounts, new: &Accounts) -> Self {
        let gone = |from: &Accounts, to: &Accounts| -> Vec<UserName> {
            from.keys().filter(|name| !to.contains_key(*name)).cloned().collect()
        };
        let differs = |(name, account): (&UserName, &Arc<Account>)| {
            old.get(name).is_some_and(|before| before != account).then(|| name.clone())
        };
        Self { added: gone(new, old), removed: gone(old, new), changed: new.iter().filter_map(differs).collect() }
    }
}

/// Why somebody was not logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Unknown, closed or wrong: it took the same work, and the peer is never told which.
    #[error("wrong user or password")]
    Wrong(Denied),
    /// Too many passwords wait to be checked.
    #[error("too many logins at once")]
    Busy,
}

/// Why a password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    /// The old password is wrong, or the account is closed.
    #[error("the old password is wrong")]
    Wrong,
    /// The new password cannot be one.
    #[error(transparent)]
    New(#[from] password::NewPasswordError),
    /// Too many passwords wait to be checked.
    #[error("too many logins at once")]
    Busy,
    /// The account was closed, or its password changed elsewhere, meanwhile.
    #[error("the account was changed meanwhile")]
    Changed,
    /// The user store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Users {
    /// Reads the store at `path`; a file that is not there is an empty store.
    ///
    /// # Errors
    /// [`StoreError`]: there is no last good store to fall back on yet.
    pub fn load(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let path = path.into();
        let accounts = read(&path)?.unwrap_or_default();
        Ok(Self(Arc::new(Inner {
            path,
            accounts: ArcSwap::from_pointee(accounts),
            generation: latest::Sender::new(0),
            verifier: Verifier::new(),
            reloading: Mutex::new(()),
        })))
    }

    /// The file the store is kept in.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The account as it is now. Cheap: ask again rather than keep it.
    #[must_use]
    pub fn current(&self, name: &UserName) -> Option<Arc<Account>> {
        self.0.accounts.load().get(name).cloned()
    }

    /// Password checks that wait or run.
    #[must_use]
    pub fn hash_queue(&self) -> usize {
        self.0.verifier.busy()
    }

    /// Every account, by name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Account>> {
        self.0.accounts.load().values().cloned().collect()
    }

    /// Whether there is no account at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.accounts.load().is_empty()
    }

    /// Grows whenever an account changed; while it stays, [`current`](Self::current) gives the same.
    #[must_use]
    pub fn generation(&self) -> u64 {
        *self.0.generation.borrow()
    }

    /// Tells the new generation whenever an account changed.
    #[must_use]
    pub fn changes(&self) -> latest::Receiver<u64> {
        self.0.generation.subscribe()
    }

    /// Reads the file again and swaps it in. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError`]; the last good store then stays in force.
    pub fn reload(&self) -> Result<Changes, StoreError> {
        let _one_at_a_time = self.0.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let new = match read(&self.0.path)? {
            Some(new) => new,
            // Taken away for a moment, it takes nobody's account away.
            None if self.is_empty() => Accounts::new(),
            None => return Err(StoreError::Gone(self.0.path.clone())),
        };
        let changes = Changes::between(&self.0.accounts.load(), &new);
        if !changes.is_empty() {
            self.0.accounts.store(Arc::new(new));
            self.0.generation.send_modify(|generation| *generation += 1);
        }
        Ok(changes)
    }

    /// Reloads and logs what came of it.
    ///
    /// # Errors
    /// As [`reload`](Self::reload); it is logged already.
    pub fn reload_and_log(&self) -> Result<(), StoreError> {
        let reloaded = self.reload();
        match &reloaded {
            Ok(changes) if changes.is_empty() => {}
            Ok(changes) => tracing::info!(
                added = changes.added.len(),
                removed = changes.removed.len(),
                changed = changes.changed.len(),
                "user store reloaded"
            ),
            Err(StoreError::Broken(faults)) => {
                for fault in faults {
                    tracing::error!(%fault, "the user store is broken; the last good one stays in force");
                }
            }
            Err(error) => tracing::error!(%error, "the last good user store stays in force"),
        }
        reloaded.map(|_| ())
    }

    /// Checks a password. An unknown name, a closed account and a wrong password cost the same.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn login(&self, name: &str, password: &Secret) -> Result<Arc<Account>, LoginError> {
        let account = name.parse().ok().and_then(|name| self.current(&name));
        let now = SystemTime::now();
        let open = account.as_deref().filter(|account| account.is_open(now));
        let verdict = self.0.verifier.verify(open, password).await;
        let denied = Denied::of(account.as_deref(), now, Denied::Password);
        match verdict {
            Verdict::Right => account.ok_or(LoginError::Wrong(denied)),
            Verdict::Wrong => Err(LoginError::Wrong(denied)),
            Verdict::Busy => Err(LoginError::Busy),
        }
    }

    /// Checks what a key signed. An unknown name, a closed account, a key of somebody else and
    /// a wrong signature are never told apart.
    ///
    /// # Errors
    /// [`LoginError::Wrong`].
    pub fn login_with_key(
        &self,
        name: &str,
        key: &PublicKey,
        text: &[u8],
        signature: &str,
    ) -> Result<Arc<Account>, LoginError> {
        // First, so that all of them cost the same.
        let signed = key.signed(text, signature);
        let account = name.parse().ok().and_then(|name| self.current(&name));
        let now = SystemTime::now();
        let denied = Denied::of(account.as_deref(), now, Denied::Key);
        let proven = account.filter(|account| account.is_open(now) && account.has_key(&key.key()) && signed);
        proven.ok_or(LoginError::Wrong(denied))
    }

    /// Changes a user's password in the file and in force, after checking the old one. Before
    /// anybody else can know of the new one, `learn` is told its generation. To be awaited on a
    /// thread that may block: everything is done there, so that it never waits for a second one.
    ///
    /// # Errors
    /// [`ChangePasswordError`].
    pub async fn change_password(
        &self,
        name: &UserName,
        old: &Secret,
        new: &Secret,
        learn: impl FnOnce(u64),
    ) -> Result<(), ChangePasswordError> {
        let open = self.current(name).filter(|account| account.is_open(SystemTime::now()));
        let account = match (self.0.verifier.verify_here(open.as_deref(), old).await, open) {
            (Verdict::Right, Some(account)) => account,
            (Verdict::Busy, _) => return Err(ChangePasswordError::Busy),
            _ => return Err(ChangePasswordError::Wrong),
        };
        let hash = self.0.verifier.hash_here(new).await?;
        learn(hash.generation());
        file::edit(&self.0.path, |store| {
            let record = store.users.get_mut(name).ok_or(ChangePasswordError::Changed)?;
            let is_open = record.clone().account(name.clone()).is_open(SystemTime::now());
            if !is_open || record.password != account.password {
                return Err(ChangePasswordError::Changed);
            }
            record.password = Some(hash);
            Ok(())
        })??;
        self.reload()?;
        Ok(())
    }
}

/// The accounts in the file; `None` when it is not there.
fn read(path: &Path) -> Result<Option<Accounts>, StoreError> {
    let Some(store) = file::load_present(path)? else { return Ok(None) };
    let accounts = store.users.into_iter().map(|(name, record)| (name.clone(), Arc::new(record.account(name))));
    Ok(Some(accounts.collect()))
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, fs, time::Duration};

    use tempfile::TempDir;
    use tokio::time::timeout;

    use super::{file::Record, *};

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn alice() -> UserName {
        "alice".parse().unwrap()
    }

    fn edit(users: &Users, change: impl FnOnce(&mut file::Store)) {
        let changed = file::edit(users.path(), |store| {
            change(store);
            Ok::<_, Infallible>(())
        });
        changed.unwrap().unwrap();
    }

    /// A store with alice, whose password is "right".
    fn with_alice() -> (TempDir, Users) {
        let folder = tempfile::tempdir().unwrap();
        let users = Users::load(store_file(folder.path())).unwrap();
        edit(&users, |store| {
            store.users.insert(alice(), Record::new(Some(password::hash(&secret("right")).unwrap())));
        });
        users.reload().unwrap();
        (folder, users)
    }

    #[test]
    fn a_file_that_is_not_there_is_an_empty_store() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Users::load(store_file(folder.path())).unwrap().is_empty());
    }

    #[test]
    fn a_reload_says_what_changed_and_raises_the_generation_only_then() {
        let (_folder, users) = with_alice();
        let (before, mut told) = (users.generation(), users.changes());
        assert!(users.reload().unwrap().is_empty());
        assert_eq!(users.generation(), before);
        assert!(!told.has_changed().unwrap());
        edit(&users, |store| {
            store.users.get_mut("alice").unwrap().max_files = Some(1);
            store.users.insert("bob".parse().unwrap(), Record::new(None));
        });
        let changes = users.reload().unwrap();
        assert_eq!((changes.added.len(), changes.removed.len(), changes.changed), (1, 0, vec![alice()]));
        assert_eq!(users.current(&alice()).unwrap().max_files, Some(1));
        assert!(*told.borrow_and_update() > before);
        edit(&users, |store| drop(store.users.remove("alice")));
        assert_eq!(users.reload().unwrap().removed, [alice()]);
        assert!(users.current(&alice()).is_none());
    }

    #[test]
    fn a_broken_file_leaves_the_last_good_store_in_force() {
        let (_folder, users) = with_alice();
        let good = fs::read_to_string(users.path()).unwrap();
        fs::write(users.path(), good.replacen("true", "maybe", 1)).unwrap();
        let error = users.reload().unwrap_err().to_string();
        assert!(error.contains("users.json:10:"), "{error}");
        assert!(users.current(&alice()).is_some_and(|alice| alice.enabled));
        assert!(Users::load(users.path()).is_err(), "a server must not start without a good store");
    }

    #[test]
    fn a_file_that_is_gone_or_a_link_that_leads_nowhere_leaves_the_last_good_store_in_force() {
        let (folder, users) = with_alice();
        let elsewhere = folder.path().join("elsewhere.json");
        fs::rename(users.path(), &elsewhere).unwrap();
        let error = users.reload().unwrap_err().to_string();
        assert!(error.contains("users.json is gone; restore it"), "{error}");
        std::os::unix::fs::symlink("nowhere.json", users.path()).unwrap();
        assert!(matches!(users.reload(), Err(StoreError::Read { .. })));
        assert!(Users::load(users.path()).is_err(), "a server must not start on a link that leads nowhere");
        assert!(users.current(&alice()).is_some());
        fs::rename(&elsewhere, users.path()).unwrap();
        assert!(users.reload().unwrap().is_empty());
    }

    #[tokio::test]
    async fn unknown_closed_and_wrong_are_the_same_answer() {
        let (_folder, users) = with_alice();
        assert_eq!(users.login("alice", &secret("right")).await.unwrap().name, alice());
        let refused = async |name: &str, password: &str, denied: Denied| {
            let error = users.login(name, &secret(password)).await.unwrap_err();
            assert_eq!((error, error.to_string().as_str()), (LoginError::Wrong(denied), "wrong user or password"));
        };
        refused("alice", "wrong", Denied::Password).await;
        for name in ["bob", "../alice", "Alice"] {
            refused(name, "right", Denied::Unknown).await;
        }
        edit(&users, |store| store.users.get_mut("alice").unwrap().expires = Some("2001-01-01".parse().unwrap()));
        users.reload().unwrap();
        refused("alice", "right", Denied::Expired).await;
        edit(&users, |store| store.users.get_mut("alice").unwrap().enabled = false);
        users.reload().unwrap();
        refused("alice", "right", Denied::Disabled).await;
    }

    #[tokio::test]
    async fn a_changed_password_is_in_force_and_in_the_file_at_once() {
        let (_folder, users) = with_alice();
        let before = users.current(&alice()).unwrap().password_generation;
        let wrong = users.change_password(&alice(), &secret("guess"), &secret("a new one"), |_| {}).await;
        assert!(matches!(wrong, Err(ChangePasswordError::Wrong)), "{wrong:?}");
        let empty = users.change_password(&alice(), &secret("right"), &secret(""), |_| {}).await;
        assert!(matches!(empty, Err(ChangePasswordError::New(_))), "{empty:?}");
        let short = users.change_password(&alice(), &secret("right"), &secret("7 chars"), |_| {}).await;
        assert!(short.unwrap_err().to_string().contains("at least 8 characters"));
        let mut told = None;
        let learn = |generation| {
            let stored = fs::read_to_string(users.path()).unwrap();
            assert!(stored.contains(users.current(&alice()).unwrap().password.as_ref().unwrap().as_str()));
            told = Some((generation, users.current(&alice()).unwrap().password_generation));
        };
        users.change_password(&alice(), &secret("right"), &secret("a new one"), learn).await.unwrap();
        let after = users.current(&alice()).unwrap().password_generation;
        assert_eq!(told, Some((after, before)), "who changes it must know before anybody else can");
        assert!(users.login("alice", &secret("right")).await.is_err());
        assert!(users.login("alice", &secret("a new one")).await.is_ok());
        assert_ne!(users.current(&alice()).unwrap().password_generation, before);
        assert!(Users::load(users.path()).unwrap().login("alice", &secret("a new one")).await.is_ok());
    }

    #[test]
    fn a_password_is_changed_on_the_only_thread_that_may_block() {
        let (_folder, users) = with_alice();
        let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(1).enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let changed = runtime.spawn_blocking(move || {
            let (old, new) = (secret("right"), secret("a new one"));
            handle.block_on(timeout(Duration::from_secs(20), users.change_password(&alice(), &old, &new, |_| {})))
        });
        runtime.block_on(changed).unwrap().expect("it does not wait for another thread").unwrap();
    }

    #[tokio::test]
    async fn an_account_that_is_closed_meanwhile_gets_no_new_password() {
        let (_folder, users) = with_alice();
        let close = |_| edit(&users, |store| store.users.get_mut("alice").unwrap().enabled = false);
        let changed = users.change_password(&alice(), &secret("right"), &secret("a new one"), close).await;
        assert!(matches!(changed, Err(ChangePasswordError::Changed)), "{changed:?}");
    }

    #[tokio::test]
    async fn a_watched_store_follows_its_file() {
        let (_folder, users) = with_alice();
        let mut told = users.changes();
        let _watch = users.watch().unwrap();
        edit(&users, |store| store.users.get_mut("alice").unwrap().enabled = false);
        timeout(Duration::from_secs(20), told.changed()).await.expect("the change is noticed").unwrap();
        assert!(!users.current(&alice()).unwrap().enabled);
        // An editor that writes in place, and the file going away.
        let text = fs::read_to_string(users.path()).unwrap();
        fs::write(users.path(), text.replacen("false", "true", 1)).unwrap();
        timeout(Duration::from_secs(20), told.changed()).await.expect("the change is noticed").unwrap();
        assert!(users.current(&alice()).unwrap().enabled);
    }

    #[tokio::test]
    async fn a_watched_store_behind_links_follows_an_edit_there_and_a_folder_that_is_swapped() {
        use std::os::unix::fs::symlink;
        let (folder, users) = with_alice();
        let (first, second) = (folder.path().join("mount/v1"), folder.path().join("mount/v2"));
        fs::create_dir_all(&first).unwrap();
        fs::create_dir_all(&second).unwrap();
        let text = fs::read_to_string(users.path()).unwrap();
        fs::rename(users.path(), first.join("users.json")).unwrap();
        fs::write(second.join("users.json"), &text).unwrap();
        symlink("v1", folder.path().join("mount/..data")).unwrap();
        symlink("mount/..data/users.json", users.path()).unwrap();
        let mut told = users.changes();
        let _watch = users.watch().unwrap();
        fs::write(first.join("users.json"), text.replacen("true", "false", 1)).unwrap();
        timeout(Duration::from_secs(20), told.changed()).await.expect("the edit is noticed").unwrap();
        assert!(!users.current(&alice()).unwrap().enabled);
        symlink("v2", folder.path().join("mount/..new")).unwrap();
        fs::rename(folder.path().join("mount/..new"), folder.path().join("mount/..data")).unwrap();
        timeout(Duration::from_secs(20), told.changed()).await.expect("the swap is noticed").unwrap();
        assert!(users.current(&alice()).unwrap().enabled);
    }
}
