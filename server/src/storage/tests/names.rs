//! Folders, renames, attributes and listings do what they say and no more.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use ferry_shared::{
    entry::{Kind, Mtime},
    limits::DEPTH_MAX,
};

use super::*;

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

fn made(place: &Place, path: &RemotePath, parents: bool) -> u64 {
    let mut made = 0;
    place.home.make_dir(path, parents, &mut made).unwrap();
    made
}

#[test]
fn folders_made_are_counted() {
    let place = Place::new();
    assert_eq!(made(&place, &p("a"), false), 1);
    assert_eq!(made(&place, &p("a/b/c/d"), true), 3);
    assert_eq!(made(&place, &p("a/b/c/d"), true), 0);
    assert_eq!(made(&place, &RemotePath::home(), true), 0);
    assert!(matches!(place.home.make_dir(&p("a"), false, &mut 0), Err(StorageError::Exists(_))));
    assert!(matches!(place.home.make_dir(&p("x/y"), false, &mut 0), Err(StorageError::NotFound(_))));
    place.write("file", "");
    assert!(matches!(place.home.make_dir(&p("file"), true, &mut 0), Err(StorageError::NotDirectory(_))));
    assert!(matches!(place.home.make_dir(&p("file/x"), true, &mut 0), Err(StorageError::NotDirectory(_))));
    assert!(matches!(place.home.make_dir(&p("file/x"), false, &mut 0), Err(StorageError::NotDirectory(_))));
}

#[test]
fn a_target_state_tells_what_is_there_and_what_is_missing() {
    let place = Place::new();
    fs::create_dir(place.real("a")).unwrap();
    place.write("a/f", "12345");
    let there = place.home.target_state(&p("a/f")).unwrap();
    assert_eq!((there.kind(), there.missing_folders), (Some(Kind::File), 0));
    assert_eq!(there.old(), Weight { bytes: 5, files: 1 });
    assert_eq!(there.version(), place.home.stat(&p("a/f")).unwrap().version);
    let new = place.home.target_state(&p("a/b/c/f")).unwrap();
    assert_eq!((new.kind(), new.missing_folders, new.old()), (None, 2, Weight::default()));
    assert_eq!(new.new_file(7), Weight { bytes: 7, files: 3 });
    assert!(matches!(place.home.target_state(&p("a/f/x")), Err(StorageError::NotDirectory(_))));
}

#[test]
fn a_rename_replaces_only_when_told_and_says_what_it_replaced() {
    let place = Place::new();
    place.write("a", "aaa");
    place.write("b", "bbbbb");
    let (a, b) = (p("a"), p("b"));
    assert!(matches!(place.home.rename(&a, &b, false), Err(StorageError::Exists(_))));
    assert_eq!(place.read("b"), "bbbbb");
    assert_eq!(place.home.rename(&a, &b, true).unwrap(), Weight { bytes: 5, files: 1 });
    assert_eq!(place.read("b"), "aaa");
    assert_eq!(place.home.rename(&b, &a, false).unwrap(), Weight::default());
    assert!(matches!(place.home.rename(&b, &a, true), Err(StorageError::NotFound(_))));
    place.home.flush_name(&a).unwrap();
}

#[test]
fn a_rename_never_replaces_a_folder() {
    let place = Place::new();
    fs::create_dir(place.real("empty")).unwrap();
    fs::create_dir(place.real("other")).unwrap();
    place.write("f", "f");
    let to_empty = |from| place.home.rename(&p(from), &p("empty"), true);
    assert!(matches!(to_empty("f"), Err(StorageError::IsDirectory(_))));
    assert!(matches!(to_empty("other"), Err(StorageError::IsDirectory(_))));
    assert!(matches!(place.home.rename(&p("other"), &p("f"), true), Err(StorageError::Exists(_))));
    assert!(matches!(place.home.rename(&p("other"), &p("other/in"), false), Err(StorageError::BadPath(_))));
    assert_eq!(walked(&place.home, "").0, ["/empty", "/f", "/other"]);
}

#[test]
fn a_rename_onto_itself_loses_nothing() {
    let place = Place::new();
    place.write("a", "aaa");
    fs::create_dir(place.real("d")).unwrap();
    symlink("d", place.real("link")).unwrap();
    place.write("d/f", "f");
    assert_eq!(place.home.rename(&p("a"), &p("a"), true).unwrap(), Weight::default());
    assert_eq!(place.home.rename(&p("d/f"), &p("link/f"), true).unwrap(), Weight::default());
    assert_eq!(place.home.rename(&p("d"), &p("d"), true).unwrap(), Weight::default());
    assert_eq!((place.read("a").as_str(), place.read("d/f").as_str()), ("aaa", "f"));
}

#[test]
fn a_rename_to_another_name_of_the_file_leaves_one_name() {
    let place = Place::new();
    place.write("a", "aaa");
    fs::hard_link(place.real("a"), place.real("b")).unwrap();
    assert_eq!(place.counted(), Weight { bytes: 3, files: 2 });
    assert_eq!(place.home.rename(&p("a"), &p("b"), true).unwrap(), Weight { bytes: 0, files: 1 });
    assert_eq!(place.counted(), Weight { bytes: 3, files: 1 });
}

#[test]
fn a_folder_is_not_moved_where_what_is_in_it_would_have_no_path() {
    let place = Place::new();
    let deep = vec!["d"; DEPTH_MAX - 2].join("/");
    place.home.make_dir(&p(&deep), true, &mut 0).unwrap();
    place.home.make_dir(&p("a/b/c"), true, &mut 0).unwrap();
    let to = |name: &str| p(&format!("{deep}/{name}"));
    assert!(matches!(place.home.rename(&p("a"), &to("a"), false), Err(StorageError::TooLong(_))));
    place.home.rename(&p("a/b"), &to("b"), false).unwrap();
    assert!(walked(&place.home, "").1.is_empty());
    let long = vec!["n".repeat(250); 16].join("/");
    place.home.make_dir(&p(&long), true, &mut 0).unwrap();
    place.home.make_dir(&p(&format!("y/{}", "z".repeat(255))), true, &mut 0).unwrap();
    let into = p(&format!("{long}/y"));
    assert!(matches!(place.home.rename(&p("y"), &into, false), Err(StorageError::TooLong(_))));
}

#[test]
fn attributes_are_set_on_files_and_folders() {
    let place = Place::new();
    place.write("f", "f");
    fs::create_dir(place.real("d")).unwrap();
    symlink("f", place.real("link")).unwrap();
    let time = Mtime(-5, 999_999_999);
    for path in ["f", "d"] {
        place.home.set_attributes(&p(path), Some(time), Some(0o7750)).unwrap();
        let stat = place.home.stat(&p(path)).unwrap().entry;
        assert_eq!((stat.mtime, mode(&place.real(path))), (time, 0o750));
    }
    place.home.set_attributes(&p("link"), Some(Mtime(7, 0)), None).unwrap();
    assert_eq!(place.home.stat(&p("f")).unwrap().entry.mtime, Mtime(7, 0));
    place.home.set_attributes(&p("f"), None, Some(0)).unwrap();
    place.home.set_attributes(&p("f"), Some(time), Some(0o600)).unwrap();
    assert!(matches!(place.home.set_attributes(&p("x"), Some(time), None), Err(StorageError::NotFound(_))));
}

#[test]
fn a_folder_keeps_the_bits_the_server_needs() {
    let place = Place::new();
    fs::create_dir(place.real("d")).unwrap();
    place.home.set_attributes(&p("d"), None, Some(0)).unwrap();
    assert_eq!(mode(&place.real("d")), 0o700);
}

#[test]
fn a_listing_gives_every_entry_once_in_pages() {
    let place = Place::new();
    for i in 0..250 {
        place.write(&format!("file {i}"), "");
    }
    let mut lister = place.home.lister(&RemotePath::home()).unwrap();
    let (mut names, mut pages) = (std::collections::HashSet::new(), Vec::new());
    while let Some(page) = lister.next_page(100).unwrap() {
        pages.push(page.len());
        names.extend(page.into_iter().map(|entry| entry.name));
    }
    assert_eq!((names.len(), pages), (250, vec![100, 100, 50]));
}

#[test]
fn names_are_bytes_and_come_back_as_they_are() {
    let place = Place::new();
    let odd = b"\xff\xfe new\nline \xe2\x80\xae".as_slice();
    fs::write(bytes_path(&place.real(""), odd), "odd").unwrap();
    let page = place.home.lister(&RemotePath::home()).unwrap().next_page(10).unwrap().unwrap();
    assert_eq!(page[0].name.as_bytes(), odd);
    let path = RemotePath::home().join(&page[0].name).unwrap();
    assert_eq!(place.home.open_file(&path).unwrap().size, 3);
    assert_eq!(place.home.remove(&path).unwrap(), Removed { files: 1, dirs: 0, bytes: 3 });
}

#[test]
fn an_open_file_tells_when_it_changes() {
    let place = Place::new();
    place.write("f", "one");
    let open = place.home.open_file(&p("f")).unwrap();
    assert_eq!((open.size, open.mode & 0o400), (3, 0o400));
    assert_eq!(open.version_now().unwrap(), open.version);
    place.write("f", "more than one");
    assert_ne!(open.version_now().unwrap(), open.version);
}

#[test]
fn a_path_below_a_file_differs_from_a_missing_one() {
    let place = Place::new();
    place.write("f", "");
    assert!(matches!(place.home.stat(&p("f/x")), Err(StorageError::NotDirectory(_))));
    assert!(matches!(place.home.stat(&p("x")), Err(StorageError::NotFound(_))));
    assert!(matches!(place.home.lister(&p("f")), Err(StorageError::NotDirectory(_))));
    assert!(matches!(place.home.lister(&p("x")), Err(StorageError::NotFound(_))));
    fs::create_dir(place.real("d")).unwrap();
    assert!(matches!(place.home.open_file(&p("d")), Err(StorageError::IsDirectory(_))));
}
