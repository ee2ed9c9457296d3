//! Incremental search for a name, and the filter by a typed pattern.

use super::{Out, view};
use crate::tui::{
    action::Action,
    state::{
        State,
        dialog::{Dialog, TypeLine, Typing},
        pattern::Pattern,
    },
};

/// Begins to find a name.
pub(super) fn begin(state: &mut State) {
    open(state, Typing::Find(state.pane().cursor()));
}

/// Begins to filter.
pub(super) fn begin_filter(state: &mut State) {
    open(state, Typing::Filter);
    typed(state);
}

/// Opens the line below the panes.
fn open(state: &mut State, typing: Typing) {
    let origin = state.pane().current().map(|item| item.entry.name.clone());
    state.dialogs.push(Dialog::Type(TypeLine { origin, ..TypeLine::new(typing) }));
}

/// The typed text has changed.
pub(super) fn typed(state: &mut State) {
    let Some(Dialog::Type(line)) = state.dialogs.last() else { return };
    let (typing, text) = (line.typing, line.field.text().to_owned());
    let fault = match typing {
        Typing::Find(origin) => {
            state.pane_mut().put_cursor(origin);
            state.find = (!text.is_empty()).then(|| Pattern::part(&text));
            state.highlight = true;
            let found = text.is_empty() || jump(state, true, true);
            (!found).then(|| "no name here matches".to_owned())
        }
        Typing::Filter => filter(state, &text),
        Typing::FindText(origin) => view::find_typed(state, origin, &text),
    };
    if let Some(Dialog::Type(line)) = state.dialogs.last_mut() {
        line.fault = fault;
    }
}

fn filter(state: &mut State, text: &str) -> Option<String> {
    let (filter, fault) = match Pattern::new(text) {
        _ if text.is_empty() => (None, None),
        Ok(pattern) => (Some(pattern), None),
        Err(error) => (Some(Pattern::part(text)), Some(error)),
    };
    let pane = state.pane_mut();
    pane.viewing.filter = filter;
    pane.rearrange(false);
    // `..` is no match: move to the first one.
    if pane.current().is_none() {
        pane.step(1);
    }
    fault
}

/// Goes to the next match, or the one before.
pub(super) fn again(state: &mut State, forward: bool) {
    state.highlight = true;
    if state.find.is_none() {
        state.warn("no search yet; / begins one");
    } else if !jump(state, forward, false) {
        state.warn("no name here matches");
    }
}

/// Moves the cursor to a match, around the ends; with `here`, the cursor's own line may match too.
fn jump(state: &mut State, forward: bool, here: bool) -> bool {
    let Some(pattern) = state.find.clone() else { return false };
    let pane = state.pane();
    let rows = pane.rows();
    let matches = |row: &usize| pane.item(*row).is_some_and(|item| pattern.picks(item.name()));
    let from = pane.cursor();
    let skip = usize::from(!here);
    let found = match forward {
        true => (0..rows).map(|step| (from + step + skip) % rows).find(matches),
        false => (0..rows).map(|step| (from + rows * 2 - step - skip) % rows).find(matches),
    };
    if let Some(row) = found {
        state.pane_mut().put_cursor(row);
    }
    found.is_some()
}

/// Does an action while the line is typed.
pub(super) fn act(state: &mut State, action: Action, _out: &mut Out) {
    let Some(Dialog::Type(line)) = state.dialogs.last() else { return };
    let typing = line.typing;
    match (action, typing) {
        (Action::Accept, Typing::Filter) => {
            state.dialogs.pop();
            if state.pane().viewing.filter.is_some() {
                state.say("Esc shows all again");
            }
        }
        (Action::Accept, _) => drop(state.dialogs.pop()),
        (Action::Close, Typing::Find(origin)) => {
            state.dialogs.pop();
            state.highlight = false;
            state.pane_mut().put_cursor(origin);
        }
        (Action::Close, Typing::Filter) => {
            let origin = line.origin.clone();
            state.dialogs.pop();
            filter(state, "");
            match origin {
                Some(name) => state.pane_mut().land_on(name),
                None => state.pane_mut().put_cursor(0),
            }
        }
        (Action::Close, Typing::FindText(origin)) => {
            state.dialogs.pop();
            view::back_to(state, origin);
        }
        (Action::Down, Typing::Find(_)) => drop(jump(state, true, false)),
        (Action::Up, Typing::Find(_)) => drop(jump(state, false, false)),
        (Action::Down, Typing::Filter) => state.pane_mut().step(1),
        (Action::Up, Typing::Filter) => state.pane_mut().step(-1),
        (Action::Down, Typing::FindText(_)) => drop(view::find_again(state, true)),
        (Action::Up, Typing::FindText(_)) => drop(view::find_again(state, false)),
        _ => {}
    }
}
