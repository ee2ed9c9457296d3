//! A ferry server as a site: its sessions are connections of one user, opened on demand.

mod batch;
mod get;
mod look;
mod prepare;
mod put;
mod session;
mod walk;

use ferry_shared::message::Notice;
use tokio::sync::broadcast;

use self::session::FerrySession;
use crate::{
    connect::Connector,
    remote::Remote,
    site::{Abilities, Outcome, Session, Site, Surroundings},
};

/// The number of notices kept for a slow receiver.
const NOTICES: usize = 64;

/// The files of one user on one ferry server. Clones share the login and the notices.
#[derive(Debug, Clone)]
pub struct Ferry {
    connector: Connector,
    notices: broadcast::Sender<Notice>,
}

impl Ferry {
    /// Creates the site to which `connector` opens connections.
    #[must_use]
    pub fn new(connector: Connector) -> Self {
        Self { connector, notices: broadcast::Sender::new(NOTICES) }
    }

    /// The abilities of a ferry server.
    pub const ABILITIES: Abilities = Abilities { size_first: true, links: false, ..Abilities::ALL };

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

    fn open<'a>(&'a self, surroundings: &'a Surroundings) -> Outcome<'a, Box<dyn Session>> {
        Box::pin(async move {
            let connection = self.connector.open().await?;
            let remote = Remote::among(connection, self.connector.clone(), surroundings, self.notices.clone());
            Ok(Box::new(FerrySession::new(remote, surroundings)) as Box<dyn Session>)
        })
    }
}
