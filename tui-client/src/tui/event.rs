//! Events: keys, the mouse, the time, and answers to requests.

use std::time::Duration;

use ferry_client::{
    connect::Target,
    transfer::{self, JobId, Progress},
};
use ferry_shared::{entry::Version, message::Notice, message::reply::UnfinishedUpload, path::RemotePath};
use ratatui_core::layout::Position;

use super::{
    keymap::Key,
    state::{
        connection::{Account, Greeting},
        dialog::{FoundItem, Steps, TrustView},
        item::Item,
        listing::Amount,
        past::Past,
        place::Place,
        preview::Content,
        problem::Problem,
        programs::{End, Run},
        saved::Saved,
        side::Side,
        task::Left,
        ticket::Ticket,
        transfers::{Deleted, Key as TransferKey},
        trees::Planned,
    },
};

/// An event.
#[derive(Debug)]
pub(crate) enum Event {
    /// The time since the start.
    Time(Duration),
    /// A key was pressed.
    Key(Key),
    /// Text was pasted.
    Paste(String),
    /// The mouse did something.
    Mouse(Mouse),
    /// The screen has this size now.
    Resize(u16, u16),
    /// The disk or the server answers.
    Answer(Ticket, Answer),
    /// A server's key is not known; nothing was sent to it yet.
    Trust(TrustView),
    /// The connection was lost, or could not be made again.
    Lost {
        /// To which server.
        server: Target,
        /// Why.
        problem: Problem,
        /// How long until the next one.
        retry_in: Duration,
    },
    /// An attempt to connect again begins.
    Retrying(Target),
    /// The connection is back.
    Restored(Target, Account),
    /// The connection is lost, and trying again is no use.
    Ended(Target, Problem),
    /// A server has something to say.
    Notice(Target, Notice),
    /// The engine has a transfer as this job.
    Started(TransferKey, JobId),
    /// Requests of a sync's deletions that were answered, and all of them.
    Deleting(TransferKey, (u64, u64)),
    /// The deletions of a sync are through.
    Deleted(TransferKey, Deleted),
    /// The engine tells.
    Transfer(transfer::Event),
    /// The progress of the engine.
    Progress(Progress),
    /// Something changed in a local folder that is watched.
    Changed(Place),
    /// The free bytes at the folder of a pane.
    Free(Side, Option<u64>),
    /// The current sites and bookmarks.
    Saved(Saved),
    /// Transfers left from the last time.
    Left(Vec<Left>),
    /// A problem outside of any request.
    Problem(Problem),
    /// A signal asks to stop.
    Stop,
    /// A program of the user ended, or was not started.
    Ran(Box<Run>, End),
    /// Another program had the terminal for a while.
    Back,
}

/// An event of the mouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mouse {
    /// The button or the wheel.
    pub(crate) did: MouseAct,
    /// At which cell of the screen.
    pub(crate) at: Position,
}

/// A button or the wheel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MouseAct {
    /// The left button went down.
    Press,
    /// It was moved while down.
    Drag,
    /// It went up.
    Release,
    /// The right button went down.
    Mark,
    /// The wheel was turned up.
    WheelUp,
    /// The wheel was turned down.
    WheelDown,
}

/// An answer to a request with a ticket.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Some entries of a folder; the last ones if nothing follows.
    Page {
        /// The entries.
        items: Vec<Item>,
        /// Whether others follow.
        more: bool,
    },
    /// Some entries that a search found.
    Found {
        /// The entries.
        items: Vec<FoundItem>,
        /// Whether others follow.
        more: bool,
    },
    /// The figures of a count.
    Counted {
        /// The amount so far.
        amount: Amount,
        /// Folders that could not be read.
        unreadable: u64,
        /// Links and special files that are left out.
        left_out: u64,
        /// Whether it goes on.
        more: bool,
    },
    /// A block of a file.
    Block {
        /// Its index.
        index: u64,
        /// Its bytes.
        bytes: Vec<u8>,
        /// The size of the whole file in bytes.
        size: u64,
    },
    /// The preview of an entry.
    Preview(Box<Content>),
    /// A file's digest.
    Digest(String),
    /// A file's version and permission bits; `None` where there is none (any more).
    Version(Option<(Version, u32)>),
    /// This entry below a folder was removed.
    Gone(RemotePath),
    /// It was done.
    Done,
    /// Permissions were set.
    ModesSet {
        /// Of how many entries.
        set: u64,
        /// Of how many they could not be set.
        failed: u64,
        /// Why, of the first of those.
        why: Option<Problem>,
    },
    /// The amount that was removed.
    Removed(Amount),
    /// The text after the editor ended.
    Edited {
        /// The text, where it was one that was given.
        text: String,
        /// Whether a file that was given has changed.
        changed: bool,
    },
    /// The server was greeted and its key is trusted.
    Greeted(Greeting),
    /// The login holds.
    LoggedIn(Greeting, Account),
    /// The key needs its passphrase.
    Locked,
    /// A comparison goes on.
    Comparing(Steps),
    /// Two trees were compared.
    Compared(Planned),
    /// Unfinished uploads on the server.
    Uploads(Vec<UnfinishedUpload>),
    /// The transfers of the history, the last one first, and the lines that could not be read.
    History(Vec<Past>, u64),
    /// It could not be done.
    Failed(Problem),
}
