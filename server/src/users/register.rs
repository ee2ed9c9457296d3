//! Registration: creating an account from outside, if the operator allows it.

use std::sync::Arc;

use ferry_shared::secret::Secret;

use super::{
    Account, By, StoreError, UserName, Users,
    file::{self, Record},
    invite, password,
};
use crate::config;

/// The reason why no account was created.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Only the operator creates accounts.
    #[error("this server does not allow registration; ask its operator")]
    Closed,
    /// The invite is unknown, used up or expired, or there is none: the peer cannot tell which.
    #[error("the invite is not valid, or no longer")]
    Invite,
    /// The name is not acceptable.
    #[error(transparent)]
    Name(#[from] super::UserNameError),
    /// The maximum number of accounts is reached.
    #[error("this server has its maximum number of accounts; ask its operator")]
    Full,
    /// The name is in use, or an earlier user of the name left files.
    #[error("this name is taken; choose another")]
    Taken,
    /// The password is not acceptable, or too many are waiting to be hashed.
    #[error(transparent)]
    Password(#[from] password::NewPasswordError),
    /// The user store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server is stopping.
    #[error("the server is ending")]
    Stopped,
}

impl Users {
    /// Creates an account according to the operator's `terms`, and uses the invite. `is_kept` blocks and returns
    /// whether there are files under a name: a new user must not get the files of an earlier one.
    ///
    /// # Errors
    /// [`RegisterError`]; nothing is changed then.
    pub async fn register(
        &self,
        name: &str,
        password: &Secret,
        invite: Option<&Secret>,
        terms: &config::Registration,
        is_kept: impl Fn(&UserName) -> bool + Clone + Send + 'static,
    ) -> Result<Arc<Account>, RegisterError> {
        let invite = match terms.mode {
            config::RegistrationMode::Closed => return Err(RegisterError::Closed),
            config::RegistrationMode::Invite => Some(invite::hash(invite.ok_or(RegisterError::Invite)?)),
            config::RegistrationMode::Open => None,
        };
        let name: UserName = name.parse()?;
        // Check before the costly hash, so that guessing an invite costs the server little; the check is repeated
        // under the lock.
        let (users, wanted, kept, token) = (self.clone(), name.clone(), is_kept.clone(), invite.clone());
        let most = usize::try_from(terms.max_accounts).unwrap_or(usize::MAX);
        blocking(move || users.may_register(&wanted, token.as_deref(), most, kept)).await?;
        let hash = self.0.verifier.hash(password).await?;
        let mut record = Record::new(Some(hash));
        (record.quota, record.max_files) = (terms.quota, terms.max_files);
        let (users, made) = (self.clone(), name.clone());
        blocking(move || add(&users, &made, record, invite.as_deref(), most, is_kept)).await?;
        self.current(&name).ok_or(RegisterError::Stopped)
    }

    fn may_register(
        &self,
        name: &UserName,
        invite: Option<&str>,
        most: usize,
        is_kept: impl Fn(&UserName) -> bool,
    ) -> Result<(), RegisterError> {
        // Invites are only in the file.
        if let Some(hash) = invite
            && !file::load(self.path())?.invites.get(hash).is_some_and(invite::Invite::is_valid)
        {
            return Err(RegisterError::Invite);
        }
        if self.count() >= most {
            return Err(RegisterError::Full);
        }
        if self.current(name).is_some() || is_kept(name) { Err(RegisterError::Taken) } else { Ok(()) }
    }
}

async fn blocking(work: impl FnOnce() -> Result<(), RegisterError> + Send + 'static) -> Result<(), RegisterError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| RegisterError::Stopped)?
}

/// Adds the account and uses the invite once: both or neither.
fn add(
    users: &Users,
    name: &UserName,
    mut record: Record,
    invite: Option<&str>,
    most: usize,
    is_kept: impl Fn(&UserName) -> bool,
) -> Result<(), RegisterError> {
    let change = |store: &mut file::Store| {
        if let Some(hash) = invite {
            let invite = store.invites.get_mut(hash).filter(|invite| invite.is_valid()).ok_or(RegisterError::Invite)?;
            // The quota of the invite takes precedence over the default.
            record.quota = invite.quota.or(record.quota);
            invite.uses -= 1;
            if invite.uses == 0 {
                store.invites.remove(hash);
            }
        }
        if store.users.contains_key(name) || is_kept(name) {
            return Err(RegisterError::Taken);
        }
        // An error also undoes the use of the invite.
        if store.users.len() >= most {
            return Err(RegisterError::Full);
        }
        store.users.insert(name.clone(), record);
        Ok(())
    };
    let (_, reloaded) =
        file::edit_then(users.path(), change, |_| {}, |_, _| users.reload_for(By::User(name.clone())))??;
    reloaded?;
    Ok(())
}
