//! The connection after the login: lost, restored, left; and the server's notices.

use std::time::Duration;

use ferry_client::{SiteKey, connect::Target};
use ferry_shared::message::{
    Notice as Word,
    reply::{Access, UnfinishedUpload},
};

use super::{Out, connect, queue, reach, read, resume, tabs};
use crate::{
    fault::Kind,
    human,
    tui::{
        effect::{ConnectionEffect, Effect, TransferEffect},
        state::{
            State,
            connection::{Account, Connection, Lost},
            dialog::{Decided, Dialog, Notice, Question},
            labels,
            pane::Pane,
            place::Place,
            problem::Problem,
            side::Side,
            task::Task,
        },
    },
};

/// The connection was lost, or could not be made again.
pub(super) fn lost(state: &mut State, server: &Target, problem: Problem, retry_in: Duration) {
    let retry_at = Some(state.now + retry_in);
    if let Some(connection) = state.connections.get_mut(server) {
        connection.lost = Some(Lost { problem, retry_at });
    }
}

/// A transfer reached a server: so will the connection for browsing, if that is lost.
pub(super) fn reached(state: &State, site: &str, out: &mut Out) {
    let lost = state.connections.iter().filter(|(_, connection)| !connection.is_online());
    let there = lost.filter(|(target, _)| target.url() == site);
    out.extend(there.map(|(target, _)| Effect::Connection(ConnectionEffect::Retry(target.clone()))));
}

/// An attempt to connect again begins.
pub(super) fn retrying(state: &mut State, server: &Target) {
    if let Some(lost) = state.connections.get_mut(server).and_then(|connection| connection.lost.as_mut()) {
        lost.retry_at = None;
    }
}

/// The connection is back.
pub(super) fn restored(state: &mut State, server: &Target, account: Account, out: &mut Out) {
    let Some(connection) = state.connections.get_mut(server) else { return };
    (connection.account, connection.lost) = (account, None);
    state.say("the connection is back");
    // The server is reachable again: the engine's report that it is not is outdated.
    state.transfers.reachable(server);
    queue::retry_lost(state, server, out);
    out.push(Effect::Transfer(TransferEffect::TryAtOnce(server.clone())));
    for side in sides_of(state, server) {
        read::folder(state, side, out);
    }
}

/// The panes that show a server.
fn sides_of(state: &State, server: &Target) -> Vec<Side> {
    Side::BOTH.into_iter().filter(|side| state.panes[*side].target() == Some(server)).collect()
}

/// The connection is lost for good.
pub(super) fn ended(state: &mut State, server: &Target, problem: Problem, out: &mut Out) {
    if !state.connections.contains_key(server) {
        return;
    }
    let name = state.site_name(&SiteKey::Server(server.clone()));
    state.ended.insert(server.clone(), problem.clone());
    disconnect(state, server, Some(&problem), out);
    let notice = match problem.kind {
        Kind::ChangedKey => connect::stopped(&problem),
        _ => {
            let mut lines = vec![problem.text];
            lines.extend(problem.hint);
            lines.extend([String::new(), "Its transfers wait until you are logged in again.".to_owned()]);
            Notice::bad(format!("{name} ended the session"), lines)
        }
    };
    state.dialogs.push(Dialog::Notice(Notice { again: Some(server.clone()), ..notice }));
}

/// Logs in again to a server whose session ended: in the pane that shows it, whichever tab that is in, or else in the
/// active one.
pub(super) fn again(state: &mut State, server: &Target, out: &mut Out) {
    if sides_of(state, server).is_empty()
        && let Some(tab) = state.tab_with(server)
    {
        tabs::show(state, tab, out);
    }
    let side = sides_of(state, server).first().copied();
    let start = || Place::remote(server.clone(), state.server_of(server).start);
    let place = side.map_or_else(start, |side| state.panes[side].place.clone());
    reach::again(state, side.unwrap_or(state.active), place, out);
}

/// Leaves the server of the active pane, or else that of the other; asks first where its transfers are running.
pub(super) fn leave(state: &mut State, out: &mut Out) {
    let shown = [state.pane(), state.other()].into_iter().filter_map(Pane::target);
    let connected = shown.into_iter().find(|target| state.connections.contains_key(target));
    let Some(server) = connected.cloned() else {
        state.say("not connected");
        return;
    };
    if !state.transfers.all().iter().any(|transfer| !transfer.is_over() && transfer.order.needs(&server)) {
        leave_now(state, &server, out);
        return;
    }
    let name = state.site_name(&SiteKey::Server(server.clone()));
    let lines = vec!["They stop now, and resume from the received data when you reconnect.".to_owned()];
    let title = format!("Leave {name} with transfers running?");
    let question = Question { title, lines, decided: Decided::Leave(server) };
    state.dialogs.push(Dialog::Question(Box::new(question)));
}

/// Leaves a server now.
pub(super) fn leave_now(state: &mut State, server: &Target, out: &mut Out) {
    disconnect(state, server, None, out);
    state.say("disconnected");
}

fn disconnect(state: &mut State, server: &Target, why: Option<&Problem>, out: &mut Out) {
    resume::park(state, server, why, out);
    close(state, server, out);
    for pane in state.hidden_panes_mut().filter(|pane| pane.target() == Some(server)) {
        pane.listing = Default::default();
    }
    for side in sides_of(state, server) {
        state.panes[side].listing = Default::default();
        read::folder(state, side, out);
    }
}

fn close(state: &mut State, server: &Target, out: &mut Out) {
    state.connections.remove(server);
    state.transfers.reachable(server);
    out.push(Effect::Connection(ConnectionEffect::Leave(server.clone())));
}

/// Closes the connections that no pane of any tab shows and nothing unfinished uses.
pub(super) fn close_unused(state: &mut State, out: &mut Out) {
    if state.connections.is_empty() {
        return;
    }
    // A pane that went to another site can come back at once.
    let of = |pane: &Pane, target: &Target| {
        pane.target() == Some(target) || pane.elsewhere().and_then(Place::target) == Some(target)
    };
    let shows = |target: &Target| state.all_panes().any(|pane| of(pane, target));
    let moves = |target: &Target| state.transfers.all().iter().any(|all| !all.is_over() && all.order.needs(target));
    let edits = |target: &Target| state.edits.iter().any(|edit| edit.place.target() == Some(target));
    let works = |target: &Target| {
        state.tasks.iter().flat_map(|(_, task)| task.places()).any(|place| place.target() == Some(target))
    };
    let used = |target: &Target| shows(target) || moves(target) || edits(target) || works(target);
    let unused: Vec<Target> = state.connections.keys().filter(|target| !used(target)).cloned().collect();
    for target in unused {
        queue::forget_jobs(state, &target, out);
        close(state, &target, out);
    }
}

/// Asks for the usage at the server of a place.
pub(super) fn usage(place: &Place, out: &mut Out) {
    out.extend(place.target().map(|target| Effect::Connection(ConnectionEffect::Usage(target.clone()))));
}

/// Reads the folder again; connects again where a connection is lost.
pub(super) fn refresh(state: &mut State, out: &mut Out) {
    let lost: Vec<Target> = state.connections.keys().filter(|target| state.outage(target).is_some()).cloned().collect();
    for target in lost {
        out.push(Effect::Connection(ConnectionEffect::Retry(target.clone())));
        out.push(Effect::Transfer(TransferEffect::TryAtOnce(target)));
    }
    if state.pane().vacant {
        reach::choose_server(state);
        return;
    }
    let place = state.pane().place.clone();
    if let Some(target) = place.target() {
        match state.connections.get(target) {
            None => return reach::again(state, state.active, place, out),
            Some(connection) if !connection.is_online() => return,
            Some(_) => {}
        }
    }
    read::folder(state, state.active, out);
    usage(&place, out);
    let ended = |target: &&Target| state.ended.contains_key(*target);
    if let Some(server) = state.other().target().filter(ended).cloned() {
        again(state, &server, out);
    }
}

/// Takes a notice of a server.
pub(super) fn notice(state: &mut State, server: &Target, word: Word) {
    let name = state.site_name(&SiteKey::Server(server.clone()));
    let several = state.connections.len() > 1;
    let Some(connection) = state.connections.get_mut(server) else { return };
    match word {
        Word::UsageChanged(usage) => {
            let was = connection.account.usage.is_nearly_full();
            connection.account.usage = usage;
            if let Some(limit) = usage.limit.filter(|_| usage.is_nearly_full() && !was) {
                let held = usage.held();
                state.warn(format!("{} of {} are taken on {name}", human::size(held), human::size(limit)));
            }
        }
        Word::AccountChanged { access } => {
            connection.account.access = access;
            let changed = human::access_changed(access);
            state.warn(if several { format!("{name}: {changed}") } else { changed.to_owned() });
        }
        Word::Broadcast { text } => {
            state.dialogs.push(Dialog::Notice(Notice::plain(
                if several { format!("From the operator of {name}") } else { "From the server's operator".to_owned() },
                text.lines().map(labels::escaped).collect(),
            )));
        }
        Word::Closing { reason, seconds } => {
            state.warn(format!(
                "{name} closes in {seconds} s: {}; transfers go on when it is back",
                labels::escaped(&reason)
            ));
        }
    }
}

/// Asks for the unfinished uploads, to show the account of the active pane.
pub(super) fn account(state: &mut State, out: &mut Out) {
    let shown = [state.pane(), state.other()].into_iter().find_map(Pane::target).cloned();
    let online = |target: &Target| state.connections.get(target).is_some_and(Connection::is_online);
    let Some(target) = shown.filter(online) else {
        state.warn("not connected");
        return;
    };
    let ticket = state.tickets.next();
    state.tasks.push((ticket, Task::Uploads(target.clone())));
    out.push(Effect::Uploads(ticket, target.clone()));
    out.push(Effect::Connection(ConnectionEffect::Usage(target)));
}

/// Shows the account with its unfinished uploads.
pub(super) fn uploads(state: &mut State, server: &Target, uploads: &[UnfinishedUpload]) {
    let Some(connection) = state.connections.get(server) else { return };
    let usage = &connection.account.usage;
    let of = |most: Option<u64>| most.map_or(String::new(), |most| format!(" of {}", human::size(most)));
    let mut lines = vec![
        format!("server    {}", connection.server.target.address()),
        format!("software  {}", labels::escaped(&connection.greeting.software)),
        format!("key       {}", connection.greeting.key),
        format!("user      {}", connection.server.target.user),
        format!("may       {}", if connection.account.access == Access::ReadOnly { "read" } else { "read and write" }),
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
