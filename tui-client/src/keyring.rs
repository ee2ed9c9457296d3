//! Passwords that the person has put into the keyring of the operating system. There they are stored, and nowhere else.
//!
//! Each belongs to one account: the kind of server, the user, the host and the port. Nothing is asked for that is not
//! stored for exactly this account, so no password can go to another server.

#[cfg(any(windows, target_os = "macos"))]
mod native;
#[cfg(all(unix, not(target_os = "macos")))]
mod secret_service;

use std::{fmt, sync::Arc};

use ferry_client::{connect::Target, trust::BoxFuture};
use ferry_shared::{name::Escaped, secret::Secret};

use crate::sites::{Site, Sites};

/// The reason why the keyring did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyringError {
    /// There is none.
    #[error(
        "there is no keyring here ({0}); start one, such as GNOME Keyring or KWallet, or give the password with \
         --password-file or at the prompt"
    )]
    Missing(String),
    /// The person did not unlock it.
    #[error("the keyring is locked; unlock it and try again")]
    Locked,
    /// It failed.
    #[error("the keyring failed: {0}")]
    Failed(String),
}

/// A store of passwords of accounts.
pub(crate) trait Keyring: fmt::Debug + Send + Sync {
    /// The password of an account, if there is one.
    fn get(&self, account: String) -> BoxFuture<'_, Result<Option<Secret>, KeyringError>>;

    /// Stores the password of an account, in place of another one.
    fn set(&self, account: String, password: Secret) -> BoxFuture<'_, Result<(), KeyringError>>;

    /// Removes the password of an account; returns whether there was one.
    fn remove(&self, account: String) -> BoxFuture<'_, Result<bool, KeyringError>>;
}

/// The keyring of this system. Nothing is asked of it before it is used.
pub(crate) fn system() -> Arc<dyn Keyring> {
    #[cfg(all(unix, not(target_os = "macos")))]
    return Arc::new(secret_service::SecretService);
    #[cfg(any(windows, target_os = "macos"))]
    return Arc::new(native::Native);
}

/// The name of an account in a keyring, which is its URL, for people.
pub(crate) fn shown(target: &Target) -> String {
    Escaped(target.url().as_bytes()).to_string()
}

/// The account whose password is to be removed when the site `name` goes, or becomes `new`: the one of the old site,
/// unless it is still used.
pub(crate) fn orphan(sites: &Sites, name: &str, new: Option<&Site>) -> Option<String> {
    let of = |site: &Site| site.target().ok().filter(|_| site.keyring).map(|target| target.url());
    let old = sites.get(name).and_then(of)?;
    let mut kept = sites.iter().filter(|(other, _)| *other != name).map(|(_, site)| site).chain(new).filter_map(of);
    kept.all(|kept| kept != old).then_some(old)
}

#[cfg(test)]
pub(crate) mod memory {
    //! A keyring in memory.

    use std::collections::HashMap;

    use parking_lot::Mutex;

    use super::*;

    /// Passwords by account; `Err` makes everything fail.
    #[derive(Debug)]
    pub(crate) struct Memory(pub(crate) Mutex<Result<HashMap<String, Secret>, KeyringError>>);

    impl Memory {
        fn with<T: Send + 'static>(
            &self,
            work: impl FnOnce(&mut HashMap<String, Secret>) -> T,
        ) -> BoxFuture<'_, Result<T, KeyringError>> {
            let result = self.0.lock().as_mut().map(work).map_err(|error| error.clone());
            Box::pin(async { result })
        }
    }

    impl Keyring for Memory {
        fn get(&self, account: String) -> BoxFuture<'_, Result<Option<Secret>, KeyringError>> {
            self.with(|all| all.get(&account).cloned())
        }

        fn set(&self, account: String, password: Secret) -> BoxFuture<'_, Result<(), KeyringError>> {
            self.with(|all| drop(all.insert(account, password)))
        }

        fn remove(&self, account: String) -> BoxFuture<'_, Result<bool, KeyringError>> {
            self.with(|all| all.remove(&account).is_some())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_belongs_to_kind_user_host_and_port() {
        let accounts = [
            Target::ferry("al", "h", 22).url(),
            Target::sftp("al", "h", 22).url(),
            Target::sftp("bo", "h", 22).url(),
            Target::sftp("al", "i", 22).url(),
            Target::sftp("al", "h", 23).url(),
        ];
        let different: std::collections::BTreeSet<_> = accounts.iter().collect();
        assert_eq!(different.len(), accounts.len());
        // Another spelling of the same host.
        assert_eq!(Target::sftp("al", "H", 22).url(), Target::sftp("al", "h", 22).url());
    }

    #[test]
    fn the_password_of_a_site_goes_with_the_last_site_that_uses_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sites.toml");
        let text = "[sites.a]\naddress = 'h:1'\nuser = 'al'\nkeyring = true\n\
                    [sites.b]\naddress = 'h:1'\nuser = 'al'\nkeyring = true\n\
                    [sites.c]\naddress = 'i:1'\nuser = 'al'\nkeyring = true\n\
                    [sites.d]\naddress = 'h:1'\nuser = 'al'\n";
        std::fs::write(&file, text).unwrap();
        let mut sites = Sites::load(file).unwrap();
        assert_eq!(orphan(&sites, "a", None), None);
        assert_eq!(orphan(&sites, "d", None), None);
        assert_eq!(orphan(&sites, "c", None), Some("ferry://al@i:1".to_owned()));
        let same = sites.get("c").unwrap().clone();
        assert_eq!(orphan(&sites, "c", Some(&same)), None);
        let moved = Site { address: "j:1".to_owned(), ..same };
        assert_eq!(orphan(&sites, "c", Some(&moved)), Some("ferry://al@i:1".to_owned()));
        sites.remove("b").unwrap();
        assert_eq!(orphan(&sites, "a", None), Some("ferry://al@h:1".to_owned()));
    }
}
