//! No path, symlink or race leads out of a home, and nothing but files is opened.

use std::{
    os::unix::{
        fs::{FileTypeExt as _, symlink},
        net::UnixListener,
    },
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use ferry_shared::entry::Kind;
use rustix::fs::{CWD, FileType, Mode, inotify, makedev, mkfifoat, mknodat};

use super::*;

/// A home with a secret file beside it.
fn with_secret() -> (Place, PathBuf) {
    let place = Place::with(Durability::Rename);
    let outside = place.data.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    (place, outside)
}

/// Checks that every request with `path`, which leads out, is refused.
fn assert_refused(home: &Home, path: &str) {
    let path = &p(path);
    let outside = |what: &str, error: StorageError| {
        assert!(matches!(error, StorageError::Outside(_)), "{what} of {path:?}: {error:?}");
    };
    outside("open", home.open_file(path).unwrap_err());
    outside("set", home.set_attributes(path, None, Some(0o777)).unwrap_err());
    outside("list", home.lister(path).unwrap_err());
    outside("walk", home.walker(path).unwrap_err());
}

/// Checks that every request below `folder`, which leads out, is refused.
fn assert_refused_below(place: &Place, folder: &str) {
    assert_refused(&place.home, &format!("{folder}/secret"));
    let path = &p(&format!("{folder}/secret"));
    let new = &p(&format!("{folder}/new"));
    let home = &place.home;
    place.write("mine", "mine");
    let outside = |what: &str, error: StorageError| {
        assert!(matches!(error, StorageError::Outside(_)), "{what} of {path:?}: {error:?}");
    };
    outside("stat", home.stat(path).unwrap_err());
    outside("target_state", home.target_state(path).unwrap_err());
    outside("make", home.make_dir(new, false, &mut 0).unwrap_err());
    outside("make all", home.make_dir(new, true, &mut 0).unwrap_err());
    outside("rename from", home.rename(path, &p("got"), true).unwrap_err());
    outside("rename to", home.rename(&p("mine"), new, true).unwrap_err());
    outside("remove", home.remove(path).unwrap_err());
    outside("remove all", home.removal(path).unwrap_err());
    outside(
        "put",
        place
            .put(
                new.names().map(String::from_utf8_lossy).collect::<Vec<_>>().join("/").as_str(),
                "x",
                &Overwrite::Always,
            )
            .unwrap_err(),
    );
}

fn assert_untouched(outside: &Path) {
    assert_eq!(fs::read_dir(outside).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "secret");
}

#[test]
fn relative_links_do_not_lead_out() {
    let (place, outside) = with_secret();
    symlink("../../../outside", place.real("up")).unwrap();
    symlink("../../../outside/secret", place.real("file")).unwrap();
    assert_refused(&place.home, "up");
    assert_refused(&place.home, "file");
    assert_refused_below(&place, "up");
    assert_untouched(&outside);
}

#[test]
fn absolute_links_do_not_lead_out_even_to_the_home_itself() {
    let (place, outside) = with_secret();
    symlink(&outside, place.real("out")).unwrap();
    symlink(place.real(""), place.real("back")).unwrap();
    assert_refused(&place.home, "out");
    assert_refused_below(&place, "out");
    assert_refused(&place.home, "back");
    assert_untouched(&outside);
}

#[test]
fn a_link_in_the_last_place_is_replaced_moved_and_removed_itself() {
    let (place, outside) = with_secret();
    let secret = outside.join("secret");
    for name in ["a", "b", "c"] {
        symlink(&secret, place.real(name)).unwrap();
    }
    assert_eq!(place.home.stat(&p("a")).unwrap().entry.kind, Kind::Symlink);
    assert_eq!(place.home.stat(&p("a")).unwrap().version, None);
    place.put("a", "mine", &Overwrite::Always).unwrap();
    assert_eq!(place.read("a"), "mine");
    place.home.rename(&p("b"), &p("moved"), false).unwrap();
    assert!(place.real("moved").symlink_metadata().unwrap().is_symlink());
    place.home.remove(&p("c")).unwrap();
    assert!(place.home.removal(&p("moved")).unwrap().step(10).outcome.is_ok_and(|more| !more));
    assert_untouched(&outside);
}

#[test]
fn links_that_stay_inside_are_followed() {
    let place = Place::new();
    fs::create_dir_all(place.real("a/b")).unwrap();
    place.write("a/b/file", "inside");
    symlink("a/b", place.real("short")).unwrap();
    symlink("../a/b/file", place.real("a/link")).unwrap();
    for path in ["short/file", "a/link"] {
        let open = place.home.open_file(&p(path)).unwrap();
        assert_eq!(std::io::read_to_string(&open.file).unwrap(), "inside");
    }
    place.put("short/new", "new", &Overwrite::Never).unwrap();
    assert_eq!(place.read("a/b/new"), "new");
}

#[test]
fn links_in_a_circle_are_refused() {
    let place = Place::new();
    symlink("b", place.real("a")).unwrap();
    symlink("a", place.real("b")).unwrap();
    assert!(matches!(place.home.open_file(&p("a")), Err(StorageError::Outside(_))));
    assert!(matches!(place.home.stat(&p("a/x")), Err(StorageError::Outside(_))));
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_folder_swapped_for_a_link_while_working_never_leads_out() {
    let (place, outside) = with_secret();
    fs::create_dir(place.real("x")).unwrap();
    place.write("x/secret", "inside");
    symlink(&outside, place.real("link")).unwrap();
    let stop = AtomicBool::new(false);
    let stop = &stop;
    let exchange = rustix::fs::RenameFlags::EXCHANGE;
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(CWD, place.real("x"), CWD, place.real("link"), exchange).unwrap();
            }
        });
        // Stops the swapping also if an assertion fails.
        let _guard = StopOnDrop(stop);
        let (mut inside, mut refused) = (0, 0);
        for round in 0..100_000 {
            match place.home.open_file(&p("x/secret")) {
                Ok(open) => {
                    assert_eq!(std::io::read_to_string(&open.file).unwrap(), "inside");
                    inside += 1;
                }
                Err(StorageError::Outside(_)) => refused += 1,
                Err(error) => panic!("{error}"),
            }
            let new = format!("x/new{}", round % 4);
            drop(place.put(&new, "x", &Overwrite::Always));
            drop(place.home.remove(&p("x/secret2")));
            drop(place.home.rename(&p("x/new1"), &p("x/other"), true));
            drop(place.home.make_dir(&p("x/folder/below"), true, &mut 0));
            walked(&place.home, "");
            if round > 300 && inside > 0 && refused > 0 {
                break;
            }
        }
        assert!(inside > 0 && refused > 0, "{inside} inside, {refused} refused");
    });
    assert_untouched(&outside);
}

#[test]
fn a_file_swapped_for_a_link_between_look_and_open_is_not_followed() {
    let (place, outside) = with_secret();
    place.write("x", "inside");
    symlink(outside.join("secret"), place.real("link")).unwrap();
    let stop = AtomicBool::new(false);
    let stop = &stop;
    thread::scope(|scope| {
        scope.spawn(|| {
            let exchange = rustix::fs::RenameFlags::EXCHANGE;
            while !stop.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(CWD, place.real("x"), CWD, place.real("link"), exchange).unwrap();
            }
        });
        let _guard = StopOnDrop(stop);
        let (mut inside, mut refused) = (0, 0);
        for _ in 0..50_000 {
            match place.home.open_file(&p("x")) {
                Ok(open) => {
                    assert_eq!(std::io::read_to_string(&open.file).unwrap(), "inside");
                    inside += 1;
                }
                Err(_) => refused += 1,
            }
        }
        assert!(inside > 0 && refused > 0, "{inside} inside, {refused} refused");
    });
    assert_untouched(&outside);
}

#[test]
fn a_file_swapped_for_a_fifo_between_look_and_open_is_neither_waited_for_nor_given() {
    for name in ["x", "to-x"] {
        let place = Place::with(Durability::Rename);
        place.write("x", "inside");
        symlink("x", place.real("to-x")).unwrap();
        mkfifoat(CWD, place.real("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
        let (stop, rounds) = (&AtomicBool::new(false), &AtomicU64::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                let exchange = rustix::fs::RenameFlags::EXCHANGE;
                let (mut seen, mut since) = (0, Instant::now());
                while !stop.load(Ordering::Relaxed) {
                    rustix::fs::renameat_with(CWD, place.real("x"), CWD, place.real("fifo"), exchange).unwrap();
                    let now = rounds.load(Ordering::Relaxed);
                    if now != seen {
                        (seen, since) = (now, Instant::now());
                    }
                    if since.elapsed() > Duration::from_secs(20) {
                        // Open the other end for anything that waits on the FIFO, so that the test can end.
                        for end in ["x", "fifo"] {
                            drop(fs::File::options().read(true).write(true).open(place.real(end)));
                        }
                        panic!("a FIFO is waited for");
                    }
                }
            });
            let _guard = StopOnDrop(stop);
            let (mut inside, mut refused) = (0, 0);
            for _ in 0..50_000 {
                rounds.fetch_add(1, Ordering::Relaxed);
                match place.home.open_file(&p(name)) {
                    Ok(open) => {
                        assert!(open.file.metadata().unwrap().is_file(), "a FIFO was given");
                        inside += 1;
                    }
                    Err(_) => refused += 1,
                }
            }
            assert!(inside > 0 && refused > 0, "{inside} inside, {refused} refused");
        });
    }
}

#[test]
fn fifos_sockets_and_devices_are_listed_but_never_opened() {
    let place = Place::new();
    // Opening a FIFO for reading would block forever, and this test would not end.
    mkfifoat(CWD, place.real("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    let _listener = UnixListener::bind(place.real("socket")).unwrap();
    let mut names = vec!["fifo", "socket"];
    if is_root() {
        mknodat(CWD, place.real("null"), FileType::CharacterDevice, Mode::RUSR, makedev(1, 3)).unwrap();
        assert!(place.real("null").metadata().unwrap().file_type().is_char_device());
        names.push("null");
    } else {
        crate::skipped::skipped("only root can make devices");
    }
    for name in names {
        symlink(name, place.real(&format!("to-{name}"))).unwrap();
        assert_eq!(place.home.stat(&p(name)).unwrap().entry.kind, Kind::Other);
        for path in [name, &format!("to-{name}")] {
            assert!(matches!(place.home.open_file(&p(path)), Err(StorageError::NotAFile(_))), "{path}");
            assert!(matches!(
                place.home.set_attributes(&p(path), Some(ferry_shared::entry::Mtime(1, 0)), Some(0o777)),
                Err(StorageError::NotAFile(_))
            ));
            assert!(matches!(
                place.home.seed_part(
                    PartMeta { path: p(path), size: None, file: FileMeta::default(), lasting: None },
                    &mut |_| { std::ops::ControlFlow::Continue(()) }
                ),
                Err(StorageError::NotAFile(_))
            ));
        }
    }
    assert_eq!(place.home.parts(), []);
}

#[test]
fn only_regular_files_are_opened_even_for_a_moment() {
    let place = Place::new();
    mkfifoat(CWD, place.real("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    symlink("fifo", place.real("link")).unwrap();
    place.write("file", "");
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    for name in ["fifo", "file"] {
        inotify::add_watch(&watch, place.real(name), inotify::WatchFlags::OPEN).unwrap();
    }
    let mut buffer = [std::mem::MaybeUninit::uninit(); 512];
    let mut was_opened = || inotify::Reader::new(&watch, &mut buffer).next().is_ok();
    for path in ["fifo", "link"] {
        place.home.open_file(&p(path)).unwrap_err();
        place.home.set_attributes(&p(path), None, Some(0o600)).unwrap_err();
        place.home.stat(&p(path)).unwrap();
        assert!(!was_opened(), "{path}");
    }
    place.home.open_file(&p("file")).unwrap();
    assert!(was_opened(), "the test can see it");
}

#[test]
fn the_home_itself_cannot_be_a_target() {
    let place = Place::new();
    place.write("f", "");
    let home = &place.home;
    let root = RemotePath::home();
    assert!(matches!(home.remove(&root), Err(StorageError::BadPath(_))));
    assert!(matches!(home.removal(&root), Err(StorageError::BadPath(_))));
    assert!(matches!(home.rename(&root, &p("x"), true), Err(StorageError::BadPath(_))));
    assert!(matches!(home.rename(&p("f"), &root, true), Err(StorageError::BadPath(_))));
    assert!(matches!(home.target_state(&root), Err(StorageError::BadPath(_))));
    assert!(matches!(home.open_file(&root), Err(StorageError::IsDirectory(_))));
    assert_eq!(home.stat(&root).unwrap().entry.kind, Kind::Folder);
}
