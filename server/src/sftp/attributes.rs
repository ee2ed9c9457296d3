//! Attributes between SFTP and the files layer.

use ferry_shared::{
    entry::{Entry, Kind, Mtime},
    sftp::{Attributes, Owner, Times, permissions},
};

use super::status::Failure;
use crate::files::{Editing, Parked};

/// The owner that is shown for everything: the numbers of the server's accounts are nobody's business.
const OWNER: Owner = Owner { uid: 0, gid: 0 };
/// Permission bits that a new file or folder never gets at once: as with OpenSSH's server and its usual umask.
const UMASK: u32 = 0o022;
/// Permission bits of a file whose upload has declared none.
const FILE_MODE: u32 = 0o644;

/// The attributes of an entry.
pub(super) fn of_entry(entry: &Entry) -> Attributes {
    of(entry.kind, entry.size, entry.mode, entry.mtime)
}

/// The attributes of an unfinished upload.
pub(super) fn of_parked(parked: Parked) -> Attributes {
    of(Kind::File, parked.size, parked.mode, Mtime(0, 0))
}

/// The attributes of a file that is being written on this channel.
pub(super) fn of_editing(editing: &Editing) -> Attributes {
    let mtime = editing.mtime().unwrap_or_else(|| std::time::SystemTime::now().into());
    of(Kind::File, editing.size(), editing.mode().unwrap_or(FILE_MODE), mtime)
}

/// The attributes of an open file.
pub(super) fn of_file(size: u64, mode: u32, mtime: Mtime) -> Attributes {
    of(Kind::File, size, mode, mtime)
}

fn of(kind: Kind, size: u64, mode: u32, mtime: Mtime) -> Attributes {
    let mtime = u32::try_from(mtime.0.max(0)).unwrap_or(u32::MAX);
    Attributes {
        size: Some(size),
        owner: Some(OWNER),
        permissions: Some(permissions(kind, mode)),
        times: Some(Times { atime: mtime, mtime }),
        ..Attributes::default()
    }
}

/// The attributes that a client wants to set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) size: Option<u64>,
    pub(super) mode: Option<u32>,
    pub(super) mtime: Option<Mtime>,
}

impl Wanted {
    /// Whether nothing is to be set.
    pub(super) fn is_nothing(&self) -> bool {
        self.size.is_none() && self.mode.is_none() && self.mtime.is_none()
    }
}

/// The attributes to set. Clients send the owner back with everything else: only the one that is shown is accepted.
pub(super) fn wanted(attributes: &Attributes) -> Result<Wanted, Failure> {
    if attributes.owner.is_some_and(|owner| owner != OWNER) {
        return Err(Failure::Owner);
    }
    Ok(Wanted {
        size: attributes.size,
        mode: attributes.permissions.map(|bits| bits & 0o777),
        mtime: attributes.times.map(|times| Mtime(times.mtime.into(), 0)),
    })
}

/// The permission bits for a new file or folder, if the client names any.
pub(super) fn mode_of_new(attributes: &Attributes) -> Option<u32> {
    attributes.permissions.map(|bits| bits & 0o777 & !UMASK)
}
