//! Runs a job to its end and records its events.

use std::{sync::Arc, time::Duration};

use ferry_shared::{entry::Mtime, path::RemotePath};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{
    case::{Case, Fault, Setting, Side, Write, content},
    place::{Content, Place},
};
use crate::{
    memory::{Tree, What},
    site::SitePath,
    transfer::{
        Decision, Engine, Event, Job, JobOptions, LinkEvent, Outcome, Scope, Settings, Summary, Work, job::ItemId,
    },
};

/// A wait of this length, on a clock that jumps, means that the engine hangs.
pub(super) const HANGS: Duration = Duration::from_secs(7200);
/// How long retries continue during an outage.
const PATIENCE: Duration = Duration::from_secs(60);

/// The changes by somebody else: the paths, and their contents since.
pub(super) type Meddled = Arc<Mutex<Vec<(Side, RemotePath, Option<Content>)>>>;

/// A finished item.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) item: ItemId,
    pub(super) piece: usize,
    pub(super) from: RemotePath,
    pub(super) to: RemotePath,
    pub(super) outcome: Outcome,
}

/// An answer to a conflict, and the content that somebody else wrote to the target before it was given.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) item: ItemId,
    pub(super) to: RemotePath,
    pub(super) decision: Decision,
    pub(super) scope: Scope,
    pub(super) meddled: Option<Content>,
}

/// The events of a job.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) ended: Vec<Ended>,
    pub(super) answered: Vec<Answered>,
    pub(super) pieces_done: Vec<usize>,
    pub(super) pieces_failed: Vec<usize>,
    pub(super) done: Vec<Summary>,
    pub(super) counted: Vec<(u64, u64)>,
    pub(super) meddled: Vec<(Side, RemotePath, Option<Content>)>,
}

/// Starts an engine with a job.
pub(super) fn start(setting: &Setting, options: JobOptions, transfers: usize) -> (Engine, mpsc::Receiver<Event>) {
    let settings = Settings { transfers, retry_for: PATIENCE, ..Settings::default() };
    let (engine, events) = Engine::start(settings);
    let work = Work::Copy { from: setting.from.site(), to: setting.to.site(), pieces: setting.pieces() };
    engine.add(Job { work, options });
    (engine, events)
}

/// Runs a case's job.
pub(super) async fn run(case: &Case, setting: &Setting) -> Report {
    let meddled = Meddled::default();
    for (number, (side, after, fault)) in case.faults.iter().enumerate() {
        arm(setting, *side, *after, fault, number, &meddled);
    }
    let (engine, mut events) = start(setting, case.options.clone(), case.transfers);
    let mut report = Report::default();
    while report.done.is_empty() {
        let event = tokio::time::timeout(HANGS, events.recv()).await;
        note(
            case,
            setting,
            &engine,
            event.expect("the engine hangs").expect("the engine ended"),
            &mut report,
            &meddled,
        );
    }
    tokio::time::timeout(HANGS, engine.drained()).await.expect("the engine is never done");
    tokio::time::timeout(HANGS, engine.shutdown()).await.expect("the engine does not end");
    // All events are in the channel by now, and its end is that of the engine.
    drop(engine);
    while let Some(event) = events.recv().await {
        match event {
            Event::JobDone { summary, .. } => report.done.push(summary),
            Event::Idle | Event::Link(_) => {}
            late => panic!("reported after the end: {late:?}"),
        }
    }
    report.meddled = meddled.lock().clone();
    report
}

fn note(case: &Case, setting: &Setting, engine: &Engine, event: Event, report: &mut Report, meddled: &Meddled) {
    let to = |path: Option<SitePath>| path.map(|path| setting.to.own(&path)).unwrap_or_default();
    match event {
        Event::ItemDone { item, path, outcome, .. } => {
            let from = path.from().map(|path| setting.from.own(&path)).unwrap_or_default();
            report.ended.push(Ended { item, piece: path.piece(), from, to: to(path.to()), outcome });
        }
        Event::Asks { item, conflict, .. } => {
            let (decision, scope, changes) = case.answers[report.answered.len() % case.answers.len()];
            let to = to(conflict.path.to());
            let number = report.answered.len();
            let once = report.answered.iter().all(|answered| answered.item != item);
            let new = content(2, 20 + number);
            let changes = changes && once && setting.to.faulty().is_some();
            if let Some(memory) = setting.to.faulty().filter(|_| changes) {
                memory.tree(|tree| put(tree, &to, new.clone(), number, Side::Target, meddled));
            }
            report.answered.push(Answered { item, to, decision, scope, meddled: changes.then_some(new) });
            engine.answer(item, decision, scope);
        }
        Event::PieceDone { piece, .. } => report.pieces_done.push(piece),
        Event::PieceFailed { piece, .. } => report.pieces_failed.push(piece),
        Event::JobDone { summary, .. } => report.done.push(summary),
        Event::JobCounted { files, bytes, .. } => report.counted.push((files, bytes)),
        Event::Link(LinkEvent::Lost { site, attempt: 2.., .. }) => {
            for (side, _, fault) in &case.faults {
                let place = setting.place(*side);
                if let (Some(memory), Fault::Cut(true)) = (place.faulty(), fault)
                    && place.site().name() == site
                {
                    memory.heal();
                }
            }
        }
        Event::Link(_) | Event::ItemStarted { .. } | Event::ItemState { .. } | Event::Idle => {}
    }
}

fn arm(setting: &Setting, side: Side, after: u64, fault: &Fault, number: usize, meddled: &Meddled) {
    let Some(memory) = Place::faulty(setting.place(side)) else { return };
    match *fault {
        // A near site is reached without a connection, so that none can break and no answer is lost.
        Fault::Break | Fault::Cut(_) if setting.place(side).abilities().near => {}
        Fault::Break => memory.break_after(after),
        Fault::Cut(_) => memory.cut_after(after),
        Fault::Refuse(requests) => memory.refuse_after(after, requests),
        Fault::Write(which, ref write) => {
            let victims = setting.victims(side);
            let Some(path) = victims.get(which % victims.len().max(1)).cloned() else { return };
            let (write, meddled) = (write.clone(), Arc::clone(meddled));
            memory.change_after(after, move |tree| {
                let old = tree.nodes().get(&path).and_then(|node| node.content().cloned());
                match (write, old) {
                    (Write::Append, Some(old)) => {
                        let longer = Content(Arc::new([&old[..], b"more"].concat()));
                        put(tree, &path, longer, number, side, &meddled);
                    }
                    (Write::Replace, Some(old)) => {
                        let mut other = old.to_vec();
                        other.first_mut().into_iter().for_each(|byte| *byte ^= 0x80);
                        other.is_empty().then(|| other.push(b'!'));
                        put(tree, &path, Content(Arc::new(other)), number, side, &meddled);
                    }
                    (Write::Remove, Some(_)) => {
                        tree.remove(&path);
                        meddled.lock().push((side, path, None));
                    }
                    (_, None) if side == Side::Target => put(tree, &path, content(1, 30), number, side, &meddled),
                    (_, None) => {}
                }
            });
        }
    }
}

/// Writes a file as somebody else, if the path can be a file.
fn put(tree: &mut Tree, path: &RemotePath, content: Content, number: usize, side: Side, meddled: &Meddled) {
    let is_file = |path: &RemotePath| tree.nodes().get(path).is_some_and(|node| node.content().is_some());
    let above = std::iter::successors(path.parent(), RemotePath::parent).any(|path| is_file(&path));
    let folder = tree.nodes().keys().any(|other| other != path && other.starts_with(path));
    if above || folder || tree.nodes().contains_key(path) && !is_file(path) {
        return;
    }
    tree.place(path, What::File(Arc::clone(&content.0)), Mtime(5_000 + i64::try_from(number).unwrap(), 1), 0o640);
    meddled.lock().push((side, path.clone(), Some(content)));
}
