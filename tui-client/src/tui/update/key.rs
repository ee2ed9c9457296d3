//! Keys: runs the bound actions, and types the unbound keys into text fields.

use super::{
    Out, browse, choose, clipboard, comparison, conflict, connect, connection, copy, find, form, history, question,
    queue, quit, resume, search, site, view,
};
use crate::tui::{
    action::{Action, Where, table},
    effect::Effect,
    keymap::{Key, Meaning},
    state::{
        State,
        dialog::{Dialog, HelpView},
    },
};

/// A key was pressed.
pub(super) fn press(state: &mut State, key: Key, out: &mut Out) {
    (state.toast, state.click) = (None, None);
    let place = state.place();
    state.pending.push(key);
    match state.keymap.meaning(place, &state.pending) {
        Meaning::Begins => {}
        Meaning::Does(action) => {
            state.pending.clear();
            act(state, place, action, out);
        }
        Meaning::None => {
            // A key that does not continue a sequence ends it, and does nothing else.
            let alone = state.pending.len() == 1;
            state.pending.clear();
            if alone {
                type_key(state, key, out);
            }
        }
    }
}

/// Does an action as if its key was pressed in `place`.
pub(super) fn act(state: &mut State, place: Where, action: Action, out: &mut Out) {
    if let Some(lacking) = lacking(state, place, action) {
        state.warn(lacking);
        return;
    }
    match action {
        Action::Help => {
            let help = HelpView::new(place, state.keymap.own());
            state.dialogs.push(Dialog::Help(help));
        }
        Action::Redraw => out.push(Effect::Redraw),
        Action::Suspend => out.push(Effect::Suspend),
        _ => match place {
            Where::Browse | Where::Anywhere => browse::act(state, action, out),
            Where::Transfers => queue::act(state, action, out),
            Where::View => view::act(state, action, out),
            Where::List => list(state, action, out),
            Where::Found => search::act(state, action, out),
            Where::Type => type_action(state, action, out),
            Where::Form => form::act(state, action, out),
            Where::Copy => copy::act(state, action, out),
            Where::Comparison => comparison::act(state, action, out),
            Where::Confirm | Where::Danger => question::act(state, action, out),
            Where::Conflict => conflict::act(state, action, out),
            Where::Trust => connect::act_trust(state, action, out),
            Where::Quit => quit::act(state, action, out),
            Where::Resume => resume::act(state, action, out),
            Where::Wait => connect::give_up(state, out),
            Where::Notice => notice(state, action, out),
        },
    }
}

/// Why the site of the active pane does not offer an action, if it does not.
fn lacking(state: &State, place: Where, action: Action) -> Option<String> {
    let row = table().find(|row| row.action == action && row.places.contains(&place) && !state.offers(row))?;
    Some(format!("{} has no {}", state.site_name(&state.pane().place.site), row.needs?.lacking()))
}

fn list(state: &mut State, action: Action, out: &mut Out) {
    match state.dialogs.last() {
        Some(Dialog::Sites(_)) => site::act(state, action, out),
        Some(Dialog::History(_)) => history::act(state, action),
        Some(Dialog::Bookmarks(_)) => site::act_bookmarks(state, action, out),
        _ => {}
    }
}

fn type_action(state: &mut State, action: Action, out: &mut Out) {
    match state.dialogs.last() {
        Some(Dialog::Type(_)) => find::act(state, action, out),
        Some(Dialog::Palette(_)) => {
            if let Some((place, chosen)) = choose::act_palette(state, action) {
                act(state, place, chosen, out);
            }
        }
        Some(Dialog::Help(_)) => choose::act_help(state, action),
        _ => {}
    }
}

/// Types an unbound key into the text field, if there is one.
fn type_key(state: &mut State, key: Key, out: &mut Out) {
    match state.dialogs.last_mut() {
        Some(Dialog::Form(form)) => {
            form.take(key);
        }
        Some(Dialog::Type(line)) => {
            if line.field.take(key) {
                find::typed(state);
            }
        }
        Some(Dialog::Palette(palette)) => {
            if palette.field.take(key) {
                palette.search();
            }
        }
        Some(Dialog::Help(help)) => {
            if help.field.take(key) {
                help.search();
            }
        }
        Some(Dialog::Conflict(_) | Dialog::Quit) | None => unknown(state, key),
        Some(_) => {}
    }
    let _ = out;
}

fn unknown(state: &mut State, key: Key) {
    let help =
        state.keymap.label(state.place(), Action::Help).or_else(|| state.keymap.label(Where::Anywhere, Action::Help));
    let key = state.keymap.labels(&[key]);
    state.warn(format!("{key} does nothing here; {} shows what does", help.unwrap_or_default()));
}

/// Inserts pasted text into the text field; warns if there is none.
pub(super) fn paste(state: &mut State, text: &str, _out: &mut Out) {
    match state.dialogs.last_mut() {
        Some(Dialog::Form(form)) => {
            if let Some(field) = form.field_mut() {
                field.insert(text.trim_end_matches(['\n', '\r']));
            }
        }
        Some(Dialog::Type(line)) => {
            line.field.insert(text);
            find::typed(state);
        }
        Some(Dialog::Palette(palette)) => {
            palette.field.insert(text);
            palette.search();
        }
        Some(Dialog::Help(help)) => {
            help.field.insert(text);
            help.search();
        }
        _ => state.warn("pasted text is not taken as commands"),
    }
}

fn notice(state: &mut State, action: Action, out: &mut Out) {
    let page = usize::from(state.size.1.saturating_sub(8)).max(1);
    let step = |offset: &mut usize| {
        *offset = match action {
            Action::Up => offset.saturating_sub(1),
            Action::Down => *offset + 1,
            Action::PageUp => offset.saturating_sub(page),
            Action::PageDown => *offset + page,
            _ => *offset,
        }
    };
    match (state.dialogs.last_mut(), action) {
        (Some(Dialog::Details(_)), Action::Close) => super::details::close(state, out),
        (Some(_), Action::CopyDigest) => clipboard::copy_digest(state, out),
        (Some(_), Action::Close) => drop(state.dialogs.pop()),
        (Some(Dialog::Notice(notice)), Action::Refresh) => {
            if let Some(server) = notice.again.take() {
                state.dialogs.pop();
                connection::again(state, &server, out);
            }
        }
        (Some(Dialog::Notice(notice)), Action::SaveList) if notice.saves => {
            let text = notice.lines.iter().map(|line| format!("{}\n", line.trim_end())).collect();
            queue::save_list(state, text, out);
        }
        (Some(Dialog::Notice(notice)), _) => {
            step(&mut notice.offset);
            notice.offset = notice.offset.min(notice.lines.len().saturating_sub(1));
        }
        _ => {}
    }
}
