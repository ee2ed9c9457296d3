//! The engine's questions about conflicts, answered at any time, one by one or many at once.

use ferry_client::transfer::{Decision, ItemId, Scope};

use super::Out;
use crate::tui::{
    action::Action,
    effect::{Effect, TransferEffect},
    state::{
        State,
        dialog::{ConflictView, Dialog},
    },
};

/// Shows the oldest question.
pub(super) fn open(state: &mut State) {
    match state.transfers.asks.first() {
        Some(ask) => {
            let item = ask.item;
            open_at(state, item);
        }
        None => state.say("nothing needs an answer"),
    }
}

/// Shows the question about a file.
pub(super) fn open_at(state: &mut State, item: ItemId) {
    state.dialogs.push(Dialog::Conflict(ConflictView { item, scope: Scope::This }));
}

/// Does an action while a question is shown.
pub(super) fn act(state: &mut State, action: Action, out: &mut Out) {
    let Some(Dialog::Conflict(view)) = state.dialogs.last_mut() else { return };
    let asks = &state.transfers.asks;
    let at = asks.iter().position(|ask| ask.item == view.item);
    let turn = |by: usize| at.and_then(|at| asks.get((at + by) % asks.len().max(1))).map(|ask| ask.item);
    let decision = match action {
        Action::Replace => Decision::Replace,
        Action::Skip => Decision::Skip,
        Action::KeepBoth => Decision::KeepBoth,
        Action::Newer => Decision::Newer,
        Action::ChangeScope => {
            view.scope = match view.scope {
                Scope::This => Scope::Folder,
                Scope::Folder => Scope::Kind,
                Scope::Kind => Scope::All,
                Scope::All => Scope::This,
            };
            return;
        }
        Action::NextQuestion => {
            view.item = turn(1).unwrap_or(view.item);
            return;
        }
        Action::PreviousQuestion => {
            view.item = turn(asks.len().saturating_sub(1)).unwrap_or(view.item);
            return;
        }
        Action::Close => {
            state.dialogs.pop();
            return;
        }
        _ => return,
    };
    answer(state, decision, out);
}

/// Answers the question that is shown, and shows the next. The engine withdraws others that the answer covers.
fn answer(state: &mut State, decision: Decision, out: &mut Out) {
    let Some(Dialog::Conflict(view)) = state.dialogs.last() else { return };
    let ConflictView { item, scope } = *view;
    let Some(at) = state.transfers.asks.iter().position(|ask| ask.item == item) else {
        state.dialogs.pop();
        return;
    };
    out.push(Effect::Transfer(TransferEffect::Answer(item, decision, scope)));
    state.transfers.asks.remove(at);
    let next = state.transfers.asks.get(at).or_else(|| state.transfers.asks.first()).map(|ask| ask.item);
    match (next, state.dialogs.last_mut()) {
        (Some(next), Some(Dialog::Conflict(view))) => view.item = next,
        _ => drop(state.dialogs.pop()),
    }
}

/// Withdraws a question: its file was cancelled, or another answer covered it.
pub(super) fn withdrawn(state: &mut State, item: ItemId) {
    let before = state.transfers.asks.len();
    state.transfers.asks.retain(|ask| ask.item != item);
    if state.transfers.asks.len() == before {
        return;
    }
    let next = state.transfers.asks.first().map(|ask| ask.item);
    for dialog in &mut state.dialogs {
        if let Dialog::Conflict(view) = dialog
            && view.item == item
            && let Some(next) = next
        {
            view.item = next;
        }
    }
    if next.is_none() {
        state.dialogs.retain(|dialog| !matches!(dialog, Dialog::Conflict(_)));
    }
}
