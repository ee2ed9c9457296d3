//! An entry of a folder in a pane.

use ferry_shared::entry::{Entry, Kind};

/// An entry of a folder in a pane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// The entry as its folder lists it.
    pub(crate) entry: Entry,
    /// A symlink that leads to a folder.
    pub(crate) leads: bool,
    /// The user marked it.
    pub(crate) marked: bool,
}

impl Item {
    /// An unmarked entry.
    pub(crate) fn new(entry: Entry) -> Self {
        Self { entry, leads: false, marked: false }
    }

    /// Its name's bytes.
    pub(crate) fn name(&self) -> &[u8] {
        self.entry.name.as_bytes()
    }

    /// Whether it can be entered.
    pub(crate) fn is_folder(&self) -> bool {
        self.entry.kind == Kind::Folder || self.leads
    }

    /// Whether names like this are hidden unless asked for.
    pub(crate) fn is_hidden(&self) -> bool {
        self.name().first() == Some(&b'.')
    }
}
