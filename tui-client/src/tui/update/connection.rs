//! The connection after the login: lost, restored, left; and the server's notices.

use std::time::Duration;

use ferry_shared::message::{
    Notice as Word,
    reply::{Access, UnfinishedUpload},
};

use super::{Out, queue, reach, read, resume};
use crate::{
    human,
    tui::{
        effect::{ConnectionEffect, Effect},
        state::{
            State,
            connection::{Account, Connection, Lost},
            dialog::{Decided, Dialog, Notice, Question},
            labels,
            problem::Problem,
            server::Server,
            side::Side,
            task::Task,
        },
    },
};

/// The connection was lost, or could not be made again.
pub(super) fn lost(state: &mut State, problem: Problem, attempt: u32, retry_in: Duration) {
    let retry_at = Some(state.now + retry_in);
    let lost = Lost { problem, attempt, retry_at };
    state.connection = match std::mem::take(&mut state.connection) {
        Connection::Online(session) | Connection::Lost(session, _) => Connection::Lost(session, lost),
        other => other,
    };
}

/// An attempt to connect again begins.
pub(super) fn retrying(state: &mut State) {
    if let Connection::Lost(_, lost) = &mut state.connection {
        lost.retry_at = None;
    }
}

/// The connection is back.
pub(super) fn restored(state: &mut State, account: Account, out: &mut Out) {
    state.connection = match std::mem::take(&mut state.connection) {
        Connection::Online(session) | Connection::Lost(session, _) => {
            Connection::Online(crate::tui::state::connection::Session { account, ..session })
        }
        other => other,
    };
    state.say("the connection is back");
    // The server is reachable again: the engine's report that it is not is outdated.
    state.transfers.stalled = None;
    queue::retry_lost(state, out);
    for side in remote_sides(state) {
        read::folder(state, side, out);
    }
}

fn remote_sides(state: &State) -> Vec<Side> {
    Side::BOTH.into_iter().filter(|side| state.panes[*side].place.is_remote()).collect()
}

/// The connection is lost for good.
pub(super) fn ended(state: &mut State, problem: Problem, out: &mut Out) {
    if state.connection.session().is_none() {
        return;
    }
    disconnect(state, out);
    let mut lines = vec![problem.text];
    lines.extend(problem.hint);
    lines.push("Ctrl-R connects again; transfers go on then.".to_owned());
    state.dialogs.push(Dialog::Notice(Notice::bad("The server ended the connection", lines)));
}

/// Leaves the server, for another one or none; asks first where transfers are running.
pub(super) fn leave(state: &mut State, then: Option<Server>, out: &mut Out) {
    if state.connection.session().is_none() {
        state.say("not connected");
        return;
    }
    if !state.transfers.is_unfinished() {
        leave_now(state, then, out);
        return;
    }
    let name = state.connection.server().map(Server::name).unwrap_or_default();
    let lines = vec!["They stop now, and resume from the received data when you reconnect.".to_owned()];
    let question = Question {
        title: format!("Leave {name} with transfers running?"),
        lines,
        decided: Decided::Leave(then.map(Box::new)),
    };
    state.dialogs.push(Dialog::Question(Box::new(question)));
}

/// Leaves the server now.
pub(super) fn leave_now(state: &mut State, then: Option<Server>, out: &mut Out) {
    disconnect(state, out);
    match then {
        Some(server) => reach::begin(state, server, out),
        None => state.say("disconnected"),
    }
}

fn disconnect(state: &mut State, out: &mut Out) {
    resume::park(state);
    state.connection = Connection::Offline;
    state.dialogs.retain(|dialog| !matches!(dialog, Dialog::Conflict(_)));
    out.push(Effect::Connection(ConnectionEffect::Leave));
    for side in remote_sides(state) {
        state.panes[side].forget_remote();
        state.panes[side].listing = Default::default();
        read::folder(state, side, out);
    }
}

/// Reads the folder again; connects again where the connection is lost.
pub(super) fn refresh(state: &mut State, out: &mut Out) {
    if let Connection::Lost(..) = &state.connection {
        out.push(Effect::Connection(ConnectionEffect::Retry));
    }
    if state.pane().place.is_remote() {
        match &state.connection {
            Connection::Lost(..) => return,
            Connection::Offline => {
                match state.last_server.clone() {
                    Some(server) => reach::begin(state, server, out),
                    None => reach::choose_server(state),
                }
                return;
            }
            _ => {}
        }
    }
    read::folder(state, state.active, out);
    if state.connection.is_online() {
        out.push(Effect::Connection(ConnectionEffect::Usage));
    }
}

/// Takes a notice of the server.
pub(super) fn notice(state: &mut State, word: Word) {
    let Some(session) = state.connection.session_mut() else { return };
    match word {
        Word::UsageChanged(usage) => {
            let was = session.account.usage.is_nearly_full();
            session.account.usage = usage;
            if let Some(limit) = usage.limit.filter(|_| usage.is_nearly_full() && !was) {
                let held = usage.held();
                state.warn(format!("{} of {} are taken on this server", human::size(held), human::size(limit)));
            }
        }
        Word::AccountChanged { access } => {
            session.account.access = access;
            state.warn(human::access_changed(access));
        }
        Word::Broadcast { text } => {
            state.dialogs.push(Dialog::Notice(Notice::plain(
                "From the server's operator",
                text.lines().map(labels::escaped).collect(),
            )));
        }
        Word::Closing { reason, seconds } => {
            state.warn(format!(
                "the server closes in {seconds} s: {}; transfers go on when it is back",
                labels::escaped(&reason)
            ));
        }
    }
}

/// Asks for the unfinished uploads, to show the account.
pub(super) fn account(state: &mut State, out: &mut Out) {
    if !state.connection.is_online() {
        state.warn("not connected");
        return;
    }
    let ticket = state.tickets.next();
    state.tasks.push((ticket, Task::Uploads));
    out.push(Effect::Uploads(ticket));
    out.push(Effect::Connection(ConnectionEffect::Usage));
}

/// Shows the account with its unfinished uploads.
pub(super) fn uploads(state: &mut State, uploads: &[UnfinishedUpload]) {
    let Some(session) = state.connection.session() else { return };
    let usage = &session.account.usage;
    let of = |most: Option<u64>| most.map_or(String::new(), |most| format!(" of {}", human::size(most)));
    let mut lines = vec![
        format!("server    {}", session.server.target.address()),
        format!("software  {}", labels::escaped(&session.greeting.software)),
        format!("key       {}", session.greeting.key),
        format!("user      {}", session.server.target.user),
        format!("may       {}", if session.account.access == Access::ReadOnly { "read" } else { "read and write" }),
        format!("used      {}{}", human::size(usage.used), of(usage.limit)),
        format!("files     {}{}", usage.files, usage.file_limit.map_or(String::new(), |most| format!(" of {most}"))),
        format!("free      {} on the server's disk", human::size(usage.volume_free)),
    ];
    lines.push(String::new());
    if uploads.is_empty() {
        lines.push("no unfinished uploads".to_owned());
    } else {
        lines.push(format!("unfinished uploads, which hold {}:", human::size(usage.reserved)));
        for upload in uploads {
            let size = upload.size.map_or(String::new(), |size| format!(" of {}", human::size(size)));
            lines.push(format!("  {}  {}{size}", upload.path.display(), human::size(upload.received)));
        }
        lines.push("Copying the same file again goes on from there.".to_owned());
    }
    state.dialogs.push(Dialog::Notice(Notice::plain("Your account", lines)));
}
