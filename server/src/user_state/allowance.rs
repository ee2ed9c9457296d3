//! Applies the limits of accounts to the users whose homes are open. No other code does so.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use parking_lot::{Mutex, MutexGuard};

use super::UserState;
use crate::{
    quota::Limits,
    users::{Account, Observer, UserName, Users},
};

/// All open states, so that a change of the user store is applied before anybody is notified of it.
#[derive(Debug)]
pub(super) struct Allowances {
    users: Users,
    /// Locked from reading an account until its limits are applied, so that an older account can never overwrite a
    /// newer one.
    open: Mutex<HashMap<UserName, Weak<UserState>>>,
}

impl Allowances {
    /// Follows `users` until the returned value is dropped.
    pub(super) fn follow(users: Users) -> Arc<Self> {
        let new = Arc::new(Self { users, open: Mutex::default() });
        let observer: Weak<Self> = Arc::downgrade(&new);
        new.users.observe_with(observer);
        new
    }

    /// Applies the limits of a state that was just opened, and keeps them up to date.
    pub(super) fn opened(&self, user: &Arc<UserState>) {
        self.opened_as(user, |users| users.current(&user.name));
    }

    fn opened_as(&self, user: &Arc<UserState>, account: impl FnOnce(&Users) -> Option<Arc<Account>>) {
        let mut open = self.open();
        if let Some(account) = account(&self.users) {
            put_in_force(&account, user);
        }
        open.insert(user.name.clone(), Arc::downgrade(user));
    }

    /// Forgets every state, so that applying limits does not keep any of them open.
    pub(super) fn close(&self) {
        self.open().clear();
    }

    fn open(&self) -> MutexGuard<'_, HashMap<UserName, Weak<UserState>>> {
        self.open.lock()
    }
}

impl Observer for Allowances {
    fn accounts_changed(&self) {
        self.open().retain(|name, user| {
            let Some(user) = user.upgrade() else { return false };
            // The sessions of a removed account end, so its limits do not matter.
            if let Some(account) = self.users.current(name) {
                put_in_force(&account, &user);
            }
            true
        });
    }
}

fn put_in_force(account: &Account, user: &UserState) {
    user.ledger.set_limits(Limits { bytes: account.quota, files: Some(account.max_files) });
    user.bandwidth.set(account.bandwidth);
    user.set_read_only(account.access.is_read_only());
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, thread};

    use super::*;
    use crate::{
        storage::{Durability, Storage},
        user_state::UserStates,
        users::store_file,
    };

    fn write(folder: &Path, quota: u64, rate: u64) {
        let user = format!(r#"{{"quota":"{quota} B","bandwidth":{{"up":"{rate} B"}}}}"#);
        fs::write(store_file(folder), format!(r#"{{"version":1,"users":{{"anna":{user}}}}}"#)).unwrap();
    }

    fn quota(user: &UserState) -> Option<u64> {
        user.ledger.snapshot().limits.bytes
    }

    #[test]
    fn new_limits_of_an_account_apply_before_anybody_is_notified_of_the_change() {
        #[derive(Debug)]
        struct Hears(Arc<UserState>, Mutex<Vec<Option<u64>>>);
        impl Observer for Hears {
            fn accounts_changed(&self) {
                self.1.lock().push(quota(&self.0));
            }
        }
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 1000, 1);
        let users = Users::load(store_file(folder.path())).unwrap();
        let states = UserStates::new(Storage::open(folder.path(), Durability::Rename).unwrap(), users.clone());
        let user = states.get(&"anna".parse().unwrap()).unwrap();
        assert_eq!(quota(&user), Some(1000));
        let hears = Arc::new(Hears(Arc::clone(&user), Mutex::default()));
        let hearing: Weak<Hears> = Arc::downgrade(&hears);
        users.observe_with(hearing);
        write(folder.path(), 500, 1_000_000_000);
        let generation = users.generation();
        users.reload().unwrap();
        assert_eq!((hears.1.lock().as_slice(), quota(&user)), (&[Some(500)][..], Some(500)));
        assert!(users.generation() > generation);
        let pace = crate::bandwidth::Pace::new(Arc::default());
        pace.log_in(Arc::clone(&user.bandwidth));
        assert_eq!(pace.rate(crate::bandwidth::Direction::Up), Some(1_000_000_000));
    }

    #[test]
    fn limits_that_became_old_while_they_were_put_in_force_do_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 1000, 1);
        let users = Users::load(store_file(folder.path())).unwrap();
        let storage = Storage::open(folder.path(), Durability::Rename).unwrap();
        let user = UserStates::new(storage, users.clone()).get(&"anna".parse().unwrap()).unwrap();
        let allowances = Allowances::follow(users.clone());
        let mut reloading = None;
        allowances.opened_as(&user, |users| {
            let old = users.current(&user.name);
            write(folder.path(), 500, 1);
            let (reloaded, name) = (users.clone(), user.name.clone());
            reloading = Some(thread::spawn(move || reloaded.reload().unwrap()));
            // The account has changed, and the reload waits for the lock to apply that.
            while users.current(&name).unwrap().quota != Some(500) {
                thread::yield_now();
            }
            old
        });
        reloading.unwrap().join().unwrap();
        assert_eq!(quota(&user), Some(500), "the last word is the newest");
    }
}
