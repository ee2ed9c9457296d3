//! Events of the engine, applied to the table of transfers.

use ferry_client::transfer::{
    Conflict, Event, Failure, FileFacts, ItemId, ItemPath, JobId, LinkEvent, Outcome, Progress, Summary,
};

use ferry_shared::entry::Kind;

use super::{Out, conflict, connection, edit, history, land, programs, quit, read};
use crate::{
    human,
    tui::{
        effect::{Effect, SyncEffect, TransferEffect},
        state::{
            State, labels,
            problem::Problem,
            transfers::{Ask, Deleted, FailedItem, Key, Phase},
        },
    },
};

/// The engine tells something.
pub(super) fn take(state: &mut State, event: Event, out: &mut Out) {
    match event {
        Event::JobCounted { job, files, bytes, .. } => {
            if let Some(transfer) = state.transfers.of_job(job) {
                let tally = &mut transfer.tally;
                (tally.counting, tally.files, tally.bytes) = (false, files, bytes);
            }
        }
        Event::ItemStarted { .. } => {}
        Event::PieceDone { job, piece } => {
            if let Some((key, path)) = state.transfers.through(job, piece) {
                out.push(Effect::Transfer(TransferEffect::Through(key, path)));
            }
        }
        Event::PieceFailed { job, piece, error } => {
            if let Some(transfer) = state.transfers.of_job(job) {
                transfer.refused.insert(piece, Problem::from(&error));
            }
        }
        // The engine is idle, so nothing is blocked any more.
        Event::Idle => state.transfers.stalled.clear(),
        Event::ItemState { item, state: now } => {
            state.transfers.item_is(item, now);
            if now != ferry_client::transfer::ItemState::Asking {
                conflict::withdrawn(state, item);
            }
        }
        Event::ItemDone { job, item, path, facts, outcome } => {
            item_done(state, job, item, &path, (facts, outcome));
        }
        Event::Asks { job, item, conflict } => asks(state, job, item, conflict),
        Event::JobDone { job, summary } => job_done(state, job, summary, out),
        Event::Link(LinkEvent::Lost { site, error, retry_in, .. }) => {
            let problem = Problem::from(&error);
            state.transfers.stall(site, problem, state.now + retry_in);
        }
        Event::Link(LinkEvent::Restored { site }) => {
            state.transfers.stalled.remove(&site);
            connection::reached(state, &site, out);
        }
    }
}

fn item_done(state: &mut State, job: JobId, item: ItemId, path: &ItemPath, (facts, outcome): (FileFacts, Outcome)) {
    conflict::withdrawn(state, item);
    let Some(transfer) = state.transfers.of_job(job) else { return };
    transfer.resting.retain(|other| other.item != item);
    let (source, target) = (transfer.order.from.clone(), transfer.order.to.clone());
    let kind = match &outcome {
        Outcome::Verified { .. } => Some(Kind::File),
        Outcome::Folder => Some(Kind::Folder),
        _ => None,
    };
    let moves = transfer.order.moves;
    match outcome {
        Outcome::Verified { root, .. } => {
            if matches!(transfer.order.what.as_slice(), [piece] if !piece.folder) {
                transfer.digest = Some(root);
            }
            transfer.failures.retain(|failed| failed.item != item);
        }
        Outcome::Failed(Failure { error, retryable }) => {
            let problem = Problem::from(&error);
            transfer.failed(FailedItem { item, path: path.relative(), size: facts.size, problem, retryable });
        }
        Outcome::Skipped(skip) => {
            if let Some(why) = labels::skip(skip) {
                transfer.skip(path.relative(), why);
            }
        }
        Outcome::Equal { .. } | Outcome::Unchanged { .. } | Outcome::Folder | Outcome::Link | Outcome::Would { .. } => {
        }
    }
    if let Some((kind, path)) = kind.zip(path.to()) {
        land::landed(state, &target, path, kind, facts);
        if moves {
            read::changed(state, &source);
        }
    }
}

fn asks(state: &mut State, job: JobId, item: ItemId, conflict: Conflict) {
    let Some(transfer) = state.transfers.of_job(job) else { return };
    let key = transfer.key;
    state.transfers.asks.push(Ask { key, item, conflict });
    let count = state.transfers.asks.len() as u64;
    state.warn(format!("{} already there: A answers, the rest goes on", human::count(count, "file is", "files are")));
}

fn job_done(state: &mut State, job: JobId, summary: Summary, out: &mut Out) {
    let now = state.now;
    let Some(transfer) = state.transfers.of_job(job) else { return };
    let deletes = transfer.sync.as_mut().is_some_and(|run| run.copied(&summary));
    transfer.end(summary);
    transfer.active.clear();
    transfer.resting.clear();
    let key = transfer.key;
    if let Some(run) = transfer.sync.as_ref().filter(|_| deletes) {
        out.push(Effect::Sync(run.id, SyncEffect::Delete(key, run.plan.clone())));
        return;
    }
    transfer.ended = Some(now);
    over(state, key, out);
}

/// The deletions of a sync are through.
pub(super) fn deleted(state: &mut State, key: Key, deleted: Deleted, out: &mut Out) {
    let now = state.now;
    // A sync that was cancelled meanwhile has ended.
    let Some(transfer) = state.transfers.get_mut(key).filter(|transfer| !transfer.is_over()) else { return };
    let Some(run) = &mut transfer.sync else { return };
    if run.take(deleted) {
        out.push(Effect::Sync(run.id, SyncEffect::Rest(key, run.plan.clone())));
        return;
    }
    transfer.ended = Some(now);
    over(state, key, out);
}

/// A sync is through: the task with its listings ends, and both trees are shown as they are now.
fn sync_over(state: &mut State, key: Key, out: &mut Out) {
    let Some(transfer) = state.transfers.get(key) else { return };
    let Some(run) = &transfer.sync else { return };
    let (name, phase, tally) = (transfer.title(), transfer.phase(state.now), transfer.tally);
    let (deletions, different, proven) = (run.deletions(), run.different(), transfer.proven());
    let retries = phase == Phase::Failed && transfer.job.is_some() && !run.has_problem();
    if !retries {
        // Files that failed can be tried again, and what was not deleted then is.
        out.push(Effect::Drop(run.id));
    }
    read::changed_below(state, &transfer.order.to.clone());
    let copied =
        format!("{}, {}, {proven}", human::count(tally.files_done, "file", "files"), human::size(tally.bytes_done));
    let parts = |first: Option<String>| {
        let parts = [first, deletions.clone(), different.clone()];
        format!("{name}: {}", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    };
    match phase {
        Phase::Failed => {
            let failed = (tally.failed > 0).then(|| format!("{} failed", human::count(tally.failed, "file", "files")));
            state.warn(format!("{}; w shows why", parts(failed)));
        }
        Phase::Cancelled => state.warn(parts(Some("cancelled, what was copied stays".to_owned()))),
        _ => {
            let text = parts(Some(copied).filter(|_| tally.files_done > 0));
            if different.is_some() { state.warn(text) } else { state.say(text) }
        }
    }
}

/// A transfer is through.
fn over(state: &mut State, key: Key, out: &mut Out) {
    let Some(transfer) = state.transfers.get(key) else { return };
    let is_sync = transfer.sync.is_some();
    let (order, tally) = (transfer.order.clone(), transfer.tally);
    let name = transfer.title();
    let (left_out, proven) = (transfer.left_out(), transfer.proven());
    let phase = transfer.phase(state.now);
    for place in [&order.to, &order.from] {
        read::changed(state, place);
    }
    for piece in &order.what {
        if let Some(place) = order.to.join_path(&piece.becomes) {
            read::changed_below(state, &place);
        }
    }
    if !edit::is_of(state, key) && !programs::is_of(state, key) {
        history::note(state, key, out);
    }
    connection::usage(&order.to, out);
    if order.moves {
        connection::usage(&order.from, out);
    }
    if is_sync {
        sync_over(state, key, out);
        quit::when_done(state, out);
        return;
    }
    match phase {
        Phase::Failed => {
            let failed = tally.failed.max(1);
            state.warn(format!("{name}: {} failed; w shows why", human::count(failed, "file", "files")));
        }
        Phase::Cancelled => out.push(Effect::Transfer(TransferEffect::Settle(key))),
        Phase::LeftOut => {
            let done = if order.moves { "moved" } else { "copied" };
            let left = left_out.unwrap_or_default();
            state.warn(format!("{name}: nothing was {done}, {left}"));
            out.push(Effect::Transfer(TransferEffect::Settle(key)));
        }
        _ => {
            let files = human::count(tally.files_done, "file", "files");
            let left = left_out.map(|left| format!(", {left}")).unwrap_or_default();
            state.say(format!("{name}: {files}, {}, {proven}{left}", human::size(tally.bytes_done)));
            out.push(Effect::Transfer(TransferEffect::Settle(key)));
        }
    }
    edit::transfer_over(state, key, phase == Phase::Verified, out);
    programs::transfer_over(state, key, phase == Phase::Verified, out);
    quit::when_done(state, out);
}

/// The engine's latest figures.
pub(super) fn progress(state: &mut State, progress: &Progress) {
    state.transfers.take(progress, state.now);
}
