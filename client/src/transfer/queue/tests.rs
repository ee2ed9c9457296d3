//! The queue alone: the order of work, and the end of it.

use std::sync::Arc;

use ferry_shared::{digest::Digest, entry::Mtime, limits::BLOCK_SIZE, name::Name, path::RemotePath};

use super::{BATCH_ITEMS, Hold, Queue, Turn, Work};
use crate::{
    error::ClientError,
    site::{Abilities, Outcome as Call, Proof, Session, Site, SitePath, Surroundings},
    transfer::{
        ConflictRule, Decision, Event, Failure, JobOptions, Outcome, Piece, Scope, Selected, Skip,
        conflict::{Conflict, FileFacts},
        item::{Done, Item, Step},
        job::JobId,
        path::{Ends, ItemPath},
        sessions::Pool,
        task::{End, Task},
    },
};

const LARGE: u64 = BLOCK_SIZE + 1;

/// A site that cannot be opened.
#[derive(Debug)]
struct Nowhere;

impl Site for Nowhere {
    fn name(&self) -> String {
        "nowhere".into()
    }

    fn abilities(&self) -> Abilities {
        Abilities::ALL
    }

    fn open<'a>(&'a self, _: &'a Surroundings) -> Call<'a, Box<dyn Session>> {
        Box::pin(async { Err(ClientError::Cancelled) })
    }
}

fn paths() -> (SitePath, SitePath) {
    (RemotePath::from_wire(b"from").unwrap().into(), RemotePath::from_wire(b"to").unwrap().into())
}

fn add(queue: &Queue) -> (JobId, Arc<Task>) {
    let options = JobOptions { conflict: ConflictRule::Ask, ..JobOptions::default() };
    let end = || End::site(Arc::new(Pool::new(Arc::new(Nowhere))));
    let (from, to) = paths();
    let job = queue.add(end(), end(), Work::Pieces(vec![Piece { from, to }]), options);
    let task = queue.orders().scans.pop().expect("the scan is due").0;
    (job, task)
}

fn item(queue: &Queue, task: &Arc<Task>, name: &str, size: u64) -> Item {
    let (from, to) = paths();
    let folder = Ends::new(0, Some(from), Some(to)).folder(false);
    let path = ItemPath::new(&folder, &Name::new(name.as_bytes()).unwrap()).unwrap();
    let facts = FileFacts { size, mtime: Mtime(0, 0) };
    task.pieces.opened(0);
    Item { facts, mode: 0, ..Item::new(queue.new_item_id(), Arc::clone(task), path) }
}

fn name(item: &Item) -> String {
    item.path.target_name().unwrap().display().to_string()
}

/// Ends the scan of a job.
fn scanned(queue: &Queue, task: &Task) {
    task.pieces.scanned(0);
    queue.scanned(task.id);
}

fn quick(turn: Option<Turn>) -> Vec<Item> {
    match turn {
        Some(Turn::Quick(_, items)) => items,
        other => panic!("not quick: {other:?}"),
    }
}

fn large(turn: Option<Turn>) -> Item {
    match turn {
        Some(Turn::Large(item, _)) => *item,
        other => panic!("not large: {other:?}"),
    }
}

#[test]
fn one_connection_pipelines_and_the_others_take_large_files() {
    let queue = Queue::new(4);
    let (job, task) = add(&queue);
    let sizes = [("a", 1), ("b", LARGE), ("c", 1), ("d", LARGE)];
    queue.push(job, sizes.map(|(name, size)| item(&queue, &task, name, size)).into());
    assert_eq!(quick(queue.take_turn()).iter().map(name).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(name(&large(queue.take_turn())), "b");
    assert_eq!(name(&large(queue.take_turn())), "d");
    assert!(queue.take_turn().is_none());
}

#[test]
fn batches_are_bounded_by_number_and_bytes() {
    let queue = Queue::new(1);
    let (job, task) = add(&queue);
    queue.push(job, (0..BATCH_ITEMS * 2).map(|n| item(&queue, &task, &n.to_string(), 1)).collect());
    assert_eq!(quick(queue.take_turn()).len(), BATCH_ITEMS);
    assert_eq!(queue.more_quick(&task).unwrap().len(), BATCH_ITEMS);
    assert!(queue.more_quick(&task).is_none());
    queue.push(job, (0..10).map(|n| item(&queue, &task, &n.to_string(), BLOCK_SIZE)).collect());
    assert_eq!(queue.more_quick(&task).unwrap().len(), 4);
}

#[test]
fn only_as_many_workers_are_started_as_there_is_work_for() {
    let workers = |transfers, names: &[(&str, u64)], many| {
        let queue = Queue::new(transfers);
        let (job, task) = add(&queue);
        let items = names.iter().map(|(name, size)| item(&queue, &task, name, *size));
        queue.push(job, items.chain((0..many).map(|n| item(&queue, &task, &n.to_string(), 1))).collect());
        queue.orders().workers
    };
    assert_eq!(workers(4, &[], 0), 0);
    assert_eq!(workers(4, &[("x", LARGE)], 0), 1);
    assert_eq!(workers(4, &[("x", 1), ("y", 1)], 0), 1);
    assert_eq!(workers(4, &[("x", LARGE), ("y", 1)], 0), 2);
    assert_eq!(workers(4, &[], 10_000), 4);
    assert_eq!(workers(2, &[], 10_000), 2);
}

#[test]
fn work_that_a_started_worker_will_take_starts_no_other() {
    let queue = Queue::new(4);
    let (job, task) = add(&queue);
    for (name, size, workers) in [("a", 1, 1), ("b", 1, 0), ("c", LARGE, 1), ("d", 1, 0)] {
        queue.push(job, vec![item(&queue, &task, name, size)]);
        assert_eq!(queue.orders().workers, workers, "{name}");
    }
    assert!(queue.take_turn().is_some() && queue.take_turn().is_some());
    queue.push(job, vec![item(&queue, &task, "e", LARGE)]);
    assert_eq!(queue.orders().workers, 1, "both others have work");
}

#[test]
fn a_worker_too_many_gets_nothing_more() {
    let queue = Queue::new(2);
    let (job, task) = add(&queue);
    queue.push(job, (0..1000).map(|n| item(&queue, &task, &n.to_string(), 1)).collect());
    assert_eq!(queue.orders().workers, 2);
    assert!(queue.take_turn().is_some());
    queue.set_transfers(1);
    assert!(queue.take_turn().is_none() && queue.more_quick(&task).is_none());
    queue.worker_ended();
    assert!(queue.more_quick(&task).is_some());
}

#[test]
fn jobs_come_in_order_and_can_change_places_or_be_held() {
    let queue = Queue::new(4);
    let jobs: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .map(|name| {
            let (job, task) = add(&queue);
            queue.push(job, vec![item(&queue, &task, name, LARGE)]);
            scanned(&queue, &task);
            job
        })
        .collect();
    queue.move_up(jobs[2]);
    queue.move_down(jobs[0]);
    queue.pause(jobs[0].into());
    assert_eq!(name(&large(queue.take_turn())), "c");
    assert_eq!(name(&large(queue.take_turn())), "b");
    assert!(queue.take_turn().is_none());
    queue.resume(jobs[0].into());
    assert_eq!(name(&large(queue.take_turn())), "a");
}

#[test]
fn a_job_is_done_when_all_taken_items_are_done() {
    let queue = Queue::new(1);
    let (job, task) = add(&queue);
    queue.push(job, vec![item(&queue, &task, "a", 1)]);
    let taken = quick(queue.take_turn()).pop().unwrap();
    scanned(&queue, &task);
    assert!(queue.orders().events.is_empty() && !queue.settle_quiet());
    queue.again(taken);
    assert!(queue.orders().events.is_empty());
    let taken = queue.more_quick(&task).unwrap().pop().unwrap();
    task.pieces.closed(0, false);
    queue.finished(taken.task.id);
    assert!(matches!(queue.orders().events[..], [Event::PieceDone { piece: 0, .. }, Event::JobDone { .. }]));
    assert!(queue.settle_quiet(), "reported once");
    assert!(!queue.settle_quiet());
    assert!(queue.pictures().is_empty());
}

#[test]
fn failed_items_are_kept_for_a_retry_and_their_job_is_reported_again() {
    let queue = Queue::new(1);
    let (job, task) = add(&queue);
    queue.push(job, vec![item(&queue, &task, "a", 5)]);
    scanned(&queue, &task);
    let taken = quick(queue.take_turn()).pop().unwrap();
    task.tally.add_file(5);
    let outcome = Outcome::Failed(Failure { error: ClientError::closed(), retryable: true });
    task.tally.file_done(5, &outcome);
    queue.keep_failed(taken);
    task.pieces.closed(0, true);
    queue.finished(job);
    assert!(matches!(queue.orders().events[..], [Event::JobDone { .. }]), "a piece that failed is not done");
    queue.retry(job.into());
    assert_eq!(task.tally.totals().files_done, 0);
    assert_eq!(queue.more_quick(&task).unwrap().len(), 1);
    task.pieces.closed(0, false);
    queue.finished(job);
    let events = queue.orders().events;
    assert!(events.iter().any(|event| matches!(event, Event::PieceDone { piece: 0, .. })));
    assert!(events.iter().any(|event| matches!(event, Event::JobDone { summary, .. } if summary.failed == 0)));
}

#[test]
fn an_item_that_asks_holds_its_job_open_and_nothing_else() {
    let queue = Queue::new(1);
    let (job, task) = add(&queue);
    queue.push(job, vec![item(&queue, &task, "a", 1), item(&queue, &task, "b", 1)]);
    scanned(&queue, &task);
    let mut taken = quick(queue.take_turn());
    let asks = taken.remove(0);
    let id = asks.id;
    let facts = FileFacts { size: 9, mtime: Mtime(0, 0) };
    let conflict = Conflict { path: asks.path.clone(), source: asks.facts, target: facts };
    queue.hold(asks, Hold::Asking(conflict));
    queue.finished(job);
    assert!(queue.orders().events.is_empty());
    assert!(queue.settle_quiet(), "nothing can be done until it is answered");
    queue.answer(id, Decision::Replace, Scope::This);
    let answered = queue.more_quick(&task).unwrap().pop().unwrap();
    // The version of the file that the answer is about is not known yet.
    assert!(answered.id == id && matches!(answered.step, Step::Stat(Some(seen)) if seen == facts));
}

/// A job whose one large file is being transferred.
fn active(queue: &Queue) -> (JobId, Item) {
    let (job, task) = add(queue);
    queue.push(job, vec![Item { begun: true, ..item(queue, &task, "a", LARGE) }]);
    scanned(queue, &task);
    (job, large(queue.take_turn()))
}

fn is_cancelled(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::ItemDone { outcome: Outcome::Skipped(Skip::Cancelled), .. }))
}

#[test]
fn a_cancel_is_the_last_word_about_a_transfer_that_was_paused() {
    for (whole_job, keep) in [(true, true), (true, false), (false, true), (false, false)] {
        let queue = Queue::new(1);
        let (job, taken) = active(&queue);
        let task = Arc::clone(&taken.task);
        let what = if whole_job { Selected::Job(job) } else { Selected::Item(taken.id) };
        queue.pause(what);
        queue.cancel(what, keep);
        queue.pause(what);
        queue.again(taken);
        queue.resume(what);
        assert!(is_cancelled(&queue.orders().events));
        let left = queue.more_quick(&task).unwrap_or_default();
        assert_eq!(left.len(), usize::from(!keep), "the part is discarded unless it is kept");
        assert!(left.iter().all(|item| matches!(item.step, Step::Discard)));
        assert!(queue.take_turn().is_none() && queue.active().is_empty());
    }
}

#[test]
fn a_pause_that_is_revoked_before_the_transfer_ends_holds_nothing() {
    let queue = Queue::new(1);
    let (_, taken) = active(&queue);
    let id = taken.id;
    queue.pause(id.into());
    queue.resume(id.into());
    queue.again(taken);
    let taken = large(queue.take_turn());
    assert_eq!(taken.id, id);
    queue.pause(id.into());
    queue.again(taken);
    assert!(queue.take_turn().is_none(), "the item is held");
    queue.resume(id.into());
    assert_eq!(large(queue.take_turn()).id, id);
}

#[test]
fn taken_items_of_a_cancelled_job_neither_continue_nor_ask() {
    let queue = Queue::new(1);
    let (job, task) = add(&queue);
    queue.push(job, ["a", "b", "c"].map(|name| item(&queue, &task, name, 1)).into());
    scanned(&queue, &task);
    let mut taken = quick(queue.take_turn());
    queue.cancel(job.into(), true);
    let asks = taken.remove(0);
    let conflict = Conflict { path: asks.path.clone(), source: asks.facts, target: asks.facts };
    assert!(!queue.hold(asks, Hold::Asking(conflict)));
    queue.again(taken.remove(0));
    let done = Done { root: Digest::of(b"a"), size: 1, transferred: 1, reused: 0, grown: None, proof: Proof::Digest };
    queue.again(Item { step: Step::RemoveSource(done), ..taken.remove(0) });
    assert!(queue.more_quick(&task).is_none());
    let events = queue.orders().events;
    assert!(is_cancelled(&events));
    let Some(Event::JobDone { summary, .. }) = events.last() else { panic!("not done: {events:?}") };
    assert_eq!((summary.files, summary.skipped, summary.cancelled), (1, 2, true), "a stored file is reported");
}

#[test]
fn a_job_between_other_sites_is_served_though_all_connections_work_on_an_earlier_one() {
    let queue = Queue::new(2);
    let (first, first_task) = add(&queue);
    let large = |task: &Arc<Task>, name: &str| item(&queue, task, name, LARGE);
    queue.push(first, (0..5).map(|n| large(&first_task, &n.to_string())).collect());
    queue.scanned(first);
    assert_eq!(queue.orders().workers, 2);
    let of = |turn: Option<Turn>| turn.map(|turn| turn.task().id);
    assert_eq!([of(queue.take_turn()), of(queue.take_turn())], [Some(first), Some(first)]);
    assert_eq!(queue.orders().workers, 0);
    let (second, second_task) = add(&queue);
    queue.push(second, vec![large(&second_task, "a")]);
    queue.scanned(second);
    assert_eq!(queue.orders().workers, 1, "one connection more serves the other direction");
    assert_eq!(of(queue.take_turn()), Some(second));
}
