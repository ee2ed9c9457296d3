//! Uploads are complete, and transfer no more than necessary.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};

use ferry_client::{
    ClientError,
    transfer::{ConflictRule, Event, Filter, JobOptions, Outcome, Settings, Skip},
};
use ferry_shared::{entry::Mtime, limits::BLOCK_LEN, refusal::Code};

use super::{Rig, bytes, memory_server::LARGE, write};

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_query_of_the_target_is_started_again() {
    let mut rig = Rig::new().await;
    write(&rig.local("src/x"), b"new");
    rig.server.state().put("dst/y", b"there");
    rig.server.state().cut_walk = Some(0);
    let summary = rig.uploaded("src", "dst", JobOptions::default()).await;
    assert_eq!((summary.files, summary.failed), (1, 0));
    assert!(summary.error.is_none() && rig.server.state().cut_walk.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_arrives_with_its_whole_content() {
    let mut rig = Rig::new().await;
    let sizes = [0, 1, 1000, BLOCK_LEN - 1, BLOCK_LEN, BLOCK_LEN + 1, LARGE];
    for (number, size) in sizes.into_iter().enumerate() {
        write(&rig.local(&format!("src/a/{number}")), &bytes(size, number));
    }
    for number in 0..700 {
        write(&rig.local(&format!("src/b c/{number}")), &bytes(number * 10, number));
    }
    fs::create_dir_all(rig.local("src/empty/inner")).unwrap();
    fs::set_permissions(rig.local("src/a/1"), fs::Permissions::from_mode(0o755)).unwrap();
    let summary = rig.uploaded("src", "dst", JobOptions::default()).await;
    assert_eq!((summary.files, summary.failed, summary.skipped), (707, 0, 0));
    assert_eq!((summary.folders, summary.transferred), (5, summary.bytes));
    let state = rig.server.state();
    for (number, size) in sizes.into_iter().enumerate() {
        assert!(state.bytes(&format!("dst/a/{number}")) == bytes(size, number), "{size} bytes");
    }
    assert!((0..700).all(|number| state.bytes(&format!("dst/b c/{number}")) == bytes(number * 10, number)));
    assert!(state.folders.contains(&b"dst/empty/inner"[..]));
    let metadata = fs::metadata(rig.local("src/a/1")).unwrap();
    let file = &state.files[&b"dst/a/1"[..]];
    assert_eq!((file.mode, file.mtime), (0o755, Mtime::from(metadata.modified().unwrap())));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_opens_one_connection() {
    let mut rig = Rig::new().await;
    write(&rig.local("x"), &bytes(LARGE, 0));
    assert_eq!(rig.uploaded("x", "y", JobOptions::default()).await.files, 1);
    assert_eq!(rig.server.fake.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn zeros_are_not_sent() {
    let mut rig = Rig::new().await;
    let mut content = vec![0; LARGE];
    content[3 * BLOCK_LEN + 5] = 1;
    write(&rig.local("x"), &content);
    write(&rig.local("small"), &[0; 5000]);
    rig.uploaded("x", "x", JobOptions::default()).await;
    rig.uploaded("small", "small", JobOptions::default()).await;
    assert!(rig.server.state().bytes("x") == content && rig.server.state().bytes("small") == [0; 5000]);
    assert!(rig.engine.progress().sent < 2 * BLOCK_LEN as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_upload_resumes_with_the_missing_blocks() {
    let mut rig = Rig::new().await;
    write(&rig.local("x"), &bytes(LARGE, 0));
    rig.server.state().cut_after = Some(3);
    let summary = rig.uploaded("x", "x", JobOptions::default()).await;
    assert!(rig.server.state().bytes("x") == bytes(LARGE, 0));
    assert_eq!(rig.server.state().blocks_in, 6, "no block arrived twice");
    // All data was sent by this job, in two attempts.
    assert_eq!((summary.files, summary.transferred, summary.reused), (1, LARGE as u64, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_small_files_are_sent_again_and_none_is_lost() {
    let mut rig = Rig::new().await;
    for number in 0..300 {
        write(&rig.local(&format!("src/{number}")), &bytes(2000 + number, number));
    }
    rig.server.state().cut_after = Some(100);
    let summary = rig.uploaded("src", "dst", JobOptions::default()).await;
    assert_eq!((summary.files, summary.failed), (300, 0));
    let state = rig.server.state();
    assert!((0..300).all(|number| state.bytes(&format!("dst/{number}")) == bytes(2000 + number, number)));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_retries_an_interruption_fails_and_a_manual_retry_resumes() {
    let mut rig = Rig::with(Settings { retries: 0, ..Settings::default() }).await;
    write(&rig.local("x"), &bytes(LARGE, 0));
    rig.server.state().cut_after = Some(2);
    rig.upload("x", "x", JobOptions::default());
    let job = rig.until(|event| match event {
        Event::JobDone { job, summary } if summary.failed == 1 => Some(*job),
        _ => None,
    });
    let job = job.await;
    assert!(matches!(&rig.outcomes()["x"], Outcome::Failed(failure) if failure.retryable));
    rig.engine.retry(job);
    let summary = rig.job_done().await;
    assert_eq!((summary.transferred, summary.reused), (LARGE as u64, 0));
    assert_eq!(rig.server.state().blocks_in, 6, "no block arrived twice");
    assert!(rig.server.state().bytes("x") == bytes(LARGE, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_block_is_the_only_one_sent_again() {
    let mut rig = Rig::new().await;
    write(&rig.local("x"), &bytes(LARGE, 0));
    rig.server.state().damage = Some(4);
    rig.uploaded("x", "x", JobOptions::default()).await;
    assert!(rig.server.state().bytes("x") == bytes(LARGE, 0));
    assert_eq!(rig.server.state().blocks_in, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_changed_block_of_an_edited_file_is_sent() {
    let mut rig = Rig::new().await;
    let mut content = bytes(LARGE, 0);
    rig.server.state().put("x", &content);
    content[2 * BLOCK_LEN] ^= 1;
    write(&rig.local("x"), &content);
    let replace = JobOptions { conflict: ConflictRule::Replace, ..JobOptions::default() };
    let summary = rig.uploaded("x", "x", replace).await;
    assert!(rig.server.state().bytes("x") == content);
    assert_eq!((rig.server.state().blocks_in, summary.transferred), (1, BLOCK_LEN as u64));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changes_while_it_is_read_is_not_committed_half_old() {
    let mut rig = Rig::new().await;
    // More than the sockets and the blocks between the two threads can hold.
    let long = 32 * BLOCK_LEN;
    for size in [long, LARGE] {
        write(&rig.local("x"), &bytes(long, 0));
        rig.server.open_gate(false);
        let replace = JobOptions { conflict: ConflictRule::Replace, ..JobOptions::default() };
        rig.upload("x", "x", replace);
        while rig.engine.progress().active.first().is_none_or(|active| active.done < BLOCK_LEN as u64) {
            tokio::task::yield_now().await;
        }
        write(&rig.local("x"), &bytes(size, 3));
        rig.server.open_gate(true);
        assert_eq!(rig.job_done().await.files, 1);
        assert!(rig.server.state().bytes("x") == bytes(size, 3));
        rig.server.state().files.clear();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_does_not_fit_fails_at_once_and_the_others_continue() {
    let mut rig = Rig::new().await;
    for name in ["a", "b", "c"] {
        write(&rig.local(&format!("src/{name}")), &bytes(1000, 0));
    }
    write(&rig.local("src/large"), &bytes(LARGE, 0));
    rig.server.state().refuse.insert(b"dst/b".to_vec(), Code::OverQuota);
    rig.server.state().refuse.insert(b"dst/large".to_vec(), Code::OverQuota);
    let summary = rig.uploaded("src", "dst", JobOptions { fill: true, ..JobOptions::default() }).await;
    assert_eq!((summary.files, summary.failed), (2, 2));
    for name in ["src/b", "src/large"] {
        let name = name.replace("src", "dst");
        let Outcome::Failed(failure) = &rig.outcomes()[&name] else { panic!("not failed") };
        assert!(matches!(&failure.error, ClientError::Refused(refusal) if refusal.code == Code::OverQuota));
        assert!(!failure.retryable);
    }
    let puts = rig.server.state().requests.iter().filter(|name| **name == "put").count();
    assert_eq!(puts, 4, "nothing was tried twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn symlinks_and_devices_inside_a_folder_are_left_out_and_reported() {
    let mut rig = Rig::new().await;
    write(&rig.local("secret"), b"s");
    write(&rig.local("src/file"), b"f");
    write(&rig.local("src/.old.ferry-part"), b"p");
    symlink(rig.local("secret"), rig.local("src/link")).unwrap();
    symlink(rig.folder.path(), rig.local("src/loop")).unwrap();
    let fifo = rig.local("src/fifo");
    rustix::fs::mknodat(rustix::fs::CWD, fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let summary = rig.uploaded("src", "dst", JobOptions::default()).await;
    assert_eq!((summary.files, summary.skipped), (1, 4));
    let outcomes = rig.outcomes();
    let skipped = |name: &str, why: Skip| matches!(outcomes[name], Outcome::Skipped(found) if found == why);
    assert!(skipped("dst/link", Skip::Symlink) && skipped("dst/loop", Skip::Symlink));
    assert!(skipped("dst/fifo", Skip::Special) && skipped("dst/.old.ferry-part", Skip::Unfinished));
    symlink(rig.local("secret"), rig.local("named")).unwrap();
    assert_eq!(rig.uploaded("named", "named", JobOptions::default()).await.files, 1);
    assert_eq!(rig.server.state().bytes("named"), b"s");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_select_files_and_excluded_folders_are_not_entered() {
    let mut rig = Rig::new().await;
    for name in ["src/a.jpg", "src/b.txt", "src/tmp/c.jpg", "src/d/e.jpg"] {
        write(&rig.local(name), b"x");
    }
    let filter = Filter::new(&["*.jpg"], &["tmp"]).unwrap();
    rig.uploaded("src", "dst", JobOptions { filter, ..JobOptions::default() }).await;
    let names: Vec<Vec<u8>> = rig.server.state().files.keys().cloned().collect();
    assert_eq!(names, [b"dst/a.jpg".to_vec(), b"dst/d/e.jpg".to_vec()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_parent_of_the_target_is_reported_unless_it_may_be_created() {
    let mut rig = Rig::new().await;
    write(&rig.local("src/x"), b"x");
    for from in ["src", "src/x"] {
        let summary = rig.uploaded(from, "no/where", JobOptions::default()).await;
        let told = summary.error.is_some() || summary.failed == 1;
        assert!(told && rig.server.state().files.is_empty(), "{from}");
    }
    let parents = JobOptions { parents: true, ..JobOptions::default() };
    rig.uploaded("src", "no/where", parents.clone()).await;
    rig.uploaded("src/x", "nor/there", parents).await;
    assert_eq!(rig.server.state().files.len(), 2);
}

/// Gives a folder a date.
fn date(path: &std::path::Path, seconds: u64) -> Mtime {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    fs::File::open(path).unwrap().set_modified(time).unwrap();
    Mtime::from(time)
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_get_their_dates_last_and_only_if_these_differ() {
    let mut rig = Rig::new().await;
    for number in 0..5 {
        write(&rig.local(&format!("src/{number}/small")), &bytes(10, number));
    }
    write(&rig.local("src/2/large"), &bytes(LARGE, 0));
    let dated = |rig: &Rig| {
        for number in 0..5 {
            date(&rig.local(&format!("src/{number}")), 100 + number);
        }
        date(&rig.local("src"), 99);
    };
    dated(&rig);
    rig.uploaded("src", "dst", JobOptions::default()).await;
    {
        let state = rig.server.state();
        let expected = (0..5).map(|n| (format!("dst/{n}").into_bytes(), Mtime(100 + n, 0)));
        let expected = expected.chain([(b"dst".to_vec(), Mtime(99, 0))]).collect();
        assert_eq!(state.dates, expected);
        let last = state.requests.iter().rev().take_while(|request| **request == "set_attributes").count();
        assert!(last >= 6, "{:?}", state.requests);
    }
    let asked = |rig: &Rig| rig.server.state().requests.drain(..).filter(|name| *name == "set_attributes").count();
    asked(&rig);
    rig.uploaded("src", "dst", JobOptions::default()).await;
    assert_eq!(asked(&rig), 1, "only the date of the root is not known");
    // Storing a file in a folder changes the folder's date, although it was right before.
    write(&rig.local("src/3/new"), &bytes(10, 9));
    dated(&rig);
    rig.uploaded("src", "dst", JobOptions { conflict: ConflictRule::Skip, ..JobOptions::default() }).await;
    assert_eq!(asked(&rig), 2);
    rig.uploaded("src", "dst", JobOptions { keep_attributes: false, ..JobOptions::default() }).await;
    assert_eq!(asked(&rig), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_the_way_of_a_folder_keeps_its_date() {
    let mut rig = Rig::new().await;
    write(&rig.local("src/below/file"), &bytes(10, 0));
    date(&rig.local("src/below"), 100);
    rig.server.state().put("dst/below", b"a file");
    let summary = rig.uploaded("src", "dst", JobOptions::default()).await;
    assert!(summary.failed > 0, "{summary:?}");
    assert_eq!(rig.server.state().files[&b"dst/below"[..]].mtime, Mtime(1_000, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_of_a_move_get_the_dates_their_sources_had_before_it() {
    let mut rig = Rig::new().await;
    write(&rig.local("src/below/file"), &bytes(10, 0));
    let dates = [("src/below", 100), ("src", 99)].map(|(folder, seconds)| date(&rig.local(folder), seconds));
    let options = JobOptions { remove_source: true, ..JobOptions::default() };
    rig.uploaded("src", "dst", options.clone()).await;
    assert!(!rig.local("src").exists());
    let state = |rig: &Rig| ["dst/below", "dst"].map(|folder| rig.server.state().dates[folder.as_bytes()]);
    assert_eq!(state(&rig), dates);
    rig.downloaded("dst", "back", options).await;
    let back = ["back/below", "back"].map(|name| fs::metadata(rig.local(name)).unwrap().modified().unwrap());
    assert_eq!(back.map(Mtime::from), dates);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_gets_the_requested_permission_bits_instead_of_its_sources() {
    let mut rig = Rig::new().await;
    let options = || JobOptions { mode: Some(0o751), conflict: ConflictRule::Replace, ..JobOptions::default() };
    for (name, size) in [("small", 10), ("large", LARGE)] {
        write(&rig.local(name), &bytes(size, 0));
        // The content is equal the second time.
        for _ in 0..2 {
            rig.uploaded(name, name, options()).await;
            let mut state = rig.server.state();
            let file = state.files.get_mut(name.as_bytes()).unwrap();
            assert_eq!(std::mem::replace(&mut file.mode, 0o600), 0o751, "{name}");
        }
        for _ in 0..2 {
            rig.downloaded(name, "back", options()).await;
            let back = rig.local("back");
            assert_eq!(fs::metadata(&back).unwrap().permissions().mode() & 0o7777, 0o751, "{name}");
            fs::set_permissions(&back, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}
