//! The replies of a server.

use serde::{Deserialize, Serialize};

use super::{
    Notice,
    request::{Algorithm, Basis},
};
use crate::{
    digest::Digest,
    entry::{Entry, Mtime, Version},
    feature::Features,
    path::RemotePath,
    refusal::Refusal,
    secret::Secret,
    wire_bytes,
};

/// A message of a server: the answer to the oldest unanswered request, or a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To `Hello`.
    Welcome(Welcome),
    /// To `Login`, `Attach` and `Register`.
    LoggedIn(LoggedIn),
    /// To any request: it was refused or failed.
    Refused(Refusal),
    /// To `List`, `Walk` and `Find`: a page.
    Entries(Page),
    /// To `Stat`.
    Entry {
        /// The entry.
        entry: Entry,
        /// Its version, if it is a file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
    },
    /// Success.
    Done,
    /// To `Remove`: the removed entries.
    Removed {
        /// Files and symlinks.
        files: u64,
        /// Folders.
        dirs: u64,
        /// Bytes of the removed files.
        bytes: u64,
    },
    /// To `Hash`.
    Hashed {
        /// The algorithm.
        algorithm: Algorithm,
        /// The digest in hexadecimal.
        digest: String,
    },
    /// To `Run`: a part of what the command writes.
    Output {
        /// The stream that the command writes to.
        stream: Stream,
        /// Some bytes, at most 64 KiB.
        #[serde(with = "wire_bytes")]
        bytes: Vec<u8>,
    },
    /// To `Run`: the command ended.
    Exited {
        /// Its exit status; 0 is success.
        status: u8,
    },
    /// To `Usage`.
    Usage(Usage),
    /// To `Uploads`.
    Uploads {
        /// Some of the user's unfinished uploads, ordered by path.
        uploads: Vec<UnfinishedUpload>,
        /// Whether another page follows; only if [`Feature::UploadsPages`] is common.
        ///
        /// [`Feature::UploadsPages`]: crate::feature::Feature::UploadsPages
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        more: bool,
    },
    /// To `Ping`.
    Pong,
    /// To `Put`: the quota is reserved, send the blocks. Have-frames with `have_blocks` digests in total follow,
    /// starting with block 0.
    Ready {
        /// The basis on which the upload continues.
        basis: Basis,
        /// The number of leading blocks that the basis holds.
        have_blocks: u64,
    },
    /// To `Commit` and `Copy`: the file is complete, verified and durable.
    Stored {
        /// Its digest.
        root: Digest,
        /// Its size in bytes.
        size: u64,
        /// Its new version.
        version: Version,
        /// The user's usage afterwards.
        usage: Usage,
    },
    /// To `Get`: blocks follow.
    Opened {
        /// The size in bytes.
        size: u64,
        /// The modification time.
        mtime: Mtime,
        /// Permission bits.
        mode: u32,
        /// The version being sent.
        version: Version,
    },
    /// After a download's last block.
    Sent {
        /// The digest of the whole file; absent if only a range was requested.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        root: Option<Digest>,
        /// The version that was sent.
        version: Version,
    },
    /// Not an answer: a fact that the client should know.
    Notice(Notice),
}

/// The stream that a command writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Its results.
    Out,
    /// Its messages about failures.
    Err,
}

/// The first reply of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version that both will speak.
    pub protocol: u32,
    /// The server's name and version, for logs.
    pub server: String,
    /// The optional features that it supports.
    #[serde(default)]
    pub features: Features,
    /// The people who may create an account.
    pub registration: Registration,
    /// The limits of this server.
    pub limits: ServerLimits,
}

/// The people who may create an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// Nobody.
    Closed,
    /// People with an invite.
    Invite,
    /// Anybody.
    Open,
}

/// The limits of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerLimits {
    /// Connections one user may have open.
    pub connections: u32,
    /// Seconds without a frame after which the server closes the connection.
    pub idle_seconds: u64,
}

/// The state of the user's account at login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedIn {
    /// The user's name.
    pub user: String,
    /// The access of the user.
    pub access: Access,
    /// The user's usage and limits.
    pub usage: Usage,
    /// The ticket with which further connections of this client can `Attach`; it expires with the session.
    pub ticket: Secret,
    /// The operator's message of the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub motd: Option<String>,
}

/// The access of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Everything in the home.
    ReadWrite,
    /// Only list and download.
    ReadOnly,
}

/// A user's usage and limits. `limit` and `file_limit` are absent if there is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Bytes of the home's regular files.
    pub used: u64,
    /// Bytes reserved for unfinished uploads.
    pub reserved: u64,
    /// Bytes the user may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Files and folders in the home.
    pub files: u64,
    /// Files and folders the user may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_limit: Option<u64>,
    /// Bytes free on the server's disk.
    pub volume_free: u64,
}

impl Usage {
    /// Bytes in use, including reservations.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.used.saturating_add(self.reserved)
    }

    /// Whether nine tenths of a limit are in use.
    #[must_use]
    pub fn is_nearly_full(&self) -> bool {
        self.limit.is_some_and(|limit| self.held() >= limit - limit / 10)
    }
}

/// Entries of one folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The folder, relative to the requested path; the empty path is the requested folder itself.
    #[serde(default)]
    pub under: RemotePath,
    /// Some of its entries, at most 1000.
    pub entries: Vec<Entry>,
    /// Folders (also relative) that could not be read and are missing from the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<RemotePath>,
    /// The remembered digests of the entries, in their order; empty if none is remembered. They are of files that have not
    /// changed since the server read them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<Option<Digest>>,
    /// Whether another page follows.
    pub more: bool,
}

/// An upload that was started but not committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfinishedUpload {
    /// The target.
    pub path: RemotePath,
    /// The declared size, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Bytes received (their digests are verified on resume).
    pub received: u64,
    /// Bytes of the quota that it has reserved.
    pub reserved: u64,
    /// When it was started.
    pub started: Mtime,
    /// When it expires.
    pub expires: Mtime,
    /// Whether a connection is writing to it now.
    pub active: bool,
}
