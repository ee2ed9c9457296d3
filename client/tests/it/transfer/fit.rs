//! Transfers that do not fit on the server are not started, unless partial transfers are requested.

use ferry_client::{
    ClientError, Obstacle,
    transfer::{ConflictRule, JobOptions, Outcome},
};
use ferry_shared::message::reply::Usage;

use super::{Rig, bytes, write};

fn room(used: u64, limit: u64) -> Usage {
    Usage { used, limit: Some(limit), volume_free: 1 << 50, ..Usage::default() }
}

/// A rig with 30 files of 100 bytes to upload, and the given account.
async fn rig(usage: Usage) -> Rig {
    let rig = Rig::new().await;
    for number in 0..30 {
        write(&rig.local(&format!("src/{number:02}")), &bytes(100, number));
    }
    rig.server.state().usage = usage;
    rig
}

fn refused(error: Option<&ClientError>) -> (Obstacle, u64, u64) {
    match error {
        Some(error @ ClientError::NoRoom { needed, available, .. }) => (error.obstacle(), *needed, *available),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_fit_is_refused_with_figures_before_it_starts() {
    let disk = Usage { volume_free: 700, reserved: 300, ..Usage::default() };
    for (usage, code) in [(room(500, 1500), Obstacle::OverQuota), (disk, Obstacle::DiskFull)] {
        let mut rig = rig(usage).await;
        let summary = rig.uploaded("src", "dst", JobOptions::default()).await;
        assert_eq!(refused(summary.error.as_ref()), (code, 3000, 1000));
        assert_eq!((summary.files, summary.failed, summary.cancelled), (0, 0, false));
        assert!(rig.server.state().files.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_additional_space_has_to_fit() {
    let mut rig = rig(room(0, 3000)).await;
    assert_eq!(rig.uploaded("src", "dst", JobOptions::default()).await.files, 30);
    rig.server.state().usage = room(3000, 3000);
    let replace = || JobOptions { conflict: ConflictRule::Replace, ..JobOptions::default() };
    assert_eq!(rig.uploaded("src", "dst", replace()).await.files, 30);
    write(&rig.local("src/00"), &bytes(150, 0));
    let summary = rig.uploaded("src", "dst", replace()).await;
    assert_eq!(refused(summary.error.as_ref()), (Obstacle::OverQuota, 50, 0));
    // A file that shrinks frees the space for it.
    write(&rig.local("src/01"), &bytes(50, 1));
    assert_eq!(rig.uploaded("src", "dst", replace()).await.files, 30);
    // Skipped files need no space.
    write(&rig.local("src/02"), &bytes(9000, 1));
    let skip = JobOptions { conflict: ConflictRule::Skip, ..JobOptions::default() };
    assert_eq!(rig.uploaded("src", "dst", skip).await.skipped, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_fill_the_files_that_fit_are_sent_and_the_rest_is_not() {
    let mut rig = rig(room(0, 1050)).await;
    let summary = rig.uploaded("src", "dst", JobOptions { fill: true, ..JobOptions::default() }).await;
    assert_eq!((summary.files, summary.failed, summary.error.is_none()), (10, 20, true));
    assert_eq!(rig.server.state().bytes_in, 1000);
    let outcomes = rig.outcomes();
    let failed = outcomes.values().filter_map(|outcome| match outcome {
        Outcome::Failed(failure) => Some(refused(Some(&failure.error))),
        _ => None,
    });
    assert!(failed.collect::<Vec<_>>().iter().all(|failed| *failed == (Obstacle::OverQuota, 100, 50)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lack_of_space_during_the_job_ends_it_unless_fill_is_set() {
    for fill in [false, true] {
        let mut rig = rig(room(0, 1 << 30)).await;
        for number in 0..30 {
            rig.server
                .state()
                .refuse
                .insert(format!("dst/{number:02}").into_bytes(), ferry_shared::refusal::Code::OverQuota);
        }
        let summary = rig.uploaded("src", "dst", JobOptions { fill, ..JobOptions::default() }).await;
        assert_eq!((summary.failed, summary.cancelled), if fill { (30, false) } else { (1, true) });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_refuses_nothing_for_lack_of_space() {
    let mut rig = rig(room(0, 10)).await;
    let dry = JobOptions { dry_run: true, ..JobOptions::default() };
    assert!(rig.uploaded("src", "dst", dry).await.error.is_none());
}
