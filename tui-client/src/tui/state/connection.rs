//! The way to the server: from nothing over the greeting and the login to a session, and back.

use std::time::Duration;

use ferry_shared::{
    fingerprint::Fingerprint,
    message::reply::{Access, Registration, Usage},
};

use super::{problem::Problem, server::Server, ticket::Ticket};

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

/// A login that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    /// The server.
    pub(crate) server: Server,
    /// Its greeting.
    pub(crate) greeting: Greeting,
    /// The account there.
    pub(crate) account: Account,
}

/// A connection that was lost and is being made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    /// The problem.
    pub(crate) problem: Problem,
    /// How many attempts failed.
    pub(crate) attempt: u32,
    /// The time of the next attempt; `None` while one is under way.
    pub(crate) retry_at: Option<Duration>,
}

/// The way to the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Connection {
    /// There is none.
    #[default]
    Offline,
    /// The server is being greeted; nothing secret is sent.
    Reaching {
        /// The server.
        server: Server,
        /// The ticket of the answer.
        ticket: Ticket,
    },
    /// It was greeted and its key is trusted; the password is being typed.
    Greeted {
        /// The server.
        server: Server,
        /// Its greeting.
        greeting: Greeting,
    },
    /// The password is being checked.
    LoggingIn {
        /// The server.
        server: Server,
        /// Its greeting.
        greeting: Greeting,
        /// The ticket of the answer.
        ticket: Ticket,
    },
    /// Logged in.
    Online(Session),
    /// Logged in, but the connection is lost.
    Lost(Session, Lost),
}

impl Connection {
    /// The session, whether or not its connection holds at the moment.
    pub(crate) fn session(&self) -> Option<&Session> {
        match self {
            Self::Online(session) | Self::Lost(session, _) => Some(session),
            _ => None,
        }
    }

    /// The session, to change what is known of it.
    pub(crate) fn session_mut(&mut self) -> Option<&mut Session> {
        match self {
            Self::Online(session) | Self::Lost(session, _) => Some(session),
            _ => None,
        }
    }

    /// The server of the connection, or the one being connected to.
    pub(crate) fn server(&self) -> Option<&Server> {
        match self {
            Self::Offline => None,
            Self::Reaching { server, .. } | Self::Greeted { server, .. } | Self::LoggingIn { server, .. } => {
                Some(server)
            }
            Self::Online(session) | Self::Lost(session, _) => Some(&session.server),
        }
    }

    /// Whether calls can be made now.
    pub(crate) fn is_online(&self) -> bool {
        matches!(self, Self::Online(_))
    }

    /// Whether the user may change things there.
    pub(crate) fn may_write(&self) -> bool {
        self.session().is_none_or(|session| session.account.access == Access::ReadWrite)
    }

    /// The ticket of what is being waited for.
    pub(crate) fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::Reaching { ticket, .. } | Self::LoggingIn { ticket, .. } => Some(*ticket),
            _ => None,
        }
    }
}
