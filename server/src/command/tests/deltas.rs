//! Deltas, compressed blocks and chunks: what may be sent, and what closes the connection.

use std::fs;

use ferry_shared::{
    chunks::{Described, Describer},
    delta::{self, Level},
    feature::{Feature, Features},
    frame,
    limits::{BLOCK_LEN, BLOCK_SIZE},
    message::{
        Reply, Request,
        request::{Basis, IfExists, Put},
    },
    refusal::Code,
};

use super::harness::{Peer, World, block, commit, data, path, put, root_of};

const MIB: usize = BLOCK_LEN;

fn delta_frame(index: u64, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let (mut steps, mut out) = (Vec::new(), Vec::new());
    write(&mut steps);
    frame::put_delta(&mut out, index, &steps).unwrap();
    out
}

/// Begins to replace `file`.
fn replace(peer: &mut Peer, size: u64) {
    let put = Put { if_exists: IfExists::Replace, ..put("file", size, Basis::Current) };
    peer.request(&Request::Put(put));
    assert!(matches!(peer.answer(), Ok(Reply::Ready { .. })));
}

fn known() -> Features {
    Features::known()
}

#[test]
fn deltas_refer_to_the_file_that_is_replaced_as_it_was() {
    let world = World::new(20 << 20);
    let mut peer = world.connect_with(known());
    let old = data(3 * MIB, 1);
    fs::write(world.home_made().join("file"), &old).unwrap();
    // The halves of the file change places: each refers to what the other one has overwritten.
    let new = [&old[2 * MIB..], &old[..2 * MIB]].concat();
    replace(&mut peer, new.len() as u64);
    for (index, from) in [(0, 2), (1, 0), (2, 1)] {
        assert!(peer.send(&delta_frame(index, |steps| delta::put_range(steps, from * BLOCK_SIZE, MIB))));
    }
    peer.send(&commit(&new));
    assert!(matches!(peer.answer(), Ok(Reply::Stored { root, .. }) if root == root_of(&new)));
    assert!(fs::read(world.home().join("file")).unwrap() == new);
}

#[test]
fn a_delta_that_makes_another_block_is_noticed_at_the_commit() {
    let world = World::new(20 << 20);
    let mut peer = world.connect_with(known());
    let old = data(2 * MIB, 1);
    fs::write(world.home_made().join("file"), &old).unwrap();
    replace(&mut peer, old.len() as u64);
    // One byte off, and beyond the end of the file.
    peer.send(&delta_frame(0, |steps| delta::put_range(steps, 1, MIB)));
    peer.send(&delta_frame(1, |steps| delta::put_range(steps, 9 * BLOCK_SIZE, MIB)));
    peer.send(&commit(&old));
    assert_eq!(peer.answer().unwrap_err().code, Code::Mismatch);
    assert!(fs::read(world.home().join("file")).unwrap() == old);
    // The part is repaired like any other.
    let put = Put { if_exists: IfExists::Replace, ..put("file", old.len() as u64, Basis::Staged) };
    peer.request(&Request::Put(put));
    assert!(matches!(peer.answer(), Ok(Reply::Ready { have_blocks: 2, .. })));
    peer.send(&[block(&old, 0), block(&old, 1), commit(&old)].concat());
    assert!(matches!(peer.answer(), Ok(Reply::Stored { .. })));
}

#[test]
fn files_of_one_block_and_streams_take_compressed_bytes() {
    let world = World::new(20 << 20);
    let mut peer = world.connect_with(known());
    let text = b"text ".repeat(20_000);
    let packed = |index| delta_frame(index, |steps| assert!(delta::put_packed(steps, &text, Level::Fast)));
    assert!(packed(0).len() < 2000);
    let mut frames = Vec::new();
    frame::put_message(&mut frames, &Request::Put(put("small", text.len() as u64, Basis::None))).unwrap();
    peer.send(&[frames, packed(0), commit(&text)].concat());
    assert!(matches!(peer.answer(), Ok(Reply::Stored { root, .. }) if root == root_of(&text)));
    assert!(fs::read(world.home().join("small")).unwrap() == text);

    let stream = Put { path: path("stream"), size: None, ..put("stream", 0, Basis::None) };
    peer.request(&Request::Put(stream));
    assert!(matches!(peer.answer(), Ok(Reply::Ready { .. })));
    peer.send(&[packed(0), commit(&text)].concat());
    assert!(matches!(peer.answer(), Ok(Reply::Stored { root, .. }) if root == root_of(&text)));
}

#[test]
fn what_was_not_agreed_on_or_is_invalid_closes_the_connection() {
    let old = data(2 * MIB, 1);
    let good = delta_frame(0, |steps| delta::put_range(steps, 0, MIB));
    let cases: [(&str, Features, Vec<u8>); 6] = [
        ("without the features", known().without(Feature::Chunks).without(Feature::Packed), good.clone()),
        ("not a delta", known(), delta_frame(0, |steps| steps.extend([9; 9]))),
        ("too short a block", known(), delta_frame(0, |steps| delta::put_range(steps, 0, 9))),
        ("out of order", known(), [delta_frame(1, |steps| delta::put_range(steps, 0, MIB)), good].concat()),
        ("a packed message", known(), {
            let mut out = Vec::new();
            let path = path(&"folder ".repeat(30));
            frame::put_message(&mut out, &Request::MakeDir { path, parents: true }).unwrap();
            frame::pack_message(&mut out, 0).unwrap();
            assert_eq!(out[0], 6);
            out
        }),
        ("chunks in an upload", known(), {
            let mut described = None;
            Describer::new(5, 5).take(b"hello", &mut described);
            let mut out = Vec::new();
            frame::put_chunks(&mut out, described.unwrap()).unwrap();
            out
        }),
    ];
    for (what, features, frames) in cases {
        let world = World::new(20 << 20);
        let mut peer = world.connect_with(features);
        fs::write(world.home_made().join("file"), &old).unwrap();
        replace(&mut peer, old.len() as u64);
        assert!(!peer.send(&frames), "{what}");
        assert_eq!(peer.answer().unwrap_err().code, Code::Malformed, "{what}");
        assert!(fs::read(world.home().join("file")).unwrap() == old, "{what}");
    }
    // There is no file to refer to.
    let world = World::new(20 << 20);
    let mut peer = world.connect_with(known());
    peer.request(&Request::Put(put("new", 2 * BLOCK_SIZE, Basis::Current)));
    assert!(matches!(peer.answer(), Ok(Reply::Ready { .. })));
    assert!(!peer.send(&delta_frame(0, |steps| delta::put_range(steps, 0, MIB))));
    assert_eq!(peer.answer().unwrap_err().code, Code::Malformed);
}

#[test]
fn a_client_without_the_feature_gets_neither_chunks_nor_deltas() {
    let world = World::new(20 << 20);
    let old = b"text ".repeat(1 << 20);
    fs::write(world.home_made().join("file"), &old).unwrap();
    for (features, expected) in [(Features::NONE, false), (known(), true)] {
        let mut peer = world.connect_with(features);
        replace(&mut peer, old.len() as u64);
        assert_eq!(peer.kinds.contains(&"chunks"), expected);
        assert!(peer.kinds.contains(&"have"));
        let mut peer = world.connect_with(features);
        let mut out = Vec::new();
        frame::put_message(&mut out, &Request::Get { path: path("file"), blocks: None }).unwrap();
        frame::put_have(&mut out, 0, &[]).unwrap();
        peer.send(&out);
        assert_eq!(peer.kinds.contains(&"delta"), expected, "compressed");
        assert_eq!(peer.kinds.contains(&"block"), !expected);
    }
}

#[test]
fn a_download_refers_to_the_chunks_that_the_client_described() {
    let world = World::new(20 << 20);
    let theirs = data(3 * MIB, 1);
    let new = [b"eight by", &theirs[..]].concat();
    fs::write(world.home_made().join("file"), &new).unwrap();
    let mut described: Option<Described> = None;
    let mut describer = Describer::new(theirs.len() as u64, new.len() as u64);
    theirs.chunks(MIB).for_each(|block| describer.take(block, &mut described));
    let mut out = Vec::new();
    frame::put_message(&mut out, &Request::Get { path: path("file"), blocks: None }).unwrap();
    frame::put_chunks(&mut out, described.unwrap()).unwrap();
    frame::put_have(&mut out, 0, &[]).unwrap();
    let mut peer = world.connect_with(known());
    peer.send(&out);
    assert_eq!(peer.blocks_received, [0, 1, 2, 3]);
    assert_eq!(peer.kinds.iter().filter(|kind| **kind == "delta").count(), 3);
    assert!(matches!(peer.answer(), Ok(Reply::Opened { .. })));
    assert!(matches!(peer.answer(), Ok(Reply::Sent { root: Some(root), .. }) if root == root_of(&new)));
}
