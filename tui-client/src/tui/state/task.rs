//! Requests to the disk or the server that are under way, and transfers left from an earlier start.

use ferry_client::connect::Target;
use ferry_shared::name::Name;

use super::{
    place::Place,
    transfers::{Key, Order},
};

/// A request, kept to interpret its answer.
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
    /// The order.
    pub(crate) order: Order,
}
