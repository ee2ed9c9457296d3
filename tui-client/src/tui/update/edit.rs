//! Editing: a local file in place; a remote one is fetched, and uploaded again if it was changed, both verified.

use std::path::{Path, PathBuf};

use ferry_client::transfer::ConflictRule;
use ferry_shared::{
    entry::{Kind, Version},
    name::Name,
};

use super::{Out, name, read};
use crate::tui::{
    effect::{Effect, TransferEffect},
    state::{
        State,
        dialog::{Decided, Dialog, Question},
        edit::{Edit, Stage},
        place::Place,
        problem::Problem,
        ticket::Ticket,
        transfers::{Key, Order, Piece},
    },
};

/// The largest file that is fetched to be edited.
const LARGEST: u64 = 64 << 20;

/// The permission bits of the local copy. Those on the server may forbid reading or writing, and an editor
/// may change them.
const COPY_MODE: u32 = 0o600;

/// Edits the file under the cursor.
pub(super) fn begin(state: &mut State, out: &mut Out) {
    let Some(item) = state.pane().current().cloned() else { return };
    if item.entry.kind != Kind::File && (item.is_folder() || !state.pane().place.is_local()) {
        state.warn(format!("{} is no file", item.entry.name.display()));
        return;
    }
    let Some(place) = state.pane().place.join(&item.entry.name) else { return };
    if let Some(path) = place.path.local() {
        let ticket = state.tickets.next();
        out.push(Effect::EditFile(ticket, path.to_owned()));
    } else if item.entry.size > LARGEST {
        state.warn("too large to edit over the line; copy it here first");
    } else if name::may_change(state) {
        fetch(state, place, out);
    }
}

fn fetch(state: &mut State, place: Place, out: &mut Out) {
    if state.edits.iter().any(|edit| edit.place == place) {
        state.warn("this file is being edited already");
        return;
    }
    let ticket = state.tickets.next();
    let id = ticket.0;
    state.edits.push(Edit {
        id,
        place: place.clone(),
        copy: PathBuf::new(),
        version: None,
        mode: None,
        stage: Stage::Asking(ticket),
    });
    out.push(Effect::Version(ticket, place));
}

/// Takes the version of an edited file on the server. Returns whether it was awaited.
pub(super) fn version(state: &mut State, ticket: Ticket, seen: Option<(Version, u32)>, out: &mut Out) -> bool {
    let Some(edit) =
        state.edits.iter_mut().find(|edit| matches!(edit.stage, Stage::Asking(t) | Stage::Checking(t) if t == ticket))
    else {
        return false;
    };
    let id = edit.id;
    let (version, mode) = seen.unzip();
    edit.mode = mode.or(edit.mode);
    if matches!(edit.stage, Stage::Asking(_)) {
        edit.version = version;
        come(state, id, out);
    } else if edit.version == version {
        send(state, id, out);
    } else {
        edit.stage = Stage::Deciding;
        let lines = vec![
            format!("{} was changed on the server while you edited it.", edit.place.path),
            format!("Yes puts yours in its place. No keeps yours here: {}", edit.copy.display()),
        ];
        let title = "Replace the newer file?".to_owned();
        state.dialogs.push(Dialog::Question(Box::new(Question { title, lines, decided: Decided::SendBack(id) })));
    }
    true
}

/// Fetches the file into a folder of its own.
fn come(state: &mut State, id: u64, out: &mut Out) {
    let folder = state.copies.join(id.to_string());
    let Some(edit) = state.edits.iter_mut().find(|edit| edit.id == id) else { return };
    let (Some(from), Some(name)) = (edit.place.parent(), edit.place.name()) else { return };
    let folder = Place::local(folder);
    let Some(copy) = folder.join(&name).and_then(|copy| copy.path.local().map(Path::to_owned)) else {
        state.warn("this computer cannot have a file of that name");
        state.edits.retain(|edit| edit.id != id);
        return;
    };
    edit.copy = copy;
    let order = order(from, folder, name, Some(COPY_MODE));
    let key = state.transfers.add(order.clone());
    edit.stage = Stage::Fetching(key);
    out.push(Effect::Transfer(TransferEffect::Begin(key, order)));
}

fn order(from: Place, to: Place, name: Name, mode: Option<u32>) -> Order {
    Order {
        from,
        to,
        what: vec![Piece::new(name, false)],
        moves: false,
        rule: ConflictRule::Replace,
        links: None,
        mode,
    }
}

/// Whether a transfer brings or sends a file that is being edited.
pub(super) fn is_of(state: &State, key: Key) -> bool {
    state.edits.iter().any(|edit| edit.transfer() == Some(key))
}

/// A transfer ended; it may be that of an edited file.
pub(super) fn transfer_over(state: &mut State, key: Key, well: bool, out: &mut Out) {
    let Some(edit) = state.edits.iter_mut().find(|edit| edit.transfer() == Some(key)) else { return };
    let (id, copy) = (edit.id, edit.copy.clone());
    match (&edit.stage, well) {
        (Stage::Fetching(_), true) => {
            let ticket = state.tickets.next();
            edit.stage = Stage::Editing(ticket);
            state.transfers.remove(key);
            out.push(Effect::EditFile(ticket, copy));
        }
        (Stage::Sending(_), false) => {
            state.edits.retain(|edit| edit.id != id);
            state.warn(format!("it did not go back; your version is {}", copy.display()));
        }
        (_, well) => {
            if well {
                let shown = edit.place.path.to_string();
                state.say(format!("{shown} is back on the server, verified"));
            }
            state.edits.retain(|edit| edit.id != id);
            out.push(Effect::RemoveCopy(copy));
        }
    }
}

/// The editor ended. Returns whether an edit waits for it.
pub(super) fn edited(state: &mut State, ticket: Ticket, changed: bool, out: &mut Out) -> bool {
    let Some(edit) = state.edits.iter_mut().find(|edit| edit.stage == Stage::Editing(ticket)) else { return false };
    if changed {
        let ticket = state.tickets.next();
        edit.stage = Stage::Checking(ticket);
        out.push(Effect::Version(ticket, edit.place.clone()));
    } else {
        let (id, copy) = (edit.id, edit.copy.clone());
        state.edits.retain(|edit| edit.id != id);
        out.push(Effect::RemoveCopy(copy));
        state.say("nothing was changed");
    }
    true
}

/// A request for an edited file failed. Returns whether it was one.
pub(super) fn failed(state: &mut State, ticket: Ticket, problem: &Problem) -> bool {
    let waits =
        |edit: &Edit| matches!(edit.stage, Stage::Asking(t) | Stage::Checking(t) | Stage::Editing(t) if t == ticket);
    let Some(at) = state.edits.iter().position(waits) else { return false };
    let edit = state.edits.remove(at);
    state.warn(match edit.stage {
        Stage::Asking(_) => problem.to_string(),
        _ => format!("{problem}; your version is {}", edit.copy.display()),
    });
    true
}

/// The user decided whether the edited file replaces the newer one.
pub(super) fn decided(state: &mut State, id: u64, yes: bool, out: &mut Out) {
    if yes {
        send(state, id, out);
        return;
    }
    if let Some(at) = state.edits.iter().position(|edit| edit.id == id) {
        let edit = state.edits.remove(at);
        state.say(format!("your version is {}", edit.copy.display()));
    }
}

/// Uploads the edited file.
fn send(state: &mut State, id: u64, out: &mut Out) {
    let Some(edit) = state.edits.iter_mut().find(|edit| edit.id == id) else { return };
    let (Some(folder), Some(to), Some(name)) = (edit.copy.parent(), edit.place.parent(), edit.place.name()) else {
        return;
    };
    let order = order(Place::local(folder), to.clone(), name, edit.mode);
    let key = state.transfers.add(order.clone());
    edit.stage = Stage::Sending(key);
    out.push(Effect::Transfer(TransferEffect::Begin(key, order)));
    read::changed(state, &to);
}
