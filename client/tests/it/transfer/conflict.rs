//! Conflicts with existing files.

use std::{
    fs,
    os::unix::fs::FileTypeExt as _,
    time::{Duration, SystemTime},
};

use ferry_client::{
    Obstacle,
    transfer::{ConflictRule, Decision, Event, ItemId, JobOptions, Outcome, Scope, Skip},
};

use super::{Rig, bytes, memory_server::LARGE, tree, write};

fn rule(conflict: ConflictRule) -> JobOptions {
    JobOptions { conflict, ..JobOptions::default() }
}

/// A rig in which `same` is equal on both sides, `other` differs, and `new` exists only at the source.
async fn both_sides(upload: bool) -> Rig {
    let rig = Rig::new().await;
    write(&rig.local("here/same"), b"same");
    write(&rig.local("here/other.txt"), b"local");
    rig.server.state().put("there/same", b"same");
    rig.server.state().put("there/other.txt", b"far_a");
    match upload {
        true => write(&rig.local("here/new"), b"new"),
        false => rig.server.state().put("there/new", b"new"),
    }
    rig
}

async fn run(rig: &mut Rig, upload: bool, conflict: ConflictRule) -> ferry_client::transfer::Summary {
    match upload {
        true => rig.uploaded("here", "there", rule(conflict)).await,
        false => rig.downloaded("there", "here", rule(conflict)).await,
    }
}

/// The content of the targets afterwards, by name.
fn target(rig: &Rig, upload: bool, name: &str) -> Vec<u8> {
    match upload {
        true => rig.server.state().bytes(&format!("there/{name}")).to_vec(),
        false => fs::read(rig.local("here").join(name)).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rule_has_its_documented_effect_and_equal_content_is_no_conflict() {
    for upload in [true, false] {
        let (old, new) = if upload { (b"far_a", b"local") } else { (b"local", b"far_a") };
        for conflict in [ConflictRule::Fail, ConflictRule::Skip, ConflictRule::Replace, ConflictRule::KeepBoth] {
            let mut rig = both_sides(upload).await;
            let summary = run(&mut rig, upload, conflict).await;
            assert_eq!(target(&rig, upload, "new"), b"new", "{conflict:?}");
            assert_eq!(target(&rig, upload, "same"), b"same");
            let other = target(&rig, upload, "other.txt");
            let counts = (summary.files, summary.equal, summary.skipped, summary.failed);
            match conflict {
                ConflictRule::Fail => assert_eq!((counts, &other[..]), ((2, 1, 0, 1), &old[..])),
                ConflictRule::Skip => assert_eq!((counts, &other[..]), ((1, 0, 2, 0), &old[..])),
                ConflictRule::Replace => assert_eq!((counts, &other[..]), ((3, 1, 0, 0), &new[..])),
                _ => {
                    assert_eq!((counts, &other[..]), ((3, 1, 0, 0), &old[..]));
                    assert_eq!(target(&rig, upload, "other (2).txt"), new);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn newer_compares_dates_and_different_compares_content() {
    for (conflict, age) in [(ConflictRule::Newer, -1), (ConflictRule::Newer, 1), (ConflictRule::Different, -1)] {
        let mut rig = both_sides(true).await;
        let base = SystemTime::UNIX_EPOCH + Duration::new(1_000, 5);
        let time = if age > 0 { base + Duration::from_secs(1) } else { base - Duration::from_secs(1) };
        for name in ["here/same", "here/other.txt"] {
            fs::File::options().write(true).open(rig.local(name)).unwrap().set_modified(time).unwrap();
        }
        let summary = run(&mut rig, true, conflict).await;
        let replaced = target(&rig, true, "other.txt") == b"local";
        assert_eq!(replaced, conflict == ConflictRule::Different || age > 0, "{conflict:?} {age}");
        assert_eq!(summary.skipped, if replaced { 0 } else { 2 });
    }
}

async fn asked(rig: &mut Rig) -> ItemId {
    rig.until(|event| match event {
        Event::Asks { item, .. } => Some(*item),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_item_with_a_question_waits() {
    for upload in [true, false] {
        let mut rig = both_sides(upload).await;
        match upload {
            true => rig.upload("here", "there", rule(ConflictRule::Ask)),
            false => rig.download("there", "here", rule(ConflictRule::Ask)),
        }
        let item = asked(&mut rig).await;
        rig.engine.drained().await;
        assert_eq!(target(&rig, upload, "new"), b"new");
        assert_eq!(rig.engine.progress().jobs[0].asking, 1);
        rig.engine.answer(item, Decision::Replace, Scope::This);
        let summary = rig.job_done().await;
        assert_eq!((summary.files, summary.equal), (3, 1));
        assert_eq!(target(&rig, upload, "other.txt"), if upload { b"local" } else { b"far_a" });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_applies_to_its_scope_and_no_more() {
    let mut rig = Rig::new().await;
    let names = ["a/1.jpg", "a/2.txt", "b/3.jpg", "b/4.txt"];
    for name in names {
        write(&rig.local("src").join(name), b"new");
        rig.server.state().put(&format!("dst/{name}"), b"older");
    }
    rig.upload("src", "dst", rule(ConflictRule::Ask));
    let mut items = Vec::new();
    for _ in names {
        let (item, path) = rig
            .until(|event| match event {
                Event::Asks { item, conflict, .. } => Some((*item, conflict.path.relative())),
                _ => None,
            })
            .await;
        items.push((String::from_utf8(path.as_bytes().to_vec()).unwrap(), item));
    }
    let item = |name: &str| items.iter().find(|(path, _)| path == name).unwrap().1;
    rig.engine.answer(item("dst/a/1.jpg"), Decision::Replace, Scope::Kind);
    rig.engine.drained().await;
    assert_eq!(rig.engine.progress().jobs[0].asking, 2);
    rig.engine.answer(item("dst/a/2.txt"), Decision::Skip, Scope::Folder);
    rig.engine.drained().await;
    assert_eq!(rig.engine.progress().jobs[0].asking, 1);
    rig.engine.answer(item("dst/b/4.txt"), Decision::KeepBoth, Scope::All);
    let summary = rig.job_done().await;
    assert_eq!((summary.files, summary.skipped), (3, 1));
    let state = rig.server.state();
    assert_eq!((state.bytes("dst/a/1.jpg"), state.bytes("dst/b/3.jpg")), (&b"new"[..], &b"new"[..]));
    assert_eq!((state.bytes("dst/a/2.txt"), state.bytes("dst/b/4.txt")), (&b"older"[..], &b"older"[..]));
    assert_eq!(state.bytes("dst/b/4 (2).txt"), b"new");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conflict_of_a_single_file_is_detected_when_it_is_transferred() {
    for size in [100, LARGE] {
        let mut rig = Rig::new().await;
        write(&rig.local("x"), &bytes(size, 0));
        rig.server.state().put("y", b"other");
        let summary = rig.uploaded("x", "y", rule(ConflictRule::Fail)).await;
        assert_eq!(summary.failed, 1);
        let Outcome::Failed(failure) = &rig.outcomes()["y"] else { panic!("not failed") };
        assert_eq!(failure.error.obstacle(), Obstacle::Exists);
        rig.server.state().put("y (2)", b"taken");
        rig.uploaded("x", "y", rule(ConflictRule::KeepBoth)).await;
        assert!(rig.server.state().bytes("y (3)") == bytes(size, 0));
        rig.server.state().put("y", &bytes(size, 0));
        assert_eq!(rig.uploaded("x", "y", rule(ConflictRule::Fail)).await.equal, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_in_the_way_is_never_replaced() {
    let mut rig = Rig::new().await;
    write(&rig.local("src/x"), b"x");
    rig.server.state().put("dst/x/inside", b"1");
    assert_eq!(rig.uploaded("src", "dst", rule(ConflictRule::Replace)).await.failed, 1);
    rig.server.state().put("far/here", b"1");
    fs::create_dir_all(rig.local("near/here")).unwrap();
    assert_eq!(rig.downloaded("far", "near", rule(ConflictRule::Replace)).await.failed, 1);
    assert!(rig.local("near/here").is_dir());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_not_a_file_is_never_replaced() {
    for conflict in [ConflictRule::Replace, ConflictRule::Different, ConflictRule::Newer, ConflictRule::Fail] {
        for size in [10, LARGE] {
            let mut rig = Rig::new().await;
            rig.server.state().put("src/x", &bytes(size, 1));
            let fifo = rig.local("dst/x");
            fs::create_dir_all(rig.local("dst")).unwrap();
            rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
            for (from, to) in [("src", "dst"), ("src/x", "dst/x")] {
                let summary = rig.downloaded(from, to, rule(conflict)).await;
                assert_eq!((summary.files, summary.failed), (0, 1), "{conflict:?}");
                assert!(fs::symlink_metadata(&fifo).unwrap().file_type().is_fifo());
            }
            assert_eq!(fs::read_dir(rig.local("dst")).unwrap().count(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_reports_and_changes_nothing() {
    for upload in [true, false] {
        let mut rig = both_sides(upload).await;
        let before = tree(&rig.local("here"));
        let options = JobOptions { dry_run: true, ..rule(ConflictRule::Replace) };
        match upload {
            true => rig.uploaded("here", "there", options).await,
            false => rig.downloaded("there", "here", options).await,
        };
        let prefix = "there";
        let outcomes = rig.outcomes();
        let at = |name: &str| &outcomes[&format!("{prefix}/{name}")];
        assert!(matches!(at("new"), Outcome::Would { size: 3, replaces: false }), "{outcomes:?}");
        assert!(matches!(at("other.txt"), Outcome::Would { size: 5, replaces: true }), "{outcomes:?}");
        assert!(matches!(at("same"), Outcome::Equal { .. }));
        assert_eq!(tree(&rig.local("here")), before);
        assert!(!rig.server.state().requests.iter().any(|name| matches!(*name, "put" | "get" | "make_dir")));
        let skip = JobOptions { dry_run: true, ..rule(ConflictRule::Skip) };
        rig.uploaded("here/other.txt", "there/other.txt", skip).await;
        assert!(matches!(rig.outcomes()["other.txt"], Outcome::Skipped(Skip::Exists)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_appears_at_the_target_meanwhile_is_not_replaced() {
    for size in [100, LARGE] {
        let mut rig = Rig::new().await;
        rig.server.state().put("x", &bytes(size, 0));
        rig.server.open_gate(false);
        rig.download("x", "y", rule(ConflictRule::Fail));
        while !rig.server.state().requests.contains(&"get") {
            tokio::task::yield_now().await;
        }
        write(&rig.local("y"), b"mine");
        rig.server.open_gate(true);
        assert_eq!(rig.job_done().await.failed, 1);
        assert_eq!(tree(rig.folder.path()).into_iter().collect::<Vec<_>>(), [("y".to_owned(), b"mine".to_vec())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keeping_both_repeatedly_makes_one_copy() {
    for size in [100, LARGE] {
        let mut rig = Rig::new().await;
        write(&rig.local("up/x"), &bytes(size, 0));
        rig.server.state().put("up/x", b"other");
        rig.server.state().put("down/x", &bytes(size, 0));
        write(&rig.local("down/x"), b"other");
        for equal in [0, 1, 1] {
            let summary = rig.uploaded("up", "up", rule(ConflictRule::KeepBoth)).await;
            assert_eq!((summary.files, summary.equal), (1, equal));
            let summary = rig.uploaded("up/x", "up/x", rule(ConflictRule::KeepBoth)).await;
            assert_eq!((summary.files, summary.equal), (1, 1));
            let summary = rig.downloaded("down", "down", rule(ConflictRule::KeepBoth)).await;
            assert_eq!((summary.files, summary.equal), (1, equal));
        }
        assert_eq!(tree(&rig.local("down")).into_keys().collect::<Vec<_>>(), ["x", "x (2)"]);
        assert_eq!(rig.server.state().files.len(), 3);
        rig.server.state().put("up/x (2)", b"changed");
        rig.uploaded("up", "up", rule(ConflictRule::KeepBoth)).await;
        assert!(rig.server.state().bytes("up/x (3)") == bytes(size, 0), "a file that differs is kept too");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_makes_no_second_copy() {
    for size in [100, LARGE] {
        let mut rig = Rig::new().await;
        write(&rig.local("x"), &bytes(size, 0));
        rig.server.state().put("x", b"other");
        rig.server.state().lose_answer = true;
        let summary = rig.uploaded("x", "x", rule(ConflictRule::KeepBoth)).await;
        assert_eq!((summary.files, summary.equal, summary.transferred), (1, 0, size as u64));
        let state = rig.server.state();
        assert_eq!(state.files.len(), 2);
        assert!(state.bytes("x (2)") == bytes(size, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_is_not_that_of_another_file_of_the_job() {
    for upload in [true, false] {
        for size in [100, LARGE] {
            let mut rig = Rig::new().await;
            let files = [("a.txt", bytes(size, 1)), ("a (2).txt", bytes(size, 2)), ("a (3).txt", bytes(size, 3))];
            for (name, content) in &files {
                match upload {
                    true => write(&rig.local("src").join(name), content),
                    false => rig.server.state().put(&format!("src/{name}"), content),
                }
            }
            let summary = match upload {
                true => {
                    rig.server.state().put("dst/a.txt", b"other");
                    rig.uploaded("src", "dst", rule(ConflictRule::KeepBoth)).await
                }
                false => {
                    write(&rig.local("dst/a.txt"), b"other");
                    rig.downloaded("src", "dst", rule(ConflictRule::KeepBoth)).await
                }
            };
            assert_eq!((summary.files, summary.failed), (3, 0), "{:?}", rig.outcomes());
            let at = |name: &str| match upload {
                true => rig.server.state().bytes(&format!("dst/{name}")).to_vec(),
                false => fs::read(rig.local("dst").join(name)).unwrap(),
            };
            assert!(at("a.txt") == b"other" && at("a (4).txt") == files[0].1);
            assert!(at("a (2).txt") == files[1].1 && at("a (3).txt") == files[2].1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unanswered_files_count_as_sent() {
    for conflict in [ConflictRule::Skip, ConflictRule::Newer, ConflictRule::Different, ConflictRule::Fail] {
        for size in [100, LARGE] {
            let mut rig = Rig::new().await;
            write(&rig.local("src/x"), &bytes(size, 0));
            rig.server.state().lose_answer = true;
            let summary = rig.uploaded("src", "dst", rule(conflict)).await;
            let counts = (summary.files, summary.equal, summary.skipped, summary.failed);
            assert_eq!(counts, (1, 0, 0, 0), "{conflict:?} {size}");
            assert_eq!((summary.transferred, summary.reused), (size as u64, 0));
            assert!(matches!(rig.outcomes()["dst/x"], Outcome::Verified { .. }));
        }
    }
}
