//! The target changes between the decision to replace it and the replacement.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use ferry_client::transfer::{
    ConflictRule, Decision, Event, FileFacts, ItemId, JobOptions, Outcome, Scope, Skip, Summary,
};

use super::{
    Rig, bytes,
    memory_server::{File, LARGE},
    write,
};

/// Seconds since 1970, later than the date of any file created now.
const FUTURE: i64 = 1 << 33;

fn rule(conflict: ConflictRule) -> JobOptions {
    JobOptions { conflict, ..JobOptions::default() }
}

/// Writes a local file with this date.
fn write_at(rig: &Rig, name: &str, content: &[u8], mtime: i64) {
    write(&rig.local(name), content);
    let time = SystemTime::UNIX_EPOCH + Duration::new(mtime.unsigned_abs(), 5);
    fs::File::options().write(true).open(rig.local(name)).unwrap().set_modified(time).unwrap();
}

/// The next question: its item, and the target's facts.
async fn asked(rig: &mut Rig) -> (ItemId, FileFacts) {
    rig.until(|event| match event {
        Event::Asks { item, conflict, .. } => Some((*item, conflict.target)),
        Event::JobDone { .. } => panic!("no question was asked"),
        _ => None,
    })
    .await
}

fn counts(summary: &Summary) -> (u64, u64, u64) {
    (summary.files, summary.skipped, summary.failed)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_newer_files_only_leaves_a_target_that_became_newer() {
    for size in [1000, LARGE] {
        for before in ["stat", "put", "commit"] {
            let mut rig = Rig::new().await;
            write_at(&rig, "src/x", &bytes(size, 1), 2_000);
            rig.server.state().put("dst/x", b"old");
            rig.server.state().meanwhile = Some((before, "dst/x", File::new(b"precious", FUTURE)));
            let summary = rig.uploaded("src", "dst", rule(ConflictRule::Newer)).await;
            assert_eq!(counts(&summary), (0, 1, 0), "{size} {before}");
            assert!(matches!(rig.outcomes()["dst/x"], Outcome::Skipped(Skip::NotNewer)));
            assert_eq!(rig.server.state().bytes("dst/x"), b"precious");
            assert!(rig.server.state().staged.is_empty(), "nothing of the sent data is left");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_of_newer_files_only_leaves_a_target_that_became_newer() {
    for size in [1000, LARGE] {
        let mut rig = Rig::new().await;
        rig.server.state().put("src/x", &bytes(size, 1));
        write_at(&rig, "dst/x", b"old", 500);
        rig.server.open_gate(false);
        rig.download("src", "dst", rule(ConflictRule::Newer));
        while !rig.server.state().requests.contains(&"get") {
            tokio::task::yield_now().await;
        }
        write_at(&rig, "dst/x", b"precious", FUTURE);
        rig.server.open_gate(true);
        assert_eq!(counts(&rig.job_done().await), (0, 1, 0));
        assert_eq!(fs::read(rig.local("dst/x")).unwrap(), b"precious");
        assert_eq!(fs::read_dir(rig.local("dst")).unwrap().count(), 1, "no part is left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_applies_to_the_version_shown_and_is_otherwise_asked_again() {
    for size in [1000, LARGE] {
        for upload in [true, false] {
            let mut rig = Rig::new().await;
            match upload {
                true => {
                    write_at(&rig, "src/x", &bytes(size, 1), 2_000);
                    rig.server.state().put("dst/x", b"shown");
                    rig.upload("src", "dst", rule(ConflictRule::Ask));
                }
                false => {
                    rig.server.state().put("src/x", &bytes(size, 1));
                    write_at(&rig, "dst/x", b"shown", 500);
                    rig.download("src", "dst", rule(ConflictRule::Ask));
                }
            }
            let (item, shown) = asked(&mut rig).await;
            assert_eq!(shown.size, 5);
            match upload {
                true => rig.server.state().files.insert("dst/x".into(), File::new(b"precious", 1_000)).map_or((), drop),
                false => write_at(&rig, "dst/x", b"precious", 500),
            }
            rig.engine.answer(item, Decision::Replace, Scope::This);
            let (item, shown) = asked(&mut rig).await;
            assert_eq!(shown.size, 8, "the new facts are shown");
            rig.engine.answer(item, Decision::Replace, Scope::This);
            assert_eq!(counts(&rig.job_done().await), (1, 0, 0));
            let arrived = match upload {
                true => rig.server.state().bytes("dst/x").to_vec(),
                false => fs::read(rig.local("dst/x")).unwrap(),
            };
            assert!(arrived == bytes(size, 1));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rule_replace_applies_to_any_version() {
    for size in [1000, LARGE] {
        let mut rig = Rig::new().await;
        write_at(&rig, "x", &bytes(size, 1), 2_000);
        rig.server.state().put("x", b"old");
        rig.server.state().meanwhile = Some(("commit", "x", File::new(b"newer", FUTURE)));
        assert_eq!(counts(&rig.uploaded("x", "x", rule(ConflictRule::Replace)).await), (1, 0, 0));
        assert!(rig.server.state().bytes("x") == bytes(size, 1));
        rig.server.state().put("y", &bytes(size, 1));
        write_at(&rig, "y", b"old", 500);
        rig.server.open_gate(false);
        rig.download("y", "y", rule(ConflictRule::Replace));
        while !rig.server.state().requests.contains(&"get") {
            tokio::task::yield_now().await;
        }
        write_at(&rig, "y", b"newer", FUTURE);
        rig.server.open_gate(true);
        assert_eq!(counts(&rig.job_done().await), (1, 0, 0));
        assert!(fs::read(rig.local("y")).unwrap() == bytes(size, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_does_not_apply_to_other_content_of_the_same_size_and_date() {
    for size in [5, 1000, LARGE] {
        for upload in [true, false] {
            let mut rig = Rig::new().await;
            match upload {
                true => {
                    write_at(&rig, "src/x", &bytes(size, 1), 2_000);
                    rig.server.state().put("dst/x", b"shown");
                    rig.upload("src", "dst", rule(ConflictRule::Ask));
                }
                false => {
                    rig.server.state().put("src/x", &bytes(size, 1));
                    write_at(&rig, "dst/x", b"shown", 500);
                    rig.download("src", "dst", rule(ConflictRule::Ask));
                }
            }
            let (item, _) = asked(&mut rig).await;
            match upload {
                true => rig.server.state().put("dst/x", b"other"),
                false => write_at(&rig, "dst/x", b"other", 500),
            }
            rig.engine.answer(item, Decision::Replace, Scope::This);
            let (item, _) = asked(&mut rig).await;
            rig.engine.answer(item, Decision::Skip, Scope::This);
            assert_eq!(counts(&rig.job_done().await), (0, 1, 0), "{size} {upload}");
            let there = match upload {
                true => rig.server.state().bytes("dst/x").to_vec(),
                false => fs::read(rig.local("dst/x")).unwrap(),
            };
            assert_eq!(there, b"other");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_newer_replaces_only_older_files() {
    for (time, replaced) in [(500, true), (FUTURE, false)] {
        let mut rig = Rig::new().await;
        rig.server.state().put("src/x", b"from the server");
        write_at(&rig, "dst/x", b"here", time);
        rig.download("src", "dst", rule(ConflictRule::Ask));
        let (item, _) = asked(&mut rig).await;
        rig.engine.answer(item, Decision::Newer, Scope::This);
        assert_eq!(counts(&rig.job_done().await), if replaced { (1, 0, 0) } else { (0, 1, 0) });
        assert_eq!(fs::read(rig.local("dst/x")).unwrap() == b"here", !replaced);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_or_a_folder_that_appears_at_the_target_is_not_replaced() {
    for size in [1000, LARGE] {
        for folder in [true, false] {
            let mut rig = Rig::new().await;
            rig.server.state().put("x", &bytes(size, 1));
            rig.server.open_gate(false);
            rig.download("x", "x", rule(ConflictRule::Replace));
            while !rig.server.state().requests.contains(&"get") {
                tokio::task::yield_now().await;
            }
            let target = rig.local("x");
            match folder {
                true => fs::create_dir(&target).unwrap(),
                false => {
                    rustix::fs::mknodat(rustix::fs::CWD, &target, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap()
                }
            }
            rig.server.open_gate(true);
            assert_eq!(counts(&rig.job_done().await), (0, 0, 1), "{size} {folder}");
            assert!(!fs::symlink_metadata(&target).unwrap().is_file());
            assert_eq!(fs::read_dir(rig.folder.path()).unwrap().count(), 1, "no part is left");
        }
    }
}
