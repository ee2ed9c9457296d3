//! Requests and answers on the control socket, one JSON object per line.

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
    /// The status of the server.
    Status,
    /// The open sessions and their transfers.
    Sessions,
    /// End the sessions of a user, or one session by its number.
    Kick {
        /// The name of a user, or the number of a session.
        who: String,
    },
    /// Send a message to everybody.
    Broadcast {
        /// The message.
        text: String,
    },
    /// Explain the usage of a user.
    Explain {
        /// The name of the user.
        user: String,
    },
    /// Count one home again, or all.
    Rescan {
        /// The user; everybody if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// The waits after failed logins.
    Penalties,
    /// Clear the failed logins from an address.
    Lift {
        /// The address; for IPv6, its /64.
        address: IpAddr,
    },
    /// Read configuration, certificate and users again.
    Reload {
        /// A certificate and its key passed as open files, for a server whose user may not read them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pair: Option<Pair>,
    },
    /// Read the users again.
    Users,
    /// The accounts and invites, without secrets.
    Accounts,
    /// Change an account or an invite.
    Change {
        /// The change.
        change: Change,
    },
    /// Close these accounts before the file says so.
    Bar {
        /// The users.
        users: Vec<UserName>,
    },
    /// Revert the closing of an account.
    Allow {
        /// The user.
        user: UserName,
    },
    /// Discard unfinished uploads.
    Discard {
        /// The user.
        user: UserName,
        /// Their paths, as `explain` shows them; all inactive ones if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        paths: Option<Vec<String>>,
    },
    /// Accept nobody new, let transfers finish within their time, and stop.
    Drain {
        /// The message to sessions and new clients.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
}

impl Ask {
    /// The right that a peer needs for this request.
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

/// The paths of the certificate and the key that are passed, in the order of the files.
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
    /// To `broadcast`: how many sessions got the message.
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
    /// To `lift`: no login from there has to wait now.
    Lifted {
        /// The address or network.
        address: String,
    },
    /// To `reload` and `users`: what stays unchanged, and why.
    Reloaded {
        /// Faults; empty if everything is in order.
        faults: Vec<String>,
        /// Settings that changed.
        #[serde(default)]
        changed: Vec<String>,
        /// Settings that change only at the next start.
        #[serde(default)]
        notes: Vec<String>,
    },
    /// To `accounts`.
    Accounts(Box<Facts>),
    /// To `change`: the change is in the file and applied.
    Changed {
        /// For an added user: whether files already exist under the name. For a removed one: whether files were removed
        /// with the account. Otherwise `false`.
        files: bool,
    },
    /// To `change`: the reason why nothing was changed.
    Unchanged(ChangeError),
    /// To `bar`: the users whose accounts were open and are now closed.
    Barred {
        /// Their names.
        users: Vec<UserName>,
    },
    /// To `discard`: the discarded uploads.
    Discarded {
        /// Their paths.
        paths: Vec<String>,
    },
    /// To `allow`.
    Done,
    /// To `drain`: the transfers in progress and their remaining time.
    Draining {
        /// The number of transfers.
        transfers: usize,
        /// Seconds.
        seconds: u64,
    },
    /// The request failed.
    Failed {
        /// The reason.
        message: String,
    },
}

impl Answer {
    /// The request failed for this reason.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into() }
    }
}

/// The status of a server. Bytes and counts are since its start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process ID.
    pub pid: u32,
    /// When it started.
    pub started: Moment,
    /// How long it has been running.
    pub uptime_seconds: u64,
    /// Whether it is stopping and accepts nobody new.
    pub draining: bool,
    /// Open sessions.
    pub sessions: usize,
    /// Their connections.
    pub connections: usize,
    /// Connections that have not logged in.
    pub unfinished: usize,
    /// Files in transfer.
    pub transfers: usize,
    /// Bytes from clients, on the wire below TLS.
    pub received: u64,
    /// Bytes to clients.
    pub sent: u64,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Logins that opened a session.
    pub logins: u64,
    /// Files stored.
    pub uploads: u64,
    /// Files sent completely.
    pub downloads: u64,
    /// The same for each door by its name; absent from an earlier server.
    #[serde(default)]
    pub doors: BTreeMap<String, AtDoor>,
    /// The fingerprint of the SSH host key; `None` if there is no SFTP.
    #[serde(default)]
    pub sftp_host_key: Option<String>,
    /// Refusals by code.
    pub refusals: BTreeMap<String, u64>,
    /// Connections that failed before login, by reason.
    #[serde(default)]
    pub turned_away: BTreeMap<String, u64>,
    /// Connections that ended in a panic.
    pub panics: u64,
    /// Recounts that differed from the ledger.
    pub quota_drifts: u64,
    /// Lines that the audit log lost.
    pub audit_lost: u64,
    /// Log lines that standard error did not accept.
    pub log_lost: u64,
    /// Differences between what is in force and what is on disk.
    pub differs: Vec<Differs>,
    /// The certificate in use, if it can be parsed.
    #[serde(default)]
    pub certificate: Option<Certificate>,
    /// Tasks in the server: connections, listeners, maintenance.
    pub tasks: usize,
    /// Password checks that wait or run.
    pub hash_queue: usize,
    /// Flushes of the disk.
    pub flushes: u64,
    /// Their total time in seconds.
    pub flush_seconds: f64,
    /// Bytes free on the disk of the homes.
    pub disk_free: Option<u64>,
    /// Accounts in the user store.
    pub accounts: usize,
    /// Users met since the start, by name.
    pub users: Vec<User>,
}

/// The counters of one door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtDoor {
    /// Open sessions.
    pub sessions: usize,
    /// Their connections.
    pub connections: usize,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Logins that opened a session.
    pub logins: u64,
}

/// A user's usage and limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The name.
    pub name: String,
    /// Bytes in the home.
    pub used: u64,
    /// Bytes that unfinished uploads have reserved.
    pub reserved: u64,
    /// Bytes the user may have.
    pub quota: Option<u64>,
    /// The number of files and folders.
    pub files: u64,
    /// The limit of files and folders.
    pub max_files: Option<u64>,
}

/// The usage of a user, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// The name.
    pub user: String,
    /// The source of the numbers.
    pub source: Source,
    /// The contents of the home.
    pub used: Weighed,
    /// The reservations of unfinished uploads.
    pub reserved: Weighed,
    /// Bytes the user may have.
    pub quota: Option<u64>,
    /// Files and folders the user may have.
    pub max_files: Option<u64>,
    /// Whether the numbers cannot be right, so that the home will be counted again.
    pub suspect: bool,
    /// Unfinished uploads, by path.
    pub parts: Vec<StagedPart>,
}

/// Something in force that differs from the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Differs {
    /// The kind: `users`, `certificate` or `configuration`.
    pub what: String,
    /// The state on disk, or the fault there.
    pub why: String,
    /// When it was first noticed.
    pub since: Moment,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The names and addresses it is valid for.
    pub names: Vec<String>,
    /// When it becomes valid.
    pub from: Moment,
    /// When it expires, or the first certificate of its chain does.
    pub until: Moment,
    /// A condition that needs attention: it expires within 21 days, has expired, or is not valid yet.
    pub warning: Option<String>,
}

/// The source of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The running server.
    Server,
    /// The ledger that the server wrote when it stopped.
    Ledger,
    /// A count of the home, made now.
    Count,
}

/// Bytes and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weighed {
    /// Bytes of regular files.
    pub bytes: u64,
    /// Files, folders and everything else.
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
    /// Its declared size, if known.
    pub size: Option<u64>,
    /// Bytes received.
    pub received: u64,
    /// Bytes of the quota that it has reserved.
    pub reserved: u64,
    /// When it was started.
    pub started: Moment,
    /// Whether a connection is writing to it.
    pub active: bool,
}

/// The result of counting a home again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rescanned {
    /// The user.
    pub user: String,
    /// The usage believed before; `None` if there was none.
    pub believed: Option<Weighed>,
    /// The counted usage, which is believed from now on.
    pub counted: Option<Weighed>,
    /// The reason why the home was not counted.
    pub failed: Option<String>,
}

/// A wait after failed logins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Penalty {
    /// The address; for IPv6, its /64.
    pub address: String,
    /// The user whose logins from there have to wait, `""` for a text that cannot be a name; `None` if all logins
    /// from there wait.
    pub user: Option<String>,
    /// Failures that count.
    pub failures: u32,
    /// The remaining seconds.
    pub seconds: u64,
}

/// A session and its connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its number.
    pub id: u64,
    /// The user.
    pub user: String,
    /// The address of its first connection.
    pub peer: String,
    /// The door it came through; empty from an earlier server.
    #[serde(default)]
    pub door: String,
    /// When it was opened.
    pub since: Moment,
    /// Its connections.
    pub connections: usize,
    /// Bytes they received.
    pub received: u64,
    /// Bytes they sent.
    pub sent: u64,
    /// The transfers on them.
    pub transfers: Vec<Transfer>,
}

/// A file in transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Its direction.
    pub direction: Direction,
    /// Its path, escaped for display.
    pub path: String,
    /// Its size, if known.
    pub size: Option<u64>,
    /// The position in bytes.
    pub done: u64,
    /// Seconds since it started.
    pub seconds: u64,
}

#[cfg(test)]
mod tests;
