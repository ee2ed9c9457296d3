//! Unfinished uploads: kept, continued, taken over, discarded.

use std::{
    io,
    ops::ControlFlow,
    os::unix::fs::FileExt as _,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use ferry_shared::entry::Mtime;

use super::*;

fn meta(path: &str, size: u64) -> PartMeta {
    PartMeta {
        path: p(path),
        size: Some(size),
        file: FileMeta { mtime: Some(Mtime(77, 7)), mode: Some(0o640) },
        lasting: None,
    }
}

fn write(part: &Part, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
    part.write(bytes.len() as u64, |file, length| {
        file.write_all_at(bytes, offset)?;
        *length = (*length).max(offset + bytes.len() as u64);
        Ok(())
    })
}

fn text(part: &Part) -> String {
    let mut bytes = vec![0; usize::try_from(part.length()).unwrap()];
    part.file().read_exact_at(&mut bytes, 0).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn go(_: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn a_part_survives_a_restart() {
    let place = Place::new();
    let part = place.home.create_part(meta("a/b", 10)).unwrap();
    write(&part, 0, b"half").unwrap();
    let before = place.home.parts();
    assert!(before[0].active);
    drop(part);
    assert!(!place.home.parts()[0].active);
    let place = place.reopen();
    assert_eq!(place.home.take_report(), [""; 0]);
    let parts = place.home.parts();
    assert_eq!(parts.len(), 1);
    assert_eq!((&parts[0].meta, parts[0].length), (&meta("a/b", 10), 4));
    assert_eq!((parts[0].started, parts[0].touched), (before[0].started, before[0].touched));
    let part = place.home.open_part(meta("a/b", 12)).unwrap().unwrap();
    assert_eq!(text(&part), "half");
    assert_eq!(place.home.part_info(&p("a/b")).unwrap().meta.size, Some(12));
    assert!(place.home.open_part(meta("a", 1)).unwrap().is_none());
}

#[test]
fn paths_that_are_not_utf8_and_sizes_that_are_not_known_survive_too() {
    let place = Place::new();
    let path = RemotePath::from_wire(b"a/\xff\n").unwrap();
    let odd = PartMeta { path, size: None, file: FileMeta::default(), lasting: None };
    drop(place.home.create_part(odd.clone()).unwrap());
    let place = place.reopen();
    assert_eq!(place.home.parts()[0].meta, odd);
}

#[test]
fn there_is_one_part_for_each_target() {
    let place = Place::new();
    let first = place.home.create_part(meta("a", 10)).unwrap();
    write(&first, 0, b"first").unwrap();
    let second = place.home.create_part(meta("a", 10)).unwrap();
    assert_eq!((second.length(), place.home.parts().len()), (0, 1));
    assert_eq!(place.staged_names().len(), 2);
    assert!(matches!(write(&first, 0, b"x"), Err(StorageError::Superseded(_))));
    write(&second, 0, b"second").unwrap();
    drop(first);
    assert_eq!(text(&second), "second");
    assert!(place.home.parts()[0].active);
}

#[test]
fn a_newer_upload_takes_over_the_bytes_and_the_older_writes_no_more() {
    let place = Place::new();
    let old = place.home.create_part(meta("a", 10)).unwrap();
    write(&old, 0, b"old").unwrap();
    let new = place.home.open_part(meta("a", 10)).unwrap().unwrap();
    assert_eq!(text(&new), "old");
    assert!(old.is_superseded() && !new.is_superseded());
    assert!(matches!(write(&old, 0, b"BAD"), Err(StorageError::Superseded(_))));
    assert!(matches!(old.finish(3), Err(StorageError::Superseded(_))));
    assert!(matches!(place.commit("a", Staged::Part(old), &Overwrite::Always), Err(StorageError::Superseded(_))));
    assert_eq!(text(&new), "old");
    assert!(!place.real("a").exists());
}

#[test]
fn taking_over_waits_for_the_write_in_flight() {
    let place = Place::new();
    let old = place.home.create_part(meta("a", 10)).unwrap();
    let (in_write, done) = (Barrier::new(2), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            let writing = old.write(1, |file, length| {
                in_write.wait();
                // Enough time for a takeover that does not wait to overtake this write.
                (0..10_000).for_each(|_| thread::yield_now());
                file.write_all_at(b"done", 0)?;
                *length = 4;
                done.store(true, Ordering::Release);
                Ok(())
            });
            writing.unwrap();
        });
        in_write.wait();
        let new = place.home.open_part(meta("a", 10)).unwrap().unwrap();
        assert!(done.load(Ordering::Acquire));
        assert_eq!(text(&new), "done");
    });
}

#[test]
fn two_uploads_hammering_one_part_never_mix_after_the_takeover() {
    let place = Place::new();
    let old = place.home.create_part(meta("a", 1 << 16)).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| (0..5000).all(|_| write(&old, 0, &[b'o'; 1 << 16]).is_ok()));
        let new = place.home.open_part(meta("a", 1 << 16)).unwrap().unwrap();
        for _ in 0..50 {
            write(&new, 0, &[b'n'; 1 << 16]).unwrap();
            assert!(text(&new).bytes().all(|b| b == b'n'));
        }
    });
}

#[test]
fn a_published_part_is_the_file_with_its_time_and_mode() {
    let place = Place::new();
    let part = place.home.create_part(meta("new/a", 4)).unwrap();
    write(&part, 0, b"longer than declared").unwrap();
    part.finish(4).unwrap();
    let published = place.commit("new/a", Staged::Part(part), &Overwrite::Never).unwrap();
    assert_eq!((published.size, published.folders), (4, 1));
    let stat = place.home.stat(&p("new/a")).unwrap();
    assert_eq!((stat.entry.mtime, stat.entry.mode), (Mtime(77, 7), 0o640));
    assert_eq!(stat.version, Some(published.version));
    assert_eq!(place.read("new/a"), "long");
    assert_eq!((place.home.parts().len(), place.staged_names().len()), (0, 0));
}

#[test]
fn a_part_shorter_than_its_size_is_not_finished() {
    let place = Place::new();
    let part = place.home.create_part(meta("a", 4)).unwrap();
    write(&part, 0, b"abc").unwrap();
    assert!(part.finish(4).is_err());
    part.finish(3).unwrap();
}

#[test]
fn a_part_that_could_not_be_published_stays() {
    let place = Place::new();
    let part = place.home.create_part(meta("a", 3)).unwrap();
    write(&part, 0, b"abc").unwrap();
    part.finish(3).unwrap();
    let mut group = place.home.commit_group();
    let prepared = group.prepare(&p("a"), &Overwrite::Never, false).unwrap();
    place.write("a", "came in between");
    let failed = group.publish(Staged::Part(part), prepared).unwrap_err();
    assert!(matches!(failed.error, StorageError::Exists(_)), "{failed:?}");
    assert_eq!(place.read("a"), "came in between");
    let part = place.home.open_part(meta("a", 3)).unwrap().unwrap();
    assert_eq!(text(&part), "abc");
    write(&part, 0, b"xyz").unwrap();
}

#[test]
fn a_discarded_part_is_gone_and_its_holder_superseded() {
    let place = Place::new();
    let part = place.home.create_part(meta("a", 3)).unwrap();
    assert!(place.home.discard(&p("a")).unwrap());
    assert!(!place.home.discard(&p("a")).unwrap());
    assert!(matches!(write(&part, 0, b"x"), Err(StorageError::Superseded(_))));
    assert_eq!((place.home.parts().len(), place.staged_names().len()), (0, 0));
    assert!(place.home.open_part(meta("a", 3)).unwrap().is_none());
}

#[test]
fn files_that_belong_to_no_upload_are_removed_at_the_next_start_and_reported() {
    let place = Place::new();
    drop(place.home.create_part(meta("good", 3)).unwrap());
    for path in ["corrupt", "partless", "moved"] {
        drop(place.home.create_part(meta(path, 3)).unwrap());
    }
    let staging = place.staging();
    let file = |path: &str, end: &str| {
        let id = &blake3::hash(path.as_bytes()).to_hex()[..32];
        staging.join(format!("{id}.{end}"))
    };
    fs::write(file("corrupt", "json"), "{ not json").unwrap();
    fs::remove_file(file("partless", "part")).unwrap();
    fs::copy(file("good", "json"), file("moved", "json")).unwrap();
    fs::write(staging.join("1234.part"), "orphan").unwrap();
    fs::write(staging.join("17.tmp"), "left by a crash").unwrap();
    fs::write(staging.join("x.json.new"), "left by a crash").unwrap();
    let place = place.reopen();
    assert_eq!(place.staged_names().len(), 2);
    assert_eq!(place.home.parts().len(), 1);
    let report = place.home.take_report();
    for told in ["is corrupt", "its part cannot be found", "belongs to another path", "17.tmp", "1234.part"] {
        assert!(report.iter().any(|line| line.contains(told)), "{told} in {report:?}");
    }
    assert_eq!(place.home.take_report(), [""; 0]);
}

#[test]
fn inspecting_throws_nothing_away() {
    let place = Place::new();
    drop(place.home.create_part(meta("a", 3)).unwrap());
    fs::write(place.staging().join("17.tmp"), "being written").unwrap();
    let beside = Storage::inspect(place.data.path()).unwrap().home("alice", false).unwrap();
    assert_eq!(beside.parts().len(), 1);
    assert_eq!(place.staged_names().len(), 3);
}

#[test]
fn a_part_is_seeded_with_the_file_as_it_is() {
    let place = Place::new();
    let content = (0..3_000_000_u32).map(|i| char::from(b'a' + (i / 7 % 26) as u8)).collect::<String>();
    place.write("f", &content);
    let part = place.home.seed_part(meta("f", 3_000_005), &mut go).unwrap();
    assert_eq!(text(&part), content);
    write(&part, 0, b"CHANGED").unwrap();
    assert_eq!(place.read("f"), content);
    assert_eq!(place.home.seed_part(meta("none", 5), &mut go).unwrap().length(), 0);
}

#[test]
fn seeding_keeps_holes() {
    use std::os::unix::fs::MetadataExt as _;
    let place = Place::new();
    let file = fs::File::create(place.real("sparse")).unwrap();
    file.set_len(64 << 20).unwrap();
    file.write_all_at(b"middle", 20 << 20).unwrap();
    let part = place.home.seed_part(meta("sparse", 64 << 20), &mut go).unwrap();
    let there = part.file().metadata().unwrap();
    assert_eq!((there.len(), part.length()), (64 << 20, 64 << 20));
    assert!(there.blocks() * 512 < 1 << 20, "{} blocks", there.blocks());
    let mut bytes = [0; 6];
    part.file().read_exact_at(&mut bytes, 20 << 20).unwrap();
    assert_eq!(&bytes, b"middle");
}

#[test]
fn seeding_stops_when_told_and_can_be_resumed() {
    let place = Place::new();
    place.write("f", &"x".repeat(40 << 20));
    let stopped = place.home.seed_part(meta("f", 40 << 20), &mut |_| ControlFlow::Break(()));
    // If the filesystem shares blocks, there is nothing to stop.
    if let Err(error) = stopped {
        assert!(matches!(error, StorageError::Stopped));
        assert!(place.home.open_part(meta("f", 40 << 20)).unwrap().unwrap().length() > 0);
    }
}

#[test]
fn a_failed_write_is_reported_and_the_part_stays_usable() {
    let place = Place::new();
    let part = place.home.create_part(meta("a", 10)).unwrap();
    let full = part.write(1, |_, _| Err::<(), _>(io::Error::from_raw_os_error(28)));
    assert!(matches!(full, Err(StorageError::Disk { fault: crate::disk_fault::Fault::Full, .. })));
    write(&part, 0, b"goes on").unwrap();
}
