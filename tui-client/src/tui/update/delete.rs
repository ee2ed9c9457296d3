//! Deleting: the entries are counted and shown first.

use ferry_shared::path::RemotePath;

use super::{Out, count, list, name};
use crate::tui::{
    effect::{CountFor, Effect},
    state::{
        State,
        dialog::{DeletePlan, Dialog},
        item::Item,
        place::Place,
        task::Task,
    },
};

/// Shows the plan of a deletion.
pub(super) fn plan(state: &mut State, out: &mut Out) {
    if !name::may_change(state) {
        return;
    }
    state.pane_mut().mark_range();
    let folder = state.pane().place.clone();
    let chosen: Vec<(RemotePath, Item)> =
        state.pane().chosen().into_iter().map(|item| (item.entry.name.clone().into(), item.clone())).collect();
    plan_of(state, folder, chosen, out);
}

/// Shows the plan of a deletion of entries below a folder.
pub(super) fn plan_of(state: &mut State, folder: Place, chosen: Vec<(RemotePath, Item)>, out: &mut Out) {
    let what: Vec<(RemotePath, bool)> =
        chosen.iter().map(|(path, item)| (path.clone(), item.is_folder() && !item.leads)).collect();
    if what.is_empty() {
        state.warn("there is nothing to delete here");
        return;
    }
    let (paths, chosen): (Vec<RemotePath>, Vec<Item>) = chosen.into_iter().unzip();
    let count = count::begin(state, &folder, (&chosen, paths), CountFor::Delete, out);
    state.dialogs.push(Dialog::Delete(Box::new(DeletePlan { folder, what, count })));
}

/// Starts the deletion of a plan.
pub(super) fn start(state: &mut State, plan: DeletePlan, out: &mut Out) {
    let ticket = state.tickets.next();
    state.tasks.push((ticket, Task::Remove(plan.folder.clone())));
    list::close_found(state, out);
    state.begun("deleting");
    out.push(Effect::Remove(ticket, plan.folder, plan.what));
}
