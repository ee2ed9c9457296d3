//! Downloads are complete, in the right place, and transfer no more than necessary.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    time::Duration,
};

use ferry_client::{
    ClientError,
    transfer::{ConflictRule, Filter, JobOptions, Outcome, Settings, Skip},
};
use ferry_shared::{entry::Mtime, limits::BLOCK_LEN};

use super::{Rig, bytes, memory_server::LARGE, tree, write};

const PART: &str = ".x.ferry-part";

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_walk_resumes_and_transfers_nothing_twice() {
    for pages in 0..4 {
        let mut rig = Rig::new().await;
        for folder in ["a", "b", "c"] {
            for number in 0..20 {
                rig.server.state().put(&format!("src/{folder}/{number}"), &bytes(500 + number, number));
            }
        }
        rig.server.state().cut_walk = Some(pages);
        let summary = rig.downloaded("src", "dst", JobOptions::default()).await;
        assert_eq!((summary.files, summary.folders, summary.failed), (60, 4, 0), "after {pages} pages");
        assert!(summary.error.is_none() && rig.server.state().cut_walk.is_none());
        assert_eq!(rig.server.state().blocks_out, 60, "after {pages} pages");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_arrives_with_its_whole_content() {
    let mut rig = Rig::new().await;
    let sizes = [0, 1, 1000, BLOCK_LEN - 1, BLOCK_LEN, BLOCK_LEN + 1, LARGE];
    {
        let mut state = rig.server.state();
        for (number, size) in sizes.into_iter().enumerate() {
            state.put(&format!("src/a/{number}"), &bytes(size, number));
        }
        for number in 0..700 {
            state.put(&format!("src/b c/{number}"), &bytes(number * 10, number));
        }
        state.folders.insert(b"src/empty".to_vec());
    }
    let summary = rig.downloaded("src", "dst", JobOptions::default()).await;
    assert_eq!((summary.files, summary.failed, summary.folders), (707, 0, 4));
    let found = tree(&rig.local("dst"));
    assert_eq!(found.len(), 708);
    assert!(sizes.into_iter().enumerate().all(|(number, size)| found[&format!("a/{number}")] == bytes(size, number)));
    assert!((0..700).all(|number| found[&format!("b c/{number}")] == bytes(number * 10, number)));
    assert!(found.contains_key("empty/"));
    for name in ["dst/a/1", "dst/a/6"] {
        let metadata = fs::metadata(rig.local(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o640);
        assert_eq!(Mtime::from(metadata.modified().unwrap()), Mtime(1_000, 5));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_opens_one_connection() {
    let mut rig = Rig::new().await;
    rig.server.state().put("x", &bytes(LARGE, 0));
    assert_eq!(rig.downloaded("x", "x", JobOptions::default()).await.files, 1);
    assert_eq!(rig.server.fake.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_download_resumes_with_the_missing_blocks() {
    let mut rig = Rig::new().await;
    rig.server.state().put("x", &bytes(LARGE, 0));
    rig.server.state().cut_after = Some(4);
    let summary = rig.downloaded("x", "x", JobOptions::default()).await;
    assert!(fs::read(rig.local("x")).unwrap() == bytes(LARGE, 0));
    // The fourth block was counted, but the connection broke.
    assert_eq!(rig.server.state().blocks_out, 7);
    assert_eq!((summary.transferred, summary.reused), (LARGE as u64, 0));
    assert_eq!(tree(rig.folder.path()).len(), 1, "no part is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_falls_silent_in_a_download_is_treated_as_a_lost_connection() {
    for size in [1000, LARGE] {
        let silence = Duration::from_millis(200);
        let mut rig = Rig::with(Settings { silence, ..Settings::default() }).await;
        rig.server.state().put("x", &bytes(size, 0));
        rig.server.open_gate(false);
        rig.download("x", "x", JobOptions::default());
        let again = async {
            while rig.server.fake.connections() < 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), again).await.expect("another connection is made");
        rig.server.open_gate(true);
        assert_eq!(rig.job_done().await.files, 1);
        assert!(fs::read(rig.local("x")).unwrap() == bytes(size, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_small_files_are_requested_again_and_none_is_lost() {
    let mut rig = Rig::new().await;
    for number in 0..300 {
        rig.server.state().put(&format!("src/{number}"), &bytes(2000 + number, number));
    }
    rig.server.state().cut_after = Some(100);
    let summary = rig.downloaded("src", "dst", JobOptions::default()).await;
    assert_eq!((summary.files, summary.failed), (300, 0));
    let found = tree(&rig.local("dst"));
    assert!(found.len() == 300 && (0..300).all(|n| found[&n.to_string()] == bytes(2000 + n, n)));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_verified_blocks_of_an_earlier_part_are_kept() {
    let mut rig = Rig::new().await;
    rig.server.state().put("x", &bytes(LARGE, 0));
    let mut part = bytes(4 * BLOCK_LEN + 9, 0);
    part[BLOCK_LEN + 1] ^= 1;
    write(&rig.local(PART), &part);
    let summary = rig.downloaded("x", "x", JobOptions::default()).await;
    assert!(fs::read(rig.local("x")).unwrap() == bytes(LARGE, 0));
    assert_eq!((rig.server.state().blocks_out, summary.reused), (3, 3 * BLOCK_LEN as u64));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_of_a_file_that_is_replaced_meanwhile_takes_the_new_one_and_removes_that() {
    for size in [0, 1, BLOCK_LEN, LARGE - BLOCK_LEN, LARGE, LARGE + BLOCK_LEN] {
        let mut rig = Rig::new().await;
        rig.server.state().put("x", &bytes(LARGE, 0));
        rig.server.state().cut_after = Some(4);
        rig.server.state().when_cut = Some(("x", bytes(size, 1)));
        let options = JobOptions { remove_source: true, ..JobOptions::default() };
        let summary = rig.downloaded("x", "x", options).await;
        assert_eq!((summary.files, summary.failed), (1, 0), "{size} bytes");
        assert!(fs::read(rig.local("x")).unwrap() == bytes(size, 1), "{size} bytes");
        assert!(rig.server.state().files.is_empty(), "{size} bytes");
        assert_eq!(tree(rig.folder.path()).len(), 1, "{size} bytes: a part is left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_another_version_is_never_mixed_in() {
    let mut rig = Rig::new().await;
    rig.server.state().put("x", &bytes(LARGE, 1));
    write(&rig.local(PART), &bytes(9 * BLOCK_LEN, 0));
    rig.downloaded("x", "x", JobOptions::default()).await;
    assert!(fs::read(rig.local("x")).unwrap() == bytes(LARGE, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_resume_an_earlier_part_is_not_used() {
    let mut rig = Rig::new().await;
    rig.server.state().put("x", &bytes(LARGE, 0));
    write(&rig.local(PART), &bytes(LARGE, 0));
    rig.downloaded("x", "x", JobOptions { resume: false, ..JobOptions::default() }).await;
    assert_eq!(rig.server.state().blocks_out, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_changed_block_of_an_edited_file_is_sent() {
    let mut rig = Rig::new().await;
    let mut content = bytes(LARGE, 0);
    write(&rig.local("x"), &content);
    content[2 * BLOCK_LEN] ^= 1;
    rig.server.state().put("x", &content);
    let replace = JobOptions { conflict: ConflictRule::Replace, ..JobOptions::default() };
    rig.downloaded("x", "x", replace).await;
    assert!(fs::read(rig.local("x")).unwrap() == content);
    assert_eq!(rig.server.state().blocks_out, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_block_is_the_only_one_sent_again() {
    let mut rig = Rig::new().await;
    rig.server.state().put("x", &bytes(LARGE, 0));
    rig.server.state().damage = Some(3);
    rig.downloaded("x", "x", JobOptions::default()).await;
    assert!(fs::read(rig.local("x")).unwrap() == bytes(LARGE, 0));
    assert_eq!(rig.server.state().blocks_out, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_bytes_never_get_the_files_name() {
    let mut rig = Rig::with(Settings { retries: 0, ..Settings::default() }).await;
    rig.server.state().put("src/small", &bytes(100, 0));
    for _ in 0..3 {
        rig.server.state().damage = Some(0);
        rig.downloaded("src", "dst", JobOptions::default()).await;
    }
    let good = bytes(100, 0);
    assert!(tree(&rig.local("dst")).values().all(|content| *content == good));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sparse_file_stays_sparse() {
    let mut rig = Rig::new().await;
    let mut content = vec![0; LARGE];
    content[0] = 1;
    rig.server.state().put("x", &content);
    rig.downloaded("x", "x", JobOptions::default()).await;
    assert!(fs::read(rig.local("x")).unwrap() == content);
    let blocks = std::os::unix::fs::MetadataExt::blocks(&fs::metadata(rig.local("x")).unwrap());
    assert!(blocks * 512 < 3 * BLOCK_LEN as u64, "{blocks}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_symlink_planted_in_the_destination_is_not_followed() {
    let mut rig = Rig::new().await;
    for name in ["src/sub/small", "src/ok"] {
        rig.server.state().put(name, b"new");
    }
    rig.server.state().put("src/sub/large", &bytes(LARGE, 0));
    fs::create_dir_all(rig.local("outside")).unwrap();
    fs::create_dir_all(rig.local("dst")).unwrap();
    symlink(rig.local("outside"), rig.local("dst/sub")).unwrap();
    let replace = JobOptions { conflict: ConflictRule::Replace, ..JobOptions::default() };
    let summary = rig.downloaded("src", "dst", replace).await;
    assert_eq!((summary.files, summary.failed), (1, 3), "the folder and the two files in it");
    assert_eq!(fs::read_dir(rig.local("outside")).unwrap().count(), 0);
    assert!(
        matches!(&rig.outcomes()["src/sub/small"], Outcome::Failed(f) if matches!(f.error, ClientError::Local { .. }))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_symlink_at_the_target_is_replaced_itself() {
    let mut rig = Rig::new().await;
    rig.server.state().put("src/small", b"new");
    rig.server.state().put("src/large", &bytes(LARGE, 0));
    write(&rig.local("precious"), b"old");
    fs::create_dir_all(rig.local("dst")).unwrap();
    for name in ["dst/small", "dst/large", "dst/.small.ferry-part", "dst/.large.ferry-part"] {
        symlink(rig.local("precious"), rig.local(name)).unwrap();
    }
    let replace = JobOptions { conflict: ConflictRule::Replace, ..JobOptions::default() };
    assert_eq!(rig.downloaded("src", "dst", replace).await.files, 2);
    assert_eq!(fs::read(rig.local("precious")).unwrap(), b"old");
    assert_eq!(fs::read(rig.local("dst/small")).unwrap(), b"new");
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_cannot_exist_locally_are_left_out_and_reported() {
    let mut rig = Rig::new().await;
    rig.server.state().put("src/file", b"f");
    rig.server.state().put("src/.y.ferry-part", b"p");
    rig.server.state().symlinks.insert(b"src/link".to_vec());
    let summary = rig.downloaded("src", "dst", JobOptions::default()).await;
    assert_eq!((summary.files, summary.skipped), (1, 2));
    assert!(matches!(rig.outcomes()["src/link"], Outcome::Skipped(Skip::Symlink)));
    assert!(matches!(rig.outcomes()["src/.y.ferry-part"], Outcome::Skipped(Skip::Unfinished)));
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_select_files_and_empty_folders_are_not_created() {
    let mut rig = Rig::new().await;
    for name in ["src/a.jpg", "src/b.txt", "src/tmp/c.jpg", "src/tmp/deep/d.jpg", "src/d/e.jpg"] {
        rig.server.state().put(name, b"x");
    }
    let filter = Filter::new(&["*.jpg"], &["tmp"]).unwrap();
    rig.downloaded("src", "dst", JobOptions { filter, ..JobOptions::default() }).await;
    assert_eq!(tree(&rig.local("dst")).into_keys().collect::<Vec<_>>(), ["a.jpg", "d/e.jpg"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_home_can_be_downloaded() {
    let mut rig = Rig::new().await;
    rig.server.state().put("a/b", b"1");
    rig.server.state().put("c", b"2");
    rig.downloaded("", "dst", JobOptions::default()).await;
    assert_eq!(tree(&rig.local("dst")).into_keys().collect::<Vec<_>>(), ["a/b", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_source_is_the_jobs_error() {
    let mut rig = Rig::new().await;
    let summary = rig.downloaded("none", "dst", JobOptions::default()).await;
    assert!(matches!(summary.error, Some(ClientError::Refused(_))));
    assert!(!rig.local("dst").exists());
}
