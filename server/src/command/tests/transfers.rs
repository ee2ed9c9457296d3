//! Uploads and downloads in the protocol, with one test for each rule.

use std::fs;

use ferry_shared::{
    entry::Version,
    frame,
    limits::BLOCK_LEN,
    message::{
        Reply, Request,
        request::{Basis, BlockRange, IfExists, Put},
    },
    refusal::Code,
};

use super::harness::{Peer, World, block, commit, data, merged, path, put, root_of, small};

const MIB: usize = BLOCK_LEN;

/// Sends the declaration of a large upload and takes `Ready`; returns how many blocks are held.
fn ready(peer: &mut super::harness::Peer, declared: Put) -> u64 {
    match peer.ask(&Request::Put(declared)).unwrap() {
        Reply::Ready { have_blocks, .. } => have_blocks,
        other => panic!("{other:?}"),
    }
}

#[test]
fn small_uploads_are_answered_in_order_with_the_refused_ones_in_their_place() {
    let world = World::new(100);
    let mut peer = world.connect();
    let frames = [small("a", b"one"), small("b", &[7; 200]), small("c", b""), small("no/d", b"x")].concat();
    assert!(peer.send(&frames));
    assert!(matches!(peer.answer(), Ok(Reply::Stored { size: 3, .. })));
    assert_eq!(peer.answer().unwrap_err().code, Code::OverQuota);
    assert!(matches!(peer.answer(), Ok(Reply::Stored { size: 0, .. })));
    assert_eq!(peer.answer().unwrap_err().code, Code::NotFound);
    assert_eq!(fs::read(world.home().join("a")).unwrap(), b"one");
    assert_eq!(world.on_disk(), (3, 2));
    assert!(matches!(peer.ask(&Request::Usage), Ok(Reply::Usage(usage)) if usage.used == 3 && usage.reserved == 0));
}

#[test]
fn a_small_upload_with_another_digest_changes_nothing() {
    let world = World::new(1000);
    let mut peer = world.connect();
    peer.send(&small("a", b"old"));
    peer.answer().unwrap();
    let mut frames = small("a", b"new");
    let place = frames.windows(3).position(|window| window == b"new").unwrap();
    frames[place] = b'N';
    peer.send(&frames);
    assert_eq!(peer.answer().unwrap_err().code, Code::Mismatch);
    assert_eq!(fs::read(world.home().join("a")).unwrap(), b"old");
}

#[test]
fn a_large_upload_is_there_only_after_commit() {
    let world = World::new(10 << 20);
    let mut peer = world.connect();
    let bytes = data(2 * MIB + 5, 3);
    assert_eq!(merged(&bytes), root_of(&bytes));
    assert_eq!(ready(&mut peer, put("big", bytes.len() as u64, Basis::None)), 0);
    for index in 0..3 {
        peer.send(&block(&bytes, index));
        assert!(!world.home().join("big").exists());
    }
    peer.send(&commit(&bytes));
    assert!(matches!(peer.answer(), Ok(Reply::Stored { root, .. }) if root == root_of(&bytes)));
    assert!(fs::read(world.home().join("big")).unwrap() == bytes);
}

#[test]
fn a_commit_of_another_size_is_refused_and_keeps_the_part() {
    let world = World::new(10 << 20);
    let mut peer = world.connect();
    let bytes = data(2 * MIB + 5, 1);
    for size in [bytes.len() as u64 - 1, bytes.len() as u64 + 1, 0] {
        ready(&mut peer, put("f", bytes.len() as u64, Basis::None));
        for index in 0..3 {
            peer.send(&block(&bytes, index));
        }
        let mut out = Vec::new();
        frame::put_message(&mut out, &Request::Commit { size, root: root_of(&bytes) }).unwrap();
        peer.send(&out);
        assert_eq!(peer.answer().unwrap_err().code, Code::Mismatch, "{size}");
        assert_eq!(world.on_disk(), (0, 0));
    }
    assert!(matches!(peer.ask(&Request::Uploads), Ok(Reply::Uploads { uploads, .. }) if uploads.len() == 1));
}

#[test]
fn a_resumed_upload_needs_only_what_is_missing_also_after_a_kill() {
    let world = World::new(10 << 20);
    let bytes = data(3 * MIB + 9, 5);
    let mut peer = world.connect();
    ready(&mut peer, put("big", bytes.len() as u64, Basis::None));
    peer.send(&block(&bytes, 0));
    peer.send(&block(&bytes, 1));
    drop(peer);
    let world = world.kill();
    let mut peer = world.connect();
    assert!(matches!(peer.ask(&Request::Usage), Ok(Reply::Usage(usage)) if usage.reserved == bytes.len() as u64));
    assert_eq!(ready(&mut peer, put("big", bytes.len() as u64, Basis::Staged)), 2);
    peer.send(&[block(&bytes, 2), block(&bytes, 3), commit(&bytes)].concat());
    assert!(matches!(peer.answer(), Ok(Reply::Stored { .. })));
    assert!(fs::read(world.home().join("big")).unwrap() == bytes);
    assert!(matches!(peer.ask(&Request::Usage), Ok(Reply::Usage(usage)) if usage.reserved == 0));
}

#[test]
fn a_part_of_another_version_is_never_glued_to_the_new_one() {
    let world = World::new(10 << 20);
    let (old, new) = (data(3 * MIB, 5), data(3 * MIB, 7));
    let mut peer = world.connect();
    ready(&mut peer, put("big", old.len() as u64, Basis::None));
    peer.send(&block(&old, 0));
    // The commit of a client that wrongly keeps block 0 is refused.
    assert_eq!(ready(&mut peer, put("big", new.len() as u64, Basis::Staged)), 1);
    peer.send(&[block(&new, 1), block(&new, 2), commit(&new)].concat());
    assert_eq!(peer.answer().unwrap_err().code, Code::Mismatch);
    assert!(!world.home().join("big").exists());
    // A client that replaces it succeeds.
    assert_eq!(ready(&mut peer, put("big", new.len() as u64, Basis::Staged)), 3);
    peer.send(&[block(&new, 0), commit(&new)].concat());
    peer.answer().unwrap();
    assert!(fs::read(world.home().join("big")).unwrap() == new);
}

#[test]
fn an_update_from_the_current_file_sends_only_changed_blocks_and_never_writes_in_place() {
    let world = World::new(20 << 20);
    let mut peer = world.connect();
    let old = data(3 * MIB, 5);
    fs::write(world.home().join("image"), &old).unwrap();
    let world = {
        drop(peer);
        world.kill()
    };
    peer = world.connect();
    let mut new = old.clone();
    new[MIB + 1] ^= 1;
    assert_eq!(ready(&mut peer, put("image", new.len() as u64, Basis::Current)), 3);
    peer.send(&block(&new, 1));
    assert!(fs::read(world.home().join("image")).unwrap() == old, "the target is not written in place");
    peer.send(&commit(&new));
    peer.answer().unwrap();
    assert!(fs::read(world.home().join("image")).unwrap() == new);
}

#[test]
fn an_upload_over_quota_is_refused_before_any_data_and_keeps_the_old_file() {
    let world = World::new((2 * MIB) as u64);
    let mut peer = world.connect();
    peer.send(&small("a", b"old"));
    peer.answer().unwrap();
    let refused = peer.ask(&Request::Put(put("a", 3 * MIB as u64, Basis::None))).unwrap_err();
    assert_eq!(refused.code, Code::OverQuota);
    assert_eq!((refused.needed, refused.retry), (Some(3 * MIB as u64 - 3), false));
    assert_eq!(refused.available, Some(2 * MIB as u64 - 3));
    assert_eq!(fs::read(world.home().join("a")).unwrap(), b"old");
    assert!(matches!(peer.ask(&Request::Usage), Ok(Reply::Usage(usage)) if usage.reserved == 0));
}

#[test]
fn a_newer_upload_of_the_same_path_wins() {
    let world = World::new(20 << 20);
    let bytes = data(2 * MIB, 9);
    let (mut first, mut second) = (world.connect(), world.connect());
    ready(&mut first, put("f", bytes.len() as u64, Basis::None));
    first.send(&block(&bytes, 0));
    assert_eq!(ready(&mut second, put("f", bytes.len() as u64, Basis::Staged)), 1);
    first.send(&block(&bytes, 1));
    assert_eq!(first.answer().unwrap_err().code, Code::Superseded);
    second.send(&[block(&bytes, 1), commit(&bytes)].concat());
    second.answer().unwrap();
    // The frames of the refused upload up to its commit are skipped; then the connection continues.
    assert!(first.send(&commit(&bytes)));
    assert!(matches!(first.ask(&Request::Ping), Ok(Reply::Pong)));
    assert!(fs::read(world.home().join("f")).unwrap() == bytes);
}

#[test]
fn a_stream_of_unknown_size_is_stored_whatever_its_length() {
    let world = World::new(10 << 20);
    let mut peer = world.connect();
    for len in [0, 1, MIB, MIB + 1, 2 * MIB] {
        let bytes = data(len, 11);
        let declared = Put { size: None, ..put("stream", 0, Basis::None) };
        assert_eq!(ready(&mut peer, declared), 0);
        for index in 0..len.div_ceil(MIB) {
            peer.send(&block(&bytes, index));
        }
        peer.send(&commit(&bytes));
        peer.answer().unwrap_or_else(|refused| panic!("{len} bytes: {refused:?}"));
        assert!(fs::read(world.home().join("stream")).unwrap() == bytes, "{len} bytes");
    }
    let over = Put { size: None, ..put("much", 0, Basis::None) };
    ready(&mut peer, over);
    let much = data(9 * MIB, 2);
    for index in 0..9 {
        peer.send(&block(&much, index));
    }
    assert_eq!(peer.answer().unwrap_err().code, Code::OverQuota);
    assert!(peer.has_no_reply(), "one upload, one answer");
}

#[test]
fn if_exists_is_obeyed() {
    let world = World::new(10 << 20);
    let mut peer = world.connect();
    peer.send(&small("a", b"1"));
    let Ok(Reply::Stored { version, .. }) = peer.answer() else { panic!() };
    let ask = |if_exists, size| Request::Put(Put { if_exists, ..put("a", size, Basis::None) });
    let large = 2 * MIB as u64;
    assert_eq!(peer.ask(&ask(IfExists::Refuse, large)).unwrap_err().code, Code::Exists);
    peer.send(&small("a", b"2"));
    peer.answer().unwrap();
    assert_eq!(peer.ask(&ask(IfExists::ReplaceVersion(version), large)).unwrap_err().code, Code::Changed);
    assert_eq!(fs::read(world.home().join("a")).unwrap(), b"2");
}

#[test]
fn blocks_that_cannot_be_end_the_connection() {
    let bytes = data(2 * MIB, 3);
    let far = {
        let mut far = block(&bytes, 1);
        far[4..12].copy_from_slice(&99u64.to_be_bytes());
        far
    };
    let short = {
        let mut out = Vec::new();
        frame::put_block_head(&mut out, 0, 5).unwrap();
        [out, b"short".to_vec()].concat()
    };
    let cases = [far, short, [block(&bytes, 1), block(&bytes, 0)].concat(), block(&bytes, 1)];
    for frames in cases {
        let world = World::new(10 << 20);
        let mut peer = world.connect();
        ready(&mut peer, put("f", bytes.len() as u64, Basis::None));
        assert!(!peer.send(&frames), "the connection is closed");
        assert_eq!(peer.answer().unwrap_err().code, Code::Malformed);
        assert!(!world.home().join("f").exists());
    }
    let world = World::new(10 << 20);
    let mut peer = world.connect();
    assert!(!peer.send(&block(&bytes, 0)), "a block outside an upload");
}

#[test]
fn a_download_sends_only_blocks_that_differ() {
    let world = World::new(10 << 20);
    let bytes = data(4 * MIB + 3, 5);
    let mut peer = world.connect();
    fs::write(world.home().join("f"), &bytes).unwrap();
    let digest =
        |index: usize, block: &[u8]| ferry_shared::digest::block_digest(bytes.len() as u64, index as u64, block);
    let mut held: Vec<_> = bytes.chunks(MIB).enumerate().take(3).map(|(i, block)| digest(i, block)).collect();
    held[1] = digest(1, b"flipped");
    let mut frames = Vec::new();
    frame::put_message(&mut frames, &Request::Get { path: path("f"), blocks: None }).unwrap();
    frame::put_have(&mut frames, 0, &held).unwrap();
    frame::put_have(&mut frames, 3, &[]).unwrap();
    peer.send(&frames);
    assert!(matches!(peer.reply(), Reply::Opened { size, .. } if size == bytes.len() as u64));
    assert!(matches!(peer.reply(), Reply::Sent { root: Some(root), .. } if root == root_of(&bytes)));
    assert_eq!(peer.blocks_received, [1, 3, 4]);
}

#[test]
fn a_range_is_sent_without_a_root() {
    let world = World::new(10 << 20);
    let mut peer = world.connect();
    fs::write(world.home().join("f"), data(4 * MIB, 5)).unwrap();
    let mut frames = Vec::new();
    let range = BlockRange { first: 2, count: u64::MAX };
    frame::put_message(&mut frames, &Request::Get { path: path("f"), blocks: Some(range) }).unwrap();
    frame::put_have(&mut frames, 0, &[]).unwrap();
    peer.send(&frames);
    assert!(matches!(peer.reply(), Reply::Opened { .. }));
    assert!(matches!(peer.reply(), Reply::Sent { root: None, .. }));
    assert_eq!(peer.blocks_received, [2, 3]);
}

#[test]
fn a_file_that_changes_while_it_is_sent_is_reported() {
    let world = World::new(10 << 20);
    let mut peer = world.connect();
    fs::write(world.home().join("f"), data(2 * MIB, 5)).unwrap();
    peer.request(&Request::Get { path: path("f"), blocks: None });
    assert!(matches!(peer.reply(), Reply::Opened { .. }));
    fs::write(world.home().join("f"), data(2 * MIB, 6)).unwrap();
    let mut end = Vec::new();
    frame::put_have(&mut end, 0, &[]).unwrap();
    peer.send(&end);
    assert_eq!(peer.answer().unwrap_err().code, Code::Changed);
}

#[test]
fn a_refusal_in_the_middle_of_a_pipeline_keeps_the_rest_in_step() {
    let world = World::new(1000);
    let mut peer = world.connect();
    let mut frames = Vec::new();
    frame::put_message(&mut frames, &Request::Get { path: path("missing"), blocks: None }).unwrap();
    frame::put_have(&mut frames, 0, &[root_of(b"x")]).unwrap();
    frame::put_have(&mut frames, 1, &[]).unwrap();
    frames.extend([1, 0, 0, 27]);
    frames.extend(br#"{"stat":{"path":"../etc"}} "#);
    frames.extend([1, 0, 0, 11]);
    frames.extend(br#"{"dance":1}"#);
    frame::put_message(&mut frames, &Request::Ping).unwrap();
    assert!(peer.send(&frames));
    assert_eq!(peer.answer().unwrap_err().code, Code::NotFound);
    assert_eq!(peer.answer().unwrap_err().code, Code::BadPath);
    assert_eq!(peer.answer().unwrap_err().code, Code::Unsupported);
    assert!(matches!(peer.answer(), Ok(Reply::Pong)));
}

#[test]
fn a_removal_of_one_version_is_refused_once_there_is_another() {
    let world = World::new(MIB as u64);
    let mut peer = world.connect();
    let version = |peer: &mut Peer| match peer.ask(&Request::Stat { path: path("a") }) {
        Ok(Reply::Entry { version: Some(version), .. }) => version,
        other => panic!("{other:?}"),
    };
    let remove =
        |version: &Version, recursive| Request::Remove { path: path("a"), recursive, version: Some(version.clone()) };
    peer.send(&small("a", b"one"));
    peer.answer().unwrap();
    let old = version(&mut peer);
    let replace = Put { if_exists: IfExists::Replace, ..put("a", 3, Basis::None) };
    let mut frames = Vec::new();
    frame::put_message(&mut frames, &Request::Put(replace)).unwrap();
    peer.send(&[frames, block(b"two", 0), commit(b"two")].concat());
    peer.answer().unwrap();
    for recursive in [false, true] {
        assert_eq!(peer.ask(&remove(&old, recursive)).unwrap_err().code, Code::Changed);
    }
    let now = version(&mut peer);
    assert_eq!(peer.ask(&remove(&now, false)), Ok(Reply::Removed { files: 1, dirs: 0, bytes: 3 }));
}

#[test]
fn a_copy_is_counted_and_verified_and_a_removal_gives_back() {
    let world = World::new((3 * MIB) as u64);
    let mut peer = world.connect();
    let bytes = data(MIB + 10, 5);
    ready(&mut peer, put("a", bytes.len() as u64, Basis::None));
    peer.send(&[block(&bytes, 0), block(&bytes, 1), commit(&bytes)].concat());
    peer.answer().unwrap();
    let copy = |to: &str| Request::Copy { from: path("a"), to: path(to), replace: false };
    assert!(matches!(peer.ask(&copy("b")), Ok(Reply::Stored { root, .. }) if root == root_of(&bytes)));
    assert_eq!(peer.ask(&copy("c")).unwrap_err().code, Code::OverQuota);
    assert_eq!(peer.ask(&copy("b")).unwrap_err().code, Code::Exists);
    let removed = peer.ask(&Request::Remove { path: path("a"), recursive: false, version: None }).unwrap();
    assert_eq!(removed, Reply::Removed { files: 1, dirs: 0, bytes: bytes.len() as u64 });
    assert!(matches!(peer.ask(&copy("c")), Err(refused) if refused.code == Code::NotFound));
    assert_eq!(world.on_disk(), (bytes.len() as u64, 1));
}
