//! The command palette, the help and the themes.

use super::list;
use crate::tui::{
    action::{Action, Where},
    state::{
        State,
        dialog::{Dialog, Palette},
        layout::Layout,
    },
};

/// Shows all commands of a place.
pub(super) fn open_palette(state: &mut State, place: Where) {
    let palette = Palette::new(place, state.keymap.own(), |row| state.offers(row));
    state.dialogs.push(Dialog::Palette(palette));
}

/// Does an action in the palette. Returns the chosen command and the place to run it in.
pub(super) fn act_palette(state: &mut State, action: Action) -> Option<(Where, Action)> {
    let height = list::height(state);
    let Some(Dialog::Palette(palette)) = state.dialogs.last_mut() else { return None };
    let length = palette.found.len();
    if list::step(&mut palette.view, action, length, height) {
        return None;
    }
    match action {
        Action::Accept => {
            let chosen = palette.found.get(palette.view.cursor).map(|row| (palette.place, row.action));
            state.dialogs.pop();
            chosen
        }
        Action::Close => {
            state.dialogs.pop();
            None
        }
        _ => None,
    }
}

/// Does an action in the help.
pub(super) fn act_help(state: &mut State, action: Action) {
    let page = Layout::of(state).map_or(1, |layout| usize::from(layout.screen.height.saturating_sub(8))).max(1);
    let width = state.size.0;
    let Some(Dialog::Help(help)) = state.dialogs.last_mut() else { return };
    let most = help.height(width).saturating_sub(page);
    match action {
        Action::Up => help.offset = help.offset.saturating_sub(1),
        Action::Down => help.offset = (help.offset + 1).min(most),
        Action::PageUp => help.offset = help.offset.saturating_sub(page),
        Action::PageDown => help.offset = (help.offset + page).min(most),
        Action::Accept | Action::Close => drop(state.dialogs.pop()),
        _ => {}
    }
}

/// Takes the next theme.
pub(super) fn next_theme(state: &mut State) {
    state.appearance.next_theme();
    let name = state.appearance.name.clone();
    state.say(format!("theme {name}; theme = \"{name}\" in config.toml keeps it"));
}
