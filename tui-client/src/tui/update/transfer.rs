//! What the engine tells, folded into the table of transfers.

use ferry_client::transfer::{
    Conflict, Event, Failure, ItemId, ItemPath, JobId, LinkEvent, Outcome, Progress, Scope, Skip, Summary,
};

use super::{Out, conflict, edit, link, quit, read};
use crate::{
    human,
    tui::{
        effect::{Effect, LinkEffect, TransferEffect},
        state::{
            State,
            transfers::{Ask, FailedItem, Key, Phase},
            trouble::Trouble,
            words,
        },
    },
};

/// The engine tells something.
pub(super) fn take(state: &mut State, event: Event, out: &mut Out) {
    match event {
        Event::JobCounted { job, files, bytes, .. } => {
            if let Some(part) = state.transfers.part_of(job) {
                (part.tally.counting, part.tally.files, part.tally.bytes) = (false, files, bytes);
            }
            add_up(state, job);
        }
        Event::ItemStarted { .. } | Event::Idle => {}
        Event::ItemState { item, state: now } => {
            if now != ferry_client::transfer::ItemState::Asking {
                conflict::withdrawn(state, item);
            }
        }
        Event::ItemDone { job, item, path, outcome } => item_done(state, job, item, &path, outcome),
        Event::Asks { job, item, conflict } => asks(state, job, item, conflict, out),
        Event::JobDone { job, summary } => job_done(state, job, summary, out),
        Event::Link(LinkEvent::Lost { error, retry_in, .. }) => {
            let trouble = Trouble::from(&error);
            state.transfers.stalled = Some((trouble, state.now + retry_in));
        }
        Event::Link(LinkEvent::Restored) => state.transfers.stalled = None,
        Event::Notice(notice) => link::notice(state, notice),
    }
}

fn add_up(state: &mut State, job: JobId) {
    if let Some(transfer) = state.transfers.of_job(job) {
        transfer.add_up();
    }
}

fn item_done(state: &mut State, job: JobId, item: ItemId, path: &ItemPath, outcome: Outcome) {
    conflict::withdrawn(state, item);
    let Some(transfer) = state.transfers.of_job(job) else { return };
    match outcome {
        Outcome::Verified { root, .. } => {
            if matches!(transfer.order.what.as_slice(), [piece] if !piece.folder) {
                transfer.digest = Some(root);
            }
            transfer.failures.retain(|failed| failed.item != item);
        }
        Outcome::Failed(Failure { error, retryable }) => {
            let trouble = Trouble::from(&error);
            transfer.failed(FailedItem { item, job, path: path.relative(), trouble, retryable });
        }
        Outcome::Skipped(Skip::Cancelled) | Outcome::Equal { .. } | Outcome::Folder | Outcome::Would { .. } => {}
        Outcome::Skipped(_) => transfer.left_out = transfer.left_out.saturating_add(1),
    }
}

fn asks(state: &mut State, job: JobId, item: ItemId, conflict: Conflict, out: &mut Out) {
    let Some(transfer) = state.transfers.of_job(job) else { return };
    if let Some(decision) = transfer.standing_answer(conflict.path.remote()) {
        out.push(Effect::Transfer(TransferEffect::Answer(item, decision, Scope::This)));
        return;
    }
    let key = transfer.key;
    state.transfers.asks.push(Ask { key, item, conflict });
    let count = state.transfers.asks.len() as u64;
    state.warn(format!("{} already there: A answers, the rest goes on", human::count(count, "file is", "files are")));
}

fn job_done(state: &mut State, job: JobId, summary: Summary, out: &mut Out) {
    let now = state.now;
    let Some(part) = state.transfers.part_of(job) else { return };
    part.tally.counting = false;
    part.tally.paused = false;
    part.tally.asking = 0;
    part.tally.failed = summary.failed;
    part.tally.files = part.tally.files.max(summary.files.saturating_add(summary.failed));
    part.tally.bytes = part.tally.bytes.max(summary.bytes);
    part.tally.files_done = part.tally.files;
    part.tally.bytes_done = part.tally.bytes;
    part.tally.reused = summary.reused;
    part.tally.skipped = summary.skipped;
    let well = summary.failed == 0 && summary.error.is_none() && !summary.cancelled;
    part.summary = Some(summary);
    if well && let Some((key, name)) = state.transfers.piece_of(job) {
        out.push(Effect::Transfer(TransferEffect::Through(key, name)));
    }
    let Some(transfer) = state.transfers.of_job(job) else { return };
    transfer.active.retain(|item| item.job != job);
    if transfer.parts.iter().all(|part| part.summary.is_some()) {
        transfer.ended = Some(now);
    }
    transfer.add_up();
    let key = transfer.key;
    if transfer.is_over() {
        over(state, key, out);
    }
}

/// A transfer is through.
fn over(state: &mut State, key: Key, out: &mut Out) {
    let Some(transfer) = state.transfers.get(key) else { return };
    let (order, tally) = (transfer.order.clone(), transfer.tally);
    let name = transfer.title();
    let phase = transfer.phase(state.now);
    for place in [&order.to, &order.from] {
        read::changed(state, place);
    }
    for piece in &order.what {
        if let Some(place) = order.to.join(&piece.becomes) {
            read::changed_below(state, &place);
        }
    }
    if order.to.is_remote() || order.moves {
        out.push(Effect::Link(LinkEffect::Usage));
    }
    match phase {
        Phase::Failed => {
            let failed = tally.failed.max(1);
            state.warn(format!("{name}: {} failed; w shows why", human::count(failed, "file", "files")));
        }
        Phase::Cancelled => out.push(Effect::Transfer(TransferEffect::Settle(key))),
        _ => {
            let files = human::count(tally.files, "file", "files");
            state.say(format!("{name}: {files}, {}, verified", words::size(tally.bytes)));
            out.push(Effect::Transfer(TransferEffect::Settle(key)));
        }
    }
    edit::transfer_over(state, key, phase == Phase::Verified, out);
    quit::when_done(state, out);
}

/// The engine's latest figures.
pub(super) fn progress(state: &mut State, progress: &Progress) {
    let done = |state: &State| -> Vec<u64> {
        state.transfers.all().iter().map(|transfer| transfer.tally.files_done).collect()
    };
    let before = done(state);
    state.transfers.take(progress, state.now);
    let moved: Vec<_> = state
        .transfers
        .all()
        .iter()
        .zip(before)
        .filter(|(transfer, before)| transfer.tally.files_done != *before && !transfer.is_over())
        .flat_map(|(transfer, _)| {
            transfer.order.what.iter().take(100).filter_map(|piece| transfer.order.to.join(&piece.becomes))
        })
        .collect();
    for place in moved {
        read::changed_below(state, &place);
    }
}
