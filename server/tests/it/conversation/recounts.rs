//! The server finds by itself out that figures cannot be right, and counts again.

use std::fs;

use ferry_server::rescan;
use ferry_shared::message::{Reply, Request};

use super::harness::{World, data, path, small};

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
    assert_eq!(world.context.figures.drifts.get(), 0);
    // More goes than was believed to be there.
    fs::write(world.home().join("a"), [0; 5000]).unwrap();
    peer.ask(&Request::Remove { path: path("a"), recursive: false }).unwrap();
    assert!(user.ledger.snapshot().suspect);
    rescan::round(&world.context);
    let figures = user.ledger.snapshot();
    assert_eq!((figures.used.bytes, figures.used.files), world.on_disk());
    assert!(!figures.suspect);
    assert_eq!(world.context.figures.drifts.get(), 1);
}
