//! A pause, and a link on which nothing moves any more.

use std::{sync::Arc, time::Duration};

use ferry_shared::limits::{BLOCK_LEN, BLOCK_SIZE};
use tokio::{sync::mpsc, time::Instant};

use super::FINISH;
use crate::{
    memory::{Memory, remote},
    site::Abilities,
    transfer::{Engine, Event, Job, JobId, JobOptions, Piece, Settings, Work},
};

/// The operations of the target after the first of three blocks: two blocks, the end, and two steps to publish.
const AFTER_ONE: u64 = 5;

/// Starts a transfer of three blocks to a site.
fn start(to: &Memory) -> (Engine, mpsc::Receiver<Event>, JobId) {
    let from = Memory::named("from", Abilities::ALL);
    let content: Vec<u8> = (0..3 * BLOCK_LEN).map(|at| u8::try_from(at / BLOCK_LEN).unwrap_or(0)).collect();
    from.tree(|tree| tree.write("x", content));
    let (engine, events) = Engine::start(Settings::default());
    let piece = Piece { from: remote("x").into(), to: remote("x").into() };
    let work = Work::Copy { from: Arc::new(from), to: Arc::new(to.clone()), pieces: vec![piece] };
    let job = engine.add(Job { work, options: JobOptions::default() });
    (engine, events, job)
}

/// Starts a transfer to a target that does not answer any more from its second block on.
async fn stalled() -> (Engine, mpsc::Receiver<Event>, JobId, Memory) {
    let whole = Memory::named("to", Abilities::ALL);
    let (engine, _events, _) = start(&whole);
    engine.drained().await;
    let to = Memory::named("to", Abilities::ALL);
    to.crash_after(whole.operations() - AFTER_ONE);
    let (engine, events, job) = start(&to);
    to.crashed().await;
    assert_eq!(engine.progress().active[0].done, BLOCK_SIZE);
    (engine, events, job, to)
}

#[tokio::test(start_paused = true)]
async fn a_pause_on_a_stalled_link_ends_within_its_bound() {
    let (engine, mut events, job, to) = stalled().await;
    let start = Instant::now();
    engine.pause(job);
    engine.drained().await;
    assert_eq!(start.elapsed().as_secs(), FINISH.as_secs());
    to.heal();
    engine.resume(job);
    let done = loop {
        if let Event::JobDone { summary, .. } = events.recv().await.unwrap() {
            break summary;
        }
    };
    assert_eq!((done.files, done.failed), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_second_pause_a_cancel_and_a_shutdown_interrupt_a_pause_at_once() {
    for (twice, cancels) in [(true, false), (false, true), (false, false)] {
        let (engine, mut events, job, _) = stalled().await;
        let start = Instant::now();
        engine.pause(job);
        tokio::time::sleep(Duration::from_secs(1)).await;
        match (twice, cancels) {
            (true, _) => engine.pause(job),
            (_, true) => engine.cancel(job, true),
            _ => engine.shutdown().await,
        }
        if twice || cancels {
            engine.drained().await;
        }
        assert_eq!(start.elapsed().as_secs(), 1, "{twice} {cancels}");
        events.close();
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_after_a_resume_is_not_a_second_one() {
    let (engine, _events, job, _) = stalled().await;
    let start = Instant::now();
    for _ in 0..3 {
        engine.pause(job);
        engine.resume(job);
    }
    engine.pause(job);
    engine.drained().await;
    assert_eq!(start.elapsed().as_secs(), FINISH.as_secs());
}
