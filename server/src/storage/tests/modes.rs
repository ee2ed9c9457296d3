//! Permission bits that would lock the server itself out: shown as they were given, while the file stays readable.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

const UNREADABLE: [u32; 5] = [0o000, 0o200, 0o044, 0o111, 0o377];

fn bits(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

/// The mode of a file, as every operation shows it.
fn shown(home: &Home, path: &str) -> u32 {
    let path = &p(path);
    let stat = home.stat(path).unwrap().entry.mode;
    let above = path.parent().unwrap();
    let named = |entries: Vec<ferry_shared::entry::Entry>| {
        entries.into_iter().find(|entry| Some(&entry.name) == path.name().as_ref()).unwrap().mode
    };
    let listed = named(home.lister(&above).unwrap().next_page(100).unwrap().unwrap());
    let walked = named(home.walker(&above).unwrap().next_page().unwrap().unwrap().entries);
    let open = home.open_file(path).unwrap().mode;
    assert_eq!([listed, walked, open], [stat; 3], "{path:?}");
    stat
}

fn put(place: &Place, name: &str, mode: u32) {
    let meta = FileMeta { mtime: None, mode: Some(mode) };
    place.put_with(name, "text", &Overwrite::Always, &meta).unwrap();
}

#[test]
fn a_file_put_without_its_owner_reading_shows_its_mode_and_can_be_read_by_the_server() {
    for durability in [Durability::Full, Durability::Rename] {
        let place = Place::with(durability);
        for mode in UNREADABLE.into_iter().chain([0o400, 0o444, 0o640, 0o777]) {
            put(&place, "f", mode);
            assert_eq!(shown(&place.home, "f"), mode, "{mode:o}");
            assert!(bits(&place.real("f")) & 0o400 != 0, "{mode:o} is {:o}", bits(&place.real("f")));
            assert_eq!(bits(&place.real("f")) & 0o077, mode & 0o077);
        }
    }
}

#[test]
fn a_large_file_does_too_and_its_part_can_be_resumed_before() {
    let place = Place::new();
    for (first, then) in [(0o000, 0o400), (0o400, 0o000), (0o000, 0o044), (0o044, 0o600)] {
        let meta = |mode| PartMeta {
            path: p("f"),
            size: Some(3),
            file: FileMeta { mtime: None, mode: Some(mode) },
            lasting: None,
        };
        let part = place.home.create_part(meta(first)).unwrap();
        let write = |file: &fs::File, length: &mut u64| {
            *length = 3;
            std::os::unix::fs::FileExt::write_all_at(file, b"abc", 0)
        };
        part.write(0, write).unwrap();
        part.finish(3).unwrap();
        drop(part);
        let part = place.home.open_part(meta(then)).unwrap().unwrap();
        part.write(0, write).unwrap();
        part.finish(3).unwrap();
        place.commit("f", Staged::Part(part), &Overwrite::Always).unwrap();
        assert_eq!(shown(&place.home, "f"), then, "{first:o}, then {then:o}");
    }
}

#[test]
fn a_mode_that_is_set_holds_whatever_it_was_before() {
    let place = Place::new();
    let modes = [0o000, 0o400, 0o644, 0o020, 0o440, 0o200, 0o600, 0o444];
    for before in modes {
        for after in modes {
            put(&place, "f", before);
            place.home.set_attributes(&p("f"), None, Some(after)).unwrap();
            assert_eq!(shown(&place.home, "f"), after, "{before:o}, then {after:o}");
        }
    }
    // As an older server, or a person, has left it.
    fs::set_permissions(place.real("f"), fs::Permissions::from_mode(0o000)).unwrap();
    place.home.set_attributes(&p("f"), None, Some(0o040)).unwrap();
    assert_eq!((shown(&place.home, "f"), bits(&place.real("f"))), (0o040, 0o440));
}

#[test]
fn a_mode_goes_with_the_file_when_it_is_renamed_and_copied_and_not_with_what_replaces_it() {
    let place = Place::new();
    for mode in UNREADABLE {
        put(&place, "f", mode);
        let mut copying = place.home.copy(place.home.open_file(&p("f")).unwrap()).unwrap();
        while copying.step(1).unwrap() {}
        let (temp_file, _) = copying.finish().unwrap();
        place.commit("copy", Staged::TempFile(temp_file), &Overwrite::Always).unwrap();
        assert_eq!((shown(&place.home, "copy"), place.read("copy").as_str()), (mode, "text"));
        place.home.rename(&p("f"), &p("moved"), true).unwrap();
        assert_eq!(shown(&place.home, "moved"), mode);
        let place = &place;
        place.put("moved", "new", &Overwrite::Always).unwrap();
        assert_eq!(shown(&place.home, "moved"), 0o644);
        put(place, "moved", 0o400);
        assert_eq!(shown(&place.home, "moved"), 0o400);
    }
}

#[test]
fn a_mode_weighs_nothing_and_is_there_after_a_restart() {
    let place = Place::new();
    put(&place, "f", 0o000);
    assert_eq!(place.counted(), Weight { bytes: 4, files: 1 });
    let place = place.reopen();
    assert_eq!(shown(&place.home, "f"), 0o000);
    // A `chmod` by hand takes effect, and undoing it restores the former mode.
    for (by_hand, seen) in [(0o440, 0o440), (0o644, 0o644), (0o400, 0o000)] {
        fs::set_permissions(place.real("f"), fs::Permissions::from_mode(by_hand)).unwrap();
        assert_eq!(shown(&place.home, "f"), seen, "{by_hand:o}");
    }
}
