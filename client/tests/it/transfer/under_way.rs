//! The bytes of blocks that are under way: shown, but not counted as transferred.

use ferry_client::transfer::{ActiveItem, Bandwidth, ItemState, JobOptions, Outcome, Settings};
use ferry_shared::limits::BLOCK_LEN;

use super::{Rig, bytes, write};

/// Less than a block.
const SMALL: usize = 900 << 10;

/// Waits until a file is displayed in the middle of its bytes. They are part of its job's, but no file is done yet.
async fn shown(rig: &Rig) -> ActiveItem {
    loop {
        let progress = rig.engine.progress();
        if let (Some(active), [job]) = (progress.active.first(), &progress.jobs[..])
            && active.done > 0
            && job.bytes_done > 0
        {
            assert!(job.bytes_done <= job.bytes);
            assert_eq!((job.files_done, job.transferred, job.reused, active.reused), (0, 0, 0, 0));
            return active.clone();
        }
        tokio::task::yield_now().await;
    }
}

/// Waits until the bytes of a lost block are taken back.
async fn taken_back(rig: &Rig) {
    while rig.engine.progress().jobs.iter().any(|job| job.bytes_done > 0) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_one_block_is_sending_and_shows_its_bytes_as_they_are_sent() {
    let bandwidth = Bandwidth { up: Some(100 << 10), down: None };
    let mut rig = Rig::with(Settings { bandwidth, ..Settings::default() }).await;
    write(&rig.local("x"), &bytes(SMALL, 0));
    rig.upload("x", "x", JobOptions::default());
    let active = shown(&rig).await;
    assert_eq!((active.state, active.size), (ItemState::Sending, Some(SMALL as u64)));
    assert!(active.done < SMALL as u64);
    rig.engine.set_bandwidth(Bandwidth::default());
    let summary = rig.job_done().await;
    assert_eq!((summary.files, summary.transferred), (1, SMALL as u64));
    assert!(rig.engine.progress().active.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_one_block_is_receiving_and_shows_its_bytes_as_they_arrive() {
    let mut rig = Rig::new().await;
    rig.server.state().put("x", &bytes(SMALL, 0));
    let halves = rig.halves(1);
    rig.download("x", "x", JobOptions::default());
    let active = shown(&rig).await;
    assert_eq!((active.state, active.size), (ItemState::Receiving, Some(SMALL as u64)));
    assert!(active.done < SMALL as u64);
    halves.add_permits(1);
    let summary = rig.job_done().await;
    assert_eq!((summary.files, summary.transferred), (1, SMALL as u64));
    assert!(rig.engine.progress().active.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_of_a_block_that_is_lost_are_taken_back_and_not_counted_twice() {
    for size in [SMALL, BLOCK_LEN + SMALL] {
        let mut rig = Rig::new().await;
        rig.server.state().put("x", &bytes(size, 0));
        let first = rig.halves(1);
        rig.download("x", "x", JobOptions::default());
        let before = shown(&rig).await;
        let again = rig.halves(0);
        first.close();
        taken_back(&rig).await;
        again.add_permits(1);
        let after = shown(&rig).await;
        assert!(before.done <= BLOCK_LEN as u64 && after.done <= BLOCK_LEN as u64, "{before:?} {after:?}");
        again.add_permits(3);
        let summary = rig.job_done().await;
        assert_eq!((summary.files, summary.transferred, summary.reused), (1, size as u64, 0));
        assert!(matches!(rig.outcomes()["x"], Outcome::Verified { transferred, .. } if transferred == size as u64));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_of_a_large_file_shows_its_bytes_as_they_arrive() {
    let mut rig = Rig::new().await;
    rig.server.state().put("x", &bytes(2 * BLOCK_LEN, 0));
    let halves = rig.halves(3);
    rig.download("x", "x", JobOptions::default());
    while shown(&rig).await.done <= BLOCK_LEN as u64 {}
    assert!(shown(&rig).await.done < 2 * BLOCK_LEN as u64);
    halves.add_permits(1);
    assert_eq!(rig.job_done().await.files, 1);
}
