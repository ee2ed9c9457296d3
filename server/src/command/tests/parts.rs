//! Staged bytes and the quota: a part never takes more space than its reservation and the file that it replaces.

use std::fs;

use ferry_shared::{
    limits::BLOCK_LEN,
    message::{
        Reply, Request,
        request::{Basis, Put},
    },
    refusal::Code,
};

use super::harness::{Peer, World, block, commit, data, path, put, small};

const MIB: u64 = BLOCK_LEN as u64;

/// Declares an upload and takes `Ready`.
fn begin(peer: &mut Peer, declared: Put) {
    let answer = peer.ask(&Request::Put(declared));
    assert!(matches!(answer, Ok(Reply::Ready { .. })), "{answer:?}");
}

/// Starts an upload of this many MiB and sends everything but its commit.
fn stage(peer: &mut Peer, name: &str, blocks: usize) {
    let bytes = data(blocks * BLOCK_LEN, 1);
    begin(peer, put(name, bytes.len() as u64, Basis::None));
    for index in 0..blocks {
        peer.send(&block(&bytes, index));
    }
}

fn store(peer: &mut Peer, name: &str, blocks: usize) {
    stage(peer, name, blocks);
    peer.send(&commit(&data(blocks * BLOCK_LEN, 1)));
    assert!(matches!(peer.answer(), Ok(Reply::Stored { .. })));
}

fn figures(peer: &mut Peer) -> (u64, u64) {
    match peer.ask(&Request::Usage).unwrap() {
        Reply::Usage(usage) => (usage.used, usage.reserved),
        other => panic!("{other:?}"),
    }
}

/// Bytes of all staged parts, as an outsider counts them.
fn staged(world: &World) -> u64 {
    let folder = world.home().with_file_name("staging");
    let parts = fs::read_dir(folder).unwrap().map(Result::unwrap);
    parts
        .filter(|part| part.path().extension().is_some_and(|end| end == "part"))
        .map(|part| part.metadata().unwrap().len())
        .sum()
}

#[test]
fn a_part_declared_anew_and_smaller_is_cut_to_what_it_holds() {
    let world = World::new(20 * MIB);
    let mut peer = world.connect();
    stage(&mut peer, "f", 5);
    assert_eq!(staged(&world), 5 * MIB);
    begin(&mut peer, put("f", 2 * MIB, Basis::Staged));
    assert_eq!((staged(&world), figures(&mut peer)), (2 * MIB, (0, 2 * MIB)));
}

#[test]
fn a_part_whose_file_is_renamed_holds_all_it_takes_or_the_renaming_is_refused() {
    let world = World::new(10 * MIB);
    let mut peer = world.connect();
    store(&mut peer, "f0", 4);
    begin(&mut peer, put("f0", 4 * MIB, Basis::Current));
    assert_eq!((staged(&world), figures(&mut peer)), (4 * MIB, (4 * MIB, 0)));
    let rename = |from: &str, to: &str| Request::Rename { from: path(from), to: path(to), replace: true };
    assert_eq!(peer.ask(&rename("f0", "f1")), Ok(Reply::Done));
    assert_eq!(figures(&mut peer), (4 * MIB, 4 * MIB));

    begin(&mut peer, put("f1", 4 * MIB, Basis::Current));
    let refused = peer.ask(&rename("f1", "f2")).unwrap_err();
    assert_eq!(refused.code, Code::OverQuota);
    assert!(refused.message.contains("an unfinished upload of /f1"), "{}", refused.message);
    assert!(world.home().join("f1").exists());
    assert_eq!(figures(&mut peer), (4 * MIB, 4 * MIB), "a refused renaming holds nothing");
    // Once a file has its name again, the part that is kept for it counts on that file again.
    assert_eq!(peer.ask(&Request::Discard { path: path("f1") }), Ok(Reply::Done));
    assert_eq!(peer.ask(&rename("f1", "f0")), Ok(Reply::Done));
    assert_eq!(figures(&mut peer), (4 * MIB, 0));
}

#[test]
fn a_part_below_a_folder_that_moves_holds_all_it_takes() {
    let world = World::new(10 * MIB);
    let mut peer = world.connect();
    assert_eq!(peer.ask(&Request::MakeDir { path: path("d"), parents: false }), Ok(Reply::Done));
    store(&mut peer, "d/f", 3);
    begin(&mut peer, put("d/f", 3 * MIB, Basis::Current));
    assert_eq!(figures(&mut peer), (3 * MIB, 0));
    assert_eq!(peer.ask(&Request::Rename { from: path("d"), to: path("e"), replace: false }), Ok(Reply::Done));
    assert_eq!(figures(&mut peer), (3 * MIB, 3 * MIB));
}

#[test]
fn a_part_whose_file_is_removed_holds_what_that_gave_back() {
    let world = World::new(10 * MIB);
    let mut peer = world.connect();
    for recursive in [false, true] {
        store(&mut peer, "f", 4);
        begin(&mut peer, put("f", 4 * MIB, Basis::Current));
        assert!(matches!(
            peer.ask(&Request::Remove { path: path("f"), recursive, version: None }),
            Ok(Reply::Removed { .. })
        ));
        assert_eq!((staged(&world), figures(&mut peer)), (4 * MIB, (0, 4 * MIB)));
        assert_eq!(peer.ask(&Request::Discard { path: path("f") }), Ok(Reply::Done));
        assert_eq!((staged(&world), figures(&mut peer)), (0, (0, 0)));
    }
}

#[test]
fn a_part_whose_file_is_copied_over_holds_what_that_gave_back() {
    let world = World::new(10 * MIB);
    let mut peer = world.connect();
    store(&mut peer, "f", 4);
    peer.send(&small("little", b"one"));
    peer.answer().unwrap();
    begin(&mut peer, put("f", 4 * MIB, Basis::Current));
    let copied = peer.ask(&Request::Copy { from: path("little"), to: path("f"), replace: true });
    assert!(matches!(copied, Ok(Reply::Stored { size: 3, .. })), "{copied:?}");
    assert_eq!(figures(&mut peer), (6, 4 * MIB - 3));
}

#[test]
fn a_part_begun_from_the_file_that_is_there_is_no_longer_than_declared() {
    let world = World::new(10 * MIB);
    let mut peer = world.connect();
    store(&mut peer, "f", 4);
    begin(&mut peer, put("f", 2 * MIB, Basis::Current));
    assert_eq!(staged(&world), 2 * MIB);
}

#[test]
fn a_superseded_stream_does_not_change_the_reservation_of_its_successor() {
    let world = World::new(200 * MIB);
    let (mut old, mut new) = (world.connect(), world.connect());
    begin(&mut old, Put { size: None, ..put("f", 0, Basis::None) });
    begin(&mut new, put("f", 150 * MIB, Basis::None));
    old.send(&block(&data(BLOCK_LEN, 1), 0));
    assert_eq!(old.answer().unwrap_err().code, Code::Superseded);
    assert_eq!(figures(&mut old), (0, 150 * MIB));
}

#[test]
fn a_small_upload_discards_only_parts_begun_before_it() {
    let world = World::new(20 * MIB);
    let (mut one, mut other) = (world.connect(), world.connect());
    stage(&mut other, "f", 2);
    one.send(&small("f", b"newer"));
    assert!(matches!(one.answer(), Ok(Reply::Stored { .. })));
    assert_eq!((staged(&world), figures(&mut one)), (0, (5, 0)));
    stage(&mut other, "f", 2);
    assert_eq!(figures(&mut one), (5, 2 * MIB - 5));
}

#[test]
fn a_part_can_be_resumed_although_the_quota_has_no_room_for_it_twice() {
    let world = World::new(6 * MIB);
    let mut peer = world.connect();
    stage(&mut peer, "f", 4);
    assert_eq!(figures(&mut peer), (0, 4 * MIB));
    // Also if it is larger by as much as there is still room for.
    for blocks in [4, 5] {
        let bytes = data(blocks * BLOCK_LEN, 1);
        let answer = peer.ask(&Request::Put(put("f", bytes.len() as u64, Basis::Staged)));
        assert_eq!(answer, Ok(Reply::Ready { basis: Basis::Staged, have_blocks: 4 }), "{blocks} blocks");
    }
    let refused = peer.ask(&Request::Put(put("f", 7 * MIB, Basis::Staged))).unwrap_err();
    assert_eq!(refused.code, Code::OverQuota);
}

fn stream(name: &str) -> Put {
    Put { size: None, ..put(name, 0, Basis::None) }
}

#[test]
fn a_stream_under_way_keeps_the_step_it_holds_when_names_change() {
    let world = World::new(200 * MIB);
    let (mut peer, mut other) = (world.connect(), world.connect());
    assert_eq!(peer.ask(&Request::MakeDir { path: path("d"), parents: false }), Ok(Reply::Done));
    begin(&mut peer, stream("d/f"));
    peer.send(&block(&data(BLOCK_LEN, 1), 0));
    let before = figures(&mut other);
    assert_eq!(before, (0, 64 * MIB));
    assert_eq!(other.ask(&Request::Rename { from: path("d"), to: path("e"), replace: false }), Ok(Reply::Done));
    assert_eq!(figures(&mut other), before);
    let removed = other.ask(&Request::Remove { path: path("e"), recursive: true, version: None });
    assert!(matches!(removed, Ok(Reply::Removed { .. })), "{removed:?}");
    assert_eq!(figures(&mut other), before);
}

#[test]
fn a_stream_whose_file_goes_away_holds_all_it_has_taken() {
    for recursive in [false, true] {
        let world = World::new(200 * MIB);
        let (mut peer, mut other) = (world.connect(), world.connect());
        store(&mut other, "f", 4);
        // The growth is smaller than the file that the upload replaces, so nothing is reserved.
        store(&mut other, "large", 70);
        assert_eq!(other.ask(&Request::Rename { from: path("large"), to: path("f"), replace: true }), Ok(Reply::Done));
        begin(&mut peer, stream("f"));
        let bytes = data(3 * BLOCK_LEN, 1);
        for index in 0..3 {
            peer.send(&block(&bytes, index));
        }
        assert_eq!((staged(&world), figures(&mut other)), (3 * MIB, (70 * MIB, 0)));
        let removed = other.ask(&Request::Remove { path: path("f"), recursive, version: None });
        assert!(matches!(removed, Ok(Reply::Removed { .. })), "{removed:?}");
        assert_eq!(figures(&mut other), (0, 3 * MIB));
    }
}

#[test]
fn a_stream_interrupted_by_a_kill_is_discarded_with_its_reservation() {
    let world = World::new(200 * MIB);
    let (mut peer, mut other) = (world.connect(), world.connect());
    begin(&mut peer, stream("f"));
    peer.send(&block(&data(BLOCK_LEN, 1), 0));
    stage(&mut other, "g", 2);
    assert_eq!(staged(&world), 3 * MIB);
    let world = world.kill_with([peer, other]);
    assert_eq!(figures(&mut world.connect()), (0, 2 * MIB));
    assert_eq!(staged(&world), 2 * MIB);
}

#[test]
fn a_part_whose_target_nothing_can_be_at_holds_all_it_takes() {
    let world = World::new(200 * MIB);
    let mut peer = world.connect();
    assert_eq!(peer.ask(&Request::MakeDir { path: path("d"), parents: false }), Ok(Reply::Done));
    stage(&mut peer, "d/f", 2);
    let removed = peer.ask(&Request::Remove { path: path("d"), recursive: true, version: None });
    assert!(matches!(removed, Ok(Reply::Removed { .. })), "{removed:?}");
    peer.send(&small("d", b"a file"));
    peer.answer().unwrap();
    assert_eq!(figures(&mut peer), (6, 2 * MIB));
    let world = world.kill_with([peer]);
    assert_eq!((staged(&world), figures(&mut world.connect())), (2 * MIB, (6, 2 * MIB)));
}

#[test]
fn a_folder_that_may_not_move_leaves_its_parts_holding_what_they_held() {
    let world = World::new(12 * MIB);
    let mut peer = world.connect();
    assert_eq!(peer.ask(&Request::MakeDir { path: path("d"), parents: false }), Ok(Reply::Done));
    for name in ["d/f", "d/g"] {
        store(&mut peer, name, 4);
    }
    for name in ["d/f", "d/g"] {
        begin(&mut peer, put(name, 4 * MIB, Basis::Current));
    }
    assert_eq!(figures(&mut peer), (8 * MIB, 0));
    // There is room for only one of them.
    let refused = peer.ask(&Request::Rename { from: path("d"), to: path("e"), replace: false }).unwrap_err();
    assert_eq!(refused.code, Code::OverQuota);
    assert_eq!(figures(&mut peer), (8 * MIB, 0));
}
