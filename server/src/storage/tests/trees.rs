//! Walks, searches, counts and removals of whole trees.

use std::os::unix::fs::symlink;

use ferry_shared::limits::{DEPTH_MAX, PAGE_MAX};

use super::*;

fn removed_all(place: &Place, path: &str, step: u64) -> Removed {
    let mut removal = place.home.removal(&p(path)).unwrap();
    let mut sum = Removed::default();
    for _ in 0..100_000 {
        let step = removal.step(step);
        sum.add(step.removed);
        if !step.outcome.unwrap() {
            return sum;
        }
    }
    panic!("a removal without an end");
}

/// The installed `du`, counting regular files only.
fn du_of_files(folder: &Path) -> u64 {
    let find = std::process::Command::new("sh")
        .arg("-c")
        .arg("find \"$0\" -type f -print0 | du --apparent-size -B1 -c --files0-from=- | tail -n1")
        .arg(folder)
        .output()
        .unwrap();
    let text = String::from_utf8(find.stdout).unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

fn sample() -> Place {
    let place = Place::new();
    fs::create_dir_all(place.real("a/b/c")).unwrap();
    fs::create_dir_all(place.real("empty")).unwrap();
    place.write("top", "1");
    place.write("a/one", "22");
    place.write("a/b/two", "333");
    place.write("a/b/c/three", "4444");
    symlink("a/b", place.real("link")).unwrap();
    place
}

#[test]
fn a_walk_finds_everything_and_follows_no_link() {
    let place = sample();
    let all = ["/a", "/a/b", "/a/b/c", "/a/b/c/three", "/a/b/two", "/a/one", "/empty", "/link", "/top"];
    assert_eq!(walked(&place.home, "").0, all);
    assert_eq!(walked(&place.home, "a/b").0, ["/c", "/c/three", "/two"]);
    assert_eq!(walked(&place.home, "empty").0, [""; 0]);
}

#[test]
fn a_walk_of_a_large_folder_has_many_pages_of_it() {
    let place = Place::new();
    for i in 0..PAGE_MAX + 5 {
        fs::create_dir(place.real(&format!("d{i}"))).unwrap();
        if i % 100 == 0 {
            place.write(&format!("d{i}/f"), "");
        }
    }
    let (seen, _) = walked(&place.home, "");
    assert_eq!(seen.len(), PAGE_MAX + 5 + 11);
}

#[test]
fn a_walk_tells_what_is_too_deep_for_a_path() {
    let place = Place::new();
    place.home.make_dir(&p(&vec!["d"; DEPTH_MAX].join("/")), true, &mut 0).unwrap();
    assert_eq!(walked(&place.home, "").1, [""; 0]);
    fs::create_dir_all(place.real(&vec!["d"; DEPTH_MAX + 3].join("/"))).unwrap();
    let (seen, unreadable) = walked(&place.home, "");
    assert_eq!((seen.len(), unreadable.len()), (DEPTH_MAX, 1));
    assert_eq!(unreadable[0].matches('/').count(), DEPTH_MAX);
    assert_eq!(place.counted().files, DEPTH_MAX as u64 + 3);
    assert_eq!(removed_all(&place, "d", 5).dirs, DEPTH_MAX as u64 + 3);
}

#[test]
fn a_walk_tells_what_it_could_not_read() {
    use std::os::unix::fs::PermissionsExt as _;
    // Root can read everything.
    if ran_without_roots_rights("storage::tests::trees::a_walk_tells_what_it_could_not_read") {
        return;
    }
    let place = sample();
    fs::set_permissions(place.real("a/b"), fs::Permissions::from_mode(0o000)).unwrap();
    let (seen, unreadable) = walked(&place.home, "");
    fs::set_permissions(place.real("a/b"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(unreadable, ["/a/b"]);
    assert!(seen.contains(&"/a/b".to_owned()) && seen.contains(&"/top".to_owned()));
}

#[test]
fn a_search_finds_names_by_part_and_by_glob_up_to_its_limit() {
    let place = sample();
    let find = |pattern: &str, limit| {
        let mut finder = place.home.finder(&RemotePath::home(), pattern, limit).unwrap();
        let mut found = Vec::new();
        while let Some(page) = finder.next_page().unwrap() {
            found.extend(page.entries.iter().map(|entry| page.under.join(&entry.name).unwrap().display().to_string()));
        }
        found.sort();
        found
    };
    assert_eq!(find("T", 9), [""; 0]);
    assert_eq!(find("t", 9), ["/a/b/c/three", "/a/b/two", "/empty", "/top"]);
    assert_eq!(find("t*", 9), ["/a/b/c/three", "/a/b/two", "/top"]);
    assert_eq!(find("", 3).len(), 3);
    assert_eq!(find("", 0).len(), 0);
}

#[test]
fn a_count_agrees_with_du() {
    let place = sample();
    assert_eq!(place.counted(), Weight { bytes: 10, files: 9 });
    fs::hard_link(place.real("a/one"), place.real("again")).unwrap();
    fs::hard_link(place.real("a/one"), place.data.path().join("outside")).unwrap();
    fs::File::create(place.real("sparse")).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(place.counted(), Weight { bytes: 10 + (1 << 40), files: 11 });
    assert_eq!(place.counted().bytes, du_of_files(&place.real("")));
}

#[test]
fn usage_follows_du_while_names_of_one_file_go() {
    let place = sample();
    fs::hard_link(place.real("a/one"), place.real("again")).unwrap();
    fs::hard_link(place.real("a/one"), place.real("third")).unwrap();
    let mut bytes = place.counted().bytes;
    assert!(place.home.has_shared_files());
    assert_eq!(place.home.target_state(&p("again")).unwrap().old(), Weight { bytes: 0, files: 1 });
    place.put("again", "new", &Overwrite::Always).unwrap();
    bytes += 3;
    assert_eq!(bytes, du_of_files(&place.real("")));
    bytes -= removed_all(&place, "a", 1).bytes;
    assert_eq!(bytes, du_of_files(&place.real("")));
    let old = place.home.target_state(&p("third")).unwrap().old().bytes;
    place.put("third", "now", &Overwrite::Always).unwrap();
    assert_eq!((bytes + 3 - old, old), (du_of_files(&place.real("")), 2));
    assert!(!place.home.has_shared_files());
}

#[test]
fn a_backup_made_of_hard_links_outside_changes_nothing() {
    let place = Place::new();
    place.write("f", "12345");
    fs::hard_link(place.real("f"), place.data.path().join("backup")).unwrap();
    assert_eq!(place.counted(), Weight { bytes: 5, files: 1 });
    assert!(!place.home.has_shared_files());
    assert_eq!(place.home.remove(&p("f")).unwrap().bytes, 5);
}

#[test]
fn a_removal_takes_everything_and_nothing_behind_links() {
    for step in [1, 2, 3, 1000] {
        let place = sample();
        fs::create_dir(place.real("keep")).unwrap();
        place.write("keep/file", "kept");
        symlink("../../keep", place.real("a/b/to-keep")).unwrap();
        symlink("/etc", place.real("a/b/to-etc")).unwrap();
        assert_eq!(removed_all(&place, "a", step), Removed { files: 5, dirs: 3, bytes: 9 });
        assert_eq!(walked(&place.home, "").0, ["/empty", "/keep", "/keep/file", "/link", "/top"]);
        assert_eq!(removed_all(&place, "link", step), Removed { files: 1, dirs: 0, bytes: 0 });
        assert_eq!(removed_all(&place, "top", step), Removed { files: 1, dirs: 0, bytes: 1 });
        assert_eq!(removed_all(&place, "empty", step), Removed { files: 0, dirs: 1, bytes: 0 });
    }
}

#[test]
fn each_step_of_a_removal_says_what_it_removed() {
    let place = sample();
    let before = place.counted();
    let mut removal = place.home.removal(&p("a")).unwrap();
    let step = removal.step(2);
    assert!(step.outcome.unwrap());
    assert_eq!(step.removed.files + step.removed.dirs, 2);
    let after = place.counted();
    assert_eq!(before.bytes - after.bytes, step.removed.bytes);
    assert_eq!(before.files - after.files, 2);
}

#[test]
fn files_that_come_while_removing_go_too() {
    let place = sample();
    let mut removal = place.home.removal(&p("a")).unwrap();
    assert!(removal.step(1).outcome.unwrap());
    place.write("a/late", "late");
    while removal.step(1).outcome.unwrap() {}
    assert!(!place.real("a").exists());
}

#[test]
fn a_plain_removal_takes_a_folder_only_when_empty() {
    let place = sample();
    assert!(matches!(place.home.remove(&p("a")), Err(StorageError::NotEmpty(_))));
    assert!(matches!(place.home.remove(&p("x")), Err(StorageError::NotFound(_))));
    assert!(matches!(place.home.removal(&p("x")), Err(StorageError::NotFound(_))));
    assert_eq!(place.home.remove(&p("empty")).unwrap(), Removed { files: 0, dirs: 1, bytes: 0 });
}

#[test]
fn a_removal_of_one_version_takes_no_other() {
    let place = sample();
    place.write("f", "one");
    let version = place.home.stat(&p("f")).unwrap().version.unwrap();
    place.write("f", "another");
    assert!(matches!(place.home.remove_version(&p("f"), &version), Err(StorageError::Changed(_))));
    assert!(matches!(place.home.remove_version(&p("empty"), &version), Err(StorageError::Changed(_))));
    let version = place.home.stat(&p("f")).unwrap().version.unwrap();
    assert_eq!(place.home.remove_version(&p("f"), &version).unwrap(), Removed { files: 1, dirs: 0, bytes: 7 });
}
