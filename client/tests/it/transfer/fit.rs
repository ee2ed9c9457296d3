//! What does not fit on the server is not begun, unless what fits is wanted.

use ferry_client::{
    ClientError,
    transfer::{ConflictRule, JobOptions, Outcome},
};
use ferry_shared::{
    message::reply::Usage,
    refusal::{Code, Refusal},
};

use super::{Rig, bytes, write};

fn room(used: u64, limit: u64) -> Usage {
    Usage { used, limit: Some(limit), volume_free: 1 << 50, ..Usage::default() }
}

/// A rig with 30 files of 100 bytes to be sent, and this account.
async fn rig(usage: Usage) -> Rig {
    let rig = Rig::new().await;
    for number in 0..30 {
        write(&rig.local(&format!("src/{number:02}")), &bytes(100, number));
    }
    rig.server.shelf().usage = usage;
    rig
}

fn refused(error: Option<&ClientError>) -> (Code, Option<u64>, Option<u64>) {
    match error {
        Some(ClientError::Refused(Refusal { code, needed, available, .. })) => (*code, *needed, *available),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_fit_is_refused_with_figures_before_it_begins() {
    let disk = Usage { volume_free: 700, reserved: 300, ..Usage::default() };
    for (usage, code) in [(room(500, 1500), Code::OverQuota), (disk, Code::DiskFull)] {
        let mut rig = rig(usage).await;
        let summary = rig.uploaded("src", "dst", JobOptions::default()).await;
        assert_eq!(refused(summary.error.as_ref()), (code, Some(3000), Some(1000)));
        assert_eq!((summary.files, summary.failed, summary.cancelled), (0, 0, false));
        assert!(rig.server.shelf().files.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_added_to_what_is_there_has_to_fit() {
    let mut rig = rig(room(0, 3000)).await;
    assert_eq!(rig.uploaded("src", "dst", JobOptions::default()).await.files, 30);
    rig.server.shelf().usage = room(3000, 3000);
    let replace = || JobOptions { conflict: ConflictRule::Replace, ..JobOptions::default() };
    assert_eq!(rig.uploaded("src", "dst", replace()).await.files, 30);
    write(&rig.local("src/00"), &bytes(150, 0));
    let summary = rig.uploaded("src", "dst", replace()).await;
    assert_eq!(refused(summary.error.as_ref()), (Code::OverQuota, Some(50), Some(0)));
    // One that shrinks makes room for it.
    write(&rig.local("src/01"), &bytes(50, 1));
    assert_eq!(rig.uploaded("src", "dst", replace()).await.files, 30);
    // What is left out adds nothing.
    write(&rig.local("src/02"), &bytes(9000, 1));
    let skip = JobOptions { conflict: ConflictRule::Skip, ..JobOptions::default() };
    assert_eq!(rig.uploaded("src", "dst", skip).await.skipped, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fits_is_sent_where_that_is_wanted_and_the_rest_does_not_travel() {
    let mut rig = rig(room(0, 1050)).await;
    let summary = rig.uploaded("src", "dst", JobOptions { fill: true, ..JobOptions::default() }).await;
    assert_eq!((summary.files, summary.failed, summary.error.is_none()), (10, 20, true));
    assert_eq!(rig.server.shelf().bytes_in, 1000);
    let outcomes = rig.outcomes();
    let failed = outcomes.values().filter_map(|outcome| match outcome {
        Outcome::Failed(failure) => Some(refused(Some(&failure.error))),
        _ => None,
    });
    assert!(failed.collect::<Vec<_>>().iter().all(|failed| *failed == (Code::OverQuota, Some(100), Some(50))));
}

#[tokio::test(flavor = "multi_thread")]
async fn room_that_is_gone_meanwhile_ends_the_job_unless_what_fits_is_wanted() {
    for fill in [false, true] {
        let mut rig = rig(room(0, 1 << 30)).await;
        for number in 0..30 {
            rig.server.shelf().refuse.insert(format!("dst/{number:02}").into_bytes(), Code::OverQuota);
        }
        let summary = rig.uploaded("src", "dst", JobOptions { fill, ..JobOptions::default() }).await;
        assert_eq!((summary.failed, summary.cancelled), if fill { (30, false) } else { (1, true) });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_refuses_nothing_for_its_room() {
    let mut rig = rig(room(0, 10)).await;
    let dry = JobOptions { dry_run: true, ..JobOptions::default() };
    assert!(rig.uploaded("src", "dst", dry).await.error.is_none());
}
