//! Permissions of the chosen entries.

use ferry_shared::entry::Kind;

use super::{Out, name::may_change, read};
use crate::{
    human,
    tui::{
        effect::Effect,
        state::{
            State,
            dialog::{Dialog, Form, Purpose},
            permissions::Change,
            place::Place,
            problem::Problem,
            side::Side,
            task::Task,
        },
    },
};

/// Asks for the permissions of what is chosen.
pub(super) fn ask(state: &mut State) {
    if !may_change(state) {
        return;
    }
    state.pane_mut().mark_range();
    let side = state.active;
    let chosen = state.pane().chosen();
    let Some(first) = chosen.first() else {
        state.warn("there is nothing here whose permissions could be set");
        return;
    };
    let shown = String::from_utf8_lossy(&human::mode(first.entry.kind, first.entry.mode)).into_owned();
    let title = match chosen.len() {
        1 => format!("Permissions of {}", first.entry.name.display()),
        more => format!("Permissions of {more} entries"),
    };
    let mode = if chosen.iter().all(|item| item.entry.mode & 0o7777 == first.entry.mode & 0o7777) {
        format!("{:o}", first.entry.mode & 0o7777)
    } else {
        String::new()
    };
    let mut form = Form::new(Purpose::Permissions(side), title).text("mode", mode);
    if chosen.len() == 1 {
        form = form.note(format!("now {shown}"));
    }
    form = form.note("644, u=rw,go=r or a+rX");
    if chosen.iter().any(|item| item.entry.kind == Kind::Folder) {
        form = form
            .text("everything below", "no")
            .note("everything below: yes or no; with a number, folders also get x for r");
    }
    state.dialogs.push(Dialog::Form(Box::new(form)));
}

/// Sets the permissions that were typed.
///
/// # Errors
/// A field is not valid.
pub(super) fn set(state: &mut State, side: Side, form: &Form, out: &mut Out) -> Result<(), String> {
    let change = Change::parse(form.get("mode"))?;
    let below = match form.get("everything below") {
        "" | "no" | "n" => false,
        "yes" | "y" => true,
        other => return Err(format!("everything below: `{other}` is neither yes nor no")),
    };
    let pane = &state.panes[side];
    let (folder, paths) =
        (pane.place.clone(), pane.chosen().iter().map(|item| item.entry.name.clone().into()).collect());
    let ticket = state.tickets.next();
    state.tasks.push((ticket, Task::SetMode(folder.clone())));
    state.begun("setting permissions");
    out.push(Effect::SetMode(ticket, folder, paths, change, below));
    Ok(())
}

/// Permissions in a folder were set.
pub(super) fn done(state: &mut State, folder: &Place, (set, failed): (u64, u64), why: Option<Problem>, out: &mut Out) {
    let entries = human::count(set, "entry", "entries");
    match why {
        Some(why) => state.warn(format!("permissions of {entries} set, {failed} failed: {why}")),
        None if failed > 0 => state.warn(format!("permissions of {entries} set, {failed} could not be read")),
        None => state.say(format!("permissions of {entries} set")),
    }
    read::changed(state, folder);
    read::due(state, out);
}
