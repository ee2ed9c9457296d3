//! Uploads whose channel ended without CLOSE.

use ferry_shared::{limits::BLOCK_LEN, sftp::Status};

use super::peer::{CREATE, EXCLUSIVE, Peer, READ, TRUNCATE, WRITE, figures, on_disk};
use crate::{
    command::tests::harness::{World, data},
    user_state::Expiry,
};

const MIB: u64 = BLOCK_LEN as u64;

/// Sends this much of a file, and loses the connection.
fn cut(world: &World, path: &str, data: &[u8]) {
    let mut peer = Peer::new(world);
    let handle = peer.open(path, WRITE | CREATE | TRUNCATE).unwrap();
    peer.write(&handle, 0, data).unwrap();
}

/// Continues as `reput` does: from the size that is shown.
fn go_on(world: &World, path: &str, data: &[u8]) -> u64 {
    let mut peer = Peer::new(world);
    let (size, _) = peer.shown(path).unwrap();
    let handle = peer.open(path, WRITE | CREATE).unwrap();
    peer.write(&handle, size, &data[usize::try_from(size).unwrap()..]).unwrap();
    peer.close(&handle).unwrap();
    size
}

#[test]
fn a_parked_part_is_shown_with_whole_blocks_and_always_less_than_what_arrived() {
    for (length, shown) in [
        (1, None),
        (BLOCK_LEN - 1, None),
        (BLOCK_LEN, Some(0)),
        (BLOCK_LEN + 1, Some(MIB)),
        (3 * BLOCK_LEN, Some(2 * MIB)),
        (3 * BLOCK_LEN + 7, Some(3 * MIB)),
    ] {
        let world = World::new(20 * MIB);
        cut(&world, "f", &data(length, 1));
        let mut peer = Peer::new(&world);
        assert_eq!(peer.shown("/f").ok(), shown.map(|size| (size, 0)), "{length} bytes");
        assert_eq!(peer.list("").unwrap().len(), usize::from(shown.is_some()), "{length} bytes");
        assert_eq!(on_disk(&world, "f"), None);
        let held = if shown.is_some() { length as u64 } else { 0 };
        assert_eq!(figures(&world), (0, held), "{length} bytes");
    }
}

#[test]
fn an_upload_of_which_everything_arrived_but_close_is_continued_to_the_committed_file() {
    let world = World::new(20 * MIB);
    let bytes = data(4 * BLOCK_LEN, 1);
    cut(&world, "f", &bytes);
    assert_eq!(go_on(&world, "f", &bytes), 3 * MIB);
    assert_eq!(on_disk(&world, "f").as_ref(), Some(&bytes));
    assert_eq!(figures(&world), (4 * MIB, 0));
}

#[test]
fn a_part_that_is_continued_and_cut_again_keeps_growing() {
    let world = World::new(20 * MIB);
    let bytes = data(5 * BLOCK_LEN + 9, 1);
    cut(&world, "f", &bytes[..2 * BLOCK_LEN + 5]);
    {
        let mut peer = Peer::new(&world);
        let handle = peer.open("f", WRITE | CREATE).unwrap();
        peer.write(&handle, 2 * MIB, &bytes[2 * BLOCK_LEN..4 * BLOCK_LEN + 3]).unwrap();
        // While it is written, nobody else sees it.
        assert_eq!(Peer::new(&world).shown("f").unwrap_err().0, Status::NoSuchFile);
    }
    assert_eq!(go_on(&world, "f", &bytes), 4 * MIB);
    assert_eq!(on_disk(&world, "f"), Some(bytes));
}

#[test]
fn parked_parts_survive_a_stop_and_a_kill_of_the_server() {
    let world = World::new(20 * MIB);
    let bytes = data(3 * BLOCK_LEN + 9, 1);
    cut(&world, "f", &bytes[..2 * BLOCK_LEN + 1]);
    let world = world.kill();
    assert_eq!(figures(&world), (0, 2 * MIB + 1));
    let world = world.stop();
    assert_eq!(Peer::new(&world).shown("f"), Ok((2 * MIB, 0)));
    assert_eq!(go_on(&world, "f", &bytes), 2 * MIB);
    assert_eq!((on_disk(&world, "f"), figures(&world)), (Some(bytes), (3 * MIB + 9, 0)));
}

#[test]
fn a_part_of_which_the_server_has_flushed_nothing_is_not_believed_after_a_kill() {
    let world = World::new(20 * MIB);
    let bytes = data(3 * BLOCK_LEN, 1);
    let mut peer = Peer::new(&world);
    let handle = peer.open("f", WRITE | CREATE | TRUNCATE).unwrap();
    peer.write(&handle, 0, &bytes).unwrap();
    let world = world.kill_with([peer]);
    assert_eq!(Peer::new(&world).shown("f"), Ok((0, 0)));
    assert_eq!(go_on(&world, "f", &bytes), 0);
    assert_eq!(on_disk(&world, "f"), Some(bytes));
}

#[test]
fn a_part_is_not_shown_where_a_file_is_nor_if_it_was_written_out_of_order() {
    let world = World::new(40 * MIB);
    let mut peer = Peer::new(&world);
    peer.put("f", b"old").unwrap();
    cut(&world, "f", &data(2 * BLOCK_LEN + 1, 1));
    assert_eq!(peer.shown("f").unwrap().0, 3);
    assert_eq!(peer.list("").unwrap(), ["f"]);
    {
        let mut other = Peer::new(&world);
        let handle = other.open("g", WRITE | CREATE).unwrap();
        other.write(&handle, 0, &data(2 * BLOCK_LEN + 1, 1)).unwrap();
        other.write(&handle, 0, b"changed").unwrap();
    }
    assert_eq!(peer.shown("g").unwrap_err().0, Status::NoSuchFile);
    assert_eq!(peer.list("").unwrap(), ["f"]);
    // Opened without TRUNC, a file begins with its own content, not with that of the part.
    let handle = peer.open("f", WRITE).unwrap();
    peer.write(&handle, 3, b"er").unwrap();
    peer.close(&handle).unwrap();
    assert_eq!(on_disk(&world, "f").unwrap(), b"older");
}

#[test]
fn an_unfinished_upload_cannot_be_read_renamed_or_changed_and_is_discarded_by_rm() {
    let world = World::new(20 * MIB);
    cut(&world, "f", &data(2 * BLOCK_LEN + 1, 1));
    let mut peer = Peer::new(&world);
    let refused = [
        peer.open("f", READ).map(drop),
        peer.rename("f", "g"),
        peer.set("f", super::peer::mtime(5)),
        peer.set("f", ferry_shared::sftp::Attributes { size: Some(5), ..Default::default() }),
    ];
    for refused in refused {
        let (_, told) = refused.unwrap_err();
        assert!(told.contains("unfinished"), "{told}");
    }
    assert_eq!(figures(&world), (0, 2 * MIB + 1));
    peer.remove("f").unwrap();
    assert_eq!((peer.list("").unwrap().len(), figures(&world)), (0, (0, 0)));
    assert_eq!(peer.remove("f").unwrap_err().0, Status::NoSuchFile);
}

#[test]
fn a_new_upload_of_the_same_name_does_not_need_the_room_of_the_parked_part_too() {
    let world = World::new(4 * MIB);
    cut(&world, "f", &data(3 * BLOCK_LEN + 1, 1));
    let bytes = data(3 * BLOCK_LEN + 1, 2);
    let mut peer = Peer::new(&world);
    for flags in [WRITE | CREATE | TRUNCATE, WRITE | CREATE | EXCLUSIVE] {
        let handle = peer.open("f", flags).unwrap();
        peer.write(&handle, 0, &bytes).unwrap();
        peer.close(&handle).unwrap();
        assert_eq!((on_disk(&world, "f").as_ref(), figures(&world)), (Some(&bytes), (3 * MIB + 1, 0)));
        peer.remove("f").unwrap();
    }
}

#[test]
fn parked_parts_expire_and_count_as_a_file() {
    let world = World::new(20 * MIB);
    cut(&world, "f", &data(2 * BLOCK_LEN, 1));
    let user = std::sync::Arc::clone(&world.session().user);
    assert_eq!(user.ledger.snapshot().reserved.files, 1);
    let long_ago = std::time::Duration::ZERO;
    user.expire(Expiry { age: long_ago, uptime: std::time::Duration::from_secs(1) });
    assert_eq!((Peer::new(&world).list("").unwrap().len(), figures(&world)), (0, (0, 0)));
}
