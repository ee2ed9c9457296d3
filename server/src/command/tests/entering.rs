//! Accounts that change between the proof and the start of the session.

use std::{convert::Infallible, sync::Arc};

use crate::{
    door::Door,
    gate::Gate,
    session::Proven,
    size::ByteCount,
    users::{
        Access,
        file::{self, Record},
        password,
    },
};
use ferry_shared::secret::Secret;

use super::harness::World;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIKO5lXXyWCkWpGW0VxBjQcwX5g8wF67oI9YzPyPJalP alice";

fn change(world: &World, change: impl FnOnce(&mut Record)) {
    let users = &world.context.users;
    let changed = file::edit(users.path(), |store| {
        change(store.users.get_mut("alice").unwrap());
        Ok::<_, Infallible>(())
    });
    changed.unwrap().unwrap();
    users.reload().unwrap();
}

fn set_password(record: &mut Record) {
    record.password = Some(password::hash(&Secret::new("another".into())).unwrap());
}

/// The gate of a session whose account was `changed` after the proof and before its start.
fn entering(by_key: bool, changed: impl FnOnce(&World)) -> (World, Option<Gate>) {
    let world = World::new(1000);
    let key: crate::users::PublicKey = KEY.parse().unwrap();
    change(&world, |alice| alice.keys.push(KEY.parse().unwrap()));
    let context = &world.context;
    let account = context.users.current(&"alice".parse().unwrap()).unwrap();
    let proven = if by_key { Proven::Key(key.key().clone()) } else { Proven::password_of(&account) };
    let user = context.open_user(&account).unwrap();
    let (session, _ticket) = context.sessions.open(Door::Ferry, user, proven, None).unwrap();
    changed(&world);
    let gate = Gate::new(context.users.clone(), Arc::clone(&session));
    (world, gate)
}

#[test]
fn a_proof_for_an_account_that_changed_since_lets_nobody_in() {
    for by_key in [false, true] {
        assert!(entering(by_key, |_| {}).1.is_some());
        assert!(entering(by_key, |world| change(world, |alice| alice.enabled = false)).1.is_none());
        assert!(entering(by_key, |world| change(world, |alice| alice.expires = "2020-01-01".parse().ok())).1.is_none());
        let removed = |world: &World| {
            let edited = file::edit(world.context.users.path(), |store| {
                store.users.clear();
                Ok::<_, Infallible>(())
            });
            edited.unwrap().unwrap();
            world.context.users.reload().unwrap();
        };
        assert!(entering(by_key, removed).1.is_none());
    }
    assert!(entering(false, |world| change(world, set_password)).1.is_none());
    assert!(entering(true, |world| change(world, set_password)).1.is_some(), "the key is still the user's");
    assert!(entering(true, |world| change(world, |alice| alice.keys.clear())).1.is_none());
}

#[test]
fn limits_that_changed_while_somebody_logged_in_are_in_force() {
    let lower = |alice: &mut Record| {
        (alice.quota, alice.access) = (Some(ByteCount(10)), Access::ReadOnly);
    };
    let (world, gate) = entering(false, |world| change(world, lower));
    let gate = gate.unwrap();
    let account = world.context.users.current(&"alice".parse().unwrap()).unwrap();
    let user = world.context.open_user(&account).unwrap();
    assert_eq!(user.ledger.snapshot().limits.bytes, Some(10));
    assert_eq!((user.is_read_only(), gate.account().access), (true, Access::ReadOnly));
}
