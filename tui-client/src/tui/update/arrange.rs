//! The arrangement of folders: sort order, hidden names, synchronised panes.

use super::Out;
use crate::tui::{
    action::Action,
    state::{
        State,
        order::{By, Sort},
    },
};

/// Does an action of the arrangement. Returns whether it is one.
pub(super) fn act(state: &mut State, action: Action, _out: &mut Out) -> bool {
    let sort = |by, reversed| Some(Sort { by, reversed });
    let sort = match action {
        Action::SortName => sort(By::Name, false),
        Action::SortSize => sort(By::Size, false),
        Action::SortTime => sort(By::Time, false),
        Action::SortExtension => sort(By::Extension, false),
        Action::SortNameReversed => sort(By::Name, true),
        Action::SortSizeReversed => sort(By::Size, true),
        Action::SortTimeReversed => sort(By::Time, true),
        Action::SortExtensionReversed => sort(By::Extension, true),
        _ => None,
    };
    if let Some(sort) = sort {
        state.pane_mut().viewing.sort = sort;
        state.pane_mut().rearrange(true);
        return true;
    }
    match action {
        Action::Hidden => {
            let shown = !state.pane().viewing.hidden;
            for pane in state.panes.both_mut() {
                pane.viewing.hidden = shown;
                pane.rearrange(false);
            }
            state.say(if shown { "hidden names are shown" } else { "hidden names are hidden" });
        }
        Action::StepTogether => {
            state.together = !state.together;
            state.say(if state.together {
                "both panes change folder together"
            } else {
                "each pane changes folder alone"
            });
        }
        _ => return false,
    }
    true
}
