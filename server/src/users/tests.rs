//! The user store in use: reading, reloading, logins, watching.

use std::{convert::Infallible, fs, time::Duration};

use tempfile::TempDir;
use tokio::time::timeout;

use super::{file::Record, *};

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn alice() -> UserName {
    "alice".parse().unwrap()
}

fn edit(users: &Users, change: impl FnOnce(&mut file::Store)) {
    let changed = file::edit(users.path(), |store| {
        change(store);
        Ok::<_, Infallible>(())
    });
    changed.unwrap().unwrap();
}

/// A store with alice, whose password is "right".
fn with_alice() -> (TempDir, Users) {
    let folder = tempfile::tempdir().unwrap();
    let users = Users::load(store_file(folder.path())).unwrap();
    edit(&users, |store| {
        store.users.insert(alice(), Record::new(Some(password::hash(&secret("right")).unwrap())));
    });
    users.reload().unwrap();
    (folder, users)
}

#[test]
fn a_file_that_is_not_there_is_an_empty_store() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Users::load(store_file(folder.path())).unwrap().is_empty());
}

#[test]
fn a_reload_says_what_changed_and_raises_the_generation_only_then() {
    let (_folder, users) = with_alice();
    let (before, mut told) = (users.generation(), users.changes());
    assert!(users.reload().unwrap().is_empty());
    assert_eq!(users.generation(), before);
    assert!(!told.has_changed().unwrap());
    edit(&users, |store| {
        store.users.get_mut("alice").unwrap().max_files = Some(1);
        store.users.insert("bob".parse().unwrap(), Record::new(None));
    });
    let changes = users.reload().unwrap();
    assert_eq!((changes.added.len(), changes.removed.len(), changes.changed), (1, 0, vec![alice()]));
    assert_eq!(users.current(&alice()).unwrap().max_files, 1);
    assert!(*told.borrow_and_update() > before);
    edit(&users, |store| drop(store.users.remove("alice")));
    assert_eq!(users.reload().unwrap().removed, [alice()]);
    assert!(users.current(&alice()).is_none());
}

#[test]
fn a_broken_file_leaves_the_last_good_store_in_force() {
    let (_folder, users) = with_alice();
    let good = fs::read_to_string(users.path()).unwrap();
    fs::write(users.path(), good.replacen("true", "maybe", 1)).unwrap();
    let error = users.reload().unwrap_err().to_string();
    assert!(error.contains("users.json:10:"), "{error}");
    assert!(users.current(&alice()).is_some_and(|alice| alice.enabled));
    assert!(Users::load(users.path()).is_err(), "a server must not start without a good store");
}

#[test]
fn a_file_that_is_gone_or_a_link_that_leads_nowhere_leaves_the_last_good_store_in_force() {
    let (folder, users) = with_alice();
    let elsewhere = folder.path().join("elsewhere.json");
    fs::rename(users.path(), &elsewhere).unwrap();
    let error = users.reload().unwrap_err().to_string();
    assert!(error.contains("users.json is missing; restore it"), "{error}");
    std::os::unix::fs::symlink("nowhere.json", users.path()).unwrap();
    assert!(matches!(users.reload(), Err(StoreError::Read { .. })));
    assert!(Users::load(users.path()).is_err(), "a server must not start on a link that leads nowhere");
    assert!(users.current(&alice()).is_some());
    fs::rename(&elsewhere, users.path()).unwrap();
    assert!(users.reload().unwrap().is_empty());
}

#[tokio::test]
async fn unknown_closed_and_wrong_are_the_same_answer() {
    let (_folder, users) = with_alice();
    assert_eq!(users.login("alice", &secret("right"), Door::Ferry).await.unwrap().name, alice());
    let refused = async |name: &str, password: &str, denied: Denied| {
        let error = users.login(name, &secret(password), Door::Ferry).await.unwrap_err();
        assert_eq!((error, error.to_string().as_str()), (LoginError::Wrong(denied), "wrong user or password"));
    };
    refused("alice", "wrong", Denied::Password).await;
    for name in ["bob", "../alice", "Alice"] {
        refused(name, "right", Denied::Unknown).await;
    }
    edit(&users, |store| store.users.get_mut("alice").unwrap().expires = Some("2001-01-01".parse().unwrap()));
    users.reload().unwrap();
    refused("alice", "right", Denied::Expired).await;
    edit(&users, |store| store.users.get_mut("alice").unwrap().enabled = false);
    users.reload().unwrap();
    refused("alice", "right", Denied::Disabled).await;
}

#[tokio::test]
async fn a_door_that_an_account_may_not_use_is_refused_like_a_wrong_password() {
    let (_folder, users) = with_alice();
    edit(&users, |store| store.users.get_mut("alice").unwrap().doors = Some("sftp".parse().unwrap()));
    users.reload().unwrap();
    assert!(users.login("alice", &secret("right"), Door::Sftp).await.is_ok());
    let refused = users.login("alice", &secret("right"), Door::Ferry).await.unwrap_err();
    assert_eq!(refused, LoginError::Wrong(Denied::Door));
}

#[test]
fn a_key_belongs_to_its_user_while_the_account_is_open() {
    let made = |letter: &str| -> PublicKey {
        format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{}", letter.repeat(43)).parse().unwrap()
    };
    let (key, other) = (made("A"), made("B"));
    let (_folder, users) = with_alice();
    edit(&users, |store| store.users.get_mut("alice").unwrap().keys.push(key.clone()));
    users.reload().unwrap();
    let owner =
        |name, key: &PublicKey| users.owner_of(name, key.key(), Door::Ferry).map(|account| account.name.clone());
    assert_eq!(owner("alice", &key), Ok(alice()));
    assert_eq!(owner("alice", &other), Err(Denied::Key));
    assert_eq!(owner("bob", &key), Err(Denied::Unknown));
    edit(&users, |store| store.users.get_mut("alice").unwrap().enabled = false);
    users.reload().unwrap();
    assert_eq!(owner("alice", &key), Err(Denied::Disabled));
}

#[tokio::test]
async fn a_changed_password_is_in_force_and_in_the_file_at_once() {
    let (_folder, users) = with_alice();
    let before = users.current(&alice()).unwrap().password_generation;
    let wrong = users.change_password(&alice(), &secret("guess"), &secret("a new one"), |_| {}).await;
    assert!(matches!(wrong, Err(ChangePasswordError::Wrong)), "{wrong:?}");
    let empty = users.change_password(&alice(), &secret("right"), &secret(""), |_| {}).await;
    assert!(matches!(empty, Err(ChangePasswordError::New(_))), "{empty:?}");
    let short = users.change_password(&alice(), &secret("right"), &secret("7 chars"), |_| {}).await;
    assert!(short.unwrap_err().to_string().contains("at least 8 characters"));
    let mut told = None;
    let learn = |generation| {
        let stored = fs::read_to_string(users.path()).unwrap();
        assert!(stored.contains(users.current(&alice()).unwrap().password.as_ref().unwrap().as_str()));
        told = Some((generation, users.current(&alice()).unwrap().password_generation));
    };
    users.change_password(&alice(), &secret("right"), &secret("a new one"), learn).await.unwrap();
    let after = users.current(&alice()).unwrap().password_generation;
    assert_eq!(told, Some((after, before)), "who changes it must know before anybody else can");
    assert!(users.login("alice", &secret("right"), Door::Ferry).await.is_err());
    assert!(users.login("alice", &secret("a new one"), Door::Ferry).await.is_ok());
    assert_ne!(users.current(&alice()).unwrap().password_generation, before);
    assert!(Users::load(users.path()).unwrap().login("alice", &secret("a new one"), Door::Ferry).await.is_ok());
}

#[test]
fn a_password_is_changed_on_the_only_thread_that_may_block() {
    let (_folder, users) = with_alice();
    let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(1).enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    let changed = runtime.spawn_blocking(move || {
        let (old, new) = (secret("right"), secret("a new one"));
        handle.block_on(timeout(Duration::from_secs(20), users.change_password(&alice(), &old, &new, |_| {})))
    });
    runtime.block_on(changed).unwrap().expect("it does not wait for another thread").unwrap();
}

#[tokio::test]
async fn an_account_that_is_closed_meanwhile_gets_no_new_password() {
    let (_folder, users) = with_alice();
    let close = |_| edit(&users, |store| store.users.get_mut("alice").unwrap().enabled = false);
    let changed = users.change_password(&alice(), &secret("right"), &secret("a new one"), close).await;
    assert!(matches!(changed, Err(ChangePasswordError::Changed)), "{changed:?}");
}

#[tokio::test]
async fn a_watched_store_follows_its_file() {
    let (_folder, users) = with_alice();
    let mut told = users.changes();
    let _watch = users.watch().unwrap();
    edit(&users, |store| store.users.get_mut("alice").unwrap().enabled = false);
    timeout(Duration::from_secs(20), told.changed()).await.expect("the change is noticed").unwrap();
    assert!(!users.current(&alice()).unwrap().enabled);
    // An editor that writes in place, and a file that is removed.
    let text = fs::read_to_string(users.path()).unwrap();
    fs::write(users.path(), text.replacen("false", "true", 1)).unwrap();
    timeout(Duration::from_secs(20), told.changed()).await.expect("the change is noticed").unwrap();
    assert!(users.current(&alice()).unwrap().enabled);
}

#[tokio::test]
async fn a_watched_store_behind_links_follows_an_edit_there_and_a_folder_that_is_swapped() {
    use std::os::unix::fs::symlink;
    let (folder, users) = with_alice();
    let (first, second) = (folder.path().join("mount/v1"), folder.path().join("mount/v2"));
    fs::create_dir_all(&first).unwrap();
    fs::create_dir_all(&second).unwrap();
    let text = fs::read_to_string(users.path()).unwrap();
    fs::rename(users.path(), first.join("users.json")).unwrap();
    fs::write(second.join("users.json"), &text).unwrap();
    symlink("v1", folder.path().join("mount/..data")).unwrap();
    symlink("mount/..data/users.json", users.path()).unwrap();
    let mut told = users.changes();
    let _watch = users.watch().unwrap();
    fs::write(first.join("users.json"), text.replacen("true", "false", 1)).unwrap();
    timeout(Duration::from_secs(20), told.changed()).await.expect("the edit is noticed").unwrap();
    assert!(!users.current(&alice()).unwrap().enabled);
    symlink("v2", folder.path().join("mount/..new")).unwrap();
    fs::rename(folder.path().join("mount/..new"), folder.path().join("mount/..data")).unwrap();
    timeout(Duration::from_secs(20), told.changed()).await.expect("the swap is noticed").unwrap();
    assert!(users.current(&alice()).unwrap().enabled);
}
