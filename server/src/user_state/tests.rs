//! The states of users, and when their usage is written to the ledger and believed.

use std::sync::Arc;

use ferry_shared::path::RemotePath;

use super::*;
use crate::{
    storage::{Durability, FileMeta, PartMeta},
    users::{Users, store_file},
};

struct Place {
    folder: tempfile::TempDir,
    states: UserStates,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let users = Users::load(store_file(folder.path())).unwrap();
        let states = UserStates::new(Storage::open(folder.path(), Durability::Rename).unwrap(), users);
        Self { folder, states }
    }

    fn user(&self, name: &str) -> Arc<UserState> {
        self.states.get(&name.parse().unwrap()).unwrap()
    }

    fn name(name: &str) -> UserName {
        name.parse().unwrap()
    }

    fn home(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("users").join(name).join("home")
    }

    fn is_open(&self, name: &str) -> bool {
        self.states.all().iter().any(|user| user.name.as_str() == name)
    }

    fn has_ledger(&self, name: &str) -> bool {
        self.folder.path().join("users").join(name).join("ledger.json").exists()
    }
}

#[test]
fn a_user_with_work_in_progress_at_the_end_is_counted_again() {
    let place = Place::new();
    let at_work = place.user("anna");
    place.user("bob");
    place.states.close();
    assert!(!place.has_ledger("anna") && place.has_ledger("bob"));
    drop(at_work);
}

#[test]
fn a_count_ends_with_the_server_and_leaves_nothing_to_believe() {
    let mut place = Place::new();
    let stop = CancellationToken::new();
    place.states = place.states.until(stop.clone());
    std::fs::create_dir_all(place.folder.path().join("users/anna/home/folder")).unwrap();
    stop.cancel();
    let opened = place.states.get(&"anna".parse().unwrap());
    assert!(matches!(opened, Err(StorageError::Stopped)), "{opened:?}");
    place.states.close();
    assert!(!place.has_ledger("anna"));
}

/// Stages a part of this size for `path`.
fn stage(user: &UserState, path: &str, size: u64) {
    let path = RemotePath::from_wire(path.as_bytes()).unwrap();
    user.reserve(&path, Tally::new(size, 1)).unwrap();
    let meta = PartMeta { path, size: Some(size), file: FileMeta::default(), lasting: None };
    drop(user.home.create_part(meta).unwrap());
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn a_home_nobody_uses_is_closed_and_has_the_same_figures_when_it_is_opened_again() {
    let place = Place::new();
    let user = place.user("anna");
    std::fs::write(place.home("anna").join("file"), [1; 700]).unwrap();
    user.ledger.lock_changes().add_used(Tally::new(700, 1));
    stage(&user, "part", 5000);
    let before = user.ledger.snapshot();
    assert_eq!(before.reserved, Tally::new(5000, 1));
    let all = |_: &UserName| true;
    place.states.rest(Duration::ZERO, all);
    assert!(place.is_open("anna"), "somebody holds it");
    drop(user);
    place.states.rest(DAY, all);
    assert!(place.is_open("anna"), "it was just used");
    place.states.rest(Duration::ZERO, all);
    assert!(!place.is_open("anna") && place.has_ledger("anna"));
    assert_eq!(place.states.figures(), [(Place::name("anna"), before)], "they are told all the same");
    // The ledger is believed, so a file that was enlarged by hand does not count.
    std::fs::write(place.home("anna").join("file"), [1; 705]).unwrap();
    let user = place.user("anna");
    assert!(!place.has_ledger("anna"), "what is written may be wrong from now on");
    assert_eq!(user.ledger.snapshot(), before);
    drop(user);
    place.states.rest(Duration::ZERO, all);
    // A new name in the home is noticed: everything is counted.
    std::fs::write(place.home("anna").join("by hand"), [1; 5]).unwrap();
    assert_eq!(place.user("anna").ledger.snapshot().used, Tally::new(710, 2));
}

#[test]
fn a_home_that_can_only_be_counted_stays_open() {
    let place = Place::new();
    let user = place.user("anna");
    // Release more than there is.
    user.ledger.lock_changes().release_used(Tally::new(1, 1));
    drop(user);
    place.states.rest(Duration::ZERO, |_| true);
    assert!(place.is_open("anna") && !place.has_ledger("anna"));
    place.states.close();
    assert!(!place.has_ledger("anna"));
}

/// The expiry of a server that has always been running.
fn expiry(age: Duration) -> Expiry {
    Expiry { age, uptime: Duration::MAX }
}

#[test]
fn time_without_a_server_does_not_expire_a_part() {
    let after = |uptime| Expiry { age: DAY, uptime };
    let old = Mtime::from(SystemTime::now() - 30 * DAY);
    assert!(after(DAY).is_over(old) && !after(Duration::from_secs(600)).is_over(old));
    let place = Place::new();
    let user = place.user("anna");
    stage(&user, "part", 5000);
    user.expire(Expiry { age: Duration::from_nanos(1), uptime: Duration::ZERO });
    assert_eq!(user.home.parts().len(), 1);
    user.expire(expiry(Duration::ZERO));
    assert_eq!(user.home.parts().len(), 0);
}

#[test]
fn maintenance_opens_only_homes_that_need_it() {
    let place = Place::new();
    let attend = |name: &str| {
        let opened = place.states.attend(&Place::name(name), expiry(DAY)).unwrap();
        let is_opened = opened.is_some();
        drop(opened);
        place.states.rest(Duration::ZERO, |_| true);
        is_opened
    };
    assert!(!attend("never"), "who never came has nothing");
    assert!(!place.home("never").exists());
    std::fs::create_dir_all(place.home("anna")).unwrap();
    assert!(attend("anna"), "nobody knows what is there");
    assert!(!attend("anna"));
    stage(&place.user("anna"), "part", 5000);
    place.states.rest(Duration::ZERO, |_| true);
    assert!(!attend("anna"), "the part is known and young");
    let opened = place.states.attend(&Place::name("anna"), expiry(Duration::ZERO)).unwrap();
    opened.expect("the part is old").expire(expiry(Duration::ZERO));
    place.states.rest(Duration::ZERO, |_| true);
    let figures =
        |states: &UserStates| states.figures().into_iter().find(|(name, _)| name.as_str() == "anna").unwrap().1;
    assert_eq!(figures(&place.states).reserved, Tally::default());
    stage(&place.user("anna"), "part", 5000);
    place.states.close();
    // Another server does not know the reservation of the part until it opens the home.
    assert!(attend("anna") && !attend("anna"));
    assert_eq!(figures(&place.states).reserved, Tally::new(5000, 1));
}

#[test]
fn a_removed_user_is_forgotten_and_one_of_the_same_name_begins_anew() {
    let place = Place::new();
    let old = place.user("anna");
    std::fs::write(place.home("anna").join("file"), [1; 700]).unwrap();
    old.ledger.lock_changes().add_used(Tally::new(700, 1));
    assert!(place.states.is_in_place(&old).unwrap());
    // As 'ferryd user remove --purge' does, beside the server.
    assert!(Storage::inspect(place.folder.path()).unwrap().remove_user("anna").unwrap());
    assert!(!place.states.is_in_place(&old).unwrap());
    let new = place.user("anna");
    assert!(place.home("anna").is_dir());
    assert_eq!(new.ledger.snapshot().used, Tally::default());
    let path = RemotePath::from_wire(b"folder").unwrap();
    new.home.make_dir(&path, false, &mut 0).unwrap();
    assert!(place.home("anna").join("folder").is_dir());
    drop((old, new));
    place.states.rest(DAY, |_| false);
    assert!(place.states.figures().is_empty() && place.has_ledger("anna"));
}

fn held(user: &UserState, path: &str) -> Tally {
    user.reserved_for(&RemotePath::from_wire(path.as_bytes()).unwrap())
}

#[test]
fn a_reservation_is_released_only_once_its_part_is_gone() {
    let place = Place::new();
    let user = place.user("anna");
    let path = RemotePath::from_wire(b"part").unwrap();
    stage(&user, "part", 5000);
    user.release_if_unstaged(&path);
    assert_eq!(held(&user, "part"), Tally::new(5000, 1), "another upload of that name has begun");
    user.home.discard(&path).unwrap();
    user.release_if_unstaged(&path);
    assert_eq!((held(&user, "part"), user.ledger.snapshot().reserved), (Tally::default(), Tally::default()));
}

#[test]
fn a_part_in_a_folder_that_moves_away_holds_the_folders_it_would_need() {
    let place = Place::new();
    let user = place.user("anna");
    user.ledger.set_limits(Limits { bytes: None, files: Some(5) });
    let folder = RemotePath::from_wire(b"d").unwrap();
    user.home.make_dir(&RemotePath::from_wire(b"d/e").unwrap(), true, &mut 0).unwrap();
    user.ledger.lock_changes().add_used(Tally::new(0, 2));
    stage(&user, "d/e/f", 100);
    user.reserve_sole(&user.ledger.lock_changes(), &folder).unwrap();
    assert_eq!(held(&user, "d/e/f"), Tally::new(100, 3), "itself and two folders");
    // With one more file there is no room for the folders.
    user.refit(&user.ledger.lock_changes(), &folder);
    user.ledger.lock_changes().add_used(Tally::new(0, 1));
    let (part, _) = user.reserve_sole(&user.ledger.lock_changes(), &folder).unwrap_err();
    assert_eq!((part.as_bytes(), held(&user, "d/e/f")), (&b"d/e/f"[..], Tally::new(100, 1)));
}
