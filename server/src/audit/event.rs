//! What the audit log tells of. Paths and names from clients are escaped where they become text here.

use std::{collections::BTreeMap, net::SocketAddr};

use ferry_shared::{digest::Digest, name::Escaped, path::RemotePath, refusal::Refusal};
use serde::Serialize;

use crate::door::Door;

/// Bytes that a folder, a name or a message may take; longer ones are shown by their two ends.
const TEXT_MAX: usize = 200;

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
    /// The door it came through: the protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub door: Option<Door>,
    /// The system's user who gave the order on the control socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
}

impl Who {
    /// A peer that is not logged in, and who it claims to be.
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
    /// Of a folder and those above it only some were made.
    MakeDirCut {
        /// Which was wanted.
        path: String,
        /// How many were made.
        folders: u64,
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
    /// A folder was copied in part, and then the work ended.
    CopyCut {
        /// What.
        from: String,
        /// To where.
        to: String,
        /// What is there now.
        #[serde(flatten)]
        reached: Reached,
    },
    /// Something was removed.
    Remove {
        /// What.
        path: String,
        /// Whether with all below it.
        recursive: bool,
    },
    /// Of a folder only a part was removed, and then the work ended.
    RemoveCut {
        /// What was to go.
        path: String,
        /// What is gone.
        #[serde(flatten)]
        reached: Reached,
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
    /// The operator threw an unfinished upload of a user away.
    Discarded {
        /// Whose.
        of: String,
        /// Its path.
        path: String,
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
    /// The operator closed an account; the user store says so next, if it can be written.
    Barred {
        /// Whose.
        of: String,
    },
    /// The operator took that back.
    Allowed {
        /// Whose.
        of: String,
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
    Drain {
        /// What everybody was told.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Accounts came, went or changed.
    Accounts {
        /// New ones.
        added: Vec<String>,
        /// Gone ones.
        removed: Vec<String>,
        /// Changed ones.
        changed: Vec<String>,
        /// What of each changed one is different.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        fields: BTreeMap<String, Vec<FieldChange>>,
    },
    /// Invites were made, used up by one account more, or taken back.
    Invites {
        /// New ones.
        created: Vec<String>,
        /// Those an account was made with.
        used: Vec<String>,
        /// Those taken back.
        revoked: Vec<String>,
    },
    /// The line before this one was cut by a crash.
    Recovered,
    /// So many lines are missing here: the disk took nothing.
    Gap {
        /// How many.
        lost: u64,
    },
    /// What one user or address did in a minute and in one folder, and is not told one by one.
    Folded(Folded),
    /// Older files of the log were given up to make room.
    Retired {
        /// The number of the last line in them.
        through: u64,
        /// Its hash, which the first line that is left carries.
        hash: String,
    },
    /// Something else moved, removed or cut the file of the log; it goes on in another.
    MovedAway {
        /// The number of the last line before.
        through: u64,
        /// Its hash.
        hash: String,
        /// What was found: `gone`, `replaced` or `cut`.
        found: &'static str,
    },
}

/// How far something came that was to do more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// Files.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Bytes of the files.
    pub bytes: u64,
}

/// What of an account is different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// The field, as the user store calls it.
    pub field: &'static str,
    /// What it was; never of a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<serde_json::Value>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<serde_json::Value>,
}

/// Many events in one line.
#[derive(Debug, Clone, Serialize)]
pub struct Folded {
    /// The folder; absent for several, and for what has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// When the first of them was.
    pub since: String,
    /// How many they are.
    pub count: u64,
    /// How many of each kind.
    pub of: BTreeMap<String, u64>,
    /// Bytes of their files.
    pub bytes: u64,
    /// The name the first one is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// The name the last one is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

/// Whether events of a kind may be told together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folds {
    /// Each is told.
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

    /// A refusal of a login, and what stood against it.
    #[must_use]
    pub fn refused_for(refusal: &Refusal, reason: Option<&'static str>) -> Self {
        let message = shortened(Escaped(refusal.message.as_bytes()).to_string());
        Self::Refused { code: refusal.code.as_str(), message, reason }
    }

    /// Whether it may be told together with others of its kind.
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

    /// Its kind, as a folded line counts it.
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

    /// What it is about: the new path where it has two.
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

    /// Bytes of the files it is about, as far as it tells.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Upload { size, .. } | Self::Download { size, .. } => *size,
            Self::DownloadCut { reached, .. } => *reached,
            Self::CopyCut { reached, .. } | Self::RemoveCut { reached, .. } => reached.bytes,
            _ => 0,
        }
    }
}

/// A path as the log has it: folder and name are shortened apart, so that paths of one folder still show it.
#[must_use]
pub(crate) fn shown(path: &RemotePath) -> String {
    let whole = path.display().to_string();
    match whole.rsplit_once('/') {
        Some((folder, name)) => format!("{}/{}", shortened(folder.to_owned()), shortened(name.to_owned())),
        None => shortened(whole),
    }
}

/// A text by its two ends where it is long, with what tells it from others that end alike: else a
/// user could push the rest of the log out with long names.
fn shortened(text: String) -> String {
    if text.len() <= TEXT_MAX {
        return text;
    }
    let (head, tail) = (text.floor_char_boundary(TEXT_MAX / 2), text.ceil_char_boundary(text.len() - TEXT_MAX / 4));
    let digest = blake3::hash(text.as_bytes()).to_hex();
    format!("{}…({} bytes, {})…{}", &text[..head], text.len(), &digest[..16], &text[tail..])
}
