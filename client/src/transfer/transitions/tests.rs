//! An item whose stored copy is damaged, or replaced by somebody else, before it is read back; and one that was there.

use std::{sync::Arc, time::Duration};

use ferry_shared::{entry::Mtime, limits::BLOCK_LEN};

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
    let last = run(&from, &to, JobOptions { verify: true, ..options }).await;
    (to, last)
}

/// Transfers the file, or other files, and returns the last outcome.
async fn run(from: &Memory, to: &Memory, options: JobOptions) -> Option<Outcome> {
    run_pieces(from, to, &["f"], options).await
}

async fn run_pieces(from: &Memory, to: &Memory, names: &[&str], options: JobOptions) -> Option<Outcome> {
    let (engine, mut events) = Engine::start(Settings { retry_for: Duration::ZERO, ..Settings::default() });
    let pieces = names.iter().map(|name| Piece { from: remote(name).into(), to: remote(name).into() }).collect();
    let work = Work::Copy { from: Arc::new(from.clone()), to: Arc::new(to.clone()), pieces };
    engine.add(Job { work, options });
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
    last
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

#[tokio::test(start_paused = true)]
async fn a_file_that_turns_out_to_be_there_leaves_no_part_copied_or_moved() {
    let large = vec![b'x'; BLOCK_LEN + 1];
    for (conflict, remove_source) in KEEPING.into_iter().flat_map(|rule| [(rule, true), (rule, false)]) {
        let [from, to] = ["source", "target"].map(|name| Memory::named(name, Abilities::ALL));
        from.tree(|tree| tree.write("f", large.clone()));
        to.tree(|tree| tree.write("f", large.clone()));
        let options = JobOptions { conflict, remove_source, again: true, ..JobOptions::default() };
        let last = run(&from, &to, options).await;
        let parts = to.tree(|tree| tree.unfinished());
        assert!(parts.is_empty(), "{conflict:?}, {remove_source}: {last:?} leaves {parts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn files_that_are_pieces_get_targets_of_their_own_when_both_are_kept() {
    for near in [true, false] {
        let from = Memory::named("source", Abilities::ALL);
        let to = Memory::named("target", Abilities { near, ..Abilities::ALL });
        from.tree(|tree| {
            tree.write("f", "both");
            tree.write("f (2)", "both");
        });
        to.tree(|tree| tree.write("f", "old"));
        let options = JobOptions { conflict: ConflictRule::KeepBoth, ..JobOptions::default() };
        run_pieces(&from, &to, &["f", "f (2)"], options).await;
        let mut contents: Vec<_> = to.files().into_values().collect();
        contents.sort();
        assert_eq!(contents, [&b"both"[..], b"both", b"old"]);
    }
}
