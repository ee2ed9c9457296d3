//! Deleting: the entries are counted and shown first.

use ferry_shared::name::Name;

use super::{Out, count, name};
use crate::tui::{
    effect::{CountFor, Effect},
    state::{
        State,
        dialog::{DeletePlan, Dialog},
        task::Task,
    },
};

/// Shows the plan of a deletion.
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
    let count = count::begin(state, &folder, &chosen, CountFor::Delete, out);
    state.dialogs.push(Dialog::Delete(Box::new(DeletePlan { folder, what, count })));
}

/// Starts the deletion of a plan.
pub(super) fn start(state: &mut State, plan: DeletePlan, out: &mut Out) {
    let ticket = state.tickets.next();
    state.tasks.push((ticket, Task::Remove(plan.folder.clone())));
    state.begun("deleting");
    out.push(Effect::Remove(ticket, plan.folder, plan.what));
}
