//! Extensions: their names, their requests, and the replies that only they have.

use bytes::Bytes;

use super::{
    attributes::Attributes,
    fault::Fault,
    wire::{handle, put_string, put_u64, string, u64},
};

/// An extension that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extension {
    /// Rename over an existing target.
    PosixRename,
    /// Hard links.
    HardLink,
    /// Flush an open file.
    Fsync,
    /// Figures of the volume of a path.
    StatVfs,
    /// Figures of the volume of an open file.
    FStatVfs,
    /// Set attributes without following a symlink.
    LSetStat,
    /// Lengths that the server accepts.
    Limits,
    /// Canonical paths, with `~` expanded.
    ExpandPath,
    /// The home of a user.
    HomeDirectory,
    /// Copy between two open files on the server.
    CopyData,
}

impl Extension {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::PosixRename,
        Self::HardLink,
        Self::Fsync,
        Self::StatVfs,
        Self::FStatVfs,
        Self::LSetStat,
        Self::Limits,
        Self::ExpandPath,
        Self::HomeDirectory,
        Self::CopyData,
    ];

    /// Its name in requests and in a server's hello.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PosixRename => "posix-rename@openssh.com",
            Self::HardLink => "hardlink@openssh.com",
            Self::Fsync => "fsync@openssh.com",
            Self::StatVfs => "statvfs@openssh.com",
            Self::FStatVfs => "fstatvfs@openssh.com",
            Self::LSetStat => "lsetstat@openssh.com",
            Self::Limits => "limits@openssh.com",
            Self::ExpandPath => "expand-path@openssh.com",
            Self::HomeDirectory => "home-directory",
            Self::CopyData => "copy-data",
        }
    }

    /// Its version in a server's hello.
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::StatVfs | Self::FStatVfs => "2",
            _ => "1",
        }
    }
}

/// A request of an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extended {
    /// Renames, replacing the target.
    PosixRename {
        /// The present path.
        from: Bytes,
        /// The new path.
        to: Bytes,
    },
    /// Makes a hard link.
    HardLink {
        /// The present path.
        from: Bytes,
        /// The path of the link.
        to: Bytes,
    },
    /// Flushes an open file.
    Fsync {
        /// The file.
        handle: Bytes,
    },
    /// Asks for a [`StatVfs`].
    StatVfs {
        /// A path on the volume.
        path: Bytes,
    },
    /// Asks for a [`StatVfs`].
    FStatVfs {
        /// A file on the volume.
        handle: Bytes,
    },
    /// Sets attributes without following a symlink.
    LSetStat {
        /// The path.
        path: Bytes,
        /// The attributes to change.
        attributes: Attributes,
    },
    /// Asks for the [`ServerLimits`].
    Limits,
    /// Asks for a name reply with the canonical path.
    ExpandPath {
        /// The path, which may begin with `~`.
        path: Bytes,
    },
    /// Asks for a name reply with the home of a user.
    HomeDirectory {
        /// The user; empty for the one who is logged in.
        user: Bytes,
    },
    /// Copies bytes between two open files.
    CopyData {
        /// The file to read.
        from: Bytes,
        /// Where to begin to read.
        from_offset: u64,
        /// The number of bytes; 0 means up to the end.
        length: u64,
        /// The file to write.
        to: Bytes,
        /// Where to begin to write.
        to_offset: u64,
    },
    /// An extension that is not known here.
    Unknown {
        /// Its name.
        name: Bytes,
    },
}

impl Extended {
    pub(super) fn take(from: &mut Bytes) -> Result<Self, Fault> {
        let name = string(from)?;
        let Some(extension) = Extension::ALL.into_iter().find(|known| name == known.name()) else {
            return Ok(Self::Unknown { name });
        };
        Ok(match extension {
            Extension::PosixRename => Self::PosixRename { from: string(from)?, to: string(from)? },
            Extension::HardLink => Self::HardLink { from: string(from)?, to: string(from)? },
            Extension::Fsync => Self::Fsync { handle: handle(from)? },
            Extension::StatVfs => Self::StatVfs { path: string(from)? },
            Extension::FStatVfs => Self::FStatVfs { handle: handle(from)? },
            Extension::LSetStat => Self::LSetStat { path: string(from)?, attributes: Attributes::take(from)? },
            Extension::Limits => Self::Limits,
            Extension::ExpandPath => Self::ExpandPath { path: string(from)? },
            Extension::HomeDirectory => Self::HomeDirectory { user: string(from)? },
            Extension::CopyData => Self::CopyData {
                from: handle(from)?,
                from_offset: u64(from)?,
                length: u64(from)?,
                to: handle(from)?,
                to_offset: u64(from)?,
            },
        })
    }

    /// Appends the name and the fields; of an unknown extension, the name alone.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let mut named = |extension: Extension, strings: &[&Bytes]| {
            put_string(out, extension.name().as_bytes());
            strings.iter().for_each(|string| put_string(out, string));
        };
        match self {
            Self::PosixRename { from, to } => named(Extension::PosixRename, &[from, to]),
            Self::HardLink { from, to } => named(Extension::HardLink, &[from, to]),
            Self::Fsync { handle } => named(Extension::Fsync, &[handle]),
            Self::StatVfs { path } => named(Extension::StatVfs, &[path]),
            Self::FStatVfs { handle } => named(Extension::FStatVfs, &[handle]),
            Self::Limits => named(Extension::Limits, &[]),
            Self::ExpandPath { path } => named(Extension::ExpandPath, &[path]),
            Self::HomeDirectory { user } => named(Extension::HomeDirectory, &[user]),
            Self::LSetStat { path, attributes } => {
                named(Extension::LSetStat, &[path]);
                attributes.put(out);
            }
            Self::CopyData { from, from_offset, length, to, to_offset } => {
                named(Extension::CopyData, &[from]);
                put_u64(out, *from_offset);
                put_u64(out, *length);
                put_string(out, to);
                put_u64(out, *to_offset);
            }
            Self::Unknown { name } => put_string(out, name),
        }
    }
}

/// The figures of a volume, as `statvfs(2)` has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatVfs {
    /// Bytes in a block.
    pub block_size: u64,
    /// Bytes in the unit in which blocks are counted.
    pub fragment_size: u64,
    /// All blocks, in fragments.
    pub blocks: u64,
    /// Free blocks.
    pub blocks_free: u64,
    /// Free blocks for users other than root.
    pub blocks_available: u64,
    /// All files.
    pub files: u64,
    /// Files that can still be made.
    pub files_free: u64,
    /// Files that users other than root can still make.
    pub files_available: u64,
    /// The volume's id.
    pub id: u64,
    /// [`StatVfs::READ_ONLY`] and [`StatVfs::NO_SETUID`].
    pub flags: u64,
    /// Bytes in a name, at most.
    pub name_max: u64,
}

impl StatVfs {
    /// The flag of a volume that cannot be changed.
    pub const READ_ONLY: u64 = 1;
    /// The flag of a volume where set-user-id bits have no effect.
    pub const NO_SETUID: u64 = 2;

    /// The body of the extended reply.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        numbers([
            self.block_size,
            self.fragment_size,
            self.blocks,
            self.blocks_free,
            self.blocks_available,
            self.files,
            self.files_free,
            self.files_available,
            self.id,
            self.flags,
            self.name_max,
        ])
    }

    /// Decodes the body of the extended reply.
    ///
    /// # Errors
    /// [`Fault`]: it is cut.
    pub fn decode(mut body: Bytes) -> Result<Self, Fault> {
        let body = &mut body;
        Ok(Self {
            block_size: u64(body)?,
            fragment_size: u64(body)?,
            blocks: u64(body)?,
            blocks_free: u64(body)?,
            blocks_available: u64(body)?,
            files: u64(body)?,
            files_free: u64(body)?,
            files_available: u64(body)?,
            id: u64(body)?,
            flags: u64(body)?,
            name_max: u64(body)?,
        })
    }
}

/// The reply to [`Extended::Limits`]; 0 stands for a limit that is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerLimits {
    /// Bytes in a packet.
    pub packet: u64,
    /// Bytes in a read.
    pub read: u64,
    /// Bytes in a write.
    pub write: u64,
    /// Handles open at a time.
    pub handles: u64,
}

impl ServerLimits {
    /// The body of the extended reply.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        numbers([self.packet, self.read, self.write, self.handles])
    }

    /// Decodes the body of the extended reply.
    ///
    /// # Errors
    /// [`Fault`]: it is cut.
    pub fn decode(mut body: Bytes) -> Result<Self, Fault> {
        let body = &mut body;
        Ok(Self { packet: u64(body)?, read: u64(body)?, write: u64(body)?, handles: u64(body)? })
    }
}

fn numbers<const COUNT: usize>(numbers: [u64; COUNT]) -> Bytes {
    let mut out = Vec::with_capacity(COUNT * 8);
    numbers.into_iter().for_each(|number| put_u64(&mut out, number));
    out.into()
}
