//! Effects: requests to the disk, the server, the engine or the terminal.

use std::path::PathBuf;

use ferry_client::{
    connect::Target,
    transfer::{Bandwidth, Decision, ItemId, JobId, Scope, Selected},
};
use ferry_shared::{fingerprint::Fingerprint, path::RemotePath, secret::Secret};

use super::state::{
    past::Past,
    permissions::Change,
    place::Place,
    preview::Wanted,
    programs::Run,
    saved::{Bookmark, NamedSite},
    server::Server,
    side::Side,
    sought::Sought,
    ticket::Ticket,
    transfers::{Key, Order},
    trees::{Planned, Trees},
};
use crate::args::Links;

/// The purpose of a count, which decides how symbolic links are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CountFor {
    /// Links follow this rule, wherever they are.
    Copy(Links),
    /// A marked link counts as its target; those inside folders are left out.
    Move,
    /// A link goes itself.
    Delete,
}

/// An effect. One with a ticket is answered under that ticket.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    /// Read a folder.
    List(Ticket, Place),
    /// The answer is not wanted any more.
    Drop(Ticket),
    /// Count entries below a folder, for a purpose.
    Count(Ticket, Place, Vec<RemotePath>, CountFor),
    /// Read a block of a file.
    Read(Ticket, Place, u64),
    /// Make the preview of an entry. Reads it, and neither runs nor writes anything.
    Preview(Ticket, Box<Wanted>),
    /// Compute a file's digest.
    Digest(Ticket, Place),
    /// Ask for a remote file's version.
    Version(Ticket, Place),
    /// Search below a folder.
    Search(Ticket, Place, Sought),
    /// Find out how much is free where a pane is.
    Free(Side, PathBuf),
    /// Watch the local folder that a pane shows, or none.
    Watch(Side, Option<PathBuf>),
    /// Make a folder.
    MakeFolder(Ticket, Place),
    /// Write a text to a new file of this computer.
    Write(Ticket, Place, String),
    /// Rename within a site, one after the other; nothing is replaced.
    Rename(Ticket, Vec<(Place, Place)>),
    /// Copy within a server.
    CopyThere(Ticket, Vec<(Place, Place)>),
    /// Make a symbolic link that leads to these bytes.
    MakeLink(Ticket, Place, Vec<u8>),
    /// Set the permissions of entries below a folder, and of everything below those if so.
    SetMode(Ticket, Place, Vec<RemotePath>, Change, bool),
    /// Remove entries below a folder; folders with everything below them.
    Remove(Ticket, Place, Vec<(RemotePath, bool)>),
    /// Ask a server for the unfinished uploads.
    Uploads(Ticket, Target),
    /// Let a text be edited.
    EditText(Ticket, String),
    /// Let a file be edited.
    EditFile(Ticket, PathBuf),
    /// A shell in a folder.
    Shell(PathBuf),
    /// Run a program of the user.
    Run(Box<Run>),
    /// Remove the folder with files that were fetched for a program.
    RemoveCopies(PathBuf),
    /// Give bytes to the clipboard of the terminal.
    Clipboard(Vec<u8>),
    /// Stop until the shell's `fg`.
    Suspend,
    /// Redraw everything.
    Redraw,
    /// To the server or the engine.
    Connection(ConnectionEffect),
    /// To the engine.
    Transfer(TransferEffect),
    /// To a comparison or sync.
    Sync(Ticket, SyncEffect),
    /// Save a site, in place of the one of another name.
    SaveSite(Option<String>, NamedSite),
    /// Forget a site.
    RemoveSite(String),
    /// Add a transfer to the history.
    NotePast(Past),
    /// Read the history.
    ReadHistory(Ticket),
    /// Forget the history.
    ClearHistory,
    /// Save the servers that were connected to lately.
    SaveRecent(Vec<Server>),
    /// Save the bookmarks.
    SaveBookmarks(Vec<Bookmark>),
    /// Remove an edited file's copy.
    RemoveCopy(PathBuf),
    /// End: shut the engine down, and close.
    Quit,
}

/// An effect on the connection.
#[derive(Debug, PartialEq)]
pub(crate) enum ConnectionEffect {
    /// Greet a server, with the secret in a file if it wants one, and see that its key is trusted.
    Reach(Ticket, Target, Option<Fingerprint>, Option<PathBuf>, Option<Links>),
    /// The user's decision about the key.
    Trust(bool),
    /// Log in to the server that was greeted: with a password, or with the key in a file and its passphrase, if any.
    LogIn(Ticket, Option<PathBuf>, Secret),
    /// Log in to the server that was greeted with the password in the keyring.
    LogInStored(Ticket),
    /// Put the password of the next login into the keyring, if the server accepts it, for the site of this name.
    Remember(String),
    /// Make an account there, and log in.
    Register(Ticket, String, Secret, Option<Secret>),
    /// Give up connecting to the server that is being reached, or was greeted.
    GiveUp,
    /// Ask for the user's usage and limits at a server; the answer comes as a notice.
    Usage(Target),
    /// Try again at once to connect to a server.
    Retry(Target),
    /// Leave a server.
    Leave(Target),
}

/// An effect on the comparison or sync with a ticket, which lives until the ticket is dropped.
#[derive(Debug, PartialEq)]
pub(crate) enum SyncEffect {
    /// List two trees and compare them, with their contents if so.
    Compare(Trees, bool),
    /// Compare them again as they were listed: with their contents if so, and with a look at what would be deleted if so.
    Again(bool, bool),
    /// Copy what a plan copies before its deletions.
    Copy(Key, Planned),
    /// Carry out its deletions.
    Delete(Key, Planned),
    /// Copy what it copies after them.
    Rest(Key, Planned),
}

/// An effect on transfers.
#[derive(Debug, PartialEq)]
pub(crate) enum TransferEffect {
    /// Try at once to reach a server that cannot be reached now.
    TryAtOnce(Target),
    /// Put it in the queue and the journal.
    Add(Key, Order),
    /// Put it in the queue; the journal has it.
    Begin(Key, Order),
    /// It has ended for good: the journal may forget it.
    Settle(Key),
    /// A piece of it is.
    Through(Key, RemotePath),
    /// Pause.
    Pause(Selected),
    /// Resume.
    Resume(Selected),
    /// Try again.
    Retry(Selected),
    /// Cancel, keeping the received data or not.
    Cancel(Selected, bool),
    /// Answer a question.
    Answer(ItemId, Decision, Scope),
    /// One place in the queue earlier, or later.
    Reorder(JobId, bool),
    /// The most at a time.
    AtOnce(usize),
    /// The most bytes a second.
    Bandwidth(Bandwidth),
}
