//! Questions that are answered with yes or no, and the change that each answer leads to.

use super::{Out, comparison, connection, copy, delete, edit, history, queue, site};
use crate::tui::{
    action::Action,
    effect::Effect,
    state::{
        State,
        dialog::{Decided, Dialog},
    },
};

/// Does an action in a question: yes or no.
pub(super) fn act(state: &mut State, action: Action, out: &mut Out) {
    if !matches!(action, Action::Accept | Action::Close) {
        return;
    }
    let yes = action == Action::Accept;
    match state.dialogs.pop() {
        Some(Dialog::Delete(plan)) => {
            out.extend(plan.count.ticket.map(Effect::Drop));
            if yes {
                delete::start(state, *plan, out);
            }
        }
        Some(Dialog::Question(question)) => match (question.decided, yes) {
            (Decided::ClearHistory, true) => history::clear(state, out),
            (Decided::RemoveSite(name), true) => site::remove(state, &name, out),
            (Decided::SendBack(id), yes) => edit::decided(state, id, yes, out),
            (Decided::Leave(server), true) => connection::leave_now(state, &server, out),
            (Decided::StartAnyway, true) => copy::start(state, out),
            (Decided::SyncAnyway, true) => comparison::start(state, out),
            (Decided::ClearFailed, true) => queue::clear_failed(state, out),
            (Decided::Discard(key, item), true) => queue::discard(state, key, item, out),
            _ => {}
        },
        other => state.dialogs.extend(other),
    }
}
