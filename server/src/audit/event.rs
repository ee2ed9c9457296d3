//! What the audit log tells of. Paths and names from clients are escaped where they become text here.

use std::net::SocketAddr;

use ferry_shared::{digest::Digest, name::Escaped, path::RemotePath, refusal::Refusal};
use serde::Serialize;

/// Whose doing it is, as far as that is known.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Who {
    /// The session's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// The user, or who a login claimed to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<SocketAddr>,
    /// The system's user who gave the order on the control socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
}

impl Who {
    /// A peer that is not logged in, and who it claims to be.
    #[must_use]
    pub fn stranger(peer: SocketAddr, claims: Option<&str>) -> Self {
        let user = claims.map(|name| Escaped(name.as_bytes()).to_string());
        Self { user, peer: Some(peer), ..Self::default() }
    }

    /// The operator, on the control socket.
    #[must_use]
    pub fn operator(uid: u32) -> Self {
        Self { uid: Some(uid), ..Self::default() }
    }
}

/// What happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The server began.
    Started {
        /// Its version.
        version: &'static str,
    },
    /// The server ended in order.
    Stopped,
    /// Somebody logged in.
    Login {
        /// With what: `password` or `key`.
        method: &'static str,
        /// The key's fingerprint.
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
    /// A request or a login was refused.
    Refused {
        /// The refusal's code.
        code: &'static str,
        /// What the peer was told.
        message: String,
        /// What stood against a login; the peer is not told.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'static str>,
    },
    /// A folder was made.
    MakeDir {
        /// Where.
        path: String,
    },
    /// Something was renamed or moved.
    Rename {
        /// From where.
        from: String,
        /// To where.
        to: String,
    },
    /// Something was copied.
    Copy {
        /// What.
        from: String,
        /// To where.
        to: String,
    },
    /// Something was removed.
    Remove {
        /// What.
        path: String,
        /// Whether with all below it.
        recursive: bool,
    },
    /// Times or permissions were set.
    Attributes {
        /// Of what.
        path: String,
    },
    /// An unfinished upload was thrown away.
    Discard {
        /// Of what.
        path: String,
    },
    /// The user changed the password.
    Password,
    /// A file was stored.
    Upload {
        /// Where.
        path: String,
        /// Its bytes.
        size: u64,
        /// Its BLAKE3 digest.
        digest: Option<Digest>,
    },
    /// A file was sent.
    Download {
        /// Which.
        path: String,
        /// Its bytes.
        size: u64,
        /// Its BLAKE3 digest; absent when only a part was asked for.
        digest: Option<Digest>,
    },
    /// A file was sent in part, and then the connection or the file was gone.
    DownloadCut {
        /// Which.
        path: String,
        /// How far it came, in bytes of the file.
        reached: u64,
    },
    /// The operator ended a session.
    Kick {
        /// Which.
        ended: u64,
        /// Whose.
        of: String,
    },
    /// The operator said something to everybody.
    Broadcast {
        /// What.
        text: String,
    },
    /// The operator had the failed logins from an address forgotten.
    Lift {
        /// The address, or the network.
        address: String,
    },
    /// The operator had homes counted again.
    Rescan {
        /// Whose; everybody's if absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        of: Option<String>,
    },
    /// The operator had the server read its files again.
    Reload,
    /// The operator had the server end.
    Drain,
    /// Accounts came, went or changed.
    Accounts {
        /// New ones.
        added: Vec<String>,
        /// Gone ones.
        removed: Vec<String>,
        /// Changed ones.
        changed: Vec<String>,
    },
    /// The line before this one was cut by a crash.
    Recovered,
    /// So many lines are missing here: the disk took nothing.
    Gap {
        /// How many.
        lost: u64,
    },
    /// So many refusals came too fast to be told one by one.
    RefusalsLeftOut {
        /// How many.
        count: u64,
    },
}

impl Event {
    /// A refusal.
    #[must_use]
    pub fn refused(refusal: &Refusal) -> Self {
        Self::refused_for(refusal, None)
    }

    /// A refusal of a login, and what stood against it.
    #[must_use]
    pub fn refused_for(refusal: &Refusal, reason: Option<&'static str>) -> Self {
        let message = Escaped(refusal.message.as_bytes()).to_string();
        Self::Refused { code: refusal.code.as_str(), message, reason }
    }
}

/// A path as the log has it.
#[must_use]
pub fn shown(path: &RemotePath) -> String {
    path.display().to_string()
}
