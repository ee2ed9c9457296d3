//! The state of the browser: the panes, the connection, the transfers, the dialogs, the time.

pub(crate) mod appearance;
pub(crate) mod attempt;
pub(crate) mod connection;
pub(crate) mod dialog;
pub(crate) mod edit;
pub(crate) mod field;
pub(crate) mod hits;
pub(crate) mod item;
pub(crate) mod layout;
pub(crate) mod lines;
pub(crate) mod listing;
pub(crate) mod order;
pub(crate) mod pane;
pub(crate) mod past;
pub(crate) mod pattern;
pub(crate) mod permissions;
pub(crate) mod place;
pub(crate) mod preview;
pub(crate) mod problem;
pub(crate) mod programs;
pub(crate) mod saved;
pub(crate) mod server;
pub(crate) mod side;
pub(crate) mod sought;
pub(crate) mod tabs;
pub(crate) mod task;
pub(crate) mod ticket;
mod timer;
pub(crate) mod transfers;
pub(crate) mod trees;
pub(crate) use timer::PATIENCE;
pub(crate) mod labels;

use std::{collections::HashMap, path::PathBuf, time::Duration};

use ferry_client::{connect::Target, transfer::ConflictRule};
use ferry_shared::secret::Secret;
use jiff::tz::TimeZone;
use ratatui_core::layout::Position;

use self::{
    appearance::Appearance,
    attempt::Attempt,
    connection::Connections,
    dialog::Dialog,
    edit::Edit,
    hits::Hits,
    layout::Layout,
    pane::Pane,
    pattern::Pattern,
    preview::Preview,
    problem::Problem,
    programs::{Opening, Programs},
    saved::Saved,
    server::Server,
    side::{Panes, Side},
    tabs::Tabs,
    task::{Left, Task},
    ticket::{Ticket, Tickets},
    transfers::Transfers,
};
use super::{
    action::Where,
    keymap::{Key, Keymap},
};
use crate::args::Links;

/// A message in the footer that disappears by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Toast {
    /// The text.
    pub(crate) text: String,
    /// How it is meant.
    pub(crate) tone: Said,
    /// When it goes away.
    pub(crate) until: Duration,
}

/// How a message is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// Something was done.
    Done,
    /// Something goes on.
    Begun,
    /// Something went wrong.
    Bad,
}

#[cfg(test)]
impl Toast {
    /// Whether something went wrong.
    pub(crate) fn is_bad(&self) -> bool {
        self.tone == Said::Bad
    }
}

/// The condition that quitting waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Quitting {
    /// The user has not asked to quit.
    #[default]
    No,
    /// All transfers.
    WhenDone,
    /// The end of the cleaning up.
    Now,
}

/// The position and time of a left click, to recognise a second one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Click {
    /// In which pane; none in a dialog.
    pub(crate) side: Option<Side>,
    /// At which cell of the screen.
    pub(crate) at: Position,
    /// The line of the list in the dialog.
    pub(crate) line: Option<usize>,
    /// When.
    pub(crate) time: Duration,
}

/// The state of the browser.
#[derive(Debug)]
pub(crate) struct State {
    /// Columns and lines of the screen.
    pub(crate) size: (u16, u16),
    /// Time since the start.
    pub(crate) now: Duration,
    /// The time of the last key, paste or mouse event.
    pub(crate) touched: Duration,
    /// Seconds since 1970 at the start.
    pub(crate) started_at: i64,
    /// The zone times are shown in.
    pub(crate) zone: TimeZone,
    /// The user's home folder here.
    pub(crate) home: PathBuf,
    /// Where copies of remote files lie while they are edited.
    pub(crate) copies: PathBuf,
    /// The panes of the shown tab.
    pub(crate) panes: Panes,
    /// The tabs that are not on the screen.
    pub(crate) tabs: Tabs,
    /// The pane that has the keys.
    pub(crate) active: Side,
    /// The position of the divider, in hundredths of the width.
    pub(crate) divider: u16,
    /// Whether the divider is being dragged.
    pub(crate) dragging: bool,
    /// Whether the panes are kept in step.
    pub(crate) together: bool,
    /// The pattern that `n` searches for.
    pub(crate) find: Option<Pattern>,
    /// Whether what it matches is shown.
    pub(crate) highlight: bool,
    /// The preview of the entry under the cursor.
    pub(crate) preview: Preview,
    /// Whether transfers that have ended are kept in the history.
    pub(crate) keeps_history: bool,
    /// The dialogs over the panes, the topmost last.
    pub(crate) dialogs: Vec<Dialog>,
    /// The connections to servers.
    pub(crate) connections: Connections,
    /// The servers whose sessions ended for good, and why, until they are connected again.
    pub(crate) ended: HashMap<Target, Problem>,
    /// The attempt to connect that is being made.
    pub(crate) attempt: Option<Attempt>,
    /// The transfers.
    pub(crate) transfers: Transfers,
    /// The rule for copies whose target exists already.
    pub(crate) rule: ConflictRule,
    /// The rule for symbolic links that the command line gives.
    pub(crate) links: Option<Links>,
    /// Remote files that are being edited.
    pub(crate) edits: Vec<Edit>,
    /// Transfers left from before, which wait for servers that are not connected.
    pub(crate) left: Vec<Left>,
    /// The programs of the user.
    pub(crate) programs: Programs,
    /// Programs that wait for remote files.
    pub(crate) openings: Vec<Opening>,
    /// Requests to disk or server that are under way.
    pub(crate) tasks: Vec<(Ticket, Task)>,
    /// The servers that were connected to, or tried, and how.
    pub(crate) servers: HashMap<Target, Server>,
    /// The one of the last connection, to come back to.
    pub(crate) last_server: Option<Target>,
    /// The password the command line gave.
    pub(crate) password: Option<Secret>,
    /// Sites and bookmarks.
    pub(crate) saved: Saved,
    /// Keys pressed that need more to follow.
    pub(crate) pending: Vec<Key>,
    /// The bindings of the keys.
    pub(crate) keymap: Keymap,
    /// The theme and the signs.
    pub(crate) appearance: Appearance,
    /// The message in the footer.
    pub(crate) toast: Option<Toast>,
    /// The last click.
    pub(crate) click: Option<Click>,
    /// The targets of clicks on the screen as it was drawn last.
    pub(crate) hits: Hits,
    /// Whether the end was asked for.
    pub(crate) quitting: Quitting,
    /// The source of tickets for requests.
    pub(crate) tickets: Tickets,
}

/// How long a message stays in the footer.
const TOAST: Duration = Duration::from_secs(6);

impl State {
    /// The active pane.
    pub(crate) fn pane(&self) -> &Pane {
        &self.panes[self.active]
    }

    /// The active pane.
    pub(crate) fn pane_mut(&mut self) -> &mut Pane {
        &mut self.panes[self.active]
    }

    /// The other pane.
    pub(crate) fn other(&self) -> &Pane {
        &self.panes[self.active.other()]
    }

    /// The part of the screen that takes keys now.
    pub(crate) fn place(&self) -> Where {
        self.dialogs.last().map_or(Where::Browse, Dialog::place)
    }

    /// Shows a message in the footer.
    pub(crate) fn say(&mut self, text: impl Into<String>) {
        self.toast = Some(Toast { text: text.into(), tone: Said::Done, until: self.now + TOAST });
    }

    /// Shows in the footer that something has begun.
    pub(crate) fn begun(&mut self, text: impl Into<String>) {
        self.toast = Some(Toast { text: text.into(), tone: Said::Begun, until: self.now + TOAST });
    }

    /// Shows a warning in the footer.
    pub(crate) fn warn(&mut self, text: impl Into<String>) {
        self.toast = Some(Toast { text: text.into(), tone: Said::Bad, until: self.now + TOAST * 2 });
    }

    /// Seconds since 1970 now.
    pub(crate) fn clock(&self) -> i64 {
        self.started_at.saturating_add(i64::try_from(self.now.as_secs()).unwrap_or(0))
    }

    /// Scrolls everything so that the cursors are on the screen.
    pub(crate) fn settle(&mut self) {
        let Some(layout) = Layout::of(self) else { return };
        for side in Side::BOTH {
            let height = layout.entries(side).or(layout.entries(self.active)).map_or(1, |area| area.height);
            self.panes[side].settle(usize::from(height));
        }
    }
}

/// The transfers that are offered to go on: those whose servers are all connected, else those that wait for the same
/// servers as the oldest.
pub(crate) fn offered(state: &State) -> Vec<&Left> {
    let ready: Vec<&Left> = state.left.iter().filter(|left| left.waits_for(state).is_none()).collect();
    if !ready.is_empty() {
        return ready;
    }
    let Some(first) = state.left.first() else { return Vec::new() };
    state.left.iter().filter(|left| left.order.servers() == first.order.servers()).collect()
}
