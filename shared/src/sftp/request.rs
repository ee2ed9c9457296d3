//! Requests: from the client to the server.

use std::ops::BitOr;

use bytes::Bytes;

use super::{
    attributes::Attributes,
    extension::Extended,
    fault::{Fault, Invalid},
    packet::{Draft, Packet, TooLong, kind},
    wire::{handle, put_length, put_string, put_u32, put_u64, string, u32, u64},
};

/// The way in which a file is opened: a set of flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct OpenFlags(pub u32);

impl OpenFlags {
    /// Open for reading.
    pub const READ: Self = Self(1);
    /// Open for writing.
    pub const WRITE: Self = Self(2);
    /// Write at the end, whatever the offset says.
    pub const APPEND: Self = Self(4);
    /// Make the file if there is none.
    pub const CREATE: Self = Self(8);
    /// Empty the file.
    pub const TRUNCATE: Self = Self(16);
    /// Fail if the file exists; only with [`Self::CREATE`].
    pub const EXCLUSIVE: Self = Self(32);

    /// Whether all of these flags are set.
    #[must_use]
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

impl BitOr for OpenFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Opens a file; answered with a handle.
    Open {
        /// The path.
        path: Bytes,
        /// The way to open it.
        flags: OpenFlags,
        /// The attributes of a new file.
        attributes: Attributes,
    },
    /// Closes a file or folder.
    Close {
        /// The file or folder.
        handle: Bytes,
    },
    /// Reads from a file; answered with data, or with an end-of-file status.
    Read {
        /// The file.
        handle: Bytes,
        /// Where to begin.
        offset: u64,
        /// The number of bytes, at most.
        length: u32,
    },
    /// Writes to a file.
    Write {
        /// The file.
        handle: Bytes,
        /// Where to begin.
        offset: u64,
        /// The bytes; they share the packet's memory.
        data: Bytes,
    },
    /// Asks for attributes without following a symlink.
    LStat {
        /// The path.
        path: Bytes,
    },
    /// Asks for the attributes of an open file.
    FStat {
        /// The file.
        handle: Bytes,
    },
    /// Sets attributes.
    SetStat {
        /// The path.
        path: Bytes,
        /// The attributes to change.
        attributes: Attributes,
    },
    /// Sets attributes of an open file.
    FSetStat {
        /// The file.
        handle: Bytes,
        /// The attributes to change.
        attributes: Attributes,
    },
    /// Opens a folder for listing; answered with a handle.
    OpenDir {
        /// The path.
        path: Bytes,
    },
    /// Asks for the next entries; answered with names, or with an end-of-file status.
    ReadDir {
        /// The folder.
        handle: Bytes,
    },
    /// Removes a file.
    Remove {
        /// The path.
        path: Bytes,
    },
    /// Makes a folder.
    MakeDir {
        /// The path.
        path: Bytes,
        /// Its attributes.
        attributes: Attributes,
    },
    /// Removes an empty folder.
    RemoveDir {
        /// The path.
        path: Bytes,
    },
    /// Asks for the canonical path; answered with one name.
    RealPath {
        /// The path.
        path: Bytes,
    },
    /// Asks for attributes, following symlinks.
    Stat {
        /// The path.
        path: Bytes,
    },
    /// Renames; fails if the target exists.
    Rename {
        /// The present path.
        from: Bytes,
        /// The new path.
        to: Bytes,
    },
    /// Asks for the target of a symlink; answered with one name.
    ReadLink {
        /// The path.
        path: Bytes,
    },
    /// Makes a symlink. The target comes first on the wire, as OpenSSH has it on both sides and clients have adopted;
    /// the draft has them in the other order.
    Symlink {
        /// The target of the link, first on the wire.
        target: Bytes,
        /// The path of the link.
        link: Bytes,
    },
    /// A request of an extension.
    Extended(Extended),
}

impl Request {
    /// Decodes a client's packet: its id and the request. Bytes after the known fields are ignored, as OpenSSH does.
    ///
    /// # Errors
    /// [`Invalid`]: the request can be answered with a status, and the next packet can be read.
    pub fn decode(packet: Packet) -> Result<(u32, Self), Invalid> {
        let Packet { kind, number: id, mut body } = packet;
        match Self::take(kind, &mut body) {
            Ok(request) => Ok((id, request)),
            Err(fault) => Err(Invalid { id, fault }),
        }
    }

    fn take(kind: u8, from: &mut Bytes) -> Result<Self, Fault> {
        // The fields of a literal are evaluated in the order in which they are written: that of the wire.
        Ok(match kind {
            kind::OPEN => {
                Self::Open { path: string(from)?, flags: OpenFlags(u32(from)?), attributes: Attributes::take(from)? }
            }
            kind::CLOSE => Self::Close { handle: handle(from)? },
            kind::READ => Self::Read { handle: handle(from)?, offset: u64(from)?, length: u32(from)? },
            kind::WRITE => Self::Write { handle: handle(from)?, offset: u64(from)?, data: string(from)? },
            kind::LSTAT => Self::LStat { path: string(from)? },
            kind::FSTAT => Self::FStat { handle: handle(from)? },
            kind::SETSTAT => Self::SetStat { path: string(from)?, attributes: Attributes::take(from)? },
            kind::FSETSTAT => Self::FSetStat { handle: handle(from)?, attributes: Attributes::take(from)? },
            kind::OPENDIR => Self::OpenDir { path: string(from)? },
            kind::READDIR => Self::ReadDir { handle: handle(from)? },
            kind::REMOVE => Self::Remove { path: string(from)? },
            kind::MKDIR => Self::MakeDir { path: string(from)?, attributes: Attributes::take(from)? },
            kind::RMDIR => Self::RemoveDir { path: string(from)? },
            kind::REALPATH => Self::RealPath { path: string(from)? },
            kind::STAT => Self::Stat { path: string(from)? },
            kind::RENAME => Self::Rename { from: string(from)?, to: string(from)? },
            kind::READLINK => Self::ReadLink { path: string(from)? },
            kind::SYMLINK => Self::Symlink { target: string(from)?, link: string(from)? },
            kind::EXTENDED => Self::Extended(Extended::take(from)?),
            other => return Err(Fault::UnknownType(other)),
        })
    }

    /// Appends the request as a packet.
    ///
    /// # Errors
    /// [`TooLong`]: it does not fit into a packet.
    pub fn put(&self, out: &mut Vec<u8>, id: u32) -> Result<(), TooLong> {
        let draft = Draft::begin(out, self.kind(), id);
        match self {
            Self::Open { path, flags, attributes } => {
                put_string(out, path);
                put_u32(out, flags.0);
                attributes.put(out);
            }
            Self::Close { handle } | Self::FStat { handle } | Self::ReadDir { handle } => put_string(out, handle),
            Self::Read { handle, offset, length } => {
                put_string(out, handle);
                put_u64(out, *offset);
                put_u32(out, *length);
            }
            Self::Write { handle, offset, data } => {
                put_string(out, handle);
                put_u64(out, *offset);
                put_string(out, data);
            }
            Self::LStat { path }
            | Self::OpenDir { path }
            | Self::Remove { path }
            | Self::RemoveDir { path }
            | Self::RealPath { path }
            | Self::Stat { path }
            | Self::ReadLink { path } => put_string(out, path),
            Self::SetStat { path: of, attributes }
            | Self::FSetStat { handle: of, attributes }
            | Self::MakeDir { path: of, attributes } => {
                put_string(out, of);
                attributes.put(out);
            }
            Self::Rename { from: first, to: second } | Self::Symlink { target: first, link: second } => {
                put_string(out, first);
                put_string(out, second);
            }
            Self::Extended(extended) => extended.put(out),
        }
        draft.end(out)
    }

    /// Appends the head of a WRITE; `length` bytes of data must follow.
    ///
    /// # Errors
    /// [`TooLong`]: it does not fit into a packet.
    pub fn put_write_head(
        out: &mut Vec<u8>,
        id: u32,
        handle: &[u8],
        offset: u64,
        length: usize,
    ) -> Result<(), TooLong> {
        let draft = Draft::begin(out, kind::WRITE, id);
        put_string(out, handle);
        put_u64(out, offset);
        put_length(out, length);
        draft.end_before(out, length)
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Open { .. } => kind::OPEN,
            Self::Close { .. } => kind::CLOSE,
            Self::Read { .. } => kind::READ,
            Self::Write { .. } => kind::WRITE,
            Self::LStat { .. } => kind::LSTAT,
            Self::FStat { .. } => kind::FSTAT,
            Self::SetStat { .. } => kind::SETSTAT,
            Self::FSetStat { .. } => kind::FSETSTAT,
            Self::OpenDir { .. } => kind::OPENDIR,
            Self::ReadDir { .. } => kind::READDIR,
            Self::Remove { .. } => kind::REMOVE,
            Self::MakeDir { .. } => kind::MKDIR,
            Self::RemoveDir { .. } => kind::RMDIR,
            Self::RealPath { .. } => kind::REALPATH,
            Self::Stat { .. } => kind::STAT,
            Self::Rename { .. } => kind::RENAME,
            Self::ReadLink { .. } => kind::READLINK,
            Self::Symlink { .. } => kind::SYMLINK,
            Self::Extended(_) => kind::EXTENDED,
        }
    }
}
