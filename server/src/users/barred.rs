//! Accounts that are closed before the file says so: a disable takes effect at once, even if the file cannot be
//! written.

use std::{collections::BTreeSet, sync::Arc};

use super::{Account, Accounts, UserName, Users, file::StoreError};

/// Users whose accounts are closed whatever the file says.
pub(super) type Barred = BTreeSet<UserName>;

/// The message for when the file was not written but the running server keeps these users out.
#[must_use]
pub fn not_written(barred: &[UserName], error: &StoreError) -> String {
    let Some((last, first)) = barred.split_last() else { return error.to_string() };
    let first: String = first.iter().map(|name| format!("'{name}', ")).collect();
    let verb = if barred.len() == 1 { "is" } else { "are" };
    format!(
        "{error}; {first}'{last}' {verb} barred in the running server until it ends, although the file could not be \
         written: put that right and give the command again"
    )
}

impl Users {
    /// Closes these accounts until the file says so too, or [`allow`](Self::allow) is called; returns those that it
    /// closed. Their sessions end.
    pub fn bar(&self, names: &[UserName]) -> Vec<UserName> {
        let closed = |name: &&UserName| self.0.accounts.load().get(*name).is_some_and(|account| account.enabled);
        let names: Vec<UserName> = names.iter().filter(closed).cloned().collect();
        self.change_barred(|barred| barred.extend(names.iter().cloned()));
        names
    }

    /// Reverts [`bar`](Self::bar) for a user.
    pub fn allow(&self, name: &UserName) {
        self.change_barred(|barred| barred.retain(|other| other != name));
    }

    /// Users whose accounts are open in the file but kept closed by this server.
    #[must_use]
    pub fn barred(&self) -> Vec<UserName> {
        self.0.barred.load().iter().cloned().collect()
    }

    /// `account` with these closures applied.
    pub(super) fn in_force(&self, account: &Arc<Account>) -> Arc<Account> {
        match self.0.barred.load().contains(&account.name) {
            true => Arc::new(Account { enabled: false, ..(**account).clone() }),
            false => Arc::clone(account),
        }
    }

    /// Forgets users whose accounts are closed in the file that was just read. The caller holds the lock of the
    /// reading.
    pub(super) fn lift_barred(&self, read: &Accounts) {
        let barred = self.0.barred.load();
        let open = |name: &&UserName| read.get(*name).is_some_and(|account| account.enabled);
        let left: Barred = barred.iter().filter(open).cloned().collect();
        if left.len() < barred.len() {
            self.0.barred.store(Arc::new(left));
        }
    }

    fn change_barred(&self, change: impl FnOnce(&mut Barred)) {
        let _while_nobody_reads_the_file = self.0.reloading.lock();
        let before = self.0.barred.load();
        let mut after = (**before).clone();
        change(&mut after);
        if after != **before {
            self.0.barred.store(Arc::new(after));
            self.changed();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::users::file;

    #[test]
    fn an_account_is_closed_before_the_file_says_so_until_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.json");
        let with = |enabled: bool| format!(r#"{{"version":1,"users":{{"anna":{{"enabled":{enabled}}},"bob":{{}}}}}}"#);
        fs::write(&path, with(true)).unwrap();
        let users = Users::load(&path).unwrap();
        let anna: UserName = "anna".parse().unwrap();
        let is_open = || users.current(&anna).is_some_and(|account| account.enabled);
        let generation = users.generation();
        assert_eq!(users.bar(&[anna.clone(), "nobody".parse().unwrap()]), std::slice::from_ref(&anna));
        assert!(!is_open() && users.generation() > generation);
        users.reload().unwrap();
        assert!(!is_open() && users.difference().is_some_and(|told| told.contains("'anna' is barred here")));
        fs::write(&path, with(false)).unwrap();
        users.reload().unwrap();
        assert!(!is_open() && users.barred().is_empty() && users.difference().is_none());
        fs::write(&path, with(true)).unwrap();
        users.reload().unwrap();
        assert!(is_open());
        users.bar(std::slice::from_ref(&anna));
        users.allow(&anna);
        assert!(is_open() && users.difference().is_none());
    }

    #[test]
    fn accounts_are_closed_before_the_file_is_written_and_also_where_it_cannot_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.json");
        fs::write(&path, r#"{"version":1,"users":{"anna":{},"bob":{}}}"#).unwrap();
        let before = fs::read(&path).unwrap();
        let mut closed = Vec::new();
        let disable = |store: &mut file::Store| {
            for (name, record) in &mut store.users {
                record.enabled = name.as_str() != "anna";
            }
            Ok::<_, ()>(())
        };
        let closing = |names: &[UserName]| {
            assert_eq!(fs::read(&path).unwrap(), before, "the file is written already");
            closed.extend(names.iter().map(ToString::to_string));
        };
        file::edit_then(&path, disable, closing, |_, _| ()).unwrap().unwrap();
        assert_eq!(closed, ["anna"]);
        fs::remove_file(folder.path().join("users.json.lock")).unwrap();
        fs::create_dir(folder.path().join("users.json.lock")).unwrap();
        let mut closed = Vec::new();
        let remove = |store: &mut file::Store| Ok::<_, ()>(store.users.remove("bob"));
        let edited = file::edit_then(&path, remove, |names| closed.extend_from_slice(names), |_, _| ());
        let told = not_written(&closed, &edited.unwrap_err());
        assert!(told.contains("cannot write") && told.contains("'bob' is barred in the running server"), "{told}");
    }
}
