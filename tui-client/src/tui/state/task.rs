//! What was asked of the disk or the server and is not yet done, and what was left from before.

use ferry_client::connect::Target;
use ferry_shared::name::Name;

use super::{
    place::Place,
    transfers::{Key, Order},
};

/// Something that was asked for, to know what its answer is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Task {
    /// Make a folder.
    MakeFolder(Place),
    /// Rename in a folder; the cursor goes to this name.
    Rename(Place, Option<Name>),
    /// Edit the names of a folder's entries.
    EditNames(Place, Vec<Name>),
    /// Remove in a folder.
    Remove(Place),
    /// Move or copy within one side, between these folders.
    MoveCopy(Place, Place),
    /// Show the unfinished uploads.
    Uploads,
}

/// A transfer of a server that is not connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Left {
    /// The server.
    pub(crate) server: Target,
    /// Its name in the journal.
    pub(crate) key: Key,
    /// What was asked for.
    pub(crate) order: Order,
}
