//! The purposes of requests.

use ferry_shared::digest::Digest;

use crate::transfer::item::Done;

/// The purpose of a request and its answer.
#[derive(Debug)]
pub(super) enum Stage {
    /// Read a small file.
    Get,
    /// Store a small file with this content.
    Put(Done),
    /// Stat the target.
    Target,
    /// Stat a source that is to be compared and then removed.
    Source,
    /// Hash the target, which may no longer exist.
    TargetDigest,
    /// Hash the source, to compare it with this digest of the target.
    SourceDigest(Digest),
    /// Hash the target, to compare it with the stored content.
    Confirm(Done),
    /// Create the folder, or set its permission bits.
    Folder,
    /// Set the folder's date.
    FolderDate,
    /// Read the text of the link at the source.
    ReadLink,
    /// Make the link at the target.
    MakeLink,
    /// Copy the source's attributes to the target.
    Attributes,
    /// Stat the target of a move, which must not be the same file as the source.
    IsAnother(Done),
    /// Stat the source before it is removed.
    BeforeRemoval(Done),
    /// Remove the source.
    RemoveSource(Done),
    /// Discard the part.
    Discard,
}
