//! Lists over the panes: moving the cursor in one.

use super::Out;
use crate::tui::{
    action::Action,
    effect::Effect,
    state::{
        State,
        dialog::{Dialog, ListView},
        layout::Layout,
    },
};

/// Moves the cursor of a list. Returns whether the action does that.
pub(super) fn step(view: &mut ListView, action: Action, length: usize, height: usize) -> bool {
    let page = isize::try_from(height).unwrap_or(1).max(1);
    match action {
        Action::Up => view.step(-1, length),
        Action::Down => view.step(1, length),
        Action::PageUp => view.step(-page, length),
        Action::PageDown => view.step(page, length),
        Action::HalfUp => view.step(-page / 2, length),
        Action::HalfDown => view.step(page / 2, length),
        Action::Top => view.cursor = 0,
        Action::Bottom => view.step(isize::MAX, length),
        _ => return false,
    }
    view.settle(height, length);
    true
}

/// The most lines of a list over the panes.
pub(super) fn height(state: &State) -> usize {
    Layout::of(state).map_or(1, |layout| usize::from(layout.screen.height.saturating_sub(8).max(1)))
}

/// Closes the results of a search, and ends the search.
pub(super) fn close_found(state: &mut State, out: &mut Out) {
    let Some(at) = state.dialogs.iter().rposition(|dialog| matches!(dialog, Dialog::Found(_))) else { return };
    if let Dialog::Found(found) = state.dialogs.remove(at) {
        out.extend(found.ticket.map(Effect::Drop));
    }
}
