//! Marking entries: one, a range, a pattern, all, or the inverse.

use crate::tui::{
    action::Action,
    state::{
        State,
        dialog::{Dialog, Form, Purpose},
        pattern::Pattern,
        side::Side,
    },
};

/// Does an action that marks. Returns whether it is one.
pub(super) fn act(state: &mut State, action: Action) -> bool {
    let pane = state.pane_mut();
    match action {
        Action::Mark => {
            if pane.in_range() {
                pane.mark_range();
            } else {
                pane.toggle_mark();
                pane.step(1);
            }
        }
        Action::Range => pane.toggle_range(),
        Action::Invert => pane.listing.mark_shown(|item| Some(!item.marked)),
        Action::MarkAll => pane.listing.mark_shown(|_| Some(true)),
        Action::UnmarkAll => {
            pane.drop_range();
            pane.listing.unmark_all();
        }
        Action::MarkGlob => ask(state, true),
        Action::UnmarkGlob => ask(state, false),
        _ => return false,
    }
    true
}

fn ask(state: &mut State, marks: bool) {
    let title = if marks { "Mark what matches" } else { "Unmark what matches" };
    let form = Form::new(Purpose::Mark(state.active, marks), title)
        .text("pattern", "*")
        .note("* stands for anything, ? for one character; folders are left as they are");
    state.dialogs.push(Dialog::Form(Box::new(form)));
}

/// Marks, or unmarks, the shown files whose names match; folders are left as they are.
///
/// # Errors
/// The pattern is not valid.
pub(super) fn matching(state: &mut State, side: Side, marks: bool, pattern: &str) -> Result<(), String> {
    let pattern = Pattern::whole(pattern)?;
    let before = state.panes[side].listing.marked().entries();
    let listing = &mut state.panes[side].listing;
    listing.mark_shown(|item| (!item.is_folder() && pattern.picks(item.name())).then_some(marks));
    let changed = listing.marked().entries().abs_diff(before);
    state.say(match marks {
        true => format!("{changed} more marked"),
        false => format!("{changed} fewer marked"),
    });
    Ok(())
}
