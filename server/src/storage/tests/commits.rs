//! From staging into the home: replacing, refusing, copying.

use std::os::unix::fs::PermissionsExt as _;

use ferry_shared::{digest::Digest, entry::Mtime};

use super::{flush::Done, *};
use crate::disk_fault::Fault;

#[test]
fn a_small_file_gets_its_bytes_time_and_mode() {
    let place = Place::new();
    let meta = FileMeta { mtime: Some(Mtime(5, 6)), mode: Some(0o4751) };
    let published = place.put_with("a", "hello", &Overwrite::Never, &meta).unwrap();
    let stat = place.home.stat(&p("a")).unwrap();
    assert_eq!((stat.entry.size, stat.entry.mtime, stat.version), (5, Mtime(5, 6), Some(published.version)));
    let mode = |name| place.real(name).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("a"), 0o751);
    place.put("plain", "", &Overwrite::Never).unwrap();
    assert_eq!(mode("plain"), 0o644);
    let all = FileMeta { mtime: None, mode: Some(0o777) };
    place.put_with("all", "", &Overwrite::Never, &all).unwrap();
    assert_eq!(mode("all"), 0o777, "whatever the process's mask");
    assert!(place.staged_names().is_empty());
}

#[test]
fn a_temporary_file_is_the_servers_own_until_it_gets_its_mode_before_its_name() {
    let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o7777;
    // Flushed one by one, with the whole filesystem, and not at all.
    for (count, durability) in [(1, Durability::Full), (6, Durability::Full), (1, Durability::Rename)] {
        for wanted in [0o000, 0o200, 0o444, 0o600, 0o644, 0o777] {
            let place = Place::with(durability);
            let meta = FileMeta { mtime: None, mode: Some(wanted) };
            let mut staged: Vec<_> =
                (0..count).map(|_| Staged::TempFile(place.home.temp_file(b"x", &meta).unwrap())).collect();
            let staged_modes = || place.staged_names().iter().map(|name| mode(place.staging().join(name))).collect();
            let before: Vec<u32> = staged_modes();
            assert_eq!(before, vec![0o600; count], "{wanted:o}");
            let mut group = place.home.commit_group();
            group.flush_data(&mut staged).unwrap();
            // The server must be able to read it.
            let wanted = if wanted & 0o400 == 0 { wanted & 0o077 | 0o400 } else { wanted };
            if durability == Durability::Full {
                let flushed: Vec<u32> = staged_modes();
                assert_eq!(flushed, vec![wanted; count], "its mode is flushed with it");
            }
            for (number, staged) in staged.into_iter().enumerate() {
                let prepared = group.prepare(&p(&format!("f{number}")), &Overwrite::Never, false).unwrap();
                group.publish(staged, prepared).unwrap();
                assert_eq!(mode(place.real(&format!("f{number}"))), wanted);
            }
        }
    }
}

#[test]
fn overwriting_goes_by_the_rule_given() {
    let place = Place::new();
    let first = place.put("a", "1", &Overwrite::Never).unwrap();
    assert!(matches!(place.put("a", "2", &Overwrite::Never), Err(StorageError::Exists(_))));
    assert_eq!(place.read("a"), "1");
    let second = place.put("a", "2", &Overwrite::IfVersion(first.version.clone())).unwrap();
    let stale = place.put("a", "3", &Overwrite::IfVersion(first.version.clone()));
    assert!(matches!(stale, Err(StorageError::Changed(_))));
    assert!(matches!(place.put("none", "3", &Overwrite::IfVersion(second.version)), Err(StorageError::Changed(_))));
    place.put("a", "4", &Overwrite::Always).unwrap();
    assert_eq!(place.read("a"), "4");
    assert!(place.staged_names().is_empty());
}

#[test]
fn an_obstacle_at_the_target_is_named() {
    let place = Place::new();
    fs::create_dir(place.real("d")).unwrap();
    place.write("f", "f");
    for how in [Overwrite::Never, Overwrite::Always] {
        assert!(matches!(place.put("d", "x", &how), Err(StorageError::IsDirectory(_))));
        assert!(matches!(place.put("f/x", "x", &how), Err(StorageError::NotDirectory(_))));
    }
    let mut group = place.home.commit_group();
    let no_parents = group.prepare(&p("no/where/x"), &Overwrite::Always, false);
    assert!(matches!(no_parents, Err(StorageError::NotFound(path)) if path == p("no/where")));
    assert!(!place.real("no").exists());
}

#[test]
fn parents_are_made_and_counted_only_when_it_is_published() {
    let place = Place::new();
    let mut group = place.home.commit_group();
    let prepared = group.prepare(&p("x/y/f"), &Overwrite::Never, true).unwrap();
    assert_eq!(prepared.target_state.new_file(3), Weight { bytes: 3, files: 3 });
    assert!(!place.real("x").exists());
    let temp_file = Staged::TempFile(place.home.temp_file(b"abc", &FileMeta::default()).unwrap());
    assert_eq!(group.publish(temp_file, prepared).unwrap().folders, 2);
    group.flush_names().unwrap();
    assert_eq!(place.counted(), Weight { bytes: 3, files: 3 });
}

#[test]
fn a_commit_that_fails_tells_the_folders_it_leaves() {
    let place = Place::new();
    let mut group = place.home.commit_group();
    let prepared = group.prepare(&p("x/y/f"), &Overwrite::Never, true).unwrap();
    fs::create_dir_all(place.real("x")).unwrap();
    place.write("x/y", "a file came in between");
    let temp_file = Staged::TempFile(place.home.temp_file(b"abc", &FileMeta::default()).unwrap());
    let failed = group.publish(temp_file, prepared).unwrap_err();
    assert_eq!(failed.folders, 0, "{failed:?}");
    assert!(place.staged_names().is_empty());
}

#[test]
fn many_files_share_their_flushes_and_all_arrive() {
    for durability in [Durability::Full, Durability::Rename] {
        let place = Place::with(durability);
        let mut group = place.home.commit_group();
        let mut staged: Vec<_> = (0..40)
            .map(|i| {
                (format!("d{}/f{i}", i % 7), place.home.temp_file(format!("{i}").as_bytes(), &FileMeta::default()))
            })
            .map(|(path, temp_file)| (path, Staged::TempFile(temp_file.unwrap())))
            .collect();
        group.flush_data(staged.iter_mut().map(|(_, staged)| staged)).unwrap();
        for (path, staged) in staged {
            let prepared = group.prepare(&p(&path), &Overwrite::Never, true).unwrap();
            group.publish(staged, prepared).unwrap();
        }
        group.flush_names().unwrap();
        for i in 0..40 {
            assert_eq!(place.read(&format!("d{}/f{i}", i % 7)), i.to_string());
        }
    }
}

#[test]
fn a_group_does_not_follow_a_folder_that_was_moved() {
    let place = Place::new();
    fs::create_dir(place.real("a")).unwrap();
    let mut group = place.home.commit_group();
    let put = |group: &mut CommitGroup, path: &str| {
        let temp_file = Staged::TempFile(place.home.temp_file(b"x", &FileMeta::default()).unwrap());
        let prepared = group.prepare(&p(path), &Overwrite::Always, true).unwrap();
        group.publish(temp_file, prepared).unwrap();
    };
    put(&mut group, "a/1");
    place.home.rename(&p("a"), &p("b"), false).unwrap();
    put(&mut group, "a/2");
    assert_eq!(walked(&place.home, "").0, ["/a", "/a/2", "/b", "/b/1"]);
    let mut removal = place.home.removal(&p("a")).unwrap();
    assert!(!removal.step(100).outcome.unwrap());
    put(&mut group, "a/3");
    assert_eq!(walked(&place.home, "a").0, ["/3"]);
    place.home.remove(&p("a/3")).unwrap();
    place.home.remove(&p("a")).unwrap();
    put(&mut group, "a/4");
    put(&mut group, "a/5");
    assert_eq!(walked(&place.home, "a").0, ["/4", "/5"]);
}

#[test]
fn an_unpublished_temporary_file_leaves_nothing() {
    let place = Place::new();
    drop(place.home.temp_file(b"abc", &FileMeta::default()).unwrap());
    assert!(place.staged_names().is_empty());
}

#[test]
fn a_copy_has_the_bytes_digest_time_and_mode_of_its_source() {
    let place = Place::new();
    for size in [0, 5, 1 << 20, (3 << 20) + 17] {
        let content: Vec<u8> =
            (0..size).map(|i| if i > 1 << 20 && i < 3 << 20 { 0 } else { (i / 5 % 256).try_into().unwrap() }).collect();
        fs::write(place.real("from"), &content).unwrap();
        place.home.set_attributes(&p("from"), Some(Mtime(9, 9)), Some(0o755)).unwrap();
        let source = place.home.open_file(&p("from")).unwrap();
        let (temp_file, root) = place.home.copy(source).unwrap().finish().unwrap();
        assert_eq!((root, temp_file.size()), (Digest::of(&content), size));
        place.commit("to", Staged::TempFile(temp_file), &Overwrite::Always).unwrap();
        assert!(fs::read(place.real("to")).unwrap() == content);
        let stat = place.home.stat(&p("to")).unwrap().entry;
        assert_eq!((stat.mtime, stat.mode), (Mtime(9, 9), 0o755));
    }
}

#[test]
fn a_copy_goes_in_steps_and_stops_when_dropped_or_when_its_source_changes() {
    let place = Place::new();
    place.write("from", &"x".repeat(3 << 20));
    let begun = || {
        let mut copying = place.home.copy(place.home.open_file(&p("from")).unwrap()).unwrap();
        assert!(copying.step(1).unwrap(), "there are two blocks more");
        copying
    };
    drop(begun());
    assert!(place.staged_names().is_empty());
    let file = fs::File::options().write(true).open(place.real("from")).unwrap();
    for length in [1 << 20, 3 << 20] {
        let copying = begun();
        file.set_len(length).unwrap();
        assert!(matches!(copying.finish(), Err(StorageError::Changed(_))));
        file.set_len(3 << 20).unwrap();
    }
    assert!(place.staged_names().is_empty());
}

#[test]
fn disk_errors_become_what_the_user_can_act_on() {
    use rustix::io::Errno;
    let at = |errno: Errno| StorageError::at(&p("a"), "test", errno);
    for (errno, wrong) in [
        (Errno::NOSPC, Fault::Full),
        (Errno::DQUOT, Fault::Quota),
        (Errno::FBIG, Fault::LargestFile),
        (Errno::ROFS, Fault::ReadOnly),
        (Errno::IO, Fault::Failing),
    ] {
        for error in [at(errno), StorageError::own("test", errno)] {
            assert!(matches!(error, StorageError::Disk { fault, .. } if fault == wrong), "{errno}: {error:?}");
        }
    }
    for errno in [Errno::ACCESS, Errno::PERM] {
        assert!(matches!(at(errno), StorageError::Denied(_)));
    }
    for errno in [Errno::XDEV, Errno::BUSY] {
        assert!(matches!(at(errno), StorageError::OtherFilesystem(_)));
    }
    assert!(matches!(at(Errno::LOOP), StorageError::Outside(_)));
    assert!(matches!(at(Errno::MFILE), StorageError::Io { .. }));
}

/// Publishes `count` files in `folders` existing folders, flushing as the server does.
fn publish(place: &Place, count: usize, folders: usize, new: bool) -> Vec<Done> {
    let mut group = place.home.commit_group();
    let mut staged: Vec<_> =
        (0..count).map(|_| Staged::TempFile(place.home.temp_file(b"x", &FileMeta::default()).unwrap())).collect();
    flush::take_seen();
    group.flush_data(&mut staged).unwrap();
    for (i, staged) in staged.into_iter().enumerate() {
        let path = format!("{}{}/f{i}", if new { "new" } else { "d" }, i % folders);
        let prepared = group.prepare(&p(&path), &Overwrite::Always, true).unwrap();
        group.publish(staged, prepared).unwrap();
    }
    group.flush_names().unwrap();
    flush::take_seen()
}

#[test]
fn data_is_durable_before_its_name_and_the_name_before_the_answer() {
    use flush::Done::{File, Filesystem, Folder, Name};
    let place = Place::new();
    for i in 0..5 {
        fs::create_dir(place.real(&format!("d{i}"))).unwrap();
    }
    assert_eq!(publish(&place, 1, 1, false), [File, Name, Folder]);
    assert_eq!(publish(&place, 3, 2, false), [File, File, File, Name, Name, Name, Folder, Folder]);
    let many = publish(&place, 5, 1, false);
    assert_eq!(many, [Filesystem, Name, Name, Name, Name, Name, Folder]);
    assert_eq!(publish(&place, 5, 5, false), [Filesystem, Name, Name, Name, Name, Name, Filesystem]);
}

#[test]
fn a_new_folder_s_own_name_is_made_durable_too() {
    use flush::Done::{File, Filesystem, Folder, Name};
    let place = Place::new();
    assert_eq!(publish(&place, 1, 1, true), [File, Name, Filesystem]);
    assert_eq!(publish(&place, 1, 1, true), [File, Name, Folder]);
    place.home.make_dir(&p("d0"), false, &mut 0).unwrap();
    assert_eq!(publish(&place, 1, 1, false), [File, Name, Filesystem]);
}

#[test]
fn a_part_is_flushed_before_its_name_whoever_forgot_to() {
    use flush::Done::{File, Folder, Name};
    let place = Place::new();
    let meta = PartMeta { path: p("a"), size: Some(1), file: FileMeta::default(), lasting: None };
    let part = place.home.create_part(meta).unwrap();
    part.write(0, |_, _| Ok(())).unwrap();
    part.finish(0).unwrap();
    let mut group = place.home.commit_group();
    let prepared = group.prepare(&p("a"), &Overwrite::Never, false).unwrap();
    flush::take_seen();
    group.publish(Staged::Part(part), prepared).unwrap();
    group.flush_names().unwrap();
    assert_eq!(flush::take_seen(), [File, Name, Folder]);
}

#[test]
fn bytes_written_after_a_flush_are_flushed_again() {
    use flush::Done::{File, Name};
    let place = Place::new();
    let meta = PartMeta { path: p("a"), size: Some(1), file: FileMeta::default(), lasting: None };
    let part = place.home.create_part(meta).unwrap();
    let mut group = place.home.commit_group();
    let mut staged = Staged::Part(part);
    group.flush_data([&mut staged]).unwrap();
    let Staged::Part(part) = &staged else { unreachable!() };
    part.finish(0).unwrap();
    flush::take_seen();
    let prepared = group.prepare(&p("a"), &Overwrite::Never, false).unwrap();
    group.publish(staged, prepared).unwrap();
    assert_eq!(flush::take_seen(), [File, Name]);
}

#[test]
fn without_durability_nothing_is_flushed() {
    let place = Place::with(Durability::Rename);
    assert_eq!(publish(&place, 9, 2, true), [Done::Name; 9]);
    drop(
        place
            .home
            .create_part(PartMeta { path: p("a"), size: None, file: FileMeta::default(), lasting: None })
            .unwrap(),
    );
    assert_eq!(flush::take_seen(), []);
}

#[test]
fn a_sidecar_is_durable_before_the_upload_begins() {
    let place = Place::new();
    flush::take_seen();
    drop(
        place
            .home
            .create_part(PartMeta { path: p("a"), size: None, file: FileMeta::default(), lasting: None })
            .unwrap(),
    );
    assert_eq!(flush::take_seen(), [Done::File, Done::Folder]);
}
