//! Counting the entries that a dialog is about, with everything below them.

use ferry_shared::{entry::Kind, path::RemotePath};

use super::Out;
use crate::tui::{
    effect::{CountFor, Effect},
    state::{
        State,
        dialog::{Count, Dialog},
        item::Item,
        listing::Amount,
        place::Place,
        problem::Problem,
        ticket::Ticket,
    },
};

/// Begins to count entries, whose paths below a folder are in the same order. Files need no walk: their count is complete at once.
pub(super) fn begin(
    state: &mut State,
    folder: &Place,
    (chosen, paths): (&[Item], Vec<RemotePath>),
    purpose: CountFor,
    out: &mut Out,
) -> Count {
    let mut count = Count::default();
    if chosen.iter().any(|item| item.is_folder() || item.entry.kind == Kind::Symlink) {
        let ticket = state.tickets.next();
        count.ticket = Some(ticket);
        out.push(Effect::Count(ticket, folder.clone(), paths, purpose));
    } else {
        chosen.iter().for_each(|item| count.amount.count(item));
    }
    count
}

/// The count of a dialog that waits for a ticket.
fn waiting(state: &mut State, ticket: Ticket) -> Option<&mut Count> {
    let counts = state.dialogs.iter_mut().filter_map(|dialog| match dialog {
        Dialog::Delete(plan) => Some(&mut plan.count),
        Dialog::Copy(plan) => Some(&mut plan.count),
        _ => None,
    });
    counts.into_iter().find(|count| count.ticket == Some(ticket))
}

/// Takes the figures counted so far. Returns whether they complete a count that a dialog waits for.
pub(super) fn counted(state: &mut State, ticket: Ticket, so_far: (Amount, u64, u64), more: bool) -> bool {
    let Some(count) = waiting(state, ticket) else { return false };
    (count.amount, count.unreadable, count.left_out) = so_far;
    if !more {
        count.ticket = None;
    }
    !more
}

/// The count failed. Returns whether a dialog waits for it.
pub(super) fn failed(state: &mut State, ticket: Ticket, problem: &Problem) -> bool {
    let count = waiting(state, ticket);
    let waited = count.is_some();
    if let Some(count) = count {
        count.ticket = None;
        count.problem = Some(problem.clone());
    }
    waited
}
