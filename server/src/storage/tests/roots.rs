//! The data folder: its users, and what is not trusted in it.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::disk_fault::Fault;

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_user_s_folders_are_private() {
    let place = Place::new();
    let user = place.data.path().join("users/alice");
    for folder in [user.clone(), user.join("home"), user.join("staging")] {
        assert_eq!(mode(&folder), 0o700, "{folder:?}");
    }
}

#[test]
fn a_home_or_user_folder_that_is_a_link_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let users = data.path().join("users");
    let elsewhere = data.path().join("elsewhere");
    fs::create_dir_all(elsewhere.join("home")).unwrap();
    fs::create_dir_all(users.join("bob")).unwrap();
    symlink(&elsewhere, users.join("alice")).unwrap();
    symlink(elsewhere.join("home"), users.join("bob/home")).unwrap();
    let storage = Storage::open(data.path(), Durability::Full).unwrap();
    for user in ["alice", "bob"] {
        for create in [false, true] {
            let error = storage.home(user, create).unwrap_err();
            assert!(matches!(&error, StorageError::Unsafe(text) if text.contains("symlink")), "{error:?}");
        }
    }
}

#[test]
fn names_no_user_can_have_reach_no_path() {
    let place = Place::new();
    for name in ["", ".", "..", "../x", "a/b", ".removed-x", "-x", "Alice", "ä", &"a".repeat(65)] {
        assert!(matches!(place.storage.home(name, true), Err(StorageError::NoSuchUser)), "{name:?}");
        assert!(matches!(place.storage.remove_user(name), Err(StorageError::NoSuchUser)), "{name:?}");
    }
    assert!(place.storage.home(&format!("0{}", "-._z".repeat(15)), true).is_ok());
}

#[test]
fn a_user_who_is_not_there_is_made_only_when_asked() {
    let place = Place::new();
    assert!(matches!(place.storage.home("bob", false), Err(StorageError::NoSuchUser)));
    assert_eq!(place.storage.users_on_disk().unwrap(), ["alice"]);
    place.storage.home("bob", true).unwrap();
    assert_eq!(place.storage.users_on_disk().unwrap(), ["alice", "bob"]);
}

#[test]
fn all_callers_share_one_home() {
    let place = Place::new();
    let again = place.storage.home("alice", false).unwrap();
    drop(
        place
            .home
            .create_part(PartMeta { path: p("a"), size: None, file: FileMeta::default(), lasting: None })
            .unwrap(),
    );
    assert_eq!(again.parts().len(), 1);
}

#[test]
fn one_server_at_a_time() {
    let place = Place::new();
    assert!(matches!(Storage::open(place.data.path(), Durability::Full), Err(StorageError::InUse)));
    Storage::inspect(place.data.path()).unwrap();
    place.reopen();
}

#[test]
fn a_removed_user_s_files_are_gone() {
    let place = Place::new();
    place.write("f", "f");
    fs::create_dir_all(place.data.path().join("users/.removed-left/home")).unwrap();
    assert!(place.storage.remove_user("alice").unwrap());
    assert!(!place.storage.remove_user("alice").unwrap());
    assert_eq!(place.storage.users_on_disk().unwrap(), [""; 0]);
    assert!(place.storage.home("alice", true).unwrap().stat(&p("f")).is_err());
    let users = place.data.path().join("users");
    drop(place.reopen());
    let _ = users;
}

#[test]
fn a_removal_of_a_user_cut_short_is_finished_at_the_next_start() {
    let place = Place::new();
    let left = place.data.path().join("users/.removed-bob");
    fs::create_dir_all(left.join("home/deep")).unwrap();
    let place = place.reopen();
    assert!(!left.exists());
    assert_eq!(place.storage.users_on_disk().unwrap(), ["alice"]);
}

#[test]
fn a_ledger_can_be_taken_once() {
    let place = Place::new();
    assert_eq!(place.home.take_ledger().unwrap(), None);
    place.home.write_ledger(b"figures").unwrap();
    let place = place.reopen();
    assert_eq!(place.home.read_ledger().unwrap().as_deref(), Some(b"figures".as_slice()));
    assert_eq!(place.home.take_ledger().unwrap().as_deref(), Some(b"figures".as_slice()));
    assert_eq!(place.home.take_ledger().unwrap(), None);
}

#[test]
fn the_reserve_is_refused_to_users_and_not_to_the_servers_own_files() {
    let place = Place::new();
    let part = place.home.create_part(meta("part")).unwrap();
    assert!(place.home.volume_free().unwrap() > 0 && place.storage.volume_free().unwrap() > 0);
    place.storage.keep_free(Some(1 << 60));
    assert_eq!((place.home.volume_free().unwrap(), place.storage.volume_free().unwrap()), (0, 0));
    let is_full =
        |error: Option<StorageError>| assert!(matches!(error, Some(StorageError::Disk { fault: Fault::Full, .. })));
    is_full(place.home.temp_file(b"", &FileMeta::default()).err());
    is_full(part.write(1, |_, _| Ok(())).err());
    is_full(place.home.make_dir(&p("folder"), false, &mut 0).err());
    is_full(place.home.make_dir(&p("some/folder"), true, &mut 0).err());
    // Bytes that are overwritten have their space already, and the server's own files ignore the reserve.
    part.write(0, |_, _| Ok(())).unwrap();
    place.home.write_ledger(b"figures").unwrap();
    assert!(place.home.remove_ledger().is_ok() && place.home.remove_ledger().is_ok());
    place.storage.keep_free(Some(0));
    place.home.make_dir(&p("folder"), false, &mut 0).unwrap();
}

fn meta(path: &str) -> PartMeta {
    PartMeta { path: p(path), size: Some(10), file: FileMeta::default(), lasting: None }
}

#[test]
fn a_part_that_cannot_be_replaced_stays_known() {
    let place = Place::new();
    drop(place.home.create_part(meta("a")).unwrap());
    let staged: Vec<_> = place.staged_names();
    let part = place.staging().join(staged.iter().find(|name| name.ends_with(".part")).unwrap());
    // As on a disk that refuses to remove the file.
    fs::remove_file(&part).unwrap();
    fs::create_dir(&part).unwrap();
    assert!(place.home.create_part(meta("a")).is_err());
    assert!(place.home.has_part(&p("a")));
}

#[test]
fn a_user_is_removed_although_a_session_that_ends_still_writes_its_last_file() {
    for _ in 0..30 {
        let place = Place::new();
        (0..20).for_each(|number| fs::create_dir(place.real(&format!("folder-{number}"))).unwrap());
        let last_words = std::thread::spawn({
            let home = place.home.clone();
            move || (0..50).for_each(|_| drop(home.write_ledger(b"figures")))
        });
        let removed = place.storage.remove_user("alice");
        last_words.join().unwrap();
        assert!(removed.unwrap());
    }
}
