//! The content of a file in transfer between two sites.

use std::{ops::Deref, time::SystemTime};

use bytes::Bytes;
use ferry_shared::{
    blocks,
    digest::Digest,
    entry::{Kind, Mtime},
    pool::Buffer,
};

use super::version::Version;

/// The size and date of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFacts {
    /// The size in bytes.
    pub size: u64,
    /// The time of the last change of the content.
    pub mtime: Mtime,
}

/// A file or folder at a location, without its content.
#[derive(Debug, Clone)]
pub struct Found {
    /// The kind.
    pub kind: Kind,
    /// The size, which is 0 for everything except files, and the date.
    pub facts: FileFacts,
    /// The permission bits; 0 if the site has none.
    pub mode: u32,
    /// The version of the file, if the site reported it.
    pub version: Option<Version>,
}

/// A file opened for reading, in its state at that time.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The size and date. The size is absent if it is known only at the end of the content.
    pub size: Option<u64>,
    /// Its date.
    pub mtime: Mtime,
    /// Its permission bits.
    pub mode: u32,
    /// The version of the file.
    pub version: Option<Version>,
}

/// Space before a block's bytes for the header of a protocol.
pub const HEADROOM: usize = 16;

/// The bytes of a block.
#[derive(Debug)]
pub enum BlockBytes {
    /// Zeros only.
    Zeros(usize),
    /// A separate buffer, whose first bytes are not part of the block.
    Pooled {
        /// The buffer.
        buffer: Buffer,
        /// The start of the block in the buffer.
        start: usize,
    },
    /// A part of a larger buffer.
    Shared(Bytes),
}

impl Deref for BlockBytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Zeros(length) => blocks::zeros(*length),
            Self::Pooled { buffer, start } => buffer.get(*start..).unwrap_or_default(),
            Self::Shared(bytes) => bytes,
        }
    }
}

impl BlockBytes {
    /// Whether the block is known to contain only zeros, which need not be sent.
    #[must_use]
    pub fn is_zeros(&self) -> bool {
        matches!(self, Self::Zeros(_))
    }
}

/// A piece of a streamed file, in order, from the source to the target.
#[derive(Debug)]
pub enum Piece {
    /// The file was opened. Always the first piece, and the only one of its kind.
    Opened(Opened),
    /// A block, in ascending order. An omitted block is equal to the target's.
    Block {
        /// Its index in the file.
        index: u64,
        /// Its bytes.
        bytes: BlockBytes,
        /// Whether the target already has the block. It is passed on only to keep a connection busy, or because a block
        /// beside it differs, and need not be written.
        equal: bool,
    },
    /// The end of the file. Always the last piece; without it the content is not complete.
    End(End),
}

/// The end of a streamed file.
#[derive(Debug, Clone)]
pub struct End {
    /// The digest of the whole content that was read.
    pub root: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The number of bytes in the blocks that were passed on.
    pub transferred: u64,
    /// The number of bytes in the blocks that were omitted because the target has them.
    pub reused: u64,
    /// Set if the file grew while it was read, and this is its beginning.
    pub grown: Option<Grown>,
    /// The version of the file that was read.
    pub version: Option<Version>,
}

/// A complete small file.
#[derive(Debug)]
pub struct Content {
    /// The file as it was opened; its size is known.
    pub opened: Opened,
    /// Its bytes, of one block at most.
    pub bytes: BlockBytes,
    /// The digest that the source declares.
    pub root: Digest,
    /// Set if the file grew while it was read, and this is its beginning.
    pub grown: Option<Grown>,
}

/// A source that grew while it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grown {
    /// The time at which the file had the content that was read.
    pub at: SystemTime,
    /// Whether a second reading confirmed this; otherwise the bytes may be from several times.
    pub proven: bool,
}

/// A file that is complete and durable at its target.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The digest of the target; absent if the site provides none.
    pub root: Option<Digest>,
    /// Its size in bytes.
    pub size: u64,
    /// Bytes of the blocks passed on that the site had, so that they were not sent.
    pub reused: u64,
}
