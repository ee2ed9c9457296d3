//! A ferry server as a site: its sessions are connections of one user, opened on demand.

mod batch;
mod get;
mod look;
mod pack;
mod prepare;
mod put;
mod session;
mod walk;

use std::sync::Arc;

use ferry_shared::{message::Notice, path::RemotePath};
use parking_lot::Mutex;
use tokio::sync::broadcast;

use self::session::FerrySession;
use crate::{
    connect::Connector,
    remote::{Asked, Remote},
    site::{Abilities, Location, Outcome, Session, Site, Surroundings},
};

/// The number of notices kept for a slow receiver.
const NOTICES: usize = 64;

/// The files of one user on one ferry server. Clones share the login and the notices.
#[derive(Debug, Clone)]
pub struct Ferry {
    connector: Connector,
    notices: broadcast::Sender<Notice>,
    /// The path that the next session is asked about first.
    first: Arc<Mutex<Option<RemotePath>>>,
}

impl Ferry {
    /// Creates the site to which `connector` opens connections.
    #[must_use]
    pub fn new(connector: Connector) -> Self {
        Self { connector, notices: broadcast::Sender::new(NOTICES), first: Arc::default() }
    }

    /// The abilities of a ferry server.
    pub const ABILITIES: Abilities = Abilities { size_first: true, links: false, deltas: true, ..Abilities::ALL };

    /// The connector of the connections.
    #[must_use]
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    /// The server's notices in all sessions from now on. A notice for everybody arrives once per session.
    #[must_use]
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }
}

impl Site for Ferry {
    fn name(&self) -> String {
        self.connector.target().url()
    }

    fn abilities(&self) -> Abilities {
        Self::ABILITIES
    }

    fn announce(&self, first: &Location) {
        *self.first.lock() = look::path(first).ok().filter(|path| !path.is_home());
    }

    fn open<'a>(&'a self, surroundings: &'a Surroundings) -> Outcome<'a, Box<dyn Session>> {
        Box::pin(async move {
            let first = self.first.lock().take();
            let (frames, waiter, asked) = match first.and_then(Asked::about) {
                Some((frames, waiter, asked)) => (frames, Some(waiter), Some(asked)),
                None => (Vec::new(), None, None),
            };
            let connection = self.connector.open_with(&frames).await?;
            let (connector, notices) = (self.connector.clone(), self.notices.clone());
            let remote = Remote::among(connection, connector, surroundings, notices, waiter);
            Ok(Box::new(FerrySession::new(remote, surroundings, asked)) as Box<dyn Session>)
        })
    }
}
