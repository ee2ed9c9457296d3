//! Transfers left from an earlier start: offered at the start and after a login.

use super::{Out, reach};
use crate::tui::{
    action::Action,
    effect::{Effect, TransferEffect},
    state::{
        State,
        connection::Connection,
        dialog::{Dialog, Purpose},
        edit::Stage,
        offered,
        server::Server,
        task::Left,
        transfers::Key,
    },
};

/// Takes the unfinished transfers of the journal.
pub(super) fn found(state: &mut State, left: Vec<Left>, out: &mut Out) {
    state.transfers.skip_keys(left.iter().map(|left| left.key));
    state.left = left;
    match &state.connection {
        Connection::Offline if !state.left.is_empty() => {
            state.dialogs.retain(|dialog| !matches!(dialog, Dialog::Sites(_)) && !is_connect(dialog));
            state.dialogs.push(Dialog::Resume);
        }
        Connection::Online(_) => connected(state, out),
        // Otherwise the login offers the transfers left of its server.
        _ => {}
    }
}

fn is_connect(dialog: &Dialog) -> bool {
    matches!(dialog, Dialog::Form(form) if form.purpose == Purpose::Connect)
}

/// After a login: resumes the transfers left of this server if the user has agreed already, else offers them.
pub(super) fn connected(state: &mut State, out: &mut Out) {
    if offered(state).is_none() {
        return;
    }
    if state.goes_on {
        begin(state, out);
    } else {
        state.dialogs.push(Dialog::Resume);
    }
}

/// Does an action in the offer to resume.
pub(super) fn act(state: &mut State, action: Action, out: &mut Out) {
    match action {
        Action::GoOn => {
            state.dialogs.pop();
            if state.connection.session().is_some() {
                begin(state, out);
            } else if let Some(left) = state.left.first() {
                let target = left.server.clone();
                let site = state.saved.sites.iter().filter_map(|site| Server::from_site(site, &state.home).ok());
                let known = site.into_iter().find(|server| server.target == target);
                state.goes_on = true;
                reach::begin(state, known.unwrap_or_else(|| Server::new(target)), out);
            }
        }
        Action::KeepQueue => {
            state.dialogs.pop();
            state.say("they are offered again when you connect to that server");
        }
        Action::DropQueue => {
            state.dialogs.pop();
            let Some(server) = offered(state).map(|left| left.server.clone()) else { return };
            let (gone, kept) = std::mem::take(&mut state.left).into_iter().partition(|left| left.server == server);
            state.left = kept;
            let gone: Vec<Left> = gone;
            out.extend(gone.into_iter().map(|left| Effect::Transfer(TransferEffect::Settle(left.key))));
        }
        _ => {}
    }
}

/// Begins what is left of the connected server.
fn begin(state: &mut State, out: &mut Out) {
    state.goes_on = false;
    let Some(server) = offered(state).map(|left| left.server.clone()) else { return };
    let (mine, others): (Vec<Left>, Vec<Left>) =
        std::mem::take(&mut state.left).into_iter().partition(|left| left.server == server);
    state.left = others;
    for Left { key, order, .. } in mine {
        state.transfers.add_held(key, order.clone());
        out.push(Effect::Transfer(TransferEffect::Begin(key, order)));
    }
}

/// The server is left: what is not through waits until it is back.
pub(super) fn park(state: &mut State) {
    let Some(server) = state.connection.session().map(|session| session.server.target.clone()) else { return };
    // Files that are being edited live here only: their transfers are not worth keeping.
    let of_edits: Vec<Key> = state
        .edits
        .drain(..)
        .filter_map(|edit| match edit.stage {
            Stage::Fetching(key) | Stage::Sending(key) => Some(key),
            _ => None,
        })
        .collect();
    let unfinished: Vec<_> = state
        .transfers
        .all()
        .iter()
        .filter(|transfer| !transfer.is_over())
        .map(|transfer| (transfer.key, transfer.order.clone()))
        .collect();
    for (key, order) in unfinished {
        state.transfers.remove(key);
        if !of_edits.contains(&key) {
            state.left.push(Left { server: server.clone(), key, order });
        }
    }
    // The engine goes, and its names for jobs with it.
    state.transfers.forget_jobs();
    // Coming back goes on without asking: it was only left, not given up.
    state.goes_on = true;
}
