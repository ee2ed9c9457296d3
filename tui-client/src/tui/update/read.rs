//! Reading folders: showing another one, taking its pages, and reading it again after a change.

use std::time::Duration;

use super::Out;
use crate::{
    fault::Kind,
    tui::{
        effect::Effect,
        state::{State, item::Item, place::Place, problem::Problem, side::Side, ticket::Ticket},
    },
};

/// The least time between two readings of a folder in which files keep arriving.
const AGAIN: Duration = Duration::from_secs(1);
/// A folder is read again only after this many times the duration of the last reading.
const EASE: u32 = 20;

/// Requests the folder that a pane shows.
pub(super) fn folder(state: &mut State, side: Side, out: &mut Out) {
    forget(state, side, out);
    let now = state.now;
    let reachable = !state.panes[side].vacant && state.is_reachable(&state.panes[side].place);
    let pane = &mut state.panes[side];
    pane.reread_at = None;
    if !reachable {
        let problem = Problem::new("not connected").of(Kind::Offline);
        pane.fail(problem);
        return;
    }
    let ticket = state.tickets.next();
    pane.begin(ticket, now);
    out.push(Effect::List(ticket, pane.place.clone()));
    if let Some(path) = pane.place.path.local() {
        out.push(Effect::Free(side, path.to_owned()));
    }
}

/// Shows another folder in a pane.
pub(super) fn go(state: &mut State, side: Side, place: Place, out: &mut Out) {
    if state.panes[side].place == place && !state.panes[side].vacant {
        folder(state, side, out);
        return;
    }
    forget(state, side, out);
    state.highlight = false;
    state.panes[side].leave_for(place);
    folder(state, side, out);
}

/// Gives up the request of a pane.
pub(super) fn forget(state: &mut State, side: Side, out: &mut Out) {
    if let Some(loading) = state.panes[side].loading.take() {
        out.push(Effect::Drop(loading.ticket));
    }
}

/// Requests both panes again.
pub(super) fn both(state: &mut State, out: &mut Out) {
    for side in Side::BOTH {
        folder(state, side, out);
    }
}

/// The pane that waits for the answer with this ticket.
pub(super) fn waiting(state: &State, ticket: Ticket) -> Option<Side> {
    let waits = |side: &Side| state.panes[*side].loading.as_ref().is_some_and(|loading| loading.ticket == ticket);
    Side::BOTH.into_iter().find(waits)
}

/// Takes a page of a folder.
pub(super) fn page(state: &mut State, side: Side, items: Vec<Item>, more: bool) {
    let now = state.now;
    let pane = &mut state.panes[side];
    pane.take(items);
    if !more {
        let since = pane.loading.as_ref().map_or(now, |loading| loading.since);
        pane.read = (now, now.saturating_sub(since));
        pane.finish();
    }
}

/// A folder cannot be read.
pub(super) fn failed(state: &mut State, side: Side, problem: Problem, out: &mut Out) {
    let gone = matches!(problem.kind, Kind::Missing | Kind::NotFolder);
    let pane = &mut state.panes[side];
    if let Some(parent) = pane.place.parent().filter(|_| gone) {
        let (place, text) = (pane.place.display(&state.home), problem.to_string());
        state.warn(if text.contains(&place) { text } else { format!("{place}: {text}") });
        go(state, side, parent, out);
        return;
    }
    pane.fail(problem);
}

/// Something changed in a folder: the panes that show it are read again, soon but not too often.
pub(super) fn changed(state: &mut State, folder: &Place) {
    for side in Side::BOTH {
        if state.panes[side].place == *folder {
            again_soon(state, side);
        }
    }
}

/// Something changed at or below a place.
pub(super) fn changed_below(state: &mut State, top: &Place) {
    for side in Side::BOTH {
        let place = &state.panes[side].place;
        if place.starts_with(top) || top.parent().as_ref() == Some(place) {
            again_soon(state, side);
        }
    }
}

fn again_soon(state: &mut State, side: Side) {
    let now = state.now;
    let pane = &mut state.panes[side];
    let (read, took) = pane.read;
    let at = (read + AGAIN.max(took * EASE)).max(now);
    pane.reread_at = Some(pane.reread_at.map_or(at, |other| other.min(at)));
}

/// Reads the folders whose time has come again.
pub(super) fn due(state: &mut State, out: &mut Out) {
    for side in Side::BOTH {
        let pane = &state.panes[side];
        if pane.loading.is_none() && pane.reread_at.is_some_and(|at| at <= state.now) {
            folder(state, side, out);
        }
    }
}
