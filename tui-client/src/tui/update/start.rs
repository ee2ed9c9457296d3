//! The first state, and the first effects.

use std::{collections::HashMap, path::PathBuf};

use ferry_client::transfer::{Bandwidth, ConflictRule};
use ferry_shared::secret::Secret;
use jiff::tz::TimeZone;

use super::{Out, reach, read};
use crate::{
    args::Links,
    tui::{
        effect::Effect,
        keymap::Keymap,
        state::{
            Quitting, State,
            appearance::Appearance,
            connection::Connections,
            dialog::{Dialog, Notice},
            hits::Hits,
            listing::Viewing,
            pane::Pane,
            place::Place,
            preview::Preview,
            programs::Programs,
            saved::Saved,
            server::Server,
            side::{Panes, Side},
            tabs::Tabs,
            ticket::Tickets,
            transfers::Transfers,
        },
    },
};

/// The input for the first state.
#[derive(Debug)]
pub(crate) struct Begin {
    /// Columns and lines of the screen.
    pub(crate) size: (u16, u16),
    /// Seconds since 1970.
    pub(crate) clock: i64,
    /// The zone times are shown in.
    pub(crate) zone: TimeZone,
    /// The user's home folder on this computer.
    pub(crate) home: PathBuf,
    /// Where copies of remote files lie while they are edited.
    pub(crate) copies: PathBuf,
    /// The folder the left pane begins in.
    pub(crate) folder: PathBuf,
    /// The bindings of the keys.
    pub(crate) keymap: Keymap,
    /// The theme and the signs.
    pub(crate) appearance: Appearance,
    /// The sort order and the filters of the panes.
    pub(crate) viewing: Viewing,
    /// Whether transfers that have ended are kept in the history.
    pub(crate) history: bool,
    /// Whether a wide screen begins with the preview.
    pub(crate) preview: bool,
    /// The rule for copies whose target exists already.
    pub(crate) rule: ConflictRule,
    /// The rule for symbolic links that the command line gives.
    pub(crate) links: Option<Links>,
    /// The most transfers at a time.
    pub(crate) at_once: usize,
    /// The most bytes a second.
    pub(crate) bandwidth: Bandwidth,
    /// The programs of the user.
    pub(crate) programs: Programs,
    /// Sites and bookmarks.
    pub(crate) saved: Saved,
    /// The server the command line names.
    pub(crate) server: Option<Server>,
    /// The password the command line gives.
    pub(crate) password: Option<Secret>,
    /// The errors in the user's files, each with its file and line.
    pub(crate) faults: Vec<String>,
}

/// The first state and the first effects.
pub(crate) fn start(begin: Begin) -> (State, Vec<Effect>) {
    let mut local = Pane::new(Place::local(begin.folder));
    let mut remote = Pane::new(Place::local(begin.home.clone()));
    remote.vacant = true;
    local.viewing.clone_from(&begin.viewing);
    remote.viewing = begin.viewing;
    let mut transfers = Transfers::default();
    (transfers.at_once, transfers.bandwidth) = (begin.at_once, begin.bandwidth);
    let mut state = State {
        size: begin.size,
        now: std::time::Duration::ZERO,
        touched: std::time::Duration::ZERO,
        started_at: begin.clock,
        zone: begin.zone,
        home: begin.home,
        copies: begin.copies,
        panes: Panes::new(local, remote),
        tabs: Tabs::default(),
        active: Side::Left,
        divider: 50,
        dragging: false,
        together: false,
        find: None,
        highlight: false,
        preview: Preview::new(begin.preview),
        keeps_history: begin.history,
        dialogs: Vec::new(),
        connections: Connections::new(),
        ended: HashMap::new(),
        attempt: None,
        transfers,
        rule: begin.rule,
        links: begin.links,
        edits: Vec::new(),
        left: Vec::new(),
        programs: begin.programs,
        openings: Vec::new(),
        tasks: Vec::new(),
        servers: HashMap::new(),
        last_server: None,
        password: begin.password,
        saved: begin.saved,
        pending: Vec::new(),
        keymap: begin.keymap,
        appearance: begin.appearance,
        toast: None,
        click: None,
        hits: Hits::default(),
        quitting: Quitting::No,
        tickets: Tickets::default(),
    };
    let mut out = Out::new();
    read::both(&mut state, &mut out);
    match begin.server {
        Some(server) => reach::begin(&mut state, server, &mut out),
        None => reach::choose_server(&mut state),
    }
    if !begin.faults.is_empty() {
        let mut lines = begin.faults;
        lines.push(String::new());
        lines.push("Valid settings in these files apply; the others are ignored.".to_owned());
        state.dialogs.push(Dialog::Notice(Notice::bad("Something is wrong in your settings", lines)));
    }
    state.settle();
    (state, out)
}
