//! The identity of local files: changes that keep size and date, and differences that are not changes.

use std::{
    fs::{self, File, FileTimes, OpenOptions, Permissions},
    io::Write as _,
    os::unix::fs::{FileExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use ferry_client::{
    ClientError,
    transfer::{ConflictRule, Event, Grown, JobOptions, LinkEvent, Outcome, Settings},
};
use ferry_shared::{entry::Mtime, limits::BLOCK_LEN};

use super::{
    Rig, bytes,
    memory_server::{File as Stored, LARGE},
    write,
};

/// More blocks than the network buffers.
const HUGE: usize = 12 * BLOCK_LEN + 5;

fn rule(conflict: ConflictRule) -> JobOptions {
    JobOptions { conflict, ..JobOptions::default() }
}

/// Changes bytes of a file in place, and restores its date.
fn overwrite(path: &Path, at: &[usize]) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let date = file.metadata().unwrap().modified().unwrap();
    at.iter().for_each(|at| file.write_all_at(b"changed", *at as u64).unwrap());
    file.set_times(FileTimes::new().set_modified(date)).unwrap();
}

fn append(path: &Path, more: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(more).unwrap();
}

/// An upload of `x` that is stopped after its first blocks.
async fn begun(rig: &Rig, options: JobOptions) -> PathBuf {
    let path = rig.local("x");
    write(&path, &bytes(HUGE, 0));
    rig.server.open_gate(false);
    rig.upload("x", "x", options);
    while rig.engine.progress().active.first().is_none_or(|active| active.done < BLOCK_LEN as u64) {
        tokio::task::yield_now().await;
    }
    path
}

fn grown(rig: &Rig) -> Option<Grown> {
    match rig.outcomes()["x"] {
        Outcome::Verified { grown, .. } => grown,
        ref other => panic!("{other:?}"),
    }
}

fn puts(rig: &Rig) -> usize {
    rig.server.state().requests.iter().filter(|name| **name == "put").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_changed_in_place_that_keeps_its_date_is_never_stored_as_a_mixture() {
    let mut rig = Rig::new().await;
    let path = begun(&rig, JobOptions::default()).await;
    overwrite(&path, &[100, HUGE - 100]);
    rig.server.open_gate(true);
    assert_eq!(rig.job_done().await.files, 1);
    assert!(rig.server.state().bytes("x") == fs::read(&path).unwrap());
    assert_eq!(grown(&rig), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn permission_bits_links_and_names_that_change_do_not_fail_an_upload() {
    let touches: [fn(&Path); 4] = [
        |path| fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap(),
        |path| fs::hard_link(path, path.with_extension("backup")).unwrap(),
        |path| fs::rename(path, path.with_extension("old")).unwrap(),
        |path| File::open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap(),
    ];
    for touch in touches {
        let mut rig = Rig::with(Settings { retries: 0, ..Settings::default() }).await;
        let path = begun(&rig, JobOptions::default()).await;
        touch(&path);
        rig.server.open_gate(true);
        assert_eq!(rig.job_done().await.files, 1);
        assert!(rig.server.state().bytes("x") == bytes(HUGE, 0));
        assert_eq!((puts(&rig), rig.server.state().blocks_in), (1, 13), "nothing was sent twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_only_grew_is_stored_as_it_was() {
    for growing in [false, true] {
        let mut rig = Rig::with(Settings { retries: 0, ..Settings::default() }).await;
        let path = begun(&rig, JobOptions { growing, ..JobOptions::default() }).await;
        append(&path, b"more");
        rig.server.open_gate(true);
        let summary = rig.job_done().await;
        assert_eq!((summary.files, summary.bytes, summary.unproven), (1, HUGE as u64, u64::from(growing)));
        assert!(rig.server.state().bytes("x") == bytes(HUGE, 0));
        assert_eq!(grown(&rig).unwrap().proven, !growing);
        assert!(grown(&rig).unwrap().at <= SystemTime::now());
        assert_eq!(puts(&rig), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_grew_and_changed_before_its_old_end_is_sent_again() {
    let mut rig = Rig::new().await;
    let path = begun(&rig, JobOptions::default()).await;
    overwrite(&path, &[5]);
    append(&path, b"more");
    rig.server.open_gate(true);
    assert_eq!(rig.job_done().await.files, 1);
    assert!(rig.server.state().bytes("x") == fs::read(&path).unwrap());
}

/// A move of `x` during whose commit the source is modified.
async fn moved(size: usize, deed: impl FnOnce(&Path) + Send + 'static) -> (Rig, ferry_client::transfer::Summary) {
    let mut rig = Rig::with(Settings { retries: 0, ..Settings::default() }).await;
    let path = rig.local("x");
    write(&path, &bytes(size, 0));
    let source = path.clone();
    rig.server.state().before = Some(("commit", Box::new(move || deed(&source))));
    let moving = JobOptions { remove_source: true, ..JobOptions::default() };
    let summary = rig.uploaded("x", "x", moving).await;
    assert!(rig.server.state().bytes("x") == bytes(size, 0));
    (rig, summary)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_removes_no_source_that_changed_since_it_was_read() {
    let deeds: [fn(&Path); 4] = [
        |path| overwrite(path, &[10]),
        |path| append(path, b"more"),
        |path| {
            let date = fs::metadata(path).unwrap().modified().unwrap();
            let other = path.with_extension("new");
            fs::write(&other, bytes(usize::try_from(fs::metadata(path).unwrap().len()).unwrap(), 9)).unwrap();
            File::options().write(true).open(&other).unwrap().set_modified(date).unwrap();
            fs::rename(&other, path).unwrap();
        },
        |path| fs::write(path, "").unwrap(),
    ];
    for size in [1000, LARGE] {
        for deed in deeds {
            let (rig, summary) = moved(size, deed).await;
            assert_eq!((summary.files, summary.failed), (0, 1));
            let Outcome::Failed(failure) = &rig.outcomes()["x"] else { panic!("not failed") };
            assert!(matches!(failure.error, ClientError::SourceChanged), "{failure:?}");
            assert!(rig.local("x").exists(), "the source stays");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_removes_a_source_whose_content_equals_the_target() {
    let deeds: [fn(&Path); 3] = [
        |_| {},
        |path| fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap(),
        |path| {
            let size = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
            fs::remove_file(path).unwrap();
            fs::write(path, bytes(size, 0)).unwrap();
        },
    ];
    for size in [1000, LARGE] {
        for deed in deeds {
            let (rig, summary) = moved(size, deed).await;
            assert_eq!((summary.files, summary.failed), (1, 0));
            assert!(!rig.local("x").exists());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_keeps_a_source_that_grew() {
    let mut rig = Rig::with(Settings { retries: 0, ..Settings::default() }).await;
    let path = begun(&rig, JobOptions { remove_source: true, ..JobOptions::default() }).await;
    append(&path, b"more");
    rig.server.open_gate(true);
    let summary = rig.job_done().await;
    assert_eq!((summary.files, summary.failed), (0, 1));
    assert_eq!(fs::metadata(&path).unwrap().len(), HUGE as u64 + 4);
    assert!(rig.server.state().bytes("x") == bytes(HUGE, 0));
}

/// Both sides have a file of the same size and date with different content.
async fn alike(size: usize) -> Rig {
    let rig = Rig::new().await;
    write(&rig.local("here/x"), &bytes(size, 1));
    let date = Mtime(1_000, 5).to_system().unwrap();
    File::options().write(true).open(rig.local("here/x")).unwrap().set_modified(date).unwrap();
    rig.server.state().make("there/x", Stored::new(&bytes(size, 2), 1_000));
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn different_compares_content_and_changed_compares_size_and_date() {
    for size in [1000, LARGE] {
        for (conflict, replaced) in [(ConflictRule::Different, true), (ConflictRule::Changed, false)] {
            for (from, to) in [("here", "there"), ("here/x", "there/x")] {
                let mut rig = alike(size).await;
                let up = rig.uploaded(from, to, rule(conflict)).await;
                assert_eq!(rig.server.state().bytes("there/x") == bytes(size, 1), replaced);
                let mut rig = alike(size).await;
                let down = rig.downloaded(to, from, rule(conflict)).await;
                assert_eq!(fs::read(rig.local("here/x")).unwrap() == bytes(size, 2), replaced);
                for summary in [up, down] {
                    let (files, unchanged) = (summary.files, summary.unchanged);
                    assert_eq!((files, unchanged), if replaced { (1, 0) } else { (0, 1) });
                    assert_eq!((summary.equal, summary.skipped, summary.failed), (0, 0, 0));
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_and_a_resumed_transfer_compare_content_whatever_the_rule() {
    for size in [1000, LARGE] {
        for (remove_source, again) in [(true, false), (false, true)] {
            let mut rig = alike(size).await;
            let options = JobOptions { remove_source, again, ..rule(ConflictRule::Changed) };
            assert_eq!(rig.uploaded("here", "there", options).await.unchanged, 0);
            assert!(rig.server.state().bytes("there/x") == bytes(size, 1));
            assert_eq!(rig.local("here/x").exists(), !remove_source);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_move_completes_its_work() {
    for conflict in [ConflictRule::Skip, ConflictRule::Newer, ConflictRule::Changed] {
        let mut rig = Rig::new().await;
        write(&rig.local("src/x"), &bytes(1000, 0));
        rig.server.state().make("dst/x", Stored::new(&bytes(1000, 0), 1 << 33));
        let options = JobOptions { remove_source: true, again: true, ..rule(conflict) };
        let summary = rig.uploaded("src", "dst", options).await;
        assert_eq!((summary.files, summary.skipped, summary.failed), (1, 0, 0), "{conflict:?}");
        assert!(!rig.local("src/x").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_grew_since_it_was_counted_is_counted_again() {
    for upload in [true, false] {
        let mut rig = Rig::new().await;
        let (before, after) = (bytes(3 * BLOCK_LEN, 0), bytes(HUGE, 0));
        rig.server.state().shut = upload;
        match upload {
            true => {
                write(&rig.local("x"), &before);
                rig.upload("x", "x", JobOptions::default());
                rig.until(|event| matches!(event, Event::Link(LinkEvent::Lost { .. })).then_some(())).await;
                write(&rig.local("x"), &after);
            }
            false => {
                rig.server.state().put("x", &before);
                rig.server.state().meanwhile = Some(("get", "x", Stored::new(&after, 1_000)));
                rig.download("x", "x", JobOptions::default());
            }
        }
        rig.server.state().shut = false;
        loop {
            let progress = rig.engine.progress();
            for job in &progress.jobs {
                assert!(job.bytes_done <= job.bytes, "{} of {}", job.bytes_done, job.bytes);
            }
            if progress.active.iter().any(|item| item.done >= BLOCK_LEN as u64) {
                // Queried after the event; the transfer may have finished by then.
                let total = rig.engine.progress().jobs.first().map(|job| job.bytes);
                assert!(total.is_none_or(|total| total == HUGE as u64), "{total:?}");
            }
            let done = tokio::select! {
                biased;
                event = rig.events.recv() => matches!(event, Some(Event::JobDone { .. })),
                () = tokio::task::yield_now() => false,
            };
            if done {
                break;
            }
        }
        assert!(rig.server.state().bytes("x") == fs::read(rig.local("x")).unwrap());
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_shorter_than_its_reported_size_is_read_to_its_end() {
    let source = Path::new("/sys/class/net/lo/mtu");
    let content = fs::read(source).unwrap();
    assert_ne!(fs::metadata(source).unwrap().len(), content.len() as u64, "the reported size is wrong");
    let mut rig = Rig::new().await;
    for equal in [0, 1] {
        let work = super::upload(rig.server.connector(), source.into(), super::remote("mtu"));
        rig.engine.add(ferry_client::transfer::Job { work, options: JobOptions::default() });
        let summary = rig.job_done().await;
        assert_eq!((summary.files, summary.equal, summary.bytes), (1, equal, content.len() as u64));
        assert_eq!(rig.server.state().bytes("mtu"), content);
    }
}
