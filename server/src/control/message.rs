//! What is asked and answered on the control socket, one JSON object a line.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::who::Right;
use crate::{
    bandwidth::Direction,
    quota::Tally,
    users::{
        UserName,
        change::{Change, ChangeError},
        facts::Facts,
        moment::Moment,
    },
};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// How the server is.
    Status,
    /// Who is connected, and what travels.
    Sessions,
    /// Close the sessions of a user, or one by its number.
    Kick {
        /// A user's name, or a session's number.
        who: String,
    },
    /// Say something to everybody.
    Broadcast {
        /// What.
        text: String,
    },
    /// What a user has, and what holds it.
    Explain {
        /// The user's name.
        user: String,
    },
    /// Count a home again, or all.
    Rescan {
        /// Whose; everybody's if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// The waits after failed logins.
    Penalties,
    /// Forget the failed logins from an address.
    Lift {
        /// Which; of IPv6 its /64.
        address: IpAddr,
    },
    /// Read configuration, certificate and users again.
    Reload {
        /// A certificate and its key that come along as open files, for a server whose user may not read them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pair: Option<Pair>,
    },
    /// Read the users again.
    Users,
    /// The accounts and invites, without secrets.
    Accounts,
    /// Change an account or an invite.
    Change {
        /// How.
        change: Change,
    },
    /// Close these accounts before the file says so.
    Bar {
        /// Whose.
        users: Vec<UserName>,
    },
    /// Take that back.
    Allow {
        /// Whose.
        user: UserName,
    },
    /// Throw unfinished uploads away.
    Discard {
        /// Whose.
        user: UserName,
        /// Which, as `explain` shows them; all that are not under way if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        paths: Option<Vec<String>>,
    },
    /// Take nobody new, give transfers their time, and end.
    Drain {
        /// What sessions and new clients are told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
}

impl Ask {
    /// What a peer has to be allowed for it.
    #[must_use]
    pub fn needs(&self) -> Right {
        match self {
            Self::Status
            | Self::Sessions
            | Self::Explain { .. }
            | Self::Penalties
            | Self::Accounts
            | Self::Kick { .. }
            | Self::Lift { .. } => Right::Look,
            Self::Change { .. } => Right::Accounts,
            Self::Broadcast { .. }
            | Self::Rescan { .. }
            | Self::Reload { .. }
            | Self::Users
            | Self::Bar { .. }
            | Self::Allow { .. }
            | Self::Discard { .. }
            | Self::Drain { .. } => Right::All,
        }
    }
}

/// Where the certificate and the key lie that are handed over, in the order of the files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To `status`.
    Status(Box<Status>),
    /// To `sessions`, oldest first.
    Sessions(Vec<Session>),
    /// To `kick`: the sessions that were ended.
    Kicked {
        /// Their numbers.
        sessions: Vec<u64>,
    },
    /// To `broadcast`: how many sessions were told.
    Broadcast {
        /// Their number.
        sessions: usize,
    },
    /// To `explain`.
    Explained(Box<Explained>),
    /// To `rescan`, by name.
    Rescanned(Vec<Rescanned>),
    /// To `penalties`, the longest wait first.
    Penalties(Vec<Penalty>),
    /// To `lift`: nothing from there waits now.
    Lifted {
        /// The address or network.
        address: String,
    },
    /// To `reload` and `users`: what stays as it was, and why.
    Reloaded {
        /// What is wrong; empty when all is as it should be.
        faults: Vec<String>,
        /// What is in force and was not before.
        #[serde(default)]
        changed: Vec<String>,
        /// What waits for the next start.
        #[serde(default)]
        notes: Vec<String>,
    },
    /// To `accounts`.
    Accounts(Box<Facts>),
    /// To `change`: it is in the file and in force.
    Changed {
        /// Whether a user who was added finds files, or those of a removed user were there to be removed.
        files: bool,
    },
    /// To `change`: why nothing is changed.
    Unchanged(ChangeError),
    /// To `bar`: those whose accounts were open and are closed.
    Barred {
        /// Their names.
        users: Vec<UserName>,
    },
    /// To `discard`: the uploads that are gone.
    Discarded {
        /// Their paths.
        paths: Vec<String>,
    },
    /// To `allow`.
    Done,
    /// To `drain`: what still runs and how long it has.
    Draining {
        /// Files on their way.
        transfers: usize,
        /// Seconds.
        seconds: u64,
    },
    /// It was not done.
    Failed {
        /// Why.
        message: String,
    },
}

impl Answer {
    /// It was not done, for this reason.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into() }
    }
}

/// How a server is. Bytes and counts are since its start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// When it began.
    pub started: Moment,
    /// For how long it runs.
    pub uptime_seconds: u64,
    /// Whether it is about to end and takes nobody new.
    pub draining: bool,
    /// Logins that are open.
    pub sessions: usize,
    /// Their connections.
    pub connections: usize,
    /// Connections that have not logged in.
    pub unfinished: usize,
    /// Files on their way.
    pub transfers: usize,
    /// Bytes from clients, on the wire below TLS.
    pub received: u64,
    /// Bytes to clients.
    pub sent: u64,
    /// Connections that were taken.
    pub accepted: u64,
    /// Logins that opened a session.
    pub logins: u64,
    /// Files stored.
    pub uploads: u64,
    /// Files sent whole.
    pub downloads: u64,
    /// The same of each door by its name; an earlier server does not tell.
    #[serde(default)]
    pub doors: BTreeMap<String, AtDoor>,
    /// Refusals by code.
    pub refusals: BTreeMap<String, u64>,
    /// Connections that came to nothing before login, by reason.
    #[serde(default)]
    pub turned_away: BTreeMap<String, u64>,
    /// Connections that ended in a panic.
    pub panics: u64,
    /// Recounts that found other figures than were believed.
    pub quota_drifts: u64,
    /// Lines the audit log could not take.
    pub audit_lost: u64,
    /// Lines of the log that standard error did not take.
    pub log_lost: u64,
    /// What is in force and not as it is on disk.
    pub differs: Vec<Differs>,
    /// The certificate in use, where it can be read.
    #[serde(default)]
    pub certificate: Option<Certificate>,
    /// What runs at once inside the server: connections, listeners, maintenance.
    pub tasks: usize,
    /// Password checks that wait or run.
    pub hash_queue: usize,
    /// Flushes of the disk.
    pub flushes: u64,
    /// Seconds they took.
    pub flush_seconds: f64,
    /// Bytes free on the disk of the homes.
    pub disk_free: Option<u64>,
    /// Accounts in the user store.
    pub accounts: usize,
    /// Users met since the start, by name.
    pub users: Vec<User>,
}

/// The figures of one door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtDoor {
    /// Logins that are open.
    pub sessions: usize,
    /// Their connections.
    pub connections: usize,
    /// Connections that were taken.
    pub accepted: u64,
    /// Logins that opened a session.
    pub logins: u64,
}

/// A user's figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The name.
    pub name: String,
    /// Bytes in the home.
    pub used: u64,
    /// Bytes that unfinished uploads hold.
    pub reserved: u64,
    /// Bytes the user may have.
    pub quota: Option<u64>,
    /// Files and folders.
    pub files: u64,
    /// How many of them the user may have.
    pub max_files: Option<u64>,
}

/// What a user has, and what holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// The name.
    pub user: String,
    /// What the figures are taken from.
    pub source: Source,
    /// What is in the home.
    pub used: Weighed,
    /// What unfinished uploads hold beside it.
    pub reserved: Weighed,
    /// Bytes the user may have.
    pub quota: Option<u64>,
    /// Files and folders the user may have.
    pub max_files: Option<u64>,
    /// Whether the figures cannot be right, so that the home will be counted again.
    pub suspect: bool,
    /// Unfinished uploads, by path.
    pub parts: Vec<StagedPart>,
}

/// Something in force that is not as it is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Differs {
    /// What: `users`, `certificate` or `configuration`.
    pub what: String,
    /// What is on disk, or what is wrong with it.
    pub why: String,
    /// Since when that is known.
    pub since: Moment,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The names and addresses it is for.
    pub names: Vec<String>,
    /// When it begins.
    pub from: Moment,
    /// When it ends, or the first of those that vouch for it.
    pub until: Moment,
    /// What needs care: it ends within 21 days, has ended, or has not begun.
    pub warning: Option<String>,
}

/// Where figures come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The running server.
    Server,
    /// What the server wrote down when it stopped.
    Ledger,
    /// A count of the home, made now.
    Count,
}

/// Bytes and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weighed {
    /// Bytes of regular files.
    pub bytes: u64,
    /// Files, folders and all else.
    pub files: u64,
}

impl From<Tally> for Weighed {
    fn from(Tally { bytes, files }: Tally) -> Self {
        Self { bytes, files }
    }
}

/// An unfinished upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedPart {
    /// Its target, escaped for display.
    pub path: String,
    /// The size it will have, where it is known.
    pub size: Option<u64>,
    /// Bytes of it that are there.
    pub received: u64,
    /// Bytes it holds of the quota.
    pub reserved: u64,
    /// When it was begun.
    pub started: Moment,
    /// Whether it is under way.
    pub active: bool,
}

/// A home that was counted again, or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rescanned {
    /// Whose.
    pub user: String,
    /// What was believed; `None` where nothing was.
    pub believed: Option<Weighed>,
    /// What was counted, and is believed now.
    pub counted: Option<Weighed>,
    /// Why it was not counted.
    pub failed: Option<String>,
}

/// A wait after failed logins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Penalty {
    /// The address; of IPv6 its /64.
    pub address: String,
    /// The user whose logins from there wait, `""` for what can be no user's name; `None` when all from there do.
    pub user: Option<String>,
    /// Failures that count.
    pub failures: u32,
    /// Seconds it still waits.
    pub seconds: u64,
}

/// A login and its connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its number.
    pub id: u64,
    /// Whose it is.
    pub user: String,
    /// Where its first connection comes from.
    pub peer: String,
    /// The door it came through; an earlier server does not tell.
    #[serde(default)]
    pub door: String,
    /// Since when.
    pub since: Moment,
    /// Its connections.
    pub connections: usize,
    /// Bytes they received.
    pub received: u64,
    /// Bytes they sent.
    pub sent: u64,
    /// What travels on them.
    pub transfers: Vec<Transfer>,
}

/// A file on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Which way.
    pub direction: Direction,
    /// Where it lies, escaped for display.
    pub path: String,
    /// Its size, where it is known.
    pub size: Option<u64>,
    /// Bytes of it that are through.
    pub done: u64,
    /// Seconds since it began.
    pub seconds: u64,
}

#[cfg(test)]
mod tests;
