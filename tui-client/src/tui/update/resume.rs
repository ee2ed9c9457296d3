//! Transfers left from an earlier start: offered at the start and after a login.

use ferry_client::connect::Target;

use super::{Out, queue, reach};
use crate::tui::{
    action::Action,
    effect::{Effect, TransferEffect},
    state::{
        State,
        dialog::{Dialog, Purpose},
        edit::Edit,
        offered,
        problem::Problem,
        task::Left,
        transfers::Key,
    },
};

/// Takes the unfinished transfers of the journal.
pub(super) fn found(state: &mut State, left: Vec<Left>, out: &mut Out) {
    state.transfers.skip_keys(left.iter().map(|left| left.key));
    state.left = left;
    if state.left.is_empty() {
        return;
    }
    if state.connections.is_empty() && state.attempt.is_none() {
        state.dialogs.retain(|dialog| !matches!(dialog, Dialog::Sites(_)) && !is_connect(dialog));
        state.dialogs.push(Dialog::Resume);
    } else {
        // Transfers that wait for the server of the current attempt are offered after its login.
        go_on(state, out);
    }
}

fn is_connect(dialog: &Dialog) -> bool {
    matches!(dialog, Dialog::Form(form) if form.purpose == Purpose::Connect)
}

/// A server was connected: transfers that waited for it go on, are offered, or wait for another one.
pub(super) fn connected(state: &mut State, server: &Target, out: &mut Out) {
    go_on(state, out);
    let waits = |left: &&Left| left.agreed && left.order.needs(server);
    let next = state.left.iter().find(waits).and_then(|left| left.waits_for(state));
    if let Some(next) = next {
        connect(state, &next, out);
    }
}

/// Resumes the transfers whose servers are all connected: at once where that was agreed to, else they are offered.
fn go_on(state: &mut State, out: &mut Out) {
    begin(state, |left| left.agreed, out);
    let ready = state.left.iter().any(|left| left.waits_for(state).is_none());
    if ready && !state.dialogs.iter().any(|dialog| matches!(dialog, Dialog::Resume)) {
        state.dialogs.push(Dialog::Resume);
    }
}

fn connect(state: &mut State, server: &Target, out: &mut Out) {
    let server = state.server_of(server);
    reach::begin(state, server, out);
}

/// Does an action in the offer to resume.
pub(super) fn act(state: &mut State, action: Action, out: &mut Out) {
    let keys: Vec<Key> = offered(state).into_iter().map(|left| left.key).collect();
    match action {
        Action::GoOn => {
            state.dialogs.pop();
            state.left.iter_mut().filter(|left| keys.contains(&left.key)).for_each(|left| left.agreed = true);
            let missing = offered(state).first().and_then(|left| left.waits_for(state));
            begin(state, |left| keys.contains(&left.key), out);
            if let Some(server) = missing {
                connect(state, &server, out);
            }
        }
        Action::KeepQueue => {
            state.dialogs.pop();
            state.say("they are offered again when you connect to their servers");
        }
        Action::DropQueue => {
            state.dialogs.pop();
            state.left.retain(|left| !keys.contains(&left.key));
            keys.iter().for_each(|key| state.transfers.remove(*key));
            out.extend(keys.into_iter().map(|key| Effect::Transfer(TransferEffect::Settle(key))));
        }
        _ => {}
    }
}

/// Resumes those of the transfers left that are meant and whose servers are all connected.
fn begin(state: &mut State, meant: impl Fn(&Left) -> bool, out: &mut Out) {
    let left = std::mem::take(&mut state.left);
    let (mine, others): (Vec<Left>, Vec<Left>) =
        left.into_iter().partition(|left| meant(left) && left.waits_for(state).is_none());
    state.left = others;
    for Left { key, order, .. } in mine {
        state.transfers.add_held(key, order.clone());
        out.push(Effect::Transfer(TransferEffect::Begin(key, order)));
    }
}

/// A server is left: unfinished transfers that need it wait until it is connected again, and so do those that failed for
/// the reason for which it ended the session.
pub(super) fn park(state: &mut State, server: &Target, why: Option<&Problem>, out: &mut Out) {
    queue::forget_jobs(state, server, out);
    // Files that are being edited live here only: their transfers are not worth keeping.
    let mine = |edit: &mut Edit| edit.place.target() == Some(server);
    let of_edits: Vec<Key> = state.edits.extract_if(.., mine).filter_map(|edit| edit.transfer()).collect();
    let unfinished: Vec<_> = state
        .transfers
        .all()
        .iter()
        .filter(|transfer| !transfer.is_over() || why.is_some_and(|why| transfer.has_failed_for(why)))
        .filter(|transfer| !transfer.held && transfer.order.needs(server))
        .map(|transfer| transfer.key)
        .collect();
    for key in unfinished {
        if of_edits.contains(&key) {
            state.transfers.remove(key);
        } else if state.transfers.get(key).is_some_and(|transfer| transfer.sync.is_some()) {
            // Its listings are those of the connection that was left; a new comparison goes on from what is there.
            queue::stop_sync(state, key, out);
        } else if let Some(order) = state.transfers.hold(key) {
            // Coming back goes on without asking: the server was only left, not given up.
            state.left.push(Left { key, order, agreed: true });
        }
    }
}
