//! Pauses in the middle of blocks, which are finished and not sent again.

use std::fs;

use ferry_client::transfer::{Bandwidth, Event, ItemId, ItemState, JobOptions, Selected, Settings};
use ferry_shared::limits::{BLOCK_LEN, BLOCK_SIZE};

use super::{Rig, bytes, memory_server::LARGE, write};

/// More than the frames of a resume need.
const OVERHEAD: u64 = 4 << 10;

async fn begun(rig: &mut Rig, wanted: ItemState) -> ItemId {
    rig.until(|event| match event {
        Event::ItemState { item, state } if *state == wanted => Some(*item),
        _ => None,
    })
    .await
}

/// Waits until the file has more than `bytes` and is within a block; `false` if it is done before.
async fn is_within_a_block(rig: &Rig, bytes: u64) -> bool {
    loop {
        let progress = rig.engine.progress();
        if progress.jobs.is_empty() {
            return false;
        }
        if progress.active.first().is_some_and(|active| active.done > bytes && active.done % BLOCK_SIZE > 0) {
            return true;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_paused_again_and_again_sends_no_block_twice() {
    for whole_job in [false, true] {
        let bandwidth = Bandwidth { up: Some(4 << 20), down: None };
        let mut rig = Rig::with(Settings { bandwidth, ..Settings::default() }).await;
        write(&rig.local("x"), &bytes(LARGE, 0));
        rig.upload("x", "x", JobOptions::default());
        let item = begun(&mut rig, ItemState::Sending).await;
        let job = rig.engine.progress().jobs[0].job;
        let what = if whole_job { Selected::Job(job) } else { Selected::Item(item) };
        let (mut pauses, mut done) = (0, 0);
        while is_within_a_block(&rig, done).await {
            done = rig.engine.progress().active.first().map_or(done, |active| active.done);
            rig.engine.pause(what);
            rig.engine.drained().await;
            rig.engine.resume(what);
            pauses += 1;
        }
        assert_eq!(rig.job_done().await.files, 1);
        assert!(pauses >= 3, "{pauses} pauses");
        assert!(rig.server.state().bytes("x") == bytes(LARGE, 0));
        assert_eq!(rig.server.state().bytes_in, LARGE, "each block arrives once");
        let sent = rig.engine.progress().sent;
        assert!(sent <= LARGE as u64 + pauses * OVERHEAD, "{sent} bytes in {pauses} pauses");
        assert_eq!(rig.server.fake.connections(), 1, "the connection is kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_is_paused_in_every_block_receives_no_block_twice() {
    const BLOCKS: usize = 4;
    for whole_job in [false, true] {
        let mut rig = Rig::new().await;
        rig.server.state().put("x", &bytes(BLOCKS * BLOCK_LEN, 0));
        let mut halves = rig.halves(0);
        rig.download("x", "x", JobOptions::default());
        let item = begun(&mut rig, ItemState::Receiving).await;
        let job = rig.engine.progress().jobs[0].job;
        let what = if whole_job { Selected::Job(job) } else { Selected::Item(item) };
        for block in 0..BLOCKS as u64 {
            halves.add_permits(1);
            assert!(is_within_a_block(&rig, block * BLOCK_SIZE).await);
            rig.engine.pause(what);
            halves.add_permits(1);
            rig.engine.drained().await;
            // The next connection is permitted nothing yet, and the last one nothing more.
            halves = rig.halves(0);
            rig.engine.resume(what);
        }
        assert_eq!(rig.job_done().await.files, 1);
        assert!(fs::read(rig.local("x")).unwrap() == bytes(BLOCKS * BLOCK_LEN, 0));
        assert_eq!(rig.server.state().blocks_out, BLOCKS, "each block is sent once");
        let received = rig.engine.progress().received;
        let size = (BLOCKS * BLOCK_LEN) as u64;
        assert!(received <= size + BLOCKS as u64 * OVERHEAD, "{received} bytes received");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_waits_for_the_bandwidth_limit_is_kept_by_a_pause() {
    let mut rig = Rig::new().await;
    rig.server.state().put("x", &bytes(2 * BLOCK_LEN, 0));
    let halves = rig.halves(1);
    rig.download("x", "x", JobOptions::default());
    let item = begun(&mut rig, ItemState::Receiving).await;
    assert!(is_within_a_block(&rig, 0).await);
    rig.engine.set_bandwidth(Bandwidth { up: None, down: Some(1) });
    halves.add_permits(1);
    while rig.engine.progress().active[0].done < BLOCK_SIZE {
        tokio::task::yield_now().await;
    }
    rig.engine.pause(item);
    rig.engine.drained().await;
    let part = fs::metadata(rig.local(".x.ferry-part")).unwrap();
    assert_eq!(part.len(), BLOCK_SIZE);
}
