//! The digests that storage remembers.

use std::{
    fs::FileTimes,
    time::{Duration, SystemTime},
};

use ferry_shared::digest::Digest;

use super::*;
use crate::storage::metadata::Metadata;

/// The digest that a walk reports for the file `name`.
fn recalled(place: &Place, name: &str) -> Option<Digest> {
    let page = place.home.walker_with_digests(&RemotePath::home()).unwrap().next_page().unwrap().unwrap();
    let at = page.entries.iter().position(|entry| entry.name.as_bytes() == name.as_bytes()).unwrap();
    page.digests[at]
}

/// Waits until the file was left alone for long enough.
fn settle(path: &Path) {
    while !Metadata::at(rustix::fs::CWD, path).unwrap().is_settled() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn remember(place: &Place, name: &str, content: &str) {
    place.home.open_file(&p(name)).unwrap().remember(&Digest::of(content.as_bytes()));
}

#[test]
fn a_digest_is_reported_until_the_file_changes_in_any_way() {
    let place = Place::new();
    let path = place.real("f");
    let write = |text: &str| {
        fs::write(&path, text).unwrap();
        let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
        fs::File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
    };
    write("one");
    remember(&place, "f", "one");
    assert_eq!(recalled(&place, "f"), None, "a file that was just written may change again unnoticed");
    settle(&path);
    assert_eq!(recalled(&place, "f"), None);
    remember(&place, "f", "one");
    let place = place.reopen();
    assert_eq!(recalled(&place, "f"), Some(Digest::of(b"one")), "also after a restart");
    let walked = place.home.walker(&RemotePath::home()).unwrap().next_page().unwrap().unwrap();
    assert!(walked.digests.is_empty(), "they were not asked for");
    // The same size and date.
    write("two");
    assert_eq!(recalled(&place, "f"), None);
    settle(&path);
    remember(&place, "f", "two");
    assert_eq!(recalled(&place, "f"), Some(Digest::of(b"two")));
    // Another file takes the name, and has its date.
    fs::write(place.real("other"), "new").unwrap();
    fs::File::options()
        .write(true)
        .open(place.real("other"))
        .unwrap()
        .set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH))
        .unwrap();
    fs::rename(place.real("other"), &path).unwrap();
    assert_eq!(recalled(&place, "f"), None);
}

#[test]
fn without_the_file_nothing_is_remembered_and_everything_works() {
    let data = tempfile::tempdir().unwrap();
    fs::create_dir(data.path().join("digests")).unwrap();
    let storage = Storage::open(data.path(), Durability::Full).unwrap();
    let place = Place { home: storage.home("alice", true).unwrap(), storage, data };
    fs::write(place.real("f"), "text").unwrap();
    settle(&place.real("f"));
    remember(&place, "f", "text");
    assert_eq!(recalled(&place, "f"), None);
}
