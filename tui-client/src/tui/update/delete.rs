//! Deleting: what it would take is counted and shown first.

use ferry_shared::{entry::Kind, name::Name};

use super::{Out, copy, edit, link, name, queue, site};
use crate::tui::{
    action::Action,
    effect::{CountFor, Effect},
    state::{
        State,
        dialog::{Count, Decided, DeletePlan, Dialog},
        listing::Amount,
        task::Task,
        ticket::Ticket,
        trouble::Trouble,
    },
};

/// Shows what would be deleted.
pub(super) fn plan(state: &mut State, out: &mut Out) {
    if !name::may_change(state) {
        return;
    }
    state.pane_mut().mark_range();
    let pane = state.pane();
    let what: Vec<(Name, bool)> =
        pane.chosen().iter().map(|item| (item.entry.name.clone(), item.is_folder() && !item.leads)).collect();
    if what.is_empty() {
        state.warn("there is nothing to delete here");
        return;
    }
    let folder = pane.place.clone();
    let chosen: Vec<_> = pane.chosen().into_iter().cloned().collect();
    let count = count(state, &folder, &chosen, CountFor::Delete, out);
    state.dialogs.push(Dialog::Delete(Box::new(DeletePlan { folder, what, count })));
}

/// Begins to count entries; those that are no folders are counted already.
pub(super) fn count(
    state: &mut State,
    folder: &crate::tui::state::place::Place,
    chosen: &[crate::tui::state::listing::Item],
    purpose: CountFor,
    out: &mut Out,
) -> Count {
    let mut count = Count::default();
    if chosen.iter().any(|item| item.is_folder() || item.entry.kind == Kind::Symlink) {
        let ticket = state.tickets.next();
        count.ticket = Some(ticket);
        let names = chosen.iter().map(|item| item.entry.name.clone()).collect();
        out.push(Effect::Count(ticket, folder.clone(), names, purpose));
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

/// So much was counted.
pub(super) fn counted(state: &mut State, ticket: Ticket, so_far: (Amount, u64, u64), more: bool, out: &mut Out) {
    let Some(count) = waiting(state, ticket) else { return };
    (count.amount, count.unreadable, count.left_out) = so_far;
    if !more {
        count.ticket = None;
        copy::counted(state, out);
    }
}

/// It cannot be counted; whether it was asked for.
pub(super) fn failed(state: &mut State, ticket: Ticket, trouble: &Trouble) -> bool {
    let count = waiting(state, ticket);
    let waited = count.is_some();
    if let Some(count) = count {
        count.ticket = None;
        count.trouble = Some(trouble.clone());
    }
    waited
}

/// Yes or no, to a deletion or another question.
pub(super) fn confirm(state: &mut State, action: Action, out: &mut Out) {
    if !matches!(action, Action::Accept | Action::Close) {
        return;
    }
    let yes = action == Action::Accept;
    match state.dialogs.pop() {
        Some(Dialog::Delete(plan)) => {
            out.extend(plan.count.ticket.map(Effect::Drop));
            if yes {
                let ticket = state.tickets.next();
                state.tasks.push((ticket, Task::Remove(plan.folder.clone())));
                state.say("deleting");
                out.push(Effect::Remove(ticket, plan.folder, plan.what));
            }
        }
        Some(Dialog::Question(question)) => match (question.decided, yes) {
            (Decided::RemoveSite(name), true) => site::remove(state, &name, out),
            (Decided::SendBack(id), yes) => edit::decided(state, id, yes, out),
            (Decided::Leave(server), true) => link::leave_now(state, server.map(|server| *server), out),
            (Decided::StartAnyway, true) => copy::start(state, out),
            (Decided::Discard(key, item), true) => queue::discard(state, key, item, out),
            _ => {}
        },
        other => state.dialogs.extend(other),
    }
}
