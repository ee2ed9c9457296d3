//! What a server answers.

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
};

/// A server's message: the answer to the oldest unanswered request, or a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To `Hello`.
    Welcome(Welcome),
    /// To `Login`, `Attach` and `Register`.
    LoggedIn(LoggedIn),
    /// To anything: it was not done.
    Refused(Refusal),
    /// To `List`, `Walk` and `Find`: a page.
    Entries(Page),
    /// To `Stat`.
    Entry {
        /// The entry.
        entry: Entry,
        /// Its version, where it is a file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
    },
    /// It was done.
    Done,
    /// To `Remove`: what went.
    Removed {
        /// Files and symlinks.
        files: u64,
        /// Folders.
        dirs: u64,
        /// Bytes of the files.
        bytes: u64,
    },
    /// To `Hash`.
    Hashed {
        /// Which digest.
        algorithm: Algorithm,
        /// It, in hexadecimal.
        digest: String,
    },
    /// To `Usage`.
    Usage(Usage),
    /// To `Uploads`.
    Uploads {
        /// Some of the user's unfinished uploads, in the order of their paths.
        uploads: Vec<UnfinishedUpload>,
        /// Whether another page follows; only where [`Feature::UploadsPages`] is common.
        ///
        /// [`Feature::UploadsPages`]: crate::feature::Feature::UploadsPages
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        more: bool,
    },
    /// To `Ping`.
    Pong,
    /// To `Put`: the quota is reserved, send the blocks. Have-frames of `have_blocks`
    /// digests in all follow, from block 0.
    Ready {
        /// What the upload goes on from.
        basis: Basis,
        /// How many leading blocks the basis holds.
        have_blocks: u64,
    },
    /// To `Commit` and `Copy`: the file is there, whole, verified and durable.
    Stored {
        /// Its digest.
        root: Digest,
        /// Its size in bytes.
        size: u64,
        /// The version it is now.
        version: Version,
        /// The user's usage after it.
        usage: Usage,
    },
    /// To `Get`: blocks follow.
    Opened {
        /// Bytes.
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
        /// The digest of the whole file; absent when only a range was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        root: Option<Digest>,
        /// The version that was sent.
        version: Version,
    },
    /// Not an answer: something the client should know.
    Notice(Notice),
}

/// Who the server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version both will speak.
    pub protocol: u32,
    /// The server's name and version, for logs.
    pub server: String,
    /// Optional abilities it has.
    #[serde(default)]
    pub features: Features,
    /// Who may make an account.
    pub registration: Registration,
    /// What this server allows.
    pub limits: ServerLimits,
}

/// Who may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// Nobody.
    Closed,
    /// Who has an invite.
    Invite,
    /// Anybody.
    Open,
}

/// What a server allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerLimits {
    /// Connections one user may have open.
    pub connections: u32,
    /// Seconds without a frame after which the server closes.
    pub idle_seconds: u64,
}

/// The state of the user's account at login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedIn {
    /// The user's name.
    pub user: String,
    /// What the user may do.
    pub access: Access,
    /// What the user has and may have.
    pub usage: Usage,
    /// Lets further connections of this client `Attach`; dies with the session.
    pub ticket: Secret,
    /// The operator's word of the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub motd: Option<String>,
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Everything in the home.
    ReadWrite,
    /// Only look and download.
    ReadOnly,
}

/// What a user has and may have. `limit` and `file_limit` are absent where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Bytes of the home's regular files.
    pub used: u64,
    /// Bytes held by unfinished uploads.
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
    /// Bytes that are taken, what unfinished uploads hold included.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.used.saturating_add(self.reserved)
    }

    /// Whether nine tenths of what the user may have are taken.
    #[must_use]
    pub fn is_nearly_full(&self) -> bool {
        self.limit.is_some_and(|limit| self.held() >= limit - limit / 10)
    }
}

/// Entries of one folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The folder, relative to the path that was asked for; the empty path is that one itself.
    #[serde(default)]
    pub under: RemotePath,
    /// Some of its entries, at most 1000.
    pub entries: Vec<Entry>,
    /// Folders (relative likewise) that could not be read and are missing from the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<RemotePath>,
    /// Whether another page follows.
    pub more: bool,
}

/// An upload that was begun and not committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfinishedUpload {
    /// The target.
    pub path: RemotePath,
    /// The declared size, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Bytes that have arrived (their digests are proven at resume).
    pub received: u64,
    /// Bytes of quota it holds.
    pub reserved: u64,
    /// When it was begun.
    pub started: Mtime,
    /// When it expires.
    pub expires: Mtime,
    /// Whether a connection is working on it now.
    pub active: bool,
}
