//! The short requests that are pipelined to a session, and their answers.

use std::{fs::File, sync::Arc};

use ferry_shared::{digest::Digest, entry::Mtime};

use super::{
    Watch,
    content::{Content, FileFacts, Found, Opened, Stored},
    location::Location,
    version::Version,
};
use crate::error::ClientError;

/// A request of a batch. Its answer carries the same number; answers may come in any order.
#[derive(Debug)]
pub struct Request {
    /// The number of the request in the batch, in ascending order.
    pub id: u64,
    /// The operation.
    pub op: Op,
    /// Observes the bytes of a file that is read or written, as far as the site can tell.
    pub watch: Option<Arc<dyn Watch>>,
}

/// The answer to a request.
#[derive(Debug)]
pub struct Answer {
    /// The request's number.
    pub id: u64,
    /// The result.
    pub result: Result<Done, ClientError>,
}

/// An operation of a site.
#[derive(Debug)]
pub enum Op {
    /// Queries a file or folder. Answered by [`Done::Found`].
    Stat {
        /// The location.
        at: Location,
    },
    /// Creates a folder and missing parent folders; an existing folder is not an error. Answered by [`Done::Done`].
    MakeFolder {
        /// The location.
        at: Location,
        /// Whether only the owner has access, until the permission bits are set.
        private: bool,
    },
    /// Sets a date and permission bits, if they are given and differ. Answered by [`Done::Done`].
    SetAttributes {
        /// The location.
        at: Location,
        /// The date.
        mtime: Option<Mtime>,
        /// The permission bits.
        mode: Option<u32>,
        /// Only if the file has this version, as far as the site can tell; otherwise
        /// [`Obstacle::Changed`](crate::Obstacle).
        seen: Option<Version>,
    },
    /// Computes the digest of a file. Answered by [`Done::Hashed`].
    Hash {
        /// The location.
        at: Location,
    },
    /// Removes a file or an empty folder. Answered by [`Done::Done`].
    Remove {
        /// The location.
        at: Location,
        /// Only if the file has this version or this content; otherwise [`Obstacle::Changed`](crate::Obstacle).
        only: Option<OnlyIf>,
    },
    /// Reads the text of a symbolic link itself. Answered by [`Done::Link`].
    ReadLink {
        /// The location.
        at: Location,
    },
    /// Makes a symbolic link. A link with the same text satisfies the request, and anything else that exists is
    /// [`Obstacle::Exists`](crate::Obstacle). Answered by [`Done::Done`].
    MakeLink {
        /// The location, whose folder exists.
        at: Location,
        /// The text of the link, which the site does not interpret.
        text: Vec<u8>,
        /// Whether to replace a link with another text.
        replace: bool,
    },
    /// Discards the data of an unfinished upload. Answered by [`Done::Done`].
    Discard {
        /// The location.
        at: Location,
    },
    /// Reads a file of at most one block. Answered by [`Done::Content`] or [`Done::Large`].
    Get {
        /// The location.
        at: Location,
        /// The expected size.
        size: u64,
        /// Whether to skip the second reading that verifies the content of a file that grew.
        growing: bool,
    },
    /// Writes a file of at most one block. Answered by [`Done::Stored`] when the file is complete and durable.
    Put {
        /// The target and its options.
        put: Put,
        /// The file.
        content: Box<Content>,
    },
}

/// A condition on the file or link to be removed.
#[derive(Debug)]
pub struct OnlyIf {
    /// The version that was seen.
    pub version: Option<Version>,
    /// The digest of its content, which is compared if the version does not prove that the file is unchanged. If
    /// absent, only the version counts.
    pub root: Option<Digest>,
    /// Its size in bytes.
    pub size: u64,
}

/// The result of an operation.
#[derive(Debug)]
pub enum Done {
    /// The operation succeeded.
    Done,
    /// The file or folder.
    Found(Found),
    /// A file's digest.
    Hashed {
        /// The digest.
        root: Digest,
        /// The file that was digested, if the site reports it.
        opened: Option<Opened>,
    },
    /// The text of a symbolic link.
    Link(Vec<u8>),
    /// A complete small file.
    Content(Box<Content>),
    /// The file has become larger than one block.
    Large(Opened),
    /// The file is complete and durable.
    Stored(Stored),
}

/// The options for reading a file as a stream.
#[derive(Debug)]
pub struct Get {
    /// The location.
    pub at: Location,
    /// The size and date that were seen.
    pub expected: FileFacts,
    /// Whether to skip the second reading that verifies the content of a file that grew.
    pub growing: bool,
    /// Whether to report the file's facts before the target has sent its digests.
    pub opened_first: bool,
    /// The file that the target replaces, if it is on this computer and the site's [deltas](super::Abilities::deltas) can
    /// refer to it.
    pub basis: Option<Arc<File>>,
}

/// The options for writing a file.
#[derive(Debug, Clone)]
pub struct Put {
    /// The location.
    pub at: Location,
    /// The files that may be replaced.
    pub over: Over,
    /// Whether to resume from an earlier attempt, or start from the file to be replaced.
    pub resume: bool,
    /// Whether data of this job may already exist.
    pub begun: bool,
    /// Whether the target gets the source's date and permission bits.
    pub keep_attributes: bool,
    /// Permission bits that replace the source's.
    pub mode: Option<u32>,
    /// Whether to create missing parent folders.
    pub parents: bool,
    /// The size and date of the source that were seen.
    pub expected: FileFacts,
    /// Whether a digest of the stored file is wanted, also where it costs a second reading at the site.
    pub verify: bool,
}

impl Put {
    /// The permission bits of a target whose source has `mode`; `None` for the site's default.
    #[must_use]
    pub fn mode_for(&self, mode: u32) -> Option<u32> {
        self.keep_attributes.then(|| self.mode.unwrap_or(mode))
    }

    /// The date of a target whose source has `mtime`; `None` for the current time.
    #[must_use]
    pub fn mtime_for(&self, mtime: Mtime) -> Option<Mtime> {
        self.keep_attributes.then_some(mtime)
    }
}

/// The files that a new file may replace.
#[derive(Debug, Clone)]
pub enum Over {
    /// None; otherwise [`Obstacle::Exists`](crate::Obstacle).
    Nothing,
    /// Any file; for everything else [`Obstacle::Exists`](crate::Obstacle).
    Anything,
    /// The file of this version; otherwise [`Obstacle::Changed`](crate::Obstacle).
    This(Option<Version>),
}
