//! Remote files that are being edited: fetched, in the editor, and on their way back.

use std::path::PathBuf;

use ferry_shared::{entry::Version, path::RemotePath};

use super::{ticket::Ticket, transfers::Key};

/// What an edited file is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its version is asked for.
    Asking(Ticket),
    /// It comes here.
    Fetching(Key),
    /// It is in the editor.
    Editing(Ticket),
    /// Its version is asked for again, before it goes back.
    Checking(Ticket),
    /// It changed on the server meanwhile; a person decides.
    Deciding,
    /// It goes back.
    Sending(Key),
}

/// A remote file that is being edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Names it.
    pub(crate) id: u64,
    /// The file on the server.
    pub(crate) path: RemotePath,
    /// The copy of it here.
    pub(crate) copy: PathBuf,
    /// The version that was fetched.
    pub(crate) version: Option<Version>,
    /// The permission bits the file has on the server, and keeps.
    pub(crate) mode: Option<u32>,
    /// What it is at.
    pub(crate) stage: Stage,
}
