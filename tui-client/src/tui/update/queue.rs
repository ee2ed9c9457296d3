//! The full list of transfers: moving the cursor, and controlling the transfers.

mod details;

use ferry_client::{
    connect::Target,
    transfer::{ItemId, ItemState, Selected, Summary},
};
use ferry_shared::name::Name;

use self::details::details;
use super::{Out, choose, conflict, quit};
use crate::{
    human,
    tui::{
        action::{Action, Where},
        effect::{Effect, TransferEffect},
        state::{
            State,
            dialog::{Decided, Dialog, Form, Purpose, Question, TransfersView},
            layout::Layout,
            place::Place,
            problem::Problem,
            task::Task,
            transfers::{Key, Phase, Row, SyncRun, Transfer},
        },
    },
};

/// The most transfers at a time.
const AT_ONCE_MOST: usize = 64;

/// Does an action in the list.
pub(super) fn act(state: &mut State, action: Action, out: &mut Out) {
    if step(state, action) {
        return;
    }
    // The cursor stays on this line, even if the line moves.
    move_by(state, 0);
    match action {
        Action::Transfers | Action::Close => drop(state.dialogs.pop()),
        Action::Quit => quit::ask(state, out),
        Action::Palette => choose::open_palette(state, Where::Transfers),
        Action::NextTheme => choose::next_theme(state),
        Action::MoreAtOnce => at_once(state, state.transfers.at_once.saturating_add(1), out),
        Action::FewerAtOnce => at_once(state, state.transfers.at_once.saturating_sub(1), out),
        Action::Speed => speed(state),
        Action::PauseAll | Action::ClearFinished => act_on_all(state, action, out),
        Action::Answer => match selected(state) {
            Some((_, Some(item))) if state.transfers.asks.iter().any(|ask| ask.item == item) => {
                conflict::open_at(state, item)
            }
            _ => conflict::open(state),
        },
        _ => {
            if let Some((key, item)) = selected(state) {
                act_on(state, action, key, item, out);
            }
        }
    }
}

/// The list with the cursor on the first transfer that is not over, or else on the last one.
pub(super) fn view(state: &State) -> TransfersView {
    let all = state.transfers.all();
    let first = all.iter().find(|transfer| !transfer.is_over()).or(all.last());
    let selected = first.map(|transfer| (transfer.key, None));
    let row = selected.and_then(|name| state.transfers.row_of(name)).unwrap_or(0);
    TransfersView { selected, row, ..TransfersView::default() }
}

/// The line under the cursor.
fn selected(state: &State) -> Option<(Key, Option<ItemId>)> {
    state.dialogs.iter().rev().find_map(|dialog| match dialog {
        Dialog::Transfers(view) => {
            let rows = state.transfers.rows();
            let row = view.selected.and_then(|name| state.transfers.row_of(name)).unwrap_or(view.row);
            rows.get(row.min(rows.len().saturating_sub(1))).map(Row::name)
        }
        _ => None,
    })
}

/// Moves the cursor. Returns whether the action does that.
fn step(state: &mut State, action: Action) -> bool {
    let height = Layout::of(state).map_or(1, |layout| usize::from(layout.full().height.saturating_sub(2)));
    let page = isize::try_from(height).unwrap_or(1).max(1);
    let by = match action {
        Action::Up => -1,
        Action::Down => 1,
        Action::PageUp => -page,
        Action::PageDown => page,
        Action::HalfUp => -page / 2,
        Action::HalfDown => page / 2,
        Action::Top => isize::MIN,
        Action::Bottom => isize::MAX,
        _ => return false,
    };
    move_by(state, by);
    true
}

/// Puts the cursor of the list on a line.
pub(super) fn select(state: &mut State, row: usize) {
    let name = state.transfers.rows().get(row).map(Row::name);
    if let Some(Dialog::Transfers(view)) = state.dialogs.last_mut() {
        (view.selected, view.row) = (name, row);
        move_by(state, 0);
    }
}

/// Moves the cursor of the list by some lines, and scrolls there.
pub(super) fn move_by(state: &mut State, by: isize) {
    let height = Layout::of(state).map_or(1, |layout| usize::from(layout.full().height.saturating_sub(2)));
    let names: Vec<_> = state.transfers.rows().iter().map(Row::name).collect();
    let Some(Dialog::Transfers(view)) =
        state.dialogs.iter_mut().rev().find(|dialog| matches!(dialog, Dialog::Transfers(_)))
    else {
        return;
    };
    let at = view.selected.and_then(|name| state.transfers.row_of(name)).unwrap_or(view.row);
    let row = at.saturating_add_signed(by).min(names.len().saturating_sub(1));
    view.row = row;
    view.selected = names.get(row).copied();
    view.offset = view.offset.min(row).max((row + 1).saturating_sub(height)).min(names.len().saturating_sub(height));
}

/// Acts on the line of the cursor.
fn act_on(state: &mut State, action: Action, key: Key, item: Option<ItemId>, out: &mut Out) {
    let Some(transfer) = state.transfers.get(key) else { return };
    let over = transfer.is_over();
    let paused = transfer.phase(state.now) == Phase::Paused;
    match action {
        Action::Pause if transfer.held => state.say("it is held until its servers are connected"),
        Action::Pause if !over => {
            let resumes = match item.and_then(|item| active_state(transfer, item)) {
                Some(state) => state == ItemState::Paused,
                None => paused,
            };
            let make = if resumes { TransferEffect::Resume } else { TransferEffect::Pause };
            request(transfer, item, make, out);
            match item {
                Some(item) if resumes => state.transfers.item_is(item, ItemState::Waiting),
                Some(item) => state.transfers.item_is(item, ItemState::Paused),
                None => set_paused(state, key, !resumes),
            }
        }
        Action::Retry => retry(state, key, item, out),
        Action::Cancel => cancel(state, key, item, true, out),
        Action::CancelDiscard => cancel(state, key, item, false, out),
        Action::Earlier | Action::Later => {
            let later = action == Action::Later;
            let job = transfer.job;
            // A neighbour that has ended or is held is not in the engine's queue.
            if let Some(neighbour) = state.transfers.reorder(key, later)
                && let Some(job) = job.filter(|_| neighbour)
            {
                out.push(Effect::Transfer(TransferEffect::Reorder(job, later)));
            }
        }
        Action::Details => details(state, key, item),
        _ => {}
    }
}

fn active_state(transfer: &Transfer, item: ItemId) -> Option<ItemState> {
    transfer.begun().find(|begun| begun.item == item).map(|begun| begun.state)
}

/// Requests an effect for one file, or for a transfer that is unfinished.
fn request(transfer: &Transfer, item: Option<ItemId>, make: impl Fn(Selected) -> TransferEffect, out: &mut Out) {
    match item {
        Some(item) => out.push(Effect::Transfer(make(item.into()))),
        None => {
            let job = transfer.job.filter(|_| transfer.summary.is_none());
            out.extend(job.map(|job| Effect::Transfer(make(job.into()))));
        }
    }
}

fn set_paused(state: &mut State, key: Key, paused: bool) {
    if let Some(transfer) = state.transfers.get_mut(key) {
        transfer.tally.paused = paused;
        if !paused {
            // The transfer goes on, with the files that were paused one by one.
            transfer.resting.iter_mut().for_each(|item| item.state = ItemState::Waiting);
        }
    }
}

fn retry(state: &mut State, key: Key, item: Option<ItemId>, out: &mut Out) {
    let now = state.now;
    let Some(transfer) = state.transfers.get_mut(key) else { return };
    let cancelled = transfer.phase(now) == Phase::Cancelled;
    if !transfer.has_problem() && !cancelled {
        state.say("nothing of it failed");
        return;
    }
    // Its trees may have changed since; only failed files are tried again as they were planned.
    let stale = |run: &SyncRun| run.has_problem() || transfer.tally.failed == 0 || transfer.job.is_none();
    if transfer.sync.as_deref().is_some_and(stale) {
        state.say("compare both folders again (=): a sync goes on from what is there");
        return;
    }
    // Pieces that could not be carried have no items to retry, and neither has a job that was cancelled or that the
    // engine has given up: order such pieces again.
    let error = transfer.summary.as_ref().is_some_and(|summary| summary.error.is_some());
    if cancelled || transfer.is_over() && (error || transfer.job.is_none()) {
        let missing = transfer.order.servers().into_iter().find(|target| !state.connections.contains_key(target));
        if let Some(target) = missing {
            state.warn(format!("not connected to {target}"));
            return;
        }
        let order = transfer.begin_again();
        // The journal does not keep cancelled transfers.
        let begin = if cancelled { TransferEffect::Add(key, order) } else { TransferEffect::Begin(key, order) };
        out.push(Effect::Transfer(begin));
        return;
    }
    // The line of a cause stands for all files that failed for it.
    let alike: Option<Vec<ItemId>> =
        item.map(|item| transfer.failed_alike(item).into_iter().map(|failed| failed.item).collect());
    let whole = || transfer.job.map(Selected::from).into_iter().collect();
    let what: Vec<Selected> = alike.clone().map_or_else(whole, |alike| alike.into_iter().map(Selected::from).collect());
    out.extend(what.into_iter().map(|what| Effect::Transfer(TransferEffect::Retry(what))));
    transfer.summary = None;
    transfer.failures.retain(|failed| alike.as_ref().is_some_and(|alike| !alike.contains(&failed.item)));
    transfer.ended = None;
}

/// A server is left: the engine gives up its jobs, and what has arrived stays to go on from.
pub(super) fn forget_jobs(state: &mut State, server: &Target, out: &mut Out) {
    for job in state.transfers.forget_jobs(|order| order.needs(server)) {
        out.push(Effect::Transfer(TransferEffect::Cancel(job.into(), true)));
    }
    let asks = &state.transfers.asks;
    state.dialogs.retain(|dialog| match dialog {
        Dialog::Conflict(view) => asks.iter().any(|ask| ask.item == view.item),
        _ => true,
    });
}

/// Ends a sync that the engine does not work on, or not any more.
pub(super) fn stop_sync(state: &mut State, key: Key, out: &mut Out) {
    let now = state.now;
    let Some(transfer) = state.transfers.get_mut(key) else { return };
    let Some(run) = &transfer.sync else { return };
    out.push(Effect::Drop(run.id));
    let summary = transfer.summary.take().unwrap_or_default();
    transfer.end(Summary { cancelled: true, ..summary });
    (transfer.ended, transfer.held) = (Some(now), false);
}

/// The connection is back: retry the files that failed without it.
pub(super) fn retry_lost(state: &mut State, server: &Target, out: &mut Out) {
    let lost = |problem: &Problem| problem.kind.is_offline();
    let mut wholes = Vec::new();
    let mut items = Vec::new();
    for transfer in state.transfers.all().iter().filter(|transfer| transfer.order.needs(server)) {
        let error = transfer.summary.as_ref().and_then(|summary| summary.error.as_ref());
        if transfer.is_over() && error.is_some_and(|error| lost(&Problem::from(error))) {
            wholes.push(transfer.key);
        }
        items.extend(
            transfer.failures.iter().filter(|failed| lost(&failed.problem)).map(|failed| (transfer.key, failed.item)),
        );
    }
    items.retain(|(key, _)| !wholes.contains(key));
    wholes.into_iter().for_each(|key| retry(state, key, None, out));
    items.into_iter().for_each(|(key, item)| retry(state, key, Some(item), out));
}

/// Cancels an active transfer, or removes a finished one from the list.
fn cancel(state: &mut State, key: Key, item: Option<ItemId>, keep: bool, out: &mut Out) {
    let Some(transfer) = state.transfers.get(key) else { return };
    if transfer.held || transfer.is_over() {
        state.transfers.remove(key);
        state.left.retain(|left| left.key != key);
        out.push(Effect::Transfer(TransferEffect::Settle(key)));
    } else if transfer.phase(state.now) == Phase::Deleting {
        stop_sync(state, key, out);
        state.warn("cancelled; what was copied stays, and some entries may have been deleted");
    } else if keep {
        request(transfer, item, |what| TransferEffect::Cancel(what, true), out);
        state.say("cancelled; the received data is kept for later");
    } else {
        ask_discard(state, key, item, out);
    }
}

/// Asks before the received bytes are discarded; cancels at once if there are none.
fn ask_discard(state: &mut State, key: Key, item: Option<ItemId>, out: &mut Out) {
    let Some(transfer) = state.transfers.get(key) else { return };
    let file = item.and_then(|item| transfer.begun().find(|begun| begun.item == item));
    let (arrived, name) = match (item, file) {
        (None, _) => (transfer.tally.bytes_done, transfer.title()),
        (Some(_), Some(file)) => (file.done, file.path.relative().display().to_string()),
        (Some(_), None) => (0, String::new()),
    };
    if arrived == 0 {
        discard(state, key, item, out);
        return;
    }
    let rest = match item {
        Some(_) => "It is cancelled, and these bytes are discarded.",
        None => "It is cancelled. Complete files stay; the received data of the others is discarded.",
    };
    let lines =
        vec![format!("{} of {} have arrived.", human::size(arrived), name.trim_start_matches('/')), rest.into()];
    let title = "Discard the received data?".to_owned();
    let decided = Decided::Discard(key, item);
    state.dialogs.push(Dialog::Question(Box::new(Question { title, lines, decided })));
}

/// Cancels, and discards the received bytes of incomplete files.
pub(super) fn discard(state: &mut State, key: Key, item: Option<ItemId>, out: &mut Out) {
    let Some(transfer) = state.transfers.get_mut(key).filter(|transfer| !transfer.is_over()) else { return };
    transfer.discarded = item.is_none();
    request(transfer, item, |what| TransferEffect::Cancel(what, false), out);
    state.say("cancelled and discarded");
}

/// Pauses or clears all.
pub(super) fn act_on_all(state: &mut State, action: Action, out: &mut Out) {
    if action == Action::PauseAll {
        let pauses = state.transfers.is_busy(state.now);
        let keys: Vec<Key> = state
            .transfers
            .all()
            .iter()
            .filter(|transfer| !transfer.is_over() && !transfer.held)
            .map(|transfer| transfer.key)
            .collect();
        for key in keys {
            let make = if pauses { TransferEffect::Pause } else { TransferEffect::Resume };
            if let Some(transfer) = state.transfers.get(key) {
                request(transfer, None, make, out);
            }
            set_paused(state, key, pauses);
        }
        state.say(if pauses { "all paused" } else { "all go on" });
        return;
    }
    let over = state.transfers.all().iter().filter(|transfer| transfer.is_over());
    let (done, rest): (Vec<&Transfer>, Vec<&Transfer>) = over.partition(|transfer| is_complete(transfer, state));
    let rest = rest.len() as u64;
    let done: Vec<Key> = done.into_iter().map(|transfer| transfer.key).collect();
    match (done.is_empty(), rest) {
        (true, 0) => state.say("nothing to clear"),
        (true, rest) => {
            let lines = vec![
                format!("{} failed or cancelled.", human::count(rest, "transfer has", "transfers have")),
                "Off the list they cannot be tried again from here.".to_owned(),
            ];
            let title = "Clear what failed or was cancelled?".to_owned();
            state.dialogs.push(Dialog::Question(Box::new(Question { title, lines, decided: Decided::ClearFailed })));
        }
        (false, 0) => {}
        (false, rest) => {
            let left =
                human::count(rest, "transfer that failed or was cancelled stays", "that failed or were cancelled stay");
            state.say(format!("{left}; D again asks about that"));
        }
    }
    clear(state, done, out);
}

/// Whether a transfer has ended and left nothing to try again.
fn is_complete(transfer: &Transfer, state: &State) -> bool {
    matches!(transfer.phase(state.now), Phase::Verified | Phase::LeftOut)
}

/// Takes everything that has ended off the list.
pub(super) fn clear_failed(state: &mut State, out: &mut Out) {
    let over = state.transfers.all().iter().filter(|transfer| transfer.is_over());
    let over = over.map(|transfer| transfer.key).collect();
    clear(state, over, out);
}

fn clear(state: &mut State, keys: Vec<Key>, out: &mut Out) {
    for key in keys {
        state.transfers.remove(key);
        out.push(Effect::Transfer(TransferEffect::Settle(key)));
    }
}

/// Saves a text in the local folder that is shown.
pub(super) fn save_list(state: &mut State, text: String, out: &mut Out) {
    let local = [state.pane(), state.other()].into_iter().find(|pane| pane.is_local());
    let folder = local.map_or_else(|| Place::local(state.home.clone()), |pane| pane.place.clone());
    let now = jiff::Timestamp::from_second(state.clock()).unwrap_or_default().to_zoned(state.zone.clone());
    let name = Name::try_from(now.strftime("ferry-failed-%Y%m%d-%H%M%S.txt").to_string().as_str());
    let Some(place) = name.ok().and_then(|name| folder.join(&name)) else { return };
    let ticket = state.tickets.next();
    state.tasks.push((ticket, Task::Write(place.clone())));
    out.push(Effect::Write(ticket, place, text));
}

fn at_once(state: &mut State, at_once: usize, out: &mut Out) {
    let at_once = at_once.clamp(1, AT_ONCE_MOST);
    state.transfers.at_once = at_once;
    state.say(format!("{} at a time", human::count(at_once as u64, "transfer", "transfers")));
    out.push(Effect::Transfer(TransferEffect::AtOnce(at_once)));
}

fn speed(state: &mut State) {
    let text = |limit: Option<u64>| limit.map_or(String::new(), human::size);
    let bandwidth = state.transfers.bandwidth;
    let form = Form::new(Purpose::Speed, "The most bytes a second")
        .text("to the server", text(bandwidth.up))
        .text("from the server", text(bandwidth.down))
        .note("like 500KiB or 10MiB; nothing is no limit");
    state.dialogs.push(Dialog::Form(Box::new(form)));
}
