//! Remote files that are being edited: fetched, in the editor, and on their way back.

use std::path::PathBuf;

use ferry_shared::entry::Version;

use super::{place::Place, ticket::Ticket, transfers::Key};

/// The stage of an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its version was requested.
    Asking(Ticket),
    /// It is being fetched.
    Fetching(Key),
    /// It is in the editor.
    Editing(Ticket),
    /// Its version was requested again, before the upload.
    Checking(Ticket),
    /// It changed on the server meanwhile; the user decides.
    Deciding,
    /// It is being uploaded.
    Sending(Key),
}

/// A remote file that is being edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Its identifier.
    pub(crate) id: u64,
    /// The file on the server.
    pub(crate) place: Place,
    /// The copy of it here.
    pub(crate) copy: PathBuf,
    /// The version that was fetched.
    pub(crate) version: Option<Version>,
    /// The permission bits the file has on the server, and keeps.
    pub(crate) mode: Option<u32>,
    /// The stage.
    pub(crate) stage: Stage,
}

impl Edit {
    /// The transfer that brings or sends it now.
    pub(crate) fn transfer(&self) -> Option<Key> {
        match self.stage {
            Stage::Fetching(key) | Stage::Sending(key) => Some(key),
            _ => None,
        }
    }
}
