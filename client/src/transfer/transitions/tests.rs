//! An item whose stored copy is damaged, or replaced by somebody else, before it is read back.

use std::{sync::Arc, time::Duration};

use ferry_shared::entry::Mtime;

use crate::{
    memory::{Memory, Tree, remote},
    obstacle::Obstacle,
    site::Abilities,
    transfer::{ConflictRule, Engine, Event, Job, JobOptions, Outcome, Settings, Work, job::Piece},
};

const KEEPING: [ConflictRule; 3] = [ConflictRule::Skip, ConflictRule::Fail, ConflictRule::KeepBoth];
/// A job of one file has fewer operations at its target.
const OPERATIONS: u64 = 16;

/// Transfers a file and reads it back. `change` is applied to the target after `after` operations.
async fn transfer(
    abilities: Abilities,
    options: JobOptions,
    after: u64,
    change: impl FnOnce(&mut Tree) + Send + 'static,
) -> (Memory, Option<Outcome>) {
    let (from, to) = (Memory::named("source", Abilities::ALL), Memory::named("target", abilities));
    from.tree(|tree| {
        tree.write("f", "ours");
        tree.set("f", Mtime(1_000, 5), 0o600);
    });
    to.change_after(after, change);
    let (engine, mut events) = Engine::start(Settings { retry_for: Duration::ZERO, ..Settings::default() });
    let pieces = vec![Piece { from: remote("f").into(), to: remote("f").into() }];
    let work = Work::Copy { from: Arc::new(from), to: Arc::new(to.clone()), pieces };
    engine.add(Job { work, options: JobOptions { verify: true, ..options } });
    let mut last = None;
    loop {
        match events.recv().await {
            Some(Event::ItemDone { outcome, .. }) => last = Some(outcome),
            Some(Event::JobDone { .. }) => break,
            Some(_) => {}
            None => panic!("the engine ended"),
        }
    }
    engine.shutdown().await;
    (to, last)
}

/// Changes the content of the file, if it exists, but neither its size nor its date.
fn damage(tree: &mut Tree) {
    let Some((mtime, mode)) = tree.node("f").map(|node| (node.mtime, node.mode)) else { return };
    tree.write("f", "OURS");
    tree.set("f", mtime, mode);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_somebody_else_puts_there_before_ours_is_read_again_is_kept() {
    for abilities in [Abilities::ALL, Abilities { digest: false, ..Abilities::ALL }] {
        for (conflict, keep_attributes) in KEEPING.into_iter().flat_map(|rule| [(rule, true), (rule, false)]) {
            for after in 0..OPERATIONS {
                let options = JobOptions { conflict, keep_attributes, ..JobOptions::default() };
                let (to, last) = transfer(abilities, options, after, |tree| tree.write("f", "theirs")).await;
                if to.operations() > after {
                    assert_eq!(to.tree(|tree| tree.read("f")).unwrap(), b"theirs", "{conflict:?} {after}: {last:?}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_damaged_is_sent_again_or_reported_whatever_the_rule() {
    for abilities in [Abilities::ALL, Abilities { digest: false, ..Abilities::ALL }] {
        for (conflict, keep_attributes) in KEEPING.into_iter().flat_map(|rule| [(rule, true), (rule, false)]) {
            let mut reported = 0;
            for after in 0..OPERATIONS {
                let options = JobOptions { conflict, keep_attributes, ..JobOptions::default() };
                let (to, last) = transfer(abilities, options, after, damage).await;
                let content = to.tree(|tree| tree.read("f")).unwrap();
                match last {
                    // The damage came after the last check.
                    Some(Outcome::Verified { .. }) if to.operations() <= after + 1 => {}
                    Some(Outcome::Verified { .. }) => assert_eq!(content, b"ours", "{conflict:?} {after}"),
                    Some(Outcome::Failed(failure)) if !keep_attributes => {
                        assert_eq!(failure.error.obstacle(), Obstacle::Mismatch);
                        reported += 1;
                    }
                    other => panic!("{conflict:?} {after}: {other:?}"),
                }
            }
            assert_eq!(reported > 0, !keep_attributes);
        }
    }
}
