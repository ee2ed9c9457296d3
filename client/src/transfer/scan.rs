//! Scans a job's source while its first files are already being transferred.

mod ahead;
mod seen;
mod tree;

use std::{collections::VecDeque, sync::Arc};

use ferry_shared::{entry::Kind, entry::Mtime, path::RemotePath};

use self::ahead::Ahead;
use super::{
    conflict::ConflictRule,
    connecting::NoSession,
    engine_state::Shared,
    event::{Event, Failure, Outcome, Skip},
    fit::{self, Planned},
    item::{Item, Step},
    job::{LinkRule, Piece, Selected},
    keep::may_keep_links,
    path::{Ends, ItemPath},
    queue::Work,
    sessions::{Open, Pool},
    task::{End, Task},
    transitions::{self, Next},
    tries::outlive,
};
use crate::{
    error::ClientError,
    obstacle::Obstacle,
    reconnect::Backoff,
    site::{Found, Location, Make, Prepared, SitePath, TargetKind},
};

/// Scans a job's source and queues its items.
pub(super) async fn run(core: Shared, task: Arc<Task>, work: Work) {
    let result = tokio::select! {
        biased;
        () = core.stop().cancelled() => Err(ClientError::Cancelled),
        () = task.stop.cancelled() => Err(ClientError::Cancelled),
        result = scan_source(&core, &task, work) => result,
    };
    match result {
        Ok(()) => {
            let totals = task.tally.totals();
            let (files, folders, bytes) = (totals.files, totals.folders, totals.bytes);
            core.emit(Event::JobCounted { job: task.id, files, folders, bytes }).await;
        }
        Err(_) if task.stop.is_cancelled() || core.stop().is_cancelled() => {}
        Err(error) => {
            task.fail(error);
            core.queue.cancel(Selected::Job(task.id), true);
        }
    }
    core.queue.scanned(task.id);
}

/// # Errors
/// An error that fails the job as a whole.
async fn scan_source(core: &Shared, task: &Arc<Task>, work: Work) -> Result<(), ClientError> {
    match work {
        Work::Pieces(pieces) => {
            may_remove_source(task)?;
            if task.options.links == LinkRule::Keep {
                may_keep_links(&task.from.abilities, &task.to.abilities, task.options.remove_source)?;
            }
            let ends = |(number, piece): (usize, Piece)| Ends::new(number, Some(piece.from), Some(piece.to));
            let mut pieces: VecDeque<_> = pieces.into_iter().enumerate().map(ends).collect();
            let mut ahead = Ahead::new();
            while let Some(ends) = pieces.pop_front() {
                let number = ends.piece;
                let found = ahead.next(core, task, &ends, &pieces).await;
                match self::piece(core, task, &ends, found).await {
                    Ok(()) => {}
                    Err(error) if error.is_no_room() && !task.options.fill => return Err(error),
                    Err(error) if core.stop().is_cancelled() || task.is_cancelled() => return Err(error),
                    Err(error) => {
                        task.pieces.refused(number, error.clone());
                        core.emit(Event::PieceFailed { job: task.id, piece: number, error }).await;
                    }
                }
                task.pieces.scanned(number);
            }
        }
        Work::FromStream(stream, to) => {
            let ends = Ends::new(0, None, Some(to));
            let mut item = new_item(core, task, ends.top());
            item.facts.mtime = Mtime::from(std::time::SystemTime::now());
            item.stream = Some(stream);
            far_file(core, item).await;
            task.pieces.scanned(0);
        }
        Work::ToStream(from, stream) => {
            let ends = Ends::new(0, Some(from), None);
            let mut item = new_item(core, task, ends.top());
            item.stream = Some(stream);
            if task.options.dry_run
                && let Some(at) = item.path.source()
            {
                let found = stat(core, task, &at).await?;
                if found.kind != Kind::File {
                    return Err(ClientError::obstructed(
                        Obstacle::IsFolder,
                        format!("{} is not a file", at.root().path()),
                    ));
                }
                item.facts.size = found.facts.size;
            }
            task.tally.add_file(item.facts.size);
            enqueue(core, task, vec![Next::Again(item)]).await;
            task.pieces.scanned(0);
        }
    }
    Ok(())
}

/// Refuses a move whose copy could not be proven: the target has no digests, and the copy is not read back.
fn may_remove_source(task: &Task) -> Result<(), ClientError> {
    let proves = task.to.abilities.digest || task.options.verify;
    if task.options.remove_source && !proves {
        return Err(ClientError::obstructed(
            Obstacle::Unsupported,
            "this site offers no digest, so a move to it cannot be proven; --verify reads the copy back, and a copy keeps \
             the source",
        ));
    }
    Ok(())
}

/// Queues a piece that is a file, or everything in a piece that is a folder. Its source may have been queried.
async fn piece(
    core: &Shared,
    task: &Arc<Task>,
    ends: &Arc<Ends>,
    found: Option<Result<Found, ClientError>>,
) -> Result<(), ClientError> {
    let top = ends.top();
    let Some(source) = top.source() else { return Err(ClientError::Cancelled) };
    let found = match found {
        Some(found) => found?,
        None => stat(core, task, &source).await?,
    };
    if let (Some(from), Some(to)) = (top.from(), top.to())
        && task.is_within_one_site()
    {
        blocking(core, move || apart(&from, &to, found.kind)).await?;
    }
    if let Some(name) = source.root().path().name() {
        let name = crate::os_name::shown(&name);
        if !task.options.filter.means_named(name.as_ref(), found.kind == Kind::Folder) {
            task.tally.add_file(0);
            let item = new_item(core, task, top);
            enqueue(core, task, vec![Next::Done(item, Outcome::Skipped(Skip::Filtered))]).await;
            return Ok(());
        }
    }
    match found.kind {
        Kind::Folder => tree::walk(core, task, ends, &found).await,
        Kind::File => file(core, task, top, &found).await,
        Kind::Symlink | Kind::Other => {
            let what = source.root().path();
            let message = format!("{what}: it is neither a file nor a folder; `ferry put -` sends what a pipe gives");
            Err(ClientError::obstructed(Obstacle::Unsupported, message))
        }
    }
}

/// Refuses a target that is its own source or inside it. Blocks on the disk.
///
/// # Errors
/// [`Obstacle::BadPath`].
pub(crate) fn apart(from: &SitePath, to: &SitePath, kind: Kind) -> Result<(), ClientError> {
    let (source, target) = (without_links(from), without_links(to));
    let refused = |what| Err(ClientError::obstructed(Obstacle::BadPath, format!("{to} {what}")));
    match target.starts_with(&source) {
        true if target == source => refused("is where it comes from".to_owned()),
        true if kind == Kind::Folder => refused(format!("is inside {from}")),
        _ => Ok(()),
    }
}

/// A local path without symbolic links in the part that exists.
fn without_links(path: &SitePath) -> SitePath {
    let Some(local) = path.local() else { return path.clone() };
    let local = std::path::absolute(local).unwrap_or_else(|_| local.to_owned());
    let real = local.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    real.and_then(|(above, real)| local.strip_prefix(above).ok().map(|rest| real.join(rest))).unwrap_or(local).into()
}

/// Queues a piece that is a file.
async fn file(core: &Shared, task: &Arc<Task>, path: ItemPath, found: &Found) -> Result<(), ClientError> {
    let (Some(at), Some(pool)) = (path.target(), task.to.pool()) else { return Err(ClientError::Cancelled) };
    let mut item = new_item(core, task, path);
    (item.facts, item.mode) = (found.facts, found.mode);
    if task.from.abilities.near {
        item.source_version = None;
    }
    if !task.to.abilities.near {
        far_file(core, item).await;
        return Ok(());
    }
    task.tally.add_file(item.facts.size);
    let make = match () {
        () if task.options.dry_run => Make::Nothing,
        () if task.options.parents => Make::WithParents,
        () => Make::Itself,
    };
    let prepared = prepare(core, task, &at, TargetKind::File, make).await?;
    let planned = blocking(core, move || {
        let mut existing = prepared.existing;
        let met = existing.look(&RemotePath::home())?;
        let arrived = existing.begun(&RemotePath::home());
        let found = met.clone();
        let next = transitions::reserved(item, |item| transitions::found(item, found, false));
        let planned = Planned::meeting(next, met.as_ref());
        let arrived = if planned.whole > 0 { arrived } else { 0 };
        Ok(Planned { arrived, ..planned })
    })
    .await?;
    let admitted = fit::admit(core, task, pool, &at, vec![planned]).await?;
    enqueue(core, task, admitted).await;
    Ok(())
}

/// Queues a file for a site that is not near. The transfer itself detects an existing target, which saves a round trip
/// if there is none.
async fn far_file(core: &Shared, mut item: Item) {
    let task = Arc::clone(&item.task);
    task.tally.add_file(item.facts.size);
    item.step = match task.options.conflict {
        _ if task.options.dry_run => Step::Stat(None),
        ConflictRule::Replace => Step::Replace(None),
        _ => Step::Fresh,
    };
    enqueue(core, &task, vec![transitions::reserved(item, Next::Again)]).await;
}

fn new_item(core: &Shared, task: &Arc<Task>, path: ItemPath) -> Item {
    task.pieces.opened(path.piece());
    Item::new(core.queue.new_item_id(), Arc::clone(task), path)
}

fn failure(error: ClientError) -> Outcome {
    Outcome::Failed(Failure { retryable: true, error })
}

/// Queues planned items and carries out other decisions; waits while the backlog is full.
async fn enqueue(core: &Shared, task: &Arc<Task>, found: Vec<Next>) {
    let mut items = Vec::with_capacity(found.len());
    for next in found {
        let next = match next {
            Next::Again(item) if matches!(item.step, Step::Fresh | Step::Replace(_)) => transitions::start(item),
            next => next,
        };
        match next {
            Next::Again(item) => items.push(item),
            next => {
                core.queue.adopt(task.id);
                core.apply(next).await;
            }
        }
    }
    if !items.is_empty() {
        core.queue.push(task.id, items);
    }
    core.queue.room(task.id).await;
}

/// Stats the source; retries during an outage.
async fn stat(core: &Shared, task: &Task, at: &Location) -> Result<Found, ClientError> {
    let pool = pool_of(&task.from)?;
    let mut backoff = Backoff::new(core.patience);
    loop {
        if pool.open() == 0 {
            pool.site.announce(at);
        }
        let mut open = session(core, pool).await?;
        let found = open.session.stat(at).await;
        pool.put(open);
        match found {
            Err(error) => outlive(&mut backoff, error).await?,
            found => return found,
        }
    }
}

/// Prepares the target; retries during an outage.
async fn prepare(
    core: &Shared,
    task: &Task,
    at: &Location,
    kind: TargetKind,
    make: Make,
) -> Result<Prepared, ClientError> {
    let (pool, digests) = (pool_of(&task.to)?, task.may_trust_digests());
    let mut backoff = Backoff::new(core.patience);
    loop {
        let mut open = session(core, pool).await?;
        let prepared = open.session.prepare(at, kind, make, digests).await;
        pool.put(open);
        match prepared {
            Err(error) => outlive(&mut backoff, error).await?,
            prepared => return prepared,
        }
    }
}

fn pool_of(end: &End) -> Result<&Arc<Pool>, ClientError> {
    end.pool().ok_or(ClientError::Cancelled)
}

/// Opens a session for the scan.
async fn session(core: &Shared, pool: &Arc<Pool>) -> Result<Open, ClientError> {
    match core.session_in_turn(pool).await {
        Ok(open) => Ok(open),
        Err(NoSession::Failed(error)) => {
            core.fail_waiting(pool, &error, Vec::new()).await;
            Err(error)
        }
        Err(NoSession::Stopped | NoSession::Enough) => Err(ClientError::Cancelled),
    }
}

/// Runs `work`, which blocks on a disk.
async fn blocking<T: Send + 'static>(
    core: &Shared,
    work: impl FnOnce() -> Result<T, ClientError> + Send + 'static,
) -> Result<T, ClientError> {
    super::engine_state::joined(core.blocking(work)).await
}
