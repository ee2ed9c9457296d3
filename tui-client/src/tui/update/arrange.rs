//! The arrangement of folders: sort order, hidden names, differences between the panes, synchronised panes.

use std::collections::HashMap;

use super::Out;
use crate::{
    human,
    tui::{
        action::Action,
        state::{
            State,
            item::Item,
            listing::Listing,
            order::{By, Sort},
            side::Side,
        },
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
        Action::Compare => compare(state),
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

/// Marks the files of each pane that are missing or different in the other; equal size and second of change is equal.
fn compare(state: &mut State) {
    if Side::BOTH.iter().any(|side| state.panes[*side].loading.is_some()) {
        state.warn("a folder is still being read; compare when it is there");
        return;
    }
    let facts = |listing: &Listing| -> HashMap<Vec<u8>, (u64, i64, bool)> {
        let fact = |item: &Item| (item.name().to_vec(), (item.entry.size, item.entry.mtime.0, item.is_folder()));
        listing.all().iter().map(fact).collect()
    };
    let mut marked = [0, 0];
    let mut folders = 0;
    for (at, side) in Side::BOTH.into_iter().enumerate() {
        let other = facts(&state.panes[side.other()].listing);
        let listing = &mut state.panes[side].listing;
        let in_both = |item: &&Item| item.is_folder() && other.get(item.name()).is_some_and(|(_, _, folder)| *folder);
        folders = listing.all().iter().filter(in_both).count() as u64;
        listing.unmark_all();
        listing.mark_shown(|item| {
            let differs = match other.get(item.name()) {
                None => true,
                Some((_, _, folder)) if item.is_folder() || *folder => item.is_folder() != *folder,
                Some((size, time, _)) => *size != item.entry.size || *time != item.entry.mtime.0,
            };
            Some(differs)
        });
        marked[at] = listing.marked().entries();
    }
    let inside = match folders {
        0 => String::new(),
        folders => format!("; {} not looked into", human::count(folders, "folder was", "folders were")),
    };
    match marked {
        [0, 0] => state.say(format!("both panes hold the same names, sizes and times{inside}")),
        [left, right] => {
            state.say(format!(
                "marked what differs in size or time, or is missing: {left} on the left, {right} on the right{inside}"
            ));
        }
    }
}
