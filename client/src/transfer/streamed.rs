//! Transfers one large file or stream, which has its sessions to itself.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use ferry_shared::{
    digest::{Digest, RootBuilder, block_digest},
    limits::BLOCK_SIZE,
};
use tokio::sync::mpsc;

use super::{
    active::Active,
    engine_state::{EngineState, Shared},
    event::{Event, ItemState},
    item::{Done, Item, Step, Stream},
    pair::{Ended, Sessions},
    transitions::{self, Next},
    watch::ActiveWatch,
};
use crate::{
    error::ClientError,
    local::stream,
    obstacle::Obstacle,
    site::{End as SourceEnd, FileFacts, Get, Location, Piece, Proof, Stored, Watch},
};

/// Capacity of the block channel from the source to the target.
const BLOCKS_AHEAD: usize = 1;
/// Capacity of the channel for batches of digests from the target to the source.
const HELD_AHEAD: usize = 4;
/// How long a paused file may take to finish the blocks that were begun: long enough for one at 100 KiB/s.
const FINISH: Duration = Duration::from_secs(15);

/// Carries out the step of a large item. All threads that it used have ended when this returns.
pub(super) async fn run(core: &Shared, mut sessions: Sessions, mut item: Item, active: Arc<Active>) -> Ended {
    if !std::mem::replace(&mut item.announced, true) {
        let size = (!item.task.is_stream()).then_some(item.facts.size);
        core.emit(Event::ItemStarted { job: item.task.id, item: item.id, path: item.path.clone(), size }).await;
    }
    let confirms = matches!(item.step, Step::Confirm(_));
    let result = match confirms {
        true => {
            let (size, facts, at) = (confirmed_size(&item.step), item.facts, item.path.target());
            read_back(core, &mut sessions, at, FileFacts { size, ..facts }, &active).await.map(|root| (root, None))
        }
        false => transfer(core, &mut sessions, &mut item, &active).await.map(|done| (done.root, Some(done))),
    };
    if core.stop().is_cancelled() {
        return Ended::default();
    }
    let stopped = active.why_stopped().is_some();
    if !confirms {
        item.begun |= active.has_begun();
    }
    let mut hiccup = None;
    if let Err(error) = &result {
        let lost = sessions.is_broken();
        let may_pass = error.is_transient() && error.obstacle() != Obstacle::Changed;
        hiccup = Some(error.clone()).filter(|_| may_pass && !stopped);
        item.sent = item.sent.saturating_add(active.sent());
        item.tries.reached(active.done());
        item.unanswered |= lost && !item.task.to.abilities.near && item.begun;
    }
    let next = match result {
        Ok((_, Some(done))) => {
            let done = done.with_earlier(item.sent);
            // The size of a stream is known only now.
            core.queue.settle_size(&active, &mut item, done.size);
            transitions::arrived(item, done)
        }
        // The queue decides about an item that was stopped.
        _ if stopped => Next::Again(item),
        Ok((root, None)) => confirmed(core, item, root),
        Err(error) => transitions::refused(item, error, core.patience),
    };
    if matches!(next, Next::Done(..)) {
        core.queue.active_ended(&active);
    }
    core.apply(next).await;
    Ended { sessions, hiccup }
}

fn confirmed(core: &EngineState, mut item: Item, found: Digest) -> Next {
    let Step::Confirm(mut done) = item.step else { return Next::Again(item) };
    if found != done.root {
        return transitions::failed(item, ClientError::Mismatch { expected: done.root, found }, core.patience);
    }
    done.proof = done.proof.max(Proof::ReadBack);
    item.step = Step::Confirm(done);
    transitions::confirmed(item, done)
}

/// Transfers from the source's session or stream to the target's.
async fn transfer(
    core: &Shared,
    sessions: &mut Sessions,
    item: &mut Item,
    active: &Arc<Active>,
) -> Result<Done, ClientError> {
    active.restart();
    let growth = item.growth.clone().filter(|_| item.task.to.abilities.near);
    if growth.is_none() {
        // From here on the site itself accounts for the room.
        item.growth = None;
    }
    let watch = ActiveWatch::shared(core, active, growth);
    let (to_target, pieces) = mpsc::channel(BLOCKS_AHEAD);
    let (to_source, held) = mpsc::channel(HELD_AHEAD);
    let put = item.path.target().map(|at| item.put(at));
    let Sessions { source, target } = sessions;
    let basis = match (&put, target.as_mut()) {
        (Some(put), Some(open)) if item.may_have_deltas() => open.session.basis(&put.at).await.map(Arc::new),
        _ => None,
    };
    let get = item.path.source().map(|at| Get {
        at,
        expected: item.facts,
        growing: item.task.options.growing,
        opened_first: item.task.to.abilities.size_first,
        basis,
    });
    let (mut source_stream, mut sink) = match item.stream.take() {
        Some(Stream::Source(from)) => (Some(from), None),
        Some(Stream::Sink(sink)) => (None, Some(sink)),
        None => (None, None),
    };
    let pool = core.surroundings.pool.clone();
    let getting = async {
        match (source.as_mut(), get) {
            (Some(open), Some(get)) => open.session.get(get, held, to_target, Arc::clone(&watch)).await,
            _ => {
                let is_taken = || active.has_begun();
                stream::get(&pool, &mut source_stream, held, to_target, Arc::clone(&watch), is_taken).await
            }
        }
    };
    let putting = async {
        match (target.as_mut(), put) {
            (Some(open), Some(put)) => open.session.put(put, pieces, to_source, Arc::clone(&watch)).await,
            _ => stream::put(&mut sink, pieces, to_source, Arc::clone(&watch)).await,
        }
    };
    let both = unless_stopped(core, active, FINISH, async { Ok(tokio::join!(getting, putting)) }).await;
    sessions.settle().await;
    if let Some(opened) = active.take_opened() {
        if let Some(size) = opened.size {
            core.queue.settle_size(active, item, size);
        }
        item.set_source(&opened);
    }
    let result = both.and_then(|(got, stored)| settled(item, got, stored));
    if result.is_err() {
        // Give back a stream that was not read from, or a sink that can continue.
        item.stream = source_stream.map(Stream::Source).or(sink.map(Stream::Sink));
    }
    result
}

/// Combines the results of both halves. `Cancelled` only means that the other half failed, so that one's error counts.
fn settled(
    item: &mut Item,
    got: Result<SourceEnd, ClientError>,
    stored: Result<Stored, ClientError>,
) -> Result<Done, ClientError> {
    let (end, stored) = match (got, stored) {
        (Ok(end), Ok(stored)) => (end, stored),
        (Ok(_), Err(error)) | (Err(error), Ok(_)) => return Err(error),
        (Err(ClientError::Cancelled), Err(error)) | (Err(error), Err(_)) => return Err(error),
    };
    let found = stored.root.unwrap_or(end.root);
    if found != end.root || stored.size != end.size {
        return Err(ClientError::Mismatch { expected: end.root, found });
    }
    if end.version.is_some() {
        item.source_version = end.version;
    }
    // A site without digests may have one for this file, on request.
    let proof = if stored.root.is_some() { Proof::Digest } else { Proof::Size };
    let SourceEnd { root, size, transferred, reused, grown, .. } = end;
    let assembled = stored.reused.min(transferred);
    let (transferred, reused) = (transferred - assembled, reused.saturating_add(assembled));
    Ok(Done { root, size, transferred, reused, grown, proof })
}

/// The size of a file whose target is read back.
fn confirmed_size(step: &Step) -> u64 {
    match step {
        Step::Confirm(done) => done.size,
        _ => 0,
    }
}

/// Reads the target and computes its digest, for a site that offers none.
async fn read_back(
    core: &Shared,
    sessions: &mut Sessions,
    at: Option<Location>,
    expected: FileFacts,
    active: &Arc<Active>,
) -> Result<Digest, ClientError> {
    let (Some(open), Some(at)) = (sessions.target.as_mut(), at) else { return Err(ClientError::Cancelled) };
    if active.set_state(ItemState::Verifying) {
        core.queue.report_state(active.item, ItemState::Verifying);
    }
    let get = Get { at, expected, growing: false, opened_first: false, basis: None };
    let (out, mut pieces) = mpsc::channel(BLOCKS_AHEAD);
    let (holds_nothing, held) = mpsc::channel(1);
    drop(holds_nothing);
    let watch: Arc<dyn Watch> = Arc::new(Unwatched);
    let getting = open.session.get(get, held, out, watch);
    let size = expected.size;
    let digesting = async {
        let mut root = RootBuilder::new();
        while let Some(piece) = pieces.recv().await {
            let Piece::Block { index, bytes, .. } = piece else { continue };
            let digested = tokio::task::spawn_blocking(move || block_digest(size, index, &bytes)).await;
            root.push(digested.map_err(|_| ClientError::Cancelled)?);
        }
        Ok(if size > BLOCK_SIZE || root.count() > 0 { root.root() } else { Digest::of(b"") })
    };
    // Content that was read back is of no use later.
    let at_once = Duration::ZERO;
    let both = unless_stopped(core, active, at_once, async { Ok(tokio::join!(getting, digesting)) }).await;
    sessions.settle().await;
    let (end, root) = both?;
    end.and(root)
}

/// Ignores the progress of a file that is read back.
#[derive(Debug)]
struct Unwatched;

impl Watch for Unwatched {
    fn opened(&self, _: &crate::site::Opened) {}
    fn phase(&self, _: crate::site::Phase) {}
    fn moved(&self, _: u64) {}
    fn kept(&self, _: u64) {}
    fn is_stopped(&self) -> bool {
        false
    }
}

/// Runs `work`, but cancels it when the engine or this file is stopped. A pause leaves it the time `finish` to end.
async fn unless_stopped<T>(
    core: &EngineState,
    active: &Active,
    finish: Duration,
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    if active.pausing.is_cancelled() {
        return Err(ClientError::Cancelled);
    }
    let overdue = async {
        active.pausing.cancelled().await;
        tokio::time::sleep(finish).await;
    };
    tokio::select! {
        biased;
        () = core.stop().cancelled() => Err(ClientError::Cancelled),
        () = active.stop.cancelled() => Err(ClientError::Cancelled),
        () = overdue => Err(ClientError::Cancelled),
        result = work => result,
    }
}
