//! Requests to the disk or the server that are under way, and transfers left from an earlier start.

use ferry_client::connect::Target;
use ferry_shared::name::Name;

use super::{
    State,
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
    Uploads(Target),
    /// Write a list to a file.
    Write(Place),
    /// Set permissions in a folder.
    SetMode(Place),
    /// Add up the size of the first of these folders below a place.
    Sizes(Place, Vec<Name>),
}

impl Task {
    /// The places it works on.
    pub(crate) fn places(&self) -> Vec<&Place> {
        match self {
            Self::MakeFolder(place)
            | Self::Rename(place, _)
            | Self::EditNames(place, _)
            | Self::Remove(place)
            | Self::SetMode(place)
            | Self::Sizes(place, _)
            | Self::Write(place) => vec![place],
            Self::MoveCopy(from, to) => vec![from, to],
            Self::Uploads(_) => Vec::new(),
        }
    }
}

/// A transfer that waits until all of its servers are connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Left {
    /// Its name in the journal.
    pub(crate) key: Key,
    /// The order.
    pub(crate) order: Order,
    /// Whether it goes on as soon as it can, without asking.
    pub(crate) agreed: bool,
}

impl Left {
    /// A server that it needs and that is not connected.
    pub(crate) fn waits_for(&self, state: &State) -> Option<Target> {
        let servers = self.order.servers();
        servers.into_iter().find(|target| !state.connections.contains_key(target))
    }
}
