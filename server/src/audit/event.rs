//! The events of the audit log. Paths and names from clients are escaped when they are converted to text here.

use std::{collections::BTreeMap, net::SocketAddr};

use ferry_shared::{digest::Digest, name::Escaped, path::RemotePath, refusal::Refusal};
use serde::Serialize;

use crate::door::Door;

/// The maximum length in bytes of a folder, a name or a message; longer ones are shortened in the middle.
const TEXT_MAX: usize = 200;

/// The author of an event, as far as known.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Who {
    /// The number of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// The user, or the name that a login claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The address it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<SocketAddr>,
    /// The door it came through: the protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub door: Option<Door>,
    /// The system user who gave the order on the control socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
}

impl Who {
    /// A peer that is not logged in, and the name it claims.
    #[must_use]
    pub fn stranger(door: Door, peer: SocketAddr, claims: Option<&str>) -> Self {
        let user = claims.map(|name| shortened(Escaped(name.as_bytes()).to_string()));
        Self { user, peer: Some(peer), door: Some(door), ..Self::default() }
    }

    /// The operator, on the control socket.
    #[must_use]
    pub fn operator(uid: u32) -> Self {
        Self { uid: Some(uid), ..Self::default() }
    }
}

/// An event.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The server started.
    Started {
        /// Its version.
        version: &'static str,
    },
    /// The server stopped in an orderly way.
    Stopped,
    /// Somebody logged in.
    Login {
        /// The kind of proof: `password` or `key`.
        method: &'static str,
        /// The key's fingerprint.
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
    /// A request or a login was refused.
    Refused {
        /// The refusal's code.
        code: &'static str,
        /// The message to the peer.
        message: String,
        /// The reason against a login, which the peer does not learn.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'static str>,
    },
    /// A folder was made.
    MakeDir {
        /// The path.
        path: String,
    },
    /// Only some of a folder and its missing parents were made.
    MakeDirCut {
        /// The requested path.
        path: String,
        /// The number of folders made.
        folders: u64,
    },
    /// An entry was renamed or moved.
    Rename {
        /// The old path.
        from: String,
        /// The new path.
        to: String,
    },
    /// An entry was copied.
    Copy {
        /// The source.
        from: String,
        /// The target.
        to: String,
    },
    /// A folder was copied in part before the work ended.
    CopyCut {
        /// The source.
        from: String,
        /// The target.
        to: String,
        /// The copied entries.
        #[serde(flatten)]
        reached: Reached,
    },
    /// An entry was removed.
    Remove {
        /// The path.
        path: String,
        /// Whether everything below was removed too.
        recursive: bool,
    },
    /// A folder was removed in part before the work ended.
    RemoveCut {
        /// The path of the folder.
        path: String,
        /// The removed entries.
        #[serde(flatten)]
        reached: Reached,
    },
    /// Times or permissions were set.
    Attributes {
        /// The path.
        path: String,
    },
    /// An unfinished upload was discarded.
    Discard {
        /// Its path.
        path: String,
    },
    /// The user changed the password.
    Password,
    /// A file was stored.
    Upload {
        /// Its path.
        path: String,
        /// Its size in bytes.
        size: u64,
        /// Its BLAKE3 digest.
        digest: Option<Digest>,
    },
    /// A file was sent to a client.
    Download {
        /// Its path.
        path: String,
        /// Its size in bytes.
        size: u64,
        /// Its BLAKE3 digest; absent if only a part was requested.
        digest: Option<Digest>,
    },
    /// A file was sent in part before the connection or the file was lost.
    DownloadCut {
        /// Its path.
        path: String,
        /// The position in the file in bytes.
        reached: u64,
    },
    /// The operator discarded an unfinished upload of a user.
    Discarded {
        /// The user.
        of: String,
        /// Its path.
        path: String,
    },
    /// The operator ended a session.
    Kick {
        /// The session.
        ended: u64,
        /// The user.
        of: String,
    },
    /// The operator sent a message to everybody.
    Broadcast {
        /// The message.
        text: String,
    },
    /// The operator closed an account; the user store is changed next, if it can be written.
    Barred {
        /// The user.
        of: String,
    },
    /// The operator reverted the closing of an account.
    Allowed {
        /// The user.
        of: String,
    },
    /// The operator cleared the failed logins from an address.
    Lift {
        /// The address, or the network.
        address: String,
    },
    /// The operator had homes counted.
    Rescan {
        /// The user; everybody if absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        of: Option<String>,
    },
    /// The operator made the server read its files again.
    Reload,
    /// The operator made the server stop.
    Drain {
        /// The message to everybody.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Accounts were added, removed or changed.
    Accounts {
        /// Added ones.
        added: Vec<String>,
        /// Removed ones.
        removed: Vec<String>,
        /// Changed ones.
        changed: Vec<String>,
        /// The changed fields of each changed account.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        fields: BTreeMap<String, Vec<FieldChange>>,
    },
    /// Invites were created, used for an account, or revoked.
    Invites {
        /// Created ones.
        created: Vec<String>,
        /// Used ones.
        used: Vec<String>,
        /// Revoked ones.
        revoked: Vec<String>,
    },
    /// The previous line was truncated by a crash.
    Recovered,
    /// Lines are missing here: the disk could not be written.
    Gap {
        /// Their number.
        lost: u64,
    },
    /// A summary of the events of one user or address in one folder within a minute.
    Folded(Folded),
    /// Older files of the log were removed to make room.
    Retired {
        /// The number of the last line in them.
        through: u64,
        /// Its hash, which the first remaining line contains.
        hash: String,
    },
    /// Something else moved, removed or truncated the log file; the log continues in another one.
    MovedAway {
        /// The number of the last line before that.
        through: u64,
        /// Its hash.
        hash: String,
        /// The finding: `gone`, `replaced` or `cut`.
        found: &'static str,
    },
}

/// The progress of an operation that did not finish.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// Files.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Bytes of the files.
    pub bytes: u64,
}

/// A changed field of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// The name of the field in the user store.
    pub field: &'static str,
    /// The old value; never that of a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<serde_json::Value>,
    /// The new value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<serde_json::Value>,
}

/// A summary of several events.
#[derive(Debug, Clone, Serialize)]
pub struct Folded {
    /// The folder; absent if there are several, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// The time of the first event.
    pub since: String,
    /// The number of events.
    pub count: u64,
    /// The number of each kind.
    pub of: BTreeMap<String, u64>,
    /// Bytes of their files.
    pub bytes: u64,
    /// The name in the first event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// The name in the last event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

/// When events of a kind may be summarised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folds {
    /// Never.
    Never,
    /// When one user fills the log with them.
    WhenMany,
    /// When there are more than a few in a minute.
    Freely,
}

impl Event {
    /// A refusal.
    #[must_use]
    pub fn refused(refusal: &Refusal) -> Self {
        Self::refused_for(refusal, None)
    }

    /// A refusal of a login, and the reason against it.
    #[must_use]
    pub fn refused_for(refusal: &Refusal, reason: Option<&'static str>) -> Self {
        let message = shortened(Escaped(refusal.message.as_bytes()).to_string());
        Self::Refused { code: refusal.code.as_str(), message, reason }
    }

    /// When this event may be summarised with others of its kind.
    pub(super) fn folds(&self) -> Folds {
        match self {
            Self::Refused { .. } | Self::Download { .. } | Self::DownloadCut { .. } => Folds::Freely,
            Self::Login { .. }
            | Self::MakeDir { .. }
            | Self::MakeDirCut { .. }
            | Self::Rename { .. }
            | Self::Copy { .. }
            | Self::CopyCut { .. }
            | Self::Remove { .. }
            | Self::RemoveCut { .. }
            | Self::Attributes { .. }
            | Self::Discard { .. }
            | Self::Password
            | Self::Upload { .. } => Folds::WhenMany,
            Self::Started { .. }
            | Self::Stopped
            | Self::Kick { .. }
            | Self::Broadcast { .. }
            | Self::Barred { .. }
            | Self::Allowed { .. }
            | Self::Lift { .. }
            | Self::Discarded { .. }
            | Self::Rescan { .. }
            | Self::Reload
            | Self::Drain { .. }
            | Self::Accounts { .. }
            | Self::Invites { .. }
            | Self::Recovered
            | Self::Gap { .. }
            | Self::Folded(_)
            | Self::Retired { .. }
            | Self::MovedAway { .. } => Folds::Never,
        }
    }

    /// The name of its kind in a summary.
    pub(super) fn kind(&self) -> String {
        let name = match self {
            Self::Refused { code, .. } => return format!("refused {code}"),
            Self::Login { .. } => "login",
            Self::MakeDir { .. } => "make_dir",
            Self::MakeDirCut { .. } => "make_dir_cut",
            Self::Rename { .. } => "rename",
            Self::Copy { .. } => "copy",
            Self::CopyCut { .. } => "copy_cut",
            Self::Remove { .. } => "remove",
            Self::RemoveCut { .. } => "remove_cut",
            Self::Attributes { .. } => "attributes",
            Self::Discard { .. } => "discard",
            Self::Password => "password",
            Self::Upload { .. } => "upload",
            Self::Download { .. } => "download",
            Self::DownloadCut { .. } => "download_cut",
            _ => "other",
        };
        name.to_owned()
    }

    /// The path of the event: the new one if it has two.
    pub(super) fn path(&self) -> Option<&str> {
        match self {
            Self::MakeDir { path }
            | Self::MakeDirCut { path, .. }
            | Self::Remove { path, .. }
            | Self::RemoveCut { path, .. }
            | Self::Attributes { path }
            | Self::Discard { path }
            | Self::Upload { path, .. }
            | Self::Download { path, .. }
            | Self::DownloadCut { path, .. } => Some(path),
            Self::Rename { to, .. } | Self::Copy { to, .. } | Self::CopyCut { to, .. } => Some(to),
            _ => None,
        }
    }

    /// The size in bytes of the files in the event, if it states one.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Upload { size, .. } | Self::Download { size, .. } => *size,
            Self::DownloadCut { reached, .. } => *reached,
            Self::CopyCut { reached, .. } | Self::RemoveCut { reached, .. } => reached.bytes,
            _ => 0,
        }
    }
}

/// A path in the form of the log: folder and name are shortened separately, so that paths in one folder still show
/// the same folder.
#[must_use]
pub(crate) fn shown(path: &RemotePath) -> String {
    let whole = path.display().to_string();
    match whole.rsplit_once('/') {
        Some((folder, name)) => format!("{}/{}", shortened(folder.to_owned()), shortened(name.to_owned())),
        None => shortened(whole),
    }
}

/// Shortens a long text in the middle, and adds a mark that distinguishes it from others with the same ends:
/// otherwise a user could push the rest of the log out with long names.
fn shortened(text: String) -> String {
    if text.len() <= TEXT_MAX {
        return text;
    }
    let (head, tail) = (text.floor_char_boundary(TEXT_MAX / 2), text.ceil_char_boundary(text.len() - TEXT_MAX / 4));
    let digest = blake3::hash(text.as_bytes()).to_hex();
    format!("{}…({} bytes, {})…{}", &text[..head], text.len(), &digest[..16], &text[tail..])
}
