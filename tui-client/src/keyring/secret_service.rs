//! The Secret Service of the desktop: GNOME Keyring, KWallet, KeePassXC and others, over D-Bus.

use std::{collections::HashMap, time::Duration};

use ferry_client::trust::BoxFuture;
use ferry_shared::secret::Secret;
use secret_service::{EncryptionType, Error, Item, SecretService as Service};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{Keyring, KeyringError};

/// How long the service may take. It may ask the person to unlock the keyring.
const PATIENCE: Duration = Duration::from_secs(120);
/// The attribute that all items of this program have.
const APPLICATION: (&str, &str) = ("application", "ferry");
/// The attribute with the account.
const ACCOUNT: &str = "account";

/// The service of the session; each call connects to it.
#[derive(Debug)]
pub(super) struct SecretService;

impl Keyring for SecretService {
    fn get(&self, account: String) -> BoxFuture<'_, Result<Option<Secret>, KeyringError>> {
        in_time(async move {
            let service = connect().await?;
            let Some(item) = found(&service, &account).await?.pop() else { return Ok(None) };
            let bytes = Zeroizing::new(item.get_secret().await.map_err(failed)?);
            match std::str::from_utf8(&bytes) {
                Ok(text) => Ok(Some(Secret::new(text.to_owned()))),
                Err(_) => Err(KeyringError::Failed(format!("the password of {account} is not text"))),
            }
        })
    }

    fn set(&self, account: String, password: Secret) -> BoxFuture<'_, Result<(), KeyringError>> {
        in_time(async move {
            let service = connect().await?;
            let collection = service.get_default_collection().await.map_err(failed)?;
            if collection.is_locked().await.map_err(failed)? {
                collection.unlock().await.map_err(failed)?;
            }
            let label = format!("ferry: {account}");
            let secret = password.expose().as_bytes();
            let created = collection.create_item(&label, attributes(&account), secret, true, "text/plain").await;
            created.map(drop).map_err(failed)
        })
    }

    fn remove(&self, account: String) -> BoxFuture<'_, Result<bool, KeyringError>> {
        in_time(async move {
            let service = connect().await?;
            let items = found(&service, &account).await?;
            for item in &items {
                item.delete().await.map_err(failed)?;
            }
            Ok(!items.is_empty())
        })
    }
}

fn in_time<'a, T: Send + 'a>(
    work: impl Future<Output = Result<T, KeyringError>> + Send + 'a,
) -> BoxFuture<'a, Result<T, KeyringError>> {
    Box::pin(async move {
        let late = |_| KeyringError::Failed("it does not answer".to_owned());
        timeout(PATIENCE, work).await.map_err(late).flatten()
    })
}

async fn connect() -> Result<Service<'static>, KeyringError> {
    // Encrypted, because other programs may be allowed to watch the bus.
    let connected = Service::connect(EncryptionType::Dh).await;
    connected.map_err(|error| match error {
        // With any other error, nothing can be asked either.
        Error::Unavailable => KeyringError::Missing("no D-Bus session".to_owned()),
        error => KeyringError::Missing(error.to_string()),
    })
}

fn attributes(account: &str) -> HashMap<&str, &str> {
    HashMap::from([APPLICATION, (ACCOUNT, account)])
}

/// The items of an account, unlocked.
async fn found<'a>(service: &'a Service<'_>, account: &str) -> Result<Vec<Item<'a>>, KeyringError> {
    let found = service.search_items(attributes(account)).await.map_err(failed)?;
    for item in &found.locked {
        item.unlock().await.map_err(failed)?;
    }
    Ok(found.unlocked.into_iter().chain(found.locked).collect())
}

fn failed(error: Error) -> KeyringError {
    match error {
        Error::Locked | Error::Prompt | Error::PromptDisconnected => KeyringError::Locked,
        Error::Unavailable => KeyringError::Missing("no Secret Service".to_owned()),
        Error::NoResult => KeyringError::Missing("it has no default collection".to_owned()),
        error => KeyringError::Failed(error.to_string()),
    }
}
