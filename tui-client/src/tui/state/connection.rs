//! Connections: logins that hold, one for each account on a server, and those that are lost for the moment.

use std::{collections::HashMap, time::Duration};

use ferry_client::{Ferry, Local, SiteKey, connect::Target, server};
use ferry_shared::{
    fingerprint::Fingerprint,
    message::reply::{Access, Registration, Usage},
};

use super::{State, pane::Pane, place::Place, problem::Problem, server::Server};
use crate::tui::action::Row;

/// The server's answer before the login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// Its name and version.
    pub(crate) software: String,
    /// The rule for making accounts.
    pub(crate) registration: Registration,
    /// Its key.
    pub(crate) key: Fingerprint,
}

/// The account as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// The user's permissions.
    pub(crate) access: Access,
    /// The user's usage and limits.
    pub(crate) usage: Usage,
    /// The operator's word of the day.
    pub(crate) motd: Option<String>,
}

/// A connection that was lost and is being made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    /// The problem.
    pub(crate) problem: Problem,
    /// The time of the next attempt; `None` while one is under way.
    pub(crate) retry_at: Option<Duration>,
}

/// A login that holds, whether or not its connection does at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connection {
    /// The server.
    pub(crate) server: Server,
    /// Its greeting.
    pub(crate) greeting: Greeting,
    /// The account there.
    pub(crate) account: Account,
    /// Why calls cannot be made now, if they cannot.
    pub(crate) lost: Option<Lost>,
}

/// Why a server cannot be reached, and when that is tried again: one answer for panes and transfers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outage<'a> {
    /// Why.
    pub(crate) problem: &'a Problem,
    /// The time of the next attempt; `None` while one is under way.
    pub(crate) retry_at: Option<Duration>,
}

impl Outage<'_> {
    /// The time until the next attempt.
    pub(crate) fn again(&self, now: Duration) -> String {
        match self.retry_at {
            Some(at) => format!("again in {} s", at.saturating_sub(now).as_secs_f64().ceil()),
            None => "connecting again".to_owned(),
        }
    }
}

/// All connections.
pub(crate) type Connections = HashMap<Target, Connection>;

impl Connection {
    /// Whether calls can be made now.
    pub(crate) fn is_online(&self) -> bool {
        self.lost.is_none()
    }
}

impl State {
    /// The connection to the site of a place; `None` on this computer, and where there is none.
    pub(crate) fn connection_of(&self, place: &Place) -> Option<&Connection> {
        self.connections.get(place.target()?)
    }

    /// The connection to the server that a pane shows.
    pub(crate) fn pane_connection(&self, pane: &Pane) -> Option<&Connection> {
        self.connection_of(&pane.place)
    }

    /// Why a server cannot be reached, if it cannot: the connection for browsing or one for transfers was lost.
    pub(crate) fn outage(&self, server: &Target) -> Option<Outage<'_>> {
        let stalled = self.transfers.stalled(server);
        match self.connections.get(server).and_then(|connection| connection.lost.as_ref()) {
            Some(Lost { problem, retry_at }) => {
                let retry_at = retry_at.map(|at| stalled.map_or(at, |(_, other)| at.min(*other)));
                Some(Outage { problem, retry_at })
            }
            None => stalled.map(|(problem, at)| Outage { problem, retry_at: Some(*at) }),
        }
    }

    /// Whether files at a place can be read now.
    pub(crate) fn is_reachable(&self, place: &Place) -> bool {
        place.is_local() || self.connection_of(place).is_some_and(Connection::is_online)
    }

    /// Whether the user may change files at a place, as far as is known.
    pub(crate) fn may_write(&self, place: &Place) -> bool {
        self.connection_of(place).is_none_or(|connection| connection.account.access == Access::ReadWrite)
    }

    /// How to connect to an account: as before, or as a saved site has it.
    pub(crate) fn server_of(&self, target: &Target) -> Server {
        let saved = || {
            let servers =
                self.saved.sites.iter().filter_map(|site| Server::from_site(&site.name, &site.site, &self.home).ok());
            servers.into_iter().find(|server| server.target == *target)
        };
        self.servers.get(target).cloned().or_else(saved).unwrap_or_else(|| Server::new(target.clone()))
    }

    /// The servers that were connected to lately, are not connected now and not saved as sites.
    pub(crate) fn recent_servers(&self) -> Vec<Server> {
        let is_known = |target: &Target| self.saved.has(target) || self.connections.contains_key(target);
        self.saved.recent.iter().filter(|server| !is_known(&server.target)).cloned().collect()
    }

    /// Whether the site that the active pane shows offers what an action needs.
    pub(crate) fn offers(&self, row: &Row) -> bool {
        let abilities = match &self.pane().place.site {
            _ if self.pane().vacant => Ferry::ABILITIES,
            SiteKey::Local => Local::ABILITIES,
            SiteKey::Server(target) => server::abilities(target),
        };
        row.needs.is_none_or(|need| need.is_met(&abilities))
    }

    /// A server's short name.
    pub(crate) fn server_name(&self, server: &Target) -> String {
        self.server_of(server).name()
    }

    /// A site's short name.
    pub(crate) fn site_name(&self, site: &SiteKey) -> String {
        match site {
            SiteKey::Local => site.to_string(),
            SiteKey::Server(target) => self.server_of(target).name(),
        }
    }
}
