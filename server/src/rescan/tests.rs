//! A recount corrects the usage after changes by hand, even while others work in the home.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use ferry_shared::path::RemotePath;

use super::*;
use crate::{
    storage::{Durability, Storage},
    user_state::UserStates,
    users::{Users, store_file},
};

struct Place {
    folder: tempfile::TempDir,
    states: UserStates,
    counters: Counters,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let users = Users::load(store_file(folder.path())).unwrap();
        let states = UserStates::new(Storage::open(folder.path(), Durability::Rename).unwrap(), users);
        Self { folder, states, counters: Counters::default() }
    }

    fn user(&self) -> Arc<UserState> {
        self.states.get(&"anna".parse().unwrap()).unwrap()
    }

    fn home(&self) -> std::path::PathBuf {
        self.folder.path().join("users/anna/home")
    }
}

fn make_dir(user: &UserState, number: u64) {
    let path = RemotePath::from_wire(format!("folder-{number}").as_bytes()).unwrap();
    let changes = user.ledger.lock_changes();
    changes.charge(Tally::default(), Tally::new(0, 1)).unwrap();
    user.home.make_dir(&path, false, &mut 0).unwrap();
}

#[test]
fn files_put_there_by_hand_count_and_are_reported_as_drift() {
    let place = Place::new();
    let user = place.user();
    assert!(!rescan(&user, &place.counters, Pace::Quick, &|| false).unwrap().is_any());
    fs::write(place.home().join("by hand"), [1; 700]).unwrap();
    for pace in [Pace::Calm, Pace::Quick] {
        let drift = rescan(&user, &place.counters, pace, &|| false).unwrap();
        assert_eq!(drift.counted, Tally::new(700, 1));
        assert_eq!(drift.is_any(), pace == Pace::Calm);
    }
    assert_eq!(place.counters.drifts.get(), 1);
    assert_eq!(user.ledger.snapshot().used, Tally::new(700, 1));
}

#[test]
fn a_home_that_never_rests_is_left_alone_by_the_schedule_and_counted_for_the_operator() {
    let place = Place::new();
    let user = place.user();
    fs::write(place.home().join("by hand"), [1; 700]).unwrap();
    // Makes a change in the middle of each count, when the count checks whether to stop.
    let made = std::cell::Cell::new(0);
    let change = || {
        made.set(made.get() + 1);
        make_dir(&user, made.get());
        false
    };
    assert!(matches!(rescan(&user, &place.counters, Pace::Calm, &change), Err(RescanError::Busy)));
    assert_eq!(user.ledger.snapshot().used, Tally::new(0, made.get()), "a count that was overtaken was believed");

    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            for number in 1000.. {
                if stop.load(Ordering::Relaxed) {
                    return number - 1000;
                }
                make_dir(&user, number);
            }
            0
        });
        let drift = rescan(&user, &place.counters, Pace::Quick, &|| false).unwrap();
        assert!(drift.is_any());
        stop.store(true, Ordering::Relaxed);
        let more = worker.join().unwrap();
        assert_eq!(user.ledger.snapshot().used, Tally::new(700, 1 + made.get() + more));
    });
}

#[test]
fn a_home_that_cannot_be_read_completely_keeps_its_usage() {
    let place = Place::new();
    let user = place.user();
    // A folder deeper than a count goes.
    let mut deep = place.home();
    let folder = cap_std::fs::Dir::open_ambient_dir(&deep, cap_std::ambient_authority()).unwrap();
    let mut inner = folder;
    for _ in 0..600 {
        inner.create_dir("d").unwrap();
        inner = inner.open_dir("d").unwrap();
    }
    deep.push("file");
    fs::write(&deep, [1; 700]).unwrap();
    let failed = rescan(&user, &place.counters, Pace::Quick, &|| false);
    assert!(matches!(failed, Err(RescanError::Unreadable(1))), "{failed:?}");
    assert_eq!(user.ledger.snapshot().used, Tally::default());
}
