//! Forms: moving between their fields, and submitting them.

use ferry_client::transfer::Bandwidth;

use super::{Out, complete, connect, copy, mark, name, permissions, read, search, site};
use crate::{
    human,
    tui::{
        action::Action,
        effect::{Effect, TransferEffect},
        state::{
            State,
            dialog::{Dialog, Form, Purpose},
        },
    },
};

/// Does an action in a form.
pub(super) fn act(state: &mut State, action: Action, out: &mut Out) {
    if action == Action::NextField && complete::begin(state, out) {
        return;
    }
    let Some(Dialog::Form(form)) = state.dialogs.last_mut() else { return };
    match action {
        Action::NextField => form.turn(true),
        Action::PreviousField => form.turn(false),
        Action::Remember => form.remember = form.remember.map(|remember| !remember),
        Action::CreateAccount => connect::offer_account(state),
        Action::Accept => accept(state, out),
        Action::Close => {
            let gives_up = matches!(form.purpose, Purpose::Password | Purpose::Register);
            state.dialogs.pop();
            if gives_up {
                connect::give_up(state, out);
            }
        }
        _ => {}
    }
}

/// Submits the form. A form for a login stays open until the answer comes.
fn accept(state: &mut State, out: &mut Out) {
    let Some(Dialog::Form(mut form)) = state.dialogs.pop() else { return };
    let stays = matches!(form.purpose, Purpose::Password | Purpose::Register);
    let done = submit(state, &mut form, out);
    match done {
        Err(fault) => {
            form.fault = Some(fault);
            state.dialogs.push(Dialog::Form(form));
        }
        Ok(()) if stays => state.dialogs.push(Dialog::Form(form)),
        Ok(()) => {}
    }
}

/// # Errors
/// A field is missing or not valid.
fn submit(state: &mut State, form: &mut Form, out: &mut Out) -> Result<(), String> {
    match form.purpose.clone() {
        Purpose::Connect => connect::typed(state, form, out),
        Purpose::Site(old) => site::save(state, old, form, out),
        Purpose::Password => connect::password(state, form, out),
        Purpose::Register => connect::register(state, form, out),
        Purpose::NewFolder(side) => name::make_folder(state, side, needed(form, "name")?, out),
        Purpose::Rename(side, from) => name::rename_one(state, side, &from, needed(form, "new name")?, out),
        Purpose::GoTo(side) => {
            let place = state.panes[side].place.typed(needed(form, "path")?, &state.home)?;
            read::go(state, side, place, out);
            Ok(())
        }
        Purpose::Mark(side, marks) => mark::matching(state, side, marks, needed(form, "pattern")?),
        Purpose::Search(side) => search::begin(state, side, form, out),
        Purpose::Link(folder) => name::make_link(state, &folder, form, out),
        Purpose::Permissions(side) => permissions::set(state, side, form, out),
        Purpose::As => copy::change_name(state, needed(form, "name")?),
        Purpose::Target => copy::change_target(state, needed(form, "folder")?),
        Purpose::Speed => speed(state, form, out),
    }
}

fn needed<'f>(form: &'f Form, label: &str) -> Result<&'f str, String> {
    let text = form.get(label);
    if text.is_empty() { Err(format!("the {label} is missing")) } else { Ok(text) }
}

fn speed(state: &mut State, form: &Form, out: &mut Out) -> Result<(), String> {
    let bandwidth = Bandwidth { up: limit(form.get("to the server"))?, down: limit(form.get("from the server"))? };
    state.transfers.bandwidth = bandwidth;
    out.push(Effect::Transfer(TransferEffect::Bandwidth(bandwidth)));
    Ok(())
}

/// Parses a typed limit; empty and 0 mean no limit.
pub(super) fn limit(text: &str) -> Result<Option<u64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    human::parse_limit(text)
}
