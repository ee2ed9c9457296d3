//! Dialogs over the panes: a stack, whose topmost takes the keys.

mod choose;
mod comparison;
mod details;
mod form;
mod list;
mod notice;
mod plan;
mod viewer;

pub(crate) use choose::{HELP_WIDEST, HelpLine, HelpView, Palette, TypeLine, Typing};
pub(crate) use comparison::{Comparison, Finding, Group, Line, Step, Steps, Sums, Why, doubt};
pub(crate) use details::{Details, DigestState};
pub(crate) use form::{Completing, Form, FormField, Purpose, Value};
pub(crate) use list::{Found, FoundItem, History, ListView};
pub(crate) use notice::{Notice, Tone};
pub(crate) use plan::{CopyPlan, Count, Decided, DeletePlan, Question};
pub(crate) use viewer::Viewer;

use ferry_client::transfer::{ItemId, Scope};
use ferry_shared::fingerprint::Fingerprint;

use super::transfers::Key;
use crate::tui::action::Where;

/// The full list of transfers.
#[derive(Debug, Clone, Default)]
pub(crate) struct TransfersView {
    /// The line of the cursor, by its identifier.
    pub(crate) selected: Option<(Key, Option<ItemId>)>,
    /// Its number, for when that is gone.
    pub(crate) row: usize,
    /// The first line on the screen.
    pub(crate) offset: usize,
}

/// The questions of the engine, one at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConflictView {
    /// The question that is shown.
    pub(crate) item: ItemId,
    /// The scope of the answer.
    pub(crate) scope: Scope,
}

/// A server's key that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrustView {
    /// The server, as `host:port`.
    pub(crate) host: String,
    /// The key it showed.
    pub(crate) key: Fingerprint,
}

/// A dialog over the panes.
#[derive(Debug)]
pub(crate) enum Dialog {
    /// The full list of transfers.
    Transfers(TransfersView),
    /// The viewer of a file.
    View(Box<Viewer>),
    /// The saved sites.
    Sites(ListView),
    /// Fields to fill in.
    Form(Box<Form>),
    /// A connection is being made.
    Reaching,
    /// A server's key that is not known.
    Trust(TrustView),
    /// The plan of a copy or move.
    Copy(Box<CopyPlan>),
    /// The comparison of two trees.
    Comparison(Box<Comparison>),
    /// The plan of a deletion.
    Delete(Box<DeletePlan>),
    /// Yes or no.
    Question(Box<Question>),
    /// Something is already there.
    Conflict(ConflictView),
    /// Quitting while transfers run.
    Quit,
    /// Transfers left from the last time.
    Resume,
    /// A line being typed below the panes.
    Type(TypeLine),
    /// Choosing a command.
    Palette(Palette),
    /// Every key.
    Help(HelpView),
    /// The bookmarks.
    Bookmarks(ListView),
    /// The history of transfers.
    History(Box<History>),
    /// The result of a search.
    Found(Box<Found>),
    /// Everything about one entry.
    Details(Box<Details>),
    /// Something to read.
    Notice(Notice),
}

impl Dialog {
    /// The part of the screen that takes keys while this dialog is topmost.
    pub(crate) fn place(&self) -> Where {
        match self {
            Self::Transfers(_) => Where::Transfers,
            Self::View(_) => Where::View,
            Self::Sites(_) | Self::Bookmarks(_) | Self::History(_) => Where::List,
            Self::Found(_) => Where::Found,
            Self::Form(_) => Where::Form,
            Self::Trust(_) => Where::Trust,
            Self::Copy(_) => Where::Copy,
            Self::Comparison(_) => Where::Comparison,
            Self::Question(question) if question.decided == Decided::SyncAnyway => Where::Danger,
            Self::Delete(_) | Self::Question(_) => Where::Confirm,
            Self::Conflict(_) => Where::Conflict,
            Self::Quit => Where::Quit,
            Self::Resume => Where::Resume,
            Self::Type(_) | Self::Palette(_) | Self::Help(_) => Where::Type,
            Self::Reaching => Where::Wait,
            Self::Details(_) | Self::Notice(_) => Where::Notice,
        }
    }

    /// Whether it takes the whole screen.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Transfers(_) | Self::View(_) | Self::Comparison(_))
    }
}
