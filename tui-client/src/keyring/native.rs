//! The Keychain of macOS, and the Credential Manager of Windows.

use ferry_client::trust::BoxFuture;
use ferry_shared::secret::Secret;
use keyring::v1::{Entry, Error};

use super::{Keyring, KeyringError};

/// The service under which the passwords of this program are stored.
const SERVICE: &str = "ferry";

/// The keyring of the user. Its calls may block, such as for a question to the person.
#[derive(Debug)]
pub(super) struct Native;

impl Keyring for Native {
    fn get(&self, account: String) -> BoxFuture<'_, Result<Option<Secret>, KeyringError>> {
        on_thread(account, |entry| match entry.get_password() {
            Ok(password) => Ok(Some(Secret::new(password))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(failed(&error)),
        })
    }

    fn set(&self, account: String, password: Secret) -> BoxFuture<'_, Result<(), KeyringError>> {
        on_thread(account, move |entry| entry.set_password(password.expose()).map_err(|error| failed(&error)))
    }

    fn remove(&self, account: String) -> BoxFuture<'_, Result<bool, KeyringError>> {
        on_thread(account, |entry| match entry.delete_credential() {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(error) => Err(failed(&error)),
        })
    }
}

fn on_thread<T: Send + 'static>(
    account: String,
    work: impl FnOnce(Entry) -> Result<T, KeyringError> + Send + 'static,
) -> BoxFuture<'static, Result<T, KeyringError>> {
    Box::pin(async move {
        let work = move || Entry::new(SERVICE, &account).map_err(|error| failed(&error)).and_then(work);
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(stopped) => Err(KeyringError::Failed(stopped.to_string())),
        }
    })
}

fn failed(error: &Error) -> KeyringError {
    match error {
        Error::NoDefaultStore => KeyringError::Missing(error.to_string()),
        Error::NoStorageAccess(_) => KeyringError::Locked,
        error => KeyringError::Failed(error.to_string()),
    }
}
