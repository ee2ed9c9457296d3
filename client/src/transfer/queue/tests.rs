//! The queue by itself: who gets what next, and when nothing is left.

use std::{ffi::OsString, path::PathBuf, sync::Arc};

use ferry_shared::{digest::Digest, entry::Mtime, limits::BLOCK_SIZE, name::Name, path::RemotePath};

use super::{BATCH_ITEMS, Hold, Queue, Turn};
use crate::{
    error::ClientError,
    transfer::{
        ConflictRule, Decision, Event, Failure, Job, JobOptions, Outcome, Scope, Selected, Skip, Work,
        conflict::{Conflict, FileFacts},
        item::{Done, Item, Step},
        job::JobId,
        path::{FolderPair, ItemPath},
        task::Task,
    },
};

const LARGE: u64 = BLOCK_SIZE + 1;

fn add(queue: &Queue) -> (JobId, Arc<Task>) {
    let work = Work::Upload { from: PathBuf::from("from"), to: RemotePath::home() };
    let options = JobOptions { conflict: ConflictRule::Ask, ..JobOptions::default() };
    let job = queue.add(Job { work, options });
    let task = queue.orders(false).scans.pop().expect("the scan is due").0;
    (job, task)
}

fn item(queue: &Queue, task: &Arc<Task>, name: &str, size: u64) -> Item {
    let pair = FolderPair { local: None, remote: RemotePath::home(), above: 0, named: false, follows: false };
    let path = ItemPath::new(Arc::new(pair), OsString::from(name), &Name::new(name.as_bytes()).unwrap()).unwrap();
    let facts = FileFacts { size, mtime: Mtime(0, 0) };
    Item { facts, mode: 0, ..Item::new(queue.new_item_id(), Arc::clone(task), path) }
}

fn name(item: &Item) -> &str {
    item.path.local_name().to_str().unwrap()
}

fn quick(turn: Option<Turn>) -> Vec<Item> {
    match turn {
        Some(Turn::Quick(items)) => items,
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
    assert_eq!(queue.more_quick().unwrap().len(), BATCH_ITEMS);
    assert!(queue.more_quick().is_none());
    queue.push(job, (0..10).map(|n| item(&queue, &task, &n.to_string(), BLOCK_SIZE)).collect());
    assert_eq!(queue.more_quick().unwrap().len(), 4);
}

#[test]
fn only_as_many_workers_are_started_as_there_is_work_for() {
    let workers = |transfers, names: &[(&str, u64)], many| {
        let queue = Queue::new(transfers);
        let (job, task) = add(&queue);
        let items = names.iter().map(|(name, size)| item(&queue, &task, name, *size));
        queue.push(job, items.chain((0..many).map(|n| item(&queue, &task, &n.to_string(), 1))).collect());
        queue.orders(false).workers
    };
    assert_eq!(workers(4, &[], 0), 0);
    assert_eq!(workers(4, &[("x", LARGE)], 0), 1);
    assert_eq!(workers(4, &[("x", 1), ("y", 1)], 0), 1);
    assert_eq!(workers(4, &[("x", LARGE), ("y", 1)], 0), 2);
    assert_eq!(workers(4, &[], 10_000), 4);
    assert_eq!(workers(2, &[], 10_000), 2);
}

#[test]
fn a_worker_too_many_gets_nothing_more() {
    let queue = Queue::new(2);
    let (job, task) = add(&queue);
    queue.push(job, (0..1000).map(|n| item(&queue, &task, &n.to_string(), 1)).collect());
    assert_eq!(queue.orders(false).workers, 2);
    assert!(queue.take_turn().is_some());
    queue.set_transfers(1);
    assert!(queue.take_turn().is_none() && queue.more_quick().is_none());
    queue.worker_ended();
    assert!(queue.more_quick().is_some());
}

#[test]
fn jobs_come_in_order_and_can_change_places_or_be_held() {
    let queue = Queue::new(4);
    let jobs: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .map(|name| {
            let (job, task) = add(&queue);
            queue.push(job, vec![item(&queue, &task, name, LARGE)]);
            queue.scanned(job);
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
fn a_job_is_done_when_all_that_was_taken_is_through() {
    let queue = Queue::new(1);
    let (job, task) = add(&queue);
    queue.push(job, vec![item(&queue, &task, "a", 1)]);
    let taken = quick(queue.take_turn()).pop().unwrap();
    queue.scanned(job);
    assert!(queue.orders(false).events.is_empty() && !queue.settle_quiet());
    queue.again(taken);
    assert!(queue.orders(false).events.is_empty());
    let taken = queue.more_quick().unwrap().pop().unwrap();
    queue.finished(taken.task.id);
    assert!(matches!(queue.orders(false).events[..], [Event::JobDone { .. }]));
    assert!(queue.settle_quiet(), "told once");
    assert!(!queue.settle_quiet());
    assert!(queue.pictures().is_empty());
}

#[test]
fn failed_items_are_kept_for_a_retry_and_their_job_is_told_again() {
    let queue = Queue::new(1);
    let (job, task) = add(&queue);
    queue.push(job, vec![item(&queue, &task, "a", 5)]);
    queue.scanned(job);
    let taken = quick(queue.take_turn()).pop().unwrap();
    task.tally.add_file(5);
    let outcome = Outcome::Failed(Failure { error: ClientError::closed(), retryable: true });
    task.tally.file_done(5, &outcome);
    queue.keep_failed(taken);
    queue.finished(job);
    assert!(matches!(queue.orders(false).events[..], [Event::JobDone { .. }]));
    queue.retry(job.into());
    assert_eq!(task.tally.totals().files_done, 0);
    assert_eq!(queue.more_quick().unwrap().len(), 1);
    queue.finished(job);
    let told = queue.orders(false).events;
    assert!(told.iter().any(|event| matches!(event, Event::JobDone { summary, .. } if summary.failed == 0)));
}

#[test]
fn an_item_that_asks_holds_its_job_open_and_nothing_else() {
    let queue = Queue::new(1);
    let (job, task) = add(&queue);
    queue.push(job, vec![item(&queue, &task, "a", 1), item(&queue, &task, "b", 1)]);
    queue.scanned(job);
    let mut taken = quick(queue.take_turn());
    let asks = taken.remove(0);
    let id = asks.id;
    let facts = FileFacts { size: 9, mtime: Mtime(0, 0) };
    let conflict = Conflict { path: asks.path.clone(), source: asks.facts, target: facts };
    queue.hold(asks, Hold::Asking(conflict));
    queue.finished(job);
    assert!(queue.orders(false).events.is_empty());
    assert!(queue.settle_quiet(), "nothing can be done until it is answered");
    queue.answer(id, Decision::Replace, Scope::This);
    let answered = queue.more_quick().unwrap().pop().unwrap();
    // Which version was answered about is still to be found out.
    assert!(answered.id == id && matches!(answered.step, Step::Look(Some(seen)) if seen == facts));
}

/// A job whose one large file is being transferred.
fn active(queue: &Queue) -> (JobId, Item) {
    let (job, task) = add(queue);
    queue.push(job, vec![Item { begun: true, ..item(queue, &task, "a", LARGE) }]);
    queue.scanned(job);
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
        let what = if whole_job { Selected::Job(job) } else { Selected::Item(taken.id) };
        queue.pause(what);
        queue.cancel(what, keep);
        queue.pause(what);
        queue.again(taken);
        queue.resume(what);
        assert!(is_cancelled(&queue.orders(false).events));
        let left = queue.more_quick().unwrap_or_default();
        assert_eq!(left.len(), usize::from(!keep), "what was transferred goes unless it is to stay");
        assert!(left.iter().all(|item| matches!(item.step, Step::Discard)));
        assert!(queue.take_turn().is_none() && queue.active().is_empty());
    }
}

#[test]
fn a_pause_that_was_taken_back_before_the_transfer_ended_holds_nothing() {
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
    assert!(queue.take_turn().is_none(), "it is held");
    queue.resume(id.into());
    assert_eq!(large(queue.take_turn()).id, id);
}

#[test]
fn what_a_cancelled_job_has_under_way_neither_goes_on_nor_asks() {
    let queue = Queue::new(1);
    let (job, task) = add(&queue);
    queue.push(job, ["a", "b", "c"].map(|name| item(&queue, &task, name, 1)).into());
    queue.scanned(job);
    let mut taken = quick(queue.take_turn());
    queue.cancel(job.into(), true);
    let asks = taken.remove(0);
    let conflict = Conflict { path: asks.path.clone(), source: asks.facts, target: asks.facts };
    assert!(!queue.hold(asks, Hold::Asking(conflict)));
    queue.again(taken.remove(0));
    let done = Done { root: Digest::of(b"a"), size: 1, transferred: 1, reused: 0, grown: None };
    queue.again(Item { step: Step::RemoveSource(done), ..taken.remove(0) });
    assert!(queue.more_quick().is_none());
    let told = queue.orders(false).events;
    assert!(is_cancelled(&told));
    let Some(Event::JobDone { summary, .. }) = told.last() else { panic!("not done: {told:?}") };
    assert_eq!((summary.files, summary.skipped, summary.cancelled), (1, 2, true), "what has arrived is told");
}
