//! Clicks on what was drawn as clickable: keys that are shown, lines of lists, fields of forms.

use super::{Out, key, queue};
use crate::tui::{
    action::Action,
    event::{Mouse, MouseAct},
    keymap,
    state::{Click, State, dialog::Dialog, hits::Target},
};

/// Takes a click on something that was recorded while drawing. Returns whether it was one.
pub(super) fn take(state: &mut State, mouse: Mouse, out: &mut Out) -> bool {
    let Some(target) = state.hits.at(mouse.at, state.place(), state.dialogs.len()) else { return false };
    match (mouse.did, target) {
        (MouseAct::Press, Target::Key(action)) => does(state, action, out),
        (MouseAct::Press, Target::KeyOfLine(line, action)) => {
            put_cursor(state, line);
            does(state, action, out);
        }
        (MouseAct::Press, Target::Line(line)) => choose(state, line, mouse, out),
        (MouseAct::Mark, Target::Line(line)) => mark(state, line, out),
        (MouseAct::Press, Target::Field(field)) => {
            if let Some(Dialog::Form(form)) = state.dialogs.last_mut() {
                form.focus = field.min(form.fields.len().saturating_sub(1));
            }
        }
        _ => return false,
    }
    true
}

/// Does what a key that is shown does.
fn does(state: &mut State, action: Action, out: &mut Out) {
    state.click = None;
    let place = state.place();
    key::act(state, place, action, out);
}

/// Puts the cursor on a line; the second click on it does what Enter does. Between the two the cursor must not have moved.
fn choose(state: &mut State, line: usize, mouse: Mouse, out: &mut Out) {
    let again = |click: Click| click.side.is_none() && click.line == Some(line) && click.at.y == mouse.at.y;
    let second = state.click.take().is_some_and(again);
    put_cursor(state, line);
    // In a comparison Enter is about all of it, and starts the sync.
    let enters = match state.dialogs.last() {
        Some(Dialog::Transfers(_)) => Some(Action::Details),
        Some(Dialog::Comparison(_)) => None,
        _ => Some(Action::Accept),
    };
    match enters.filter(|_| second) {
        Some(action) => does(state, action, out),
        None => state.click = Some(Click { side: None, at: mouse.at, line: Some(line), time: state.now }),
    }
}

/// Marks a line where lines are marked, or leaves it out.
fn mark(state: &mut State, line: usize, out: &mut Out) {
    let place = state.place();
    let marks = |action: &Action| keymap::row(place, *action).is_some();
    if let Some(action) = [Action::Mark, Action::LeaveOut].into_iter().find(marks) {
        put_cursor(state, line);
        key::act(state, place, action, out);
    }
}

/// Puts the cursor of the topmost list on a line.
fn put_cursor(state: &mut State, line: usize) {
    let view = match state.dialogs.last_mut() {
        Some(Dialog::Sites(view) | Dialog::Bookmarks(view)) => view,
        Some(Dialog::History(history)) => &mut history.view,
        Some(Dialog::Found(found)) => &mut found.view,
        Some(Dialog::Palette(palette)) => &mut palette.view,
        Some(Dialog::Comparison(comparison)) => &mut comparison.view,
        Some(Dialog::Transfers(_)) => return queue::select(state, line),
        _ => return,
    };
    view.cursor = line;
}
