//! The user store in use, replaced as a whole when its file changes.

pub mod account;
pub mod barred;
pub mod change;
mod changes;
mod denied;
pub mod facts;
pub mod file;
pub mod invite;
pub mod key;
pub mod moment;
pub mod name;
pub mod password;
pub mod register;
mod spelling;
mod text;
pub mod watch;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::SystemTime,
};

use arc_swap::ArcSwap;
use ferry_shared::secret::Secret;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch as latest};

use crate::door::Door;
use barred::Barred;
use changes::Invites;

pub use account::{Access, Account};
pub use changes::{By, Changes};
pub use denied::Denied;
pub use file::StoreError;
pub use key::PublicKey;
pub use name::{UserName, UserNameError};
pub use password::{StoredHash, Verdict, Verifier};
pub use register::RegisterError;

/// The path of the user store in a data folder.
#[must_use]
pub fn store_file(data: &Path) -> PathBuf {
    data.join("users.json")
}

/// Accounts by name.
type Accounts = BTreeMap<UserName, Arc<Account>>;

/// The user store in use. A handle: clones share it.
#[derive(Debug, Clone)]
pub struct Users(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    accounts: ArcSwap<Accounts>,
    /// Accounts that are closed whatever the file says.
    barred: ArcSwap<Barred>,
    generation: latest::Sender<u64>,
    /// Observers that are notified of a change before the new generation is visible.
    observers: Mutex<Vec<Weak<dyn Observer>>>,
    verifier: Verifier,
    /// Locked while the file is read and swapped in, so that an older reading never replaces a newer one. It holds
    /// the invites that were read last; checks of an invite always read the file.
    reloading: Mutex<Invites>,
    /// The stamp of the file that was read.
    read: Mutex<Option<file::Stamp>>,
    /// Changes that have not been reported yet, and the notification for the task that reports them.
    untold: Mutex<Vec<Changes>>,
    changed: Notify,
}

/// A component that must keep up with the accounts.
pub(crate) trait Observer: fmt::Debug + Send + Sync {
    /// The accounts have changed; [`Users::generation`] grows after this call. It blocks every reload.
    fn accounts_changed(&self);
}

/// The reason why a login failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Unknown, closed or wrong: all took the same work, and the peer never learns which it was.
    #[error("wrong user or password")]
    Wrong(Denied),
    /// Too many password checks are waiting.
    #[error("too many logins at once")]
    Busy,
}

/// The reason why a password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    /// The old password is wrong, or the account is closed.
    #[error("the old password is wrong")]
    Wrong,
    /// The new password is not acceptable.
    #[error(transparent)]
    New(#[from] password::NewPasswordError),
    /// Too many password checks are waiting.
    #[error("too many logins at once")]
    Busy,
    /// The account was closed meanwhile, or its password was changed elsewhere.
    #[error("the account was changed meanwhile")]
    Changed,
    /// The user store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Users {
    /// Reads the store at `path`; a missing file is an empty store.
    ///
    /// # Errors
    /// [`StoreError`]: there is no earlier good store to keep using.
    pub fn load(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let path = path.into();
        // Take the stamp before reading: if the file changes meanwhile, the stamp differs.
        let stamp = file::Stamp::of(&path);
        let (accounts, invites) = read(&path)?.unwrap_or_default();
        Ok(Self(Arc::new(Inner {
            path,
            accounts: ArcSwap::from_pointee(accounts),
            barred: ArcSwap::default(),
            generation: latest::Sender::new(0),
            observers: Mutex::default(),
            verifier: Verifier::new(),
            reloading: Mutex::new(invites),
            read: Mutex::new(stamp),
            untold: Mutex::default(),
            changed: Notify::new(),
        })))
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The present account. This is cheap: call it again instead of keeping the result.
    #[must_use]
    pub fn current(&self, name: &UserName) -> Option<Arc<Account>> {
        self.0.accounts.load().get(name).map(|account| self.in_force(account))
    }

    /// The number of password checks that wait or run.
    #[must_use]
    pub fn hash_queue(&self) -> usize {
        self.0.verifier.busy()
    }

    /// Every account, by name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Account>> {
        self.0.accounts.load().values().cloned().collect()
    }

    /// The number of accounts.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.accounts.load().len()
    }

    /// Whether there is no account at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.accounts.load().is_empty()
    }

    /// The generation grows whenever an account changes; while it stays the same, so does
    /// [`current`](Self::current).
    #[must_use]
    pub fn generation(&self) -> u64 {
        *self.0.generation.borrow()
    }

    /// Receives the new generation whenever an account changes.
    #[must_use]
    pub fn changes(&self) -> latest::Receiver<u64> {
        self.0.generation.subscribe()
    }

    /// Notifies `observer` from now on, for as long as it exists.
    pub(crate) fn observe_with(&self, observer: Weak<dyn Observer>) {
        self.0.observers.lock().push(observer);
    }

    /// Handles changed accounts. The caller holds the lock `reloading`.
    fn changed(&self) {
        let mut observers = Vec::new();
        self.0.observers.lock().retain(|observer| {
            let there = observer.upgrade();
            let is_there = there.is_some();
            observers.extend(there);
            is_there
        });
        observers.iter().for_each(|observer| observer.accounts_changed());
        self.0.generation.send_modify(|generation| *generation += 1);
    }

    /// Like [`reload_for`](Self::reload_for), without a known author of the change.
    ///
    /// # Errors
    /// [`StoreError`]; the last good store then stays in use.
    pub fn reload(&self) -> Result<Changes, StoreError> {
        self.reload_for(By::Unknown)
    }

    /// Reads the file again and swaps it in. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError`]; the last good store then stays in use.
    pub fn reload_for(&self, by: By) -> Result<Changes, StoreError> {
        let mut invites_before = self.0.reloading.lock();
        let stamp = file::Stamp::of(&self.0.path);
        let (new, invites) = match read(&self.0.path)? {
            Some(new) => new,
            // A file that is missing for a moment must not close any account.
            None if self.is_empty() => <_>::default(),
            None => return Err(StoreError::Gone(self.0.path.clone())),
        };
        let mut changes = Changes::between(by, &self.0.accounts.load(), &new);
        changes.add_invites(&invites_before, &invites);
        *invites_before = invites;
        *self.0.read.lock() = stamp;
        let new = Arc::new(new);
        if !changes.is_empty() {
            self.0.accounts.store(Arc::clone(&new));
            self.changed();
        }
        self.lift_barred(&new);
        if !changes.is_empty() || !changes.has_no_invites() {
            self.0.untold.lock().push(changes.clone());
            self.0.changed.notify_one();
        }
        Ok(changes)
    }

    /// Describes how the file on disk differs from the store in use, or why it cannot be used. Blocks on the disk,
    /// and for long only if the file is not the one that was read.
    #[must_use]
    pub fn difference(&self) -> Option<String> {
        if let [name, more @ ..] = &*self.barred() {
            let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            let path = self.0.path.display();
            return Some(format!("'{name}'{more} is barred here and has an open account in {path}"));
        }
        if file::Stamp::of(&self.0.path).is_some_and(|now| *self.0.read.lock() == Some(now)) {
            return None;
        }
        match read(&self.0.path) {
            Ok(Some((accounts, _))) if accounts == **self.0.accounts.load() => None,
            Ok(Some(_)) => Some(format!("{} is another one; 'ferryd reload' reads it", self.0.path.display())),
            Ok(None) if self.is_empty() => None,
            Ok(None) => Some(StoreError::Gone(self.0.path.clone()).to_string()),
            Err(error) => Some(error.to_string()),
        }
    }

    /// Reloads and logs the result; returns whether accounts changed.
    ///
    /// # Errors
    /// Those of [`reload_for`](Self::reload_for); they are already logged.
    pub fn reload_and_log(&self, by: By) -> Result<bool, StoreError> {
        let reloaded = self.reload_for(by);
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
        reloaded.map(|changes| !changes.is_empty())
    }

    /// Checks a password given at a door. An unknown name, an account that is closed there and a wrong password take
    /// the same time.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn login(&self, name: &str, password: &Secret, door: Door) -> Result<Arc<Account>, LoginError> {
        let account = name.parse().ok().and_then(|name| self.current(&name));
        let now = SystemTime::now();
        let open = account.as_deref().filter(|account| account.is_open(now) && account.may_use(door));
        let verdict = self.0.verifier.verify(open, password).await;
        let denied = Denied::of(account.as_deref(), door, now, Denied::Password);
        match verdict {
            Verdict::Right => account.ok_or(LoginError::Wrong(denied)),
            Verdict::Wrong => Err(LoginError::Wrong(denied)),
            Verdict::Busy => Err(LoginError::Busy),
        }
    }

    /// The account of this name, if the key is one of its keys and opens this door. The caller must check a signature of the key. A
    /// peer cannot tell an unknown name, a closed account and somebody else's key apart.
    ///
    /// # Errors
    /// The reason against the login.
    pub fn owner_of(&self, name: &str, key: &[u8], door: Door) -> Result<Arc<Account>, Denied> {
        let account = name.parse().ok().and_then(|name| self.current(&name));
        let now = SystemTime::now();
        let denied = Denied::of(account.as_deref(), door, now, Denied::Key);
        let opens = |account: &Arc<Account>| account.is_open(now) && account.may_use(door) && account.has_key(key);
        account.filter(opens).ok_or(denied)
    }

    /// Changes a user's password in the file and in the store in use, after checking the old one. `learn` gets the
    /// new generation before anybody else can see it. Await this on a thread that may block: all work is done
    /// there, so that it never needs a second one.
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
        let change = |store: &mut file::Store| {
            let record = store.users.get_mut(name).ok_or(ChangePasswordError::Changed)?;
            let is_open = record.clone().account(name.clone()).is_open(SystemTime::now());
            if !is_open || record.password != account.password {
                return Err(ChangePasswordError::Changed);
            }
            record.password = Some(hash);
            Ok(())
        };
        let (_, reloaded) =
            file::edit_then(&self.0.path, change, |_| {}, |_, _| self.reload_for(By::User(name.clone())))??;
        reloaded?;
        Ok(())
    }
}

/// The accounts and invites in the file; `None` if it does not exist.
fn read(path: &Path) -> Result<Option<(Accounts, Invites)>, StoreError> {
    let Some(store) = file::load_present(path)? else { return Ok(None) };
    let accounts = store.users.into_iter().map(|(name, record)| (name.clone(), Arc::new(record.account(name))));
    Ok(Some((accounts.collect(), store.invites)))
}

#[cfg(test)]
mod tests;
