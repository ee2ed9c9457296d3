//! Making an account from outside, where the operator lets people do that.

use std::sync::Arc;

use ferry_shared::secret::Secret;

use super::{
    Account, By, StoreError, UserName, Users,
    file::{self, Record},
    invite, password,
};
use crate::config;

/// Why no account was made.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The operator makes the accounts.
    #[error("this server makes no accounts; ask its operator")]
    Closed,
    /// The invite is unknown, used up or over, or there is none: never told apart.
    #[error("the invite is not valid, or not any more")]
    Invite,
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] super::UserNameError),
    /// There are as many accounts as the operator wants.
    #[error("this server has as many accounts as it may; ask its operator")]
    Full,
    /// Somebody has the name, or had it and left files.
    #[error("this name is taken; choose another")]
    Taken,
    /// The password cannot be one, or too many wait to be hashed.
    #[error(transparent)]
    Password(#[from] password::NewPasswordError),
    /// The user store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server is ending.
    #[error("the server is ending")]
    Stopped,
}

impl Users {
    /// Makes an account as the operator's `terms` say, and uses up its invite. `is_kept` blocks and
    /// says whether there are files under a name: an earlier user's are not for who comes along.
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
        // Before the costly hash, so that a guess at an invite costs little here; asked again under the lock.
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

/// Adds the account and takes one use off the invite, both or neither.
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
            // Its own quota, else what everybody gets.
            record.quota = invite.quota.or(record.quota);
            invite.uses -= 1;
            if invite.uses == 0 {
                store.invites.remove(hash);
            }
        }
        if store.users.contains_key(name) || is_kept(name) {
            return Err(RegisterError::Taken);
        }
        // An error takes the use of the invite back.
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
