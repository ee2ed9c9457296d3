//! Usage and reservations survive refusals, waits and stops, and are released when they must be.

use std::{fs, time::Duration};

use crate::{rescan, user_state::Expiry};
use ferry_shared::{
    message::{Reply, Request, request::Basis},
    refusal::Code,
};

use super::harness::{Peer, World, block, data, path, put, small};

#[test]
fn figures_that_cannot_be_right_are_counted_again_in_the_next_round() {
    let world = World::new(1 << 20);
    let mut peer = world.connect();
    for name in ["a", "b"] {
        peer.send(&small(name, &data(100, 1)));
        assert!(matches!(peer.answer().unwrap(), Reply::Stored { .. }));
    }
    let account = world.context.users.current(&"alice".parse().unwrap()).unwrap();
    let user = world.context.open_user(&account).unwrap();
    rescan::round(&world.context);
    assert_eq!(world.context.counters.drifts.get(), 0);
    // More is removed than was counted.
    fs::write(world.home().join("a"), [0; 5000]).unwrap();
    peer.ask(&Request::Remove { path: path("a"), recursive: false, version: None }).unwrap();
    assert!(user.ledger.snapshot().suspect);
    rescan::round(&world.context);
    let figures = user.ledger.snapshot();
    assert_eq!((figures.used.bytes, figures.used.files), world.on_disk());
    assert!(!figures.suspect);
    assert_eq!(world.context.counters.drifts.get(), 1);
}

/// An upload of three blocks, of which one has arrived.
fn begin(peer: &mut Peer) {
    let bytes = data(3 << 20, 1);
    let declared = put("f", bytes.len() as u64, Basis::None);
    assert!(matches!(peer.ask(&Request::Put(declared)), Ok(Reply::Ready { .. })));
    peer.send(&block(&bytes, 0));
}

fn reserved(peer: &mut Peer) -> u64 {
    match peer.ask(&Request::Usage).unwrap() {
        Reply::Usage(usage) => usage.reserved,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refused_upload_leaves_a_staged_part_what_it_held() {
    let world = World::new(1 << 60);
    let mut peer = world.connect();
    begin(&mut peer);
    assert_eq!(reserved(&mut peer), 3 << 20);
    // No disk has this much room.
    let refused = peer.ask(&Request::Put(put("f", 1 << 55, Basis::None))).unwrap_err();
    assert_eq!(refused.code, Code::DiskFull);
    assert_eq!(reserved(&mut peer), 3 << 20);
    let refused = peer.ask(&Request::Put(put("g", 1 << 55, Basis::None))).unwrap_err();
    assert_eq!(refused.code, Code::DiskFull);
    assert_eq!(reserved(&mut peer), 3 << 20);
}

fn expiry(seconds: u64) -> Expiry {
    Expiry { age: Duration::from_secs(seconds), uptime: Duration::MAX }
}

#[test]
fn an_old_inactive_part_expires_with_its_reservation() {
    let world = World::new(10 << 20);
    let mut peer = world.connect();
    begin(&mut peer);
    let account = world.context.users.current(&"alice".parse().unwrap()).unwrap();
    let user = world.context.open_user(&account).unwrap();
    user.expire(expiry(0));
    assert_eq!(user.home.parts().len(), 1, "an upload under way is thrown away");
    assert_eq!(reserved(&mut peer), 3 << 20);
    drop(peer);
    user.expire(expiry(3600));
    assert_eq!(user.home.parts().len(), 1, "it is not an hour old");
    user.expire(expiry(0));
    assert_eq!(user.home.parts().len(), 0);
    assert_eq!(reserved(&mut world.connect()), 0);
}

#[test]
fn files_with_several_names_are_counted_again_after_a_stop() {
    let world = World::new(10 << 20);
    fs::write(world.home_made().join("a"), [1; 5000]).unwrap();
    fs::hard_link(world.home().join("a"), world.home().join("b")).unwrap();
    drop(world.connect());
    let world = world.stop();
    let mut peer = world.connect();
    for (name, left) in [("a", 5000), ("b", 0)] {
        peer.ask(&Request::Remove { path: path(name), recursive: false, version: None }).unwrap();
        assert!(matches!(peer.ask(&Request::Usage), Ok(Reply::Usage(usage)) if usage.used == left), "{name}");
    }
}
