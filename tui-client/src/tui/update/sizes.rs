//! The sizes of folders with everything below, on request.

use ferry_shared::{entry::Kind, name::Name, path::RemotePath};

use super::Out;
use crate::{
    human,
    tui::{
        effect::{CountFor, Effect},
        state::{State, listing::Amount, place::Place, side::Side, task::Task, ticket::Ticket},
    },
};

/// Adds up the sizes of the chosen folders, one after the other.
pub(super) fn ask(state: &mut State, out: &mut Out) {
    state.pane_mut().mark_range();
    let pane = state.pane();
    let folders = pane.chosen().into_iter().filter(|item| item.entry.kind == Kind::Folder);
    let names: Vec<Name> = folders.map(|item| item.entry.name.clone()).collect();
    let folder = pane.place.clone();
    if names.is_empty() {
        state.warn("put the cursor on a folder, or mark some, to see their sizes");
    } else if !state.is_reachable(&folder) {
        state.warn("not connected");
    } else {
        state.begun("adding up sizes");
        next(state, folder, names, out);
    }
}

fn next(state: &mut State, folder: Place, names: Vec<Name>, out: &mut Out) {
    let Some(first) = names.first() else { return };
    let paths = vec![RemotePath::from(first.clone())];
    let ticket = state.tickets.next();
    out.push(Effect::Count(ticket, folder.clone(), paths, CountFor::Delete));
    state.tasks.push((ticket, Task::Sizes(folder, names)));
}

/// Takes the size of a folder so far.
pub(super) fn counted(
    state: &mut State,
    ticket: Ticket,
    (amount, unreadable): (Amount, u64),
    more: bool,
    out: &mut Out,
) {
    let Some(at) = state.tasks.iter().position(|(other, _)| *other == ticket) else { return };
    let (_, Task::Sizes(folder, names)) = &state.tasks[at] else { return };
    let (folder, mut names) = (folder.clone(), names.clone());
    let shown = Side::BOTH.into_iter().filter(|side| state.panes[*side].place == folder).collect::<Vec<_>>();
    if let Some(name) = names.first() {
        shown.iter().for_each(|side| state.panes[*side].set_size(name.clone(), amount.bytes));
    }
    if more && !shown.is_empty() {
        return;
    }
    state.tasks.remove(at);
    if shown.is_empty() {
        out.push(Effect::Drop(ticket));
        return;
    }
    let name = names.remove(0);
    match unreadable {
        0 => state.say(format!(
            "{}: {} in {}",
            name.display(),
            human::size(amount.bytes),
            human::count(amount.files, "file", "files")
        )),
        _ => state.warn(format!(
            "{}: at least {}; {} could not be read",
            name.display(),
            human::size(amount.bytes),
            human::count(unreadable, "folder", "folders")
        )),
    }
    next(state, folder, names, out);
}
