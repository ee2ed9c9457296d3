//! Quitting: at once if nothing runs, else as the user decides.

use super::Out;
use crate::tui::{
    action::Action,
    effect::{Effect, TransferEffect},
    state::{Quitting, State, dialog::Dialog, transfers::Key},
};

/// Quits, or asks how.
pub(super) fn ask(state: &mut State, out: &mut Out) {
    if state.transfers.is_unfinished() || !state.edits.is_empty() {
        state.dialogs.push(Dialog::Quit);
    } else {
        now(state, out);
    }
}

/// Quits now; unfinished transfers stay in the journal, and copies that are being edited are removed.
pub(super) fn now(state: &mut State, out: &mut Out) {
    state.quitting = Quitting::Now;
    out.extend(state.edits.drain(..).map(|edit| Effect::RemoveCopy(edit.copy)));
    out.push(Effect::Quit);
}

/// Does an action in the question how to quit.
pub(super) fn act(state: &mut State, action: Action, out: &mut Out) {
    match action {
        Action::ResumeLater => now(state, out),
        Action::WaitThenQuit => {
            state.dialogs.pop();
            state.quitting = Quitting::WhenDone;
            state.say("ferry quits when all is done; q again asks anew");
            when_done(state, out);
        }
        Action::CancelAndQuit => {
            let unfinished = state.transfers.all().iter().filter(|transfer| !transfer.is_over() && !transfer.held);
            let keys: Vec<Key> = unfinished.map(|transfer| transfer.key).collect();
            for key in keys {
                let job = state.transfers.get(key).and_then(|transfer| transfer.job);
                out.extend(job.map(|job| Effect::Transfer(TransferEffect::Cancel(job.into(), true))));
                out.push(Effect::Transfer(TransferEffect::Settle(key)));
            }
            now(state, out);
        }
        Action::Close => {
            state.dialogs.pop();
            state.quitting = Quitting::No;
        }
        _ => {}
    }
}

/// Quits if the user asked to quit after the last transfer, and that has ended.
pub(super) fn when_done(state: &mut State, out: &mut Out) {
    if state.quitting == Quitting::WhenDone && !state.transfers.is_unfinished() && state.edits.is_empty() {
        now(state, out);
    }
}
