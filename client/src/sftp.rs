//! An account on an SSH server as a site: SFTP version 3, over channels of as few connections as possible.
//!
//! The server is not trusted with more than its own files: names are checked, lists and answers are bounded, and a
//! server that does not answer is given up. SFTP has no digests and no versions, so [`Abilities`] says that content is
//! proven by its size, or by reading it back.

mod auth;
mod batch;
mod calls;
mod config;
mod connector;
mod dial;
mod fault;
mod get;
mod host_key;
mod known_hosts;
mod link;
mod listing;
mod parts;
mod place;
mod prepare;
mod put;
mod remote;
mod secrets;
mod server_digest;
mod session;
mod symlink;
mod target;
mod walk;

use self::session::SftpSession;
pub use self::{
    config::{ConfiguredHost, configured_hosts},
    connector::{Greeted, PORT, SftpConnector, SftpOptions, completed, unsupported_lines},
    place::HOME,
    remote::{BlockReader, PageStream, SftpRemote},
    secrets::{Login, NoSecrets, OnePassword, SecretQuestion, Secrets},
};
use crate::site::{Abilities, Dates, Outcome, Replace, Resume, Session, Site, Surroundings};

/// The files of one user on one SSH server. Clones share the login and the connections.
#[derive(Debug, Clone)]
pub struct Sftp {
    connector: SftpConnector,
}

impl Sftp {
    /// The abilities of an SFTP server, as far as they are known before it is connected to.
    pub const ABILITIES: Abilities = Abilities {
        digest: false,
        replace: Replace::ByRename,
        only_if_unchanged: false,
        resume: Resume::Offset,
        server_copy: false,
        search: false,
        quota: false,
        unfinished: false,
        register: false,
        password: false,
        mtime: Dates::Seconds,
        connections: 16,
        size_first: true,
        ..Abilities::ALL
    };

    /// Creates the site to which `connector` opens channels.
    #[must_use]
    pub fn new(connector: SftpConnector) -> Self {
        Self { connector }
    }

    /// The connector.
    #[must_use]
    pub fn connector(&self) -> &SftpConnector {
        &self.connector
    }
}

impl Site for Sftp {
    fn name(&self) -> String {
        self.connector.target().url()
    }

    fn abilities(&self) -> Abilities {
        let atomic = self.connector.facts().is_some_and(|facts| facts.posix_rename);
        let replace = if atomic { Replace::Atomic } else { Replace::ByRename };
        Abilities { replace, ..Self::ABILITIES }
    }

    fn open<'a>(&'a self, surroundings: &'a Surroundings) -> Outcome<'a, Box<dyn Session>> {
        Box::pin(async move {
            let (calls, _) = self.connector.open(surroundings).await?;
            let session = SftpSession::new(calls, surroundings.pool.clone(), self.connector.parts());
            Ok(Box::new(session) as Box<dyn Session>)
        })
    }
}
