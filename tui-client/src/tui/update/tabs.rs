//! Tabs: opened, shown and closed. A tab that is shown again is read again.

use super::{Out, read};
use crate::tui::{
    action::Action,
    state::{State, side::Side},
};

/// The most tabs that can be open.
const MOST: usize = 20;

/// Does an action on tabs. Returns whether it is one.
pub(super) fn act(state: &mut State, action: Action, out: &mut Out) -> bool {
    let (shown, count) = (state.tabs.shown(), state.tabs.count());
    match action {
        Action::NewTab if count >= MOST => state.warn(format!("{MOST} tabs are open; close one first")),
        Action::NewTab => change(state, out, State::open_tab),
        Action::NextTab => show(state, (shown + 1) % count, out),
        Action::PreviousTab => show(state, (shown + count - 1) % count, out),
        Action::CloseTab if count == 1 => state.warn("this is the only tab"),
        Action::CloseTab => change(state, out, State::close_tab),
        _ => return false,
    }
    true
}

/// Shows the tab with an index.
pub(super) fn show(state: &mut State, index: usize, out: &mut Out) {
    if index != state.tabs.shown() {
        change(state, out, |state| state.show_tab(index));
    }
}

/// Puts another tab on the screen. What the present one waits for is dropped: nobody would see it.
fn change(state: &mut State, out: &mut Out, to: impl FnOnce(&mut State)) {
    state.pane_mut().mark_range();
    state.highlight = false;
    for side in Side::BOTH {
        read::forget(state, side, out);
    }
    to(state);
    read::both(state, out);
}
