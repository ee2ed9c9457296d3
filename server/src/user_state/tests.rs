//! What the server knows of users is written down when it may be believed.

use std::sync::Arc;

use super::*;
use crate::storage::Durability;

struct Place {
    folder: tempfile::TempDir,
    states: UserStates,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let states = UserStates::new(Storage::open(folder.path(), Durability::Rename).unwrap());
        Self { folder, states }
    }

    fn user(&self, name: &str) -> Arc<UserState> {
        self.states.get(&name.parse().unwrap(), Limits::default()).unwrap()
    }

    fn has_ledger(&self, name: &str) -> bool {
        self.folder.path().join("users").join(name).join("ledger.json").exists()
    }
}

#[test]
fn who_is_still_worked_for_at_the_end_is_counted_again() {
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
    let opened = place.states.get(&"anna".parse().unwrap(), Limits::default());
    assert!(matches!(opened, Err(StorageError::Stopped)), "{opened:?}");
    place.states.close();
    assert!(!place.has_ledger("anna"));
}
