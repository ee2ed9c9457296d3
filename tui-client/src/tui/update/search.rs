//! Searching everything below a folder for a name, and going to a found entry.

use ferry_shared::path::RemotePath;

use super::{Out, copy, delete, list, read};
use crate::tui::{
    action::Action,
    effect::Effect,
    state::{
        State,
        dialog::{Dialog, Form, Found, FoundItem, ListView, Purpose},
        problem::Problem,
        side::Side,
        sought::Sought,
        ticket::Ticket,
    },
};

/// Asks for the name to search for.
pub(super) fn ask(state: &mut State) {
    let side = state.active;
    if !state.is_reachable(&state.panes[side].place) || state.panes[side].vacant {
        state.warn("not connected");
        return;
    }
    let place = state.panes[side].place.display(&state.home);
    let form = Form::new(Purpose::Search(side), format!("Search below {place}"))
        .text("name", "")
        .text("size", "")
        .text("changed", "")
        .note("name     a part of it, or a pattern with * and ?; small letters find capitals too")
        .note("size     >10MiB, <1KiB, 10MiB-1GiB")
        .note("changed  7d: in the last 7 days, >7d: before; 2026-11-01: since then, <2026-11-01: before");
    state.dialogs.push(Dialog::Form(Box::new(form)));
}

/// Begins a search.
///
/// # Errors
/// A field is not valid, or all are empty.
pub(super) fn begin(state: &mut State, side: Side, form: &Form, out: &mut Out) -> Result<(), String> {
    let (name, size, changed) = (form.get("name"), form.get("size"), form.get("changed"));
    let sought = Sought::parse(name, size, changed, state.clock(), &state.zone)?;
    let ticket = state.tickets.next();
    let folder = state.panes[side].place.clone();
    let found = Found {
        folder,
        pattern: sought.shown.clone(),
        items: Vec::new(),
        ticket: Some(ticket),
        cut: false,
        problem: None,
        view: ListView::default(),
    };
    out.push(Effect::Search(ticket, found.folder.clone(), sought));
    state.dialogs.push(Dialog::Found(Box::new(found)));
    Ok(())
}

/// The search that waits for the answer with this ticket.
fn waiting(state: &mut State, ticket: Ticket) -> Option<&mut Found> {
    state.dialogs.iter_mut().find_map(|dialog| match dialog {
        Dialog::Found(found) if found.ticket == Some(ticket) => Some(&mut **found),
        _ => None,
    })
}

/// Takes entries that a search found.
pub(super) fn found(state: &mut State, ticket: Ticket, items: Vec<FoundItem>, more: bool, most: usize) {
    if let Some(found) = waiting(state, ticket) {
        let under = found.items.get(found.view.cursor).map(order);
        found.items.extend(items);
        found.items.sort_by_cached_key(order);
        // The cursor stays on its entry, unless it was never moved.
        if let Some(under) = under.filter(|_| found.view.cursor > 0) {
            found.view.cursor = found.items.partition_point(|item| order(item) < under);
        }
        if !more {
            found.ticket = None;
            found.cut = found.items.len() >= most;
        }
    }
}

/// The sort key of a found entry: its folder, then its name.
fn order(item: &FoundItem) -> (Vec<u8>, Vec<u8>) {
    (item.under.as_bytes().to_vec(), item.item.name().to_vec())
}

/// A search failed. Returns whether the ticket is of a search.
pub(super) fn failed(state: &mut State, ticket: Ticket, problem: &Problem) -> bool {
    let found = waiting(state, ticket);
    let waited = found.is_some();
    if let Some(found) = found {
        found.ticket = None;
        found.problem = Some(problem.clone());
    }
    waited
}

/// Does an action in the list of found entries.
pub(super) fn act(state: &mut State, action: Action, out: &mut Out) {
    let height = list::height(state);
    let Some(Dialog::Found(found)) = state.dialogs.last_mut() else { return };
    let length = found.items.len();
    if list::step(&mut found.view, action, length, height) {
        return;
    }
    match action {
        Action::Accept => {
            let Some(chosen) = found.items.get(found.view.cursor) else { return };
            let Some(folder) = found.folder.join_path(&chosen.under) else { return };
            let name = chosen.item.entry.name.clone();
            let side =
                if state.panes[state.active].place.is_beside(&folder) { state.active } else { state.active.other() };
            list::close_found(state, out);
            state.active = side;
            read::go(state, side, folder, out);
            state.pane_mut().land_on(name);
        }
        Action::Mark => {
            let at = found.view.cursor;
            if let Some(under) = found.items.get_mut(at) {
                under.item.marked = !under.item.marked;
            }
            list::step(&mut found.view, Action::Down, length, height);
        }
        Action::MarkAll | Action::UnmarkAll => {
            found.items.iter_mut().for_each(|found| found.item.marked = action == Action::MarkAll);
        }
        Action::Copy | Action::Move | Action::Delete => take(state, action, out),
        Action::Close => list::close_found(state, out),
        _ => {}
    }
}

/// Shows the plan of a copy, move or deletion of what is marked. Without marks, all that was found is copied or moved, and
/// only the entry under the cursor deleted.
fn take(state: &mut State, action: Action, out: &mut Out) {
    let Some(Dialog::Found(found)) = state.dialogs.last() else { return };
    let marked = found.items.iter().any(|found| found.item.marked);
    let deletes = action == Action::Delete;
    let taken = |(at, found_item): &(usize, &FoundItem)| match (marked, deletes) {
        (true, _) => found_item.item.marked,
        (false, true) => *at == found.view.cursor,
        (false, false) => true,
    };
    let path = |found: &FoundItem| found.under.join(&found.item.entry.name).ok();
    let chosen = found.items.iter().enumerate().filter(taken);
    let mut chosen: Vec<_> = chosen.filter_map(|(_, found)| Some((path(found)?, found.item.clone()))).collect();
    // Entries in a folder that is taken go with it.
    let folders: Vec<RemotePath> =
        chosen.iter().filter(|(_, item)| item.is_folder()).map(|(path, _)| path.clone()).collect();
    chosen.retain(|(path, _)| !folders.iter().any(|folder| path != folder && path.starts_with(folder)));
    chosen.iter_mut().for_each(|(_, item)| item.marked = false);
    let from = found.folder.clone();
    if deletes && !state.may_write(&from) {
        state.warn("your account may only read here");
        return;
    }
    // The list of another pane's folder may be what is shown while the panes changed sides.
    if state.pane().place != from && state.other().place == from {
        state.active = state.active.other();
    }
    match action {
        Action::Delete => delete::plan_of(state, from, chosen, out),
        _ => copy::plan_of(state, from, chosen, action == Action::Move, out),
    }
}
