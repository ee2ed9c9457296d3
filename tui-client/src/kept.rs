//! Logins and connections that outlive a verb, so that the lines of a batch log in once per server.

use std::path::PathBuf;

use ferry_client::{
    connect::Target,
    server::{Connector, Remote},
    trust::Fingerprint,
};
use parking_lot::Mutex;

use crate::{
    args::{Login, ServerFlags},
    failure::Failure,
    sites::Place,
};

/// The logins of a batch.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    logins: Mutex<Vec<Entry>>,
}

/// A login, and a connection that keeps its session open.
#[derive(Debug)]
struct Entry {
    key: Key,
    connector: Connector,
    remote: Option<Remote>,
}

/// Everything that determines a login: with other flags a line logs in anew.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    target: Target,
    login: Login,
    server: ServerFlags,
    server_key: Option<Fingerprint>,
    identity: Option<PathBuf>,
    seal: Option<PathBuf>,
}

impl Kept {
    /// The connector of an earlier line with the same login, or a new one. Secrets are asked for only by `new`.
    ///
    /// # Errors
    /// Those of `new`.
    pub(crate) fn connector(
        &self,
        place: &Place,
        login: &Login,
        server: &ServerFlags,
        new: impl FnOnce() -> Result<Connector, Failure>,
    ) -> Result<Connector, Failure> {
        let key = Key {
            target: place.target.clone(),
            login: login.clone(),
            server: server.clone(),
            server_key: place.server_key,
            identity: place.identity.clone(),
            seal: place.seal.clone(),
        };
        if let Some(kept) = self.logins.lock().iter().find(|kept| kept.key == key) {
            return Ok(kept.connector.clone());
        }
        let connector = new()?;
        self.logins.lock().push(Entry { key, connector: connector.clone(), remote: None });
        Ok(connector)
    }

    /// The open connection of `connector`; `None` if there is none.
    pub(crate) fn remote(&self, connector: &Connector) -> Option<Remote> {
        let logins = self.logins.lock();
        let kept = logins.iter().find(|kept| kept.connector.is_same(connector))?;
        kept.remote.clone().filter(|remote| !remote.is_closed())
    }

    /// Keeps a connection of `connector` open until the end of the batch.
    pub(crate) fn keep(&self, connector: &Connector, remote: Remote) {
        if let Some(kept) = self.logins.lock().iter_mut().find(|kept| kept.connector.is_same(connector)) {
            kept.remote = Some(remote);
        }
    }
}
