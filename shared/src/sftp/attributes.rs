//! The attributes of files: each is there or not.

use bytes::Bytes;

use super::{
    fault::Fault,
    pairs::Pairs,
    wire::{put_u32, put_u64, u32, u64},
};
use crate::entry::Kind;

const SIZE: u32 = 1;
const OWNER: u32 = 2;
const PERMISSIONS: u32 = 4;
const TIMES: u32 = 8;
const EXTENDED: u32 = 0x8000_0000;

const TYPE_BITS: u32 = 0o170_000;
const FILE: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const SYMLINK: u32 = 0o120_000;
const FIFO: u32 = 0o010_000;

/// The numbers of the owning user and group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// Times in seconds since 1970; this version of the protocol has no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The last access.
    pub atime: u32,
    /// The last change of the content.
    pub mtime: u32,
}

/// The attributes of a file that are known, or are to be changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Its owner.
    pub owner: Option<Owner>,
    /// Its type and permission bits as in `st_mode`; see [`permissions`] and [`kind_of`].
    pub permissions: Option<u32>,
    /// Its times.
    pub times: Option<Times>,
    /// Attributes that only extensions know.
    pub extended: Pairs,
}

impl Attributes {
    /// The kind of the file, if the permissions say it.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.permissions.and_then(kind_of)
    }

    /// Takes attributes off the front. Unknown flags are ignored, as OpenSSH does: version 3 has none.
    pub(super) fn take(from: &mut Bytes) -> Result<Self, Fault> {
        let flags = u32(from)?;
        let has = |flag| flags & flag != 0;
        let size = has(SIZE).then(|| u64(from)).transpose()?;
        let owner = has(OWNER).then(|| pair(from)).transpose()?.map(|(uid, gid)| Owner { uid, gid });
        let permissions = has(PERMISSIONS).then(|| u32(from)).transpose()?;
        let times = has(TIMES).then(|| pair(from)).transpose()?.map(|(atime, mtime)| Times { atime, mtime });
        let extended = has(EXTENDED).then(|| Pairs::take_counted(from)).transpose()?.unwrap_or_default();
        Ok(Self { size, owner, permissions, times, extended })
    }

    /// Appends the attributes.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let flag = |is: bool, flag| if is { flag } else { 0 };
        let flags = flag(self.size.is_some(), SIZE)
            | flag(self.owner.is_some(), OWNER)
            | flag(self.permissions.is_some(), PERMISSIONS)
            | flag(self.times.is_some(), TIMES)
            | flag(!self.extended.is_empty(), EXTENDED);
        put_u32(out, flags);
        if let Some(size) = self.size {
            put_u64(out, size);
        }
        if let Some(Owner { uid, gid }) = self.owner {
            put_u32(out, uid);
            put_u32(out, gid);
        }
        if let Some(permissions) = self.permissions {
            put_u32(out, permissions);
        }
        if let Some(Times { atime, mtime }) = self.times {
            put_u32(out, atime);
            put_u32(out, mtime);
        }
        if !self.extended.is_empty() {
            self.extended.put_counted(out);
        }
    }
}

fn pair(from: &mut Bytes) -> Result<(u32, u32), Fault> {
    Ok((u32(from)?, u32(from)?))
}

/// The permissions of a file of this kind with these permission bits; [`Kind::Other`] is shown as a FIFO.
#[must_use]
pub const fn permissions(kind: Kind, bits: u32) -> u32 {
    let kind = match kind {
        Kind::File => FILE,
        Kind::Folder => FOLDER,
        Kind::Symlink => SYMLINK,
        Kind::Other => FIFO,
    };
    kind | bits & !TYPE_BITS
}

/// The kind of a file with these permissions; `None` if they have permission bits only.
#[must_use]
pub const fn kind_of(permissions: u32) -> Option<Kind> {
    match permissions & TYPE_BITS {
        0 => None,
        FILE => Some(Kind::File),
        FOLDER => Some(Kind::Folder),
        SYMLINK => Some(Kind::Symlink),
        _ => Some(Kind::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_survives_in_the_permissions() {
        for kind in [Kind::File, Kind::Folder, Kind::Symlink, Kind::Other] {
            assert_eq!(kind_of(permissions(kind, 0o644)), Some(kind));
            assert_eq!(permissions(kind, 0o644) & 0o7777, 0o644);
        }
        assert_eq!(permissions(Kind::File, permissions(Kind::Folder, 0o7)), permissions(Kind::File, 0o7));
        assert_eq!(kind_of(0o644), None);
    }

    #[test]
    fn flags_without_their_fields_are_refused_and_unknown_ones_ignored() {
        for flag in [SIZE, OWNER, PERMISSIONS, TIMES, EXTENDED] {
            let mut bytes = Bytes::copy_from_slice(&flag.to_be_bytes());
            assert_eq!(Attributes::take(&mut bytes), Err(Fault::Cut), "{flag:x}");
        }
        let mut bytes = Bytes::copy_from_slice(&0x7fff_fff0_u32.to_be_bytes());
        assert_eq!(Attributes::take(&mut bytes), Ok(Attributes::default()));
    }
}
