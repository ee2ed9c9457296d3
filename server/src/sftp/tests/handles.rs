//! Open files: writing in any order, sharing, superseding, and what CLOSE does.

use std::collections::HashMap;

use bytes::Bytes;
use ferry_shared::{
    limits::BLOCK_LEN,
    sftp::{Attributes, Extended, OpenFlags, Reply, Request, Status},
};
use proptest::prelude::*;

use super::peer::{APPEND, CREATE, EXCLUSIVE, Peer, READ, TRUNCATE, WRITE, bytes, figures, on_disk};
use crate::command::tests::harness::{World, data};

const MIB: u64 = BLOCK_LEN as u64;

#[test]
fn a_file_goes_up_and_down_whatever_its_size() {
    let world = World::new(40 * MIB);
    let mut peer = Peer::new(&world);
    let sizes = [0, 1, BLOCK_LEN - 1, BLOCK_LEN, BLOCK_LEN + 1, 3 * BLOCK_LEN, 3 * BLOCK_LEN + 5];
    for size in sizes {
        let content = data(size, 1);
        peer.put("f", &content).unwrap();
        assert!(peer.get("f").unwrap() == content && on_disk(&world, "f") == Some(content), "{size}");
        assert_eq!(figures(&world), (size as u64, 0));
    }
}

#[test]
fn uploads_and_downloads_are_recorded_with_their_digests() {
    let (world, log) = World::audited(40 * MIB);
    let mut peer = Peer::new(&world);
    let content = data(2 * BLOCK_LEN + 5, 1);
    peer.put("f", &content).unwrap();
    peer.get("f").unwrap();
    let handle = peer.open("f", READ).unwrap();
    peer.read_at(&handle, 0, 100).unwrap();
    peer.close(&handle).unwrap();
    // Opened and not read.
    let handle = peer.open("f", READ).unwrap();
    peer.close(&handle).unwrap();
    peer.ask(Request::MakeDir { path: bytes("last"), attributes: Attributes::default() }).unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let lines = loop {
        let lines: Vec<serde_json::Value> = log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if lines.iter().any(|line| line["event"] == "make_dir") {
            break lines;
        }
        assert!(std::time::Instant::now() < end, "{lines:?}");
        std::thread::yield_now();
    };
    let digest = crate::command::tests::harness::root_of(&content).to_string();
    let told: Vec<_> = lines.iter().map(|line| (line["event"].as_str().unwrap(), &line["digest"])).collect();
    let none = &serde_json::Value::Null;
    let digest = &serde_json::Value::from(digest);
    assert_eq!(told, [("upload", digest), ("download", digest), ("download_cut", none), ("make_dir", none)]);
    assert_eq!((world.context.counters.uploads.get(), world.context.counters.downloads.get()), (1, 1));
}

#[test]
fn a_write_over_the_quota_fails_visibly_and_leaves_the_old_file_and_exact_figures() {
    let world = World::new(5 * MIB);
    let mut peer = Peer::new(&world);
    let old = data(2 * BLOCK_LEN, 1);
    peer.put("f", &old).unwrap();
    for path in ["f", "g"] {
        let handle = peer.open(path, WRITE | CREATE | TRUNCATE).unwrap();
        let (status, told) = peer.write(&handle, 0, &data(7 * BLOCK_LEN, 2)).unwrap_err();
        assert_eq!(status, Status::Failure);
        assert!(told.contains("over quota"), "{told}");
        assert_eq!(figures(&world), (2 * MIB, 0), "{path}");
        // As OpenSSH does; nothing may be stored now.
        assert_eq!(peer.close(&handle).unwrap_err().0, Status::Failure);
    }
    assert_eq!((on_disk(&world, "f"), on_disk(&world, "g")), (Some(old), None));
    assert_eq!(figures(&world), (2 * MIB, 0));
}

#[test]
fn close_is_answered_after_the_commit_and_what_follows_it_finds_the_file() {
    let world = World::new(40 * MIB);
    let mut peer = Peer::new(&world);
    let content = data(9 * BLOCK_LEN, 1);
    let handle = peer.open("temporary", WRITE | CREATE).unwrap();
    // Out of order, so that the commit has to read everything.
    let (front, back) = content.split_at(5 * BLOCK_LEN);
    peer.write(&handle, front.len() as u64, back).unwrap();
    peer.write(&handle, 0, front).unwrap();
    assert_eq!(on_disk(&world, "temporary"), None);
    let ids = peer.send(&[
        Request::Close { handle },
        Request::Stat { path: bytes("elsewhere") },
        Request::Rename { from: bytes("temporary"), to: bytes("final") },
        Request::Stat { path: bytes("final") },
    ]);
    let answers: Vec<_> = ids.into_iter().map(|id| peer.answer(id).is_ok()).collect();
    assert_eq!(answers, [true, false, true, true]);
    assert_eq!(on_disk(&world, "final"), Some(content));
}

#[test]
fn an_existing_file_is_refused_by_excl_and_by_a_plain_rename_at_their_commit() {
    let world = World::new(40 * MIB);
    let (mut peer, mut other) = (Peer::new(&world), Peer::new(&world));
    let handle = peer.open("f", WRITE | CREATE | EXCLUSIVE).unwrap();
    peer.write(&handle, 0, &data(2 * BLOCK_LEN, 1)).unwrap();
    std::fs::write(world.home().join("f"), "by hand").unwrap();
    assert!(peer.close(&handle).unwrap_err().1.contains("exists"));
    assert_eq!(on_disk(&world, "f").unwrap(), b"by hand");
    assert!(other.open("f", WRITE | CREATE | EXCLUSIVE).unwrap_err().1.contains("exists"));
    std::fs::write(world.home().join("g"), "other").unwrap();
    assert!(other.rename("f", "g").unwrap_err().1.contains("exists"));
    other.ask(Request::Extended(Extended::PosixRename { from: bytes("f"), to: bytes("g") })).unwrap();
    assert_eq!(on_disk(&world, "g").unwrap(), b"by hand");
}

#[test]
fn two_handles_of_one_channel_share_an_upload_and_each_close_commits() {
    let world = World::new(40 * MIB);
    let mut peer = Peer::new(&world);
    let (one, two) = (peer.open("f", WRITE | CREATE).unwrap(), peer.open("f", WRITE | READ).unwrap());
    peer.write(&one, 0, b"hello ").unwrap();
    peer.write(&two, 6, b"world").unwrap();
    assert_eq!(peer.read_all(&two).unwrap(), b"hello world");
    assert_eq!(peer.shown("f").unwrap().0, 11, "its own channel sees it");
    peer.close(&one).unwrap();
    assert_eq!(on_disk(&world, "f").unwrap(), b"hello world");
    peer.write(&two, 0, b"J").unwrap();
    assert_eq!(on_disk(&world, "f").unwrap(), b"hello world");
    peer.close(&two).unwrap();
    assert_eq!((on_disk(&world, "f").unwrap(), figures(&world)), (b"Jello world".to_vec(), (11, 0)));
}

#[test]
fn an_upload_of_another_session_supersedes_this_one() {
    let world = World::new(40 * MIB);
    let (mut first, mut second) = (Peer::new(&world), Peer::new(&world));
    let (old, new) = (first.open("f", WRITE | CREATE).unwrap(), second.open("f", WRITE | CREATE).unwrap());
    first.write(&old, 0, &data(2 * BLOCK_LEN, 1)).unwrap();
    let content = data(2 * BLOCK_LEN, 2);
    second.write(&new, 0, &content).unwrap();
    let (_, told) = first.write(&old, 2 * MIB, &data(BLOCK_LEN, 1)).unwrap_err();
    assert!(told.contains("newer upload"), "{told}");
    assert!(first.close(&old).is_err());
    second.close(&new).unwrap();
    assert_eq!((on_disk(&world, "f"), figures(&world)), (Some(content), (2 * MIB, 0)));
}

#[test]
fn attributes_that_are_set_before_close_are_those_of_the_file() {
    let world = World::new(40 * MIB);
    let mut peer = Peer::new(&world);
    let handle = peer.open("f", WRITE | CREATE).unwrap();
    peer.write(&handle, 0, b"text").unwrap();
    let attributes = Attributes { permissions: Some(0o100_640), ..super::peer::mtime(77) };
    peer.ask(Request::FSetStat { handle: handle.clone(), attributes }).unwrap();
    peer.close(&handle).unwrap();
    assert_eq!(peer.shown("f").unwrap(), (4, 77));
    assert_eq!(peer.stat("f").unwrap().permissions, Some(0o100_640));
    // A file that is replaced keeps its permission bits.
    peer.put("f", b"other").unwrap();
    assert_eq!(peer.stat("f").unwrap().permissions, Some(0o100_640));
    // The owner that is shown can be set, and no other.
    let shown = Attributes { size: None, ..peer.stat("f").unwrap() };
    peer.set("f", shown.clone()).unwrap();
    let other = Attributes { owner: Some(ferry_shared::sftp::Owner { uid: 7, gid: 7 }), ..shown };
    assert_eq!(peer.set("f", other).unwrap_err().0, Status::PermissionDenied);
    peer.set("f", Attributes { size: Some(2), ..Attributes::default() }).unwrap();
    assert_eq!((on_disk(&world, "f").unwrap(), figures(&world)), (b"ot".to_vec(), (2, 0)));
}

#[test]
fn appending_goes_to_the_end_of_a_file_that_exists() {
    let world = World::new(40 * MIB);
    let mut peer = Peer::new(&world);
    peer.put("log", b"one").unwrap();
    let handle = peer.open("log", WRITE | CREATE | APPEND).unwrap();
    peer.write(&handle, 0, b"two").unwrap();
    peer.close(&handle).unwrap();
    assert_eq!(on_disk(&world, "log").unwrap(), b"onetwo");
}

#[test]
fn a_file_is_copied_between_handles_without_its_bytes_on_the_wire() {
    let world = World::new(40 * MIB);
    let mut peer = Peer::new(&world);
    let content = data(3 * BLOCK_LEN + 5, 1);
    peer.put("from", &content).unwrap();
    let (from, to) = (peer.open("from", READ).unwrap(), peer.open("to", WRITE | CREATE).unwrap());
    let copy = Extended::CopyData { from, from_offset: 0, length: 0, to: to.clone(), to_offset: 0 };
    // The CLOSE waits for the copy.
    let ids = peer.send(&[Request::Extended(copy), Request::Close { handle: to }]);
    ids.into_iter().for_each(|id| drop(peer.answer(id).unwrap()));
    assert_eq!(on_disk(&world, "to"), Some(content));
}

#[test]
fn handles_are_bounded_and_a_closed_one_is_gone() {
    let world = World::new(40 * MIB);
    let mut peer = Peer::new(&world);
    peer.put("f", b"f").unwrap();
    let handles: Vec<_> = std::iter::from_fn(|| peer.open("f", READ).ok()).take(1000).collect();
    assert_eq!(handles.len(), crate::sftp::opened::HANDLES);
    peer.close(&handles[0]).unwrap();
    assert_eq!(peer.close(&handles[0]).unwrap_err().0, Status::Failure);
    assert!(peer.read_at(&handles[0], 0, 1).is_err() && peer.read_at(&Bytes::from_static(b"x"), 0, 1).is_err());
    assert!(peer.open("f", READ).is_ok());
}

#[test]
fn a_file_that_changes_while_it_is_read_ends_in_an_error() {
    let world = World::new(40 * MIB);
    let (mut reader, mut writer) = (Peer::new(&world), Peer::new(&world));
    let old = data(2 * BLOCK_LEN, 1);
    writer.put("f", &old).unwrap();
    let handle = reader.open("f", READ).unwrap();
    assert_eq!(reader.read_at(&handle, 0, 10).unwrap(), old[..10]);
    writer.put("f", b"new").unwrap();
    // Its bytes are still those of the old file, and its end is not.
    assert_eq!(reader.read_at(&handle, 10, 10).unwrap(), old[10..20]);
    assert!(reader.read_all(&handle).unwrap_err().1.contains("changed"));
    assert!(reader.close(&handle).unwrap_err().1.contains("changed"));
}

#[derive(Debug, Clone)]
enum Step {
    Open { file: usize, flags: u32 },
    Write { handle: usize, offset: usize, length: usize, seed: u8 },
    Truncate { handle: usize, size: usize },
    Read { handle: usize, offset: usize, length: u32 },
    Flush { handle: usize },
    Close { handle: usize },
}

fn step() -> impl Strategy<Value = Step> {
    // Often at the ends of blocks, and often in order.
    let place = prop_oneof![0..50usize, BLOCK_LEN - 3..BLOCK_LEN + 3, 2 * BLOCK_LEN - 3..2 * BLOCK_LEN + 3];
    let length = prop_oneof![0..20usize, 100_000..200_000usize, BLOCK_LEN - 2..BLOCK_LEN + 2];
    let handle = 0..3usize;
    let flags = prop_oneof![Just(0), Just(16), Just(4)];
    prop_oneof![
        3 => (0..2usize, flags).prop_map(|(file, flags)| Step::Open { file, flags: flags | 2 | 1 | 8 }),
        6 => (handle.clone(), prop_oneof![2 => Just(usize::MAX), 1 => place.clone()], length, any::<u8>())
            .prop_map(|(handle, offset, length, seed)| Step::Write { handle, offset, length, seed }),
        1 => (handle.clone(), place.clone()).prop_map(|(handle, size)| Step::Truncate { handle, size }),
        3 => (handle.clone(), place, 0..100_000u32)
            .prop_map(|(handle, offset, length)| Step::Read { handle, offset, length }),
        1 => handle.clone().prop_map(|handle| Step::Flush { handle }),
        3 => handle.prop_map(|handle| Step::Close { handle }),
    ]
}

/// The files as a plain model has them: those that are written, and those that are stored.
#[derive(Debug, Default)]
struct Model {
    written: HashMap<usize, Vec<u8>>,
    stored: HashMap<usize, Vec<u8>>,
    handles: Vec<(Bytes, usize, bool)>,
}

impl Model {
    fn step(&mut self, peer: &mut Peer, step: &Step) {
        match *step {
            Step::Open { file, flags } => {
                if self.handles.len() >= 3 {
                    return;
                }
                let handle = peer.open(&file.to_string(), OpenFlags(flags)).unwrap();
                self.handles.push((handle, file, OpenFlags(flags).has(APPEND)));
                let content = self.written.entry(file);
                let content = content.or_insert_with(|| self.stored.get(&file).cloned().unwrap_or_default());
                if OpenFlags(flags).has(TRUNCATE) {
                    content.clear();
                }
            }
            Step::Write { handle, offset, length, seed } => {
                let Some((handle, content, appends)) = self.at(handle) else { return };
                let offset = if offset == usize::MAX || appends { content.len() } else { offset };
                let bytes = data(length, seed);
                if !bytes.is_empty() {
                    let end = offset + bytes.len();
                    content.resize(content.len().max(end), 0);
                    content[offset..end].copy_from_slice(&bytes);
                }
                peer.write(&handle, offset as u64, &bytes).unwrap();
            }
            Step::Truncate { handle, size } => {
                let Some((handle, content, _)) = self.at(handle) else { return };
                content.resize(size, 0);
                let attributes = Attributes { size: Some(size as u64), ..Attributes::default() };
                peer.ask(Request::FSetStat { handle, attributes }).unwrap();
            }
            Step::Read { handle, offset, length } => {
                let Some((handle, content, _)) = self.at(handle) else { return };
                let rest = content.get(offset..).unwrap_or_default();
                let expected = &rest[..rest.len().min(length as usize)];
                match peer.read_at(&handle, offset as u64, length) {
                    Ok(read) => assert!(read == expected, "{} instead of {} bytes", read.len(), expected.len()),
                    Err((status, told)) => assert!(status == Status::Eof && expected.is_empty(), "{told}"),
                }
                match peer.ask(Request::FStat { handle }) {
                    Ok(Reply::Attributes(attributes)) => assert_eq!(attributes.size, Some(content.len() as u64)),
                    other => panic!("{other:?}"),
                }
            }
            Step::Flush { handle } => {
                let Some((handle, ..)) = self.at(handle) else { return };
                peer.ask(Request::Extended(Extended::Fsync { handle })).unwrap();
            }
            Step::Close { handle } => {
                if handle >= self.handles.len() {
                    return;
                }
                let (handle, file, _) = self.handles.remove(handle);
                peer.close(&handle).unwrap();
                self.stored.insert(file, self.written[&file].clone());
                if self.handles.iter().all(|(_, other, _)| *other != file) {
                    self.written.remove(&file);
                }
            }
        }
    }

    fn at(&mut self, handle: usize) -> Option<(Bytes, &mut Vec<u8>, bool)> {
        let (handle, file, appends) = self.handles.get(handle)?.clone();
        Some((handle, self.written.get_mut(&file)?, appends))
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("FERRY_HANDLES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(32),
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_order_of_writes_cuts_and_reads_equals_a_plain_model(steps in prop::collection::vec(step(), 1..40)) {
        let world = World::new(200 * MIB);
        let mut peer = Peer::new(&world);
        let mut model = Model::default();
        for step in &steps {
            model.step(&mut peer, step);
            for (file, content) in &model.stored {
                prop_assert!(on_disk(&world, &file.to_string()).as_ref() == Some(content), "after {:?}", step);
            }
        }
        while !model.handles.is_empty() {
            model.step(&mut peer, &Step::Close { handle: 0 });
        }
        let sum = model.stored.values().map(|content| content.len() as u64).sum::<u64>();
        prop_assert_eq!(figures(&world), (sum, 0));
    }
}

#[test]
fn a_client_that_cleans_up_after_an_upload_that_failed_does_not_remove_the_old_file() {
    let world = World::new(4 * MIB);
    let (mut peer, mut other) = (Peer::new(&world), Peer::new(&world));
    peer.put("f", b"old").unwrap();
    let fail = |peer: &mut Peer| {
        let handle = peer.open("f", WRITE | CREATE | TRUNCATE).unwrap();
        assert!(peer.write(&handle, 0, &data(6 * BLOCK_LEN, 1)).is_err());
        handle
    };
    // Before CLOSE and after it, through this connection or another one.
    for (is_closed, by_another) in [(false, false), (false, true), (true, false), (true, true)] {
        eprintln!("closed: {is_closed}, by another connection: {by_another}");
        let handle = fail(&mut peer);
        if is_closed {
            assert!(peer.close(&handle).is_err());
        }
        let (_, told) = if by_another { &mut other } else { &mut peer }.remove("f").unwrap_err();
        assert!(told.contains("the upload failed"), "{told}");
        assert_eq!((on_disk(&world, "f").as_deref(), figures(&world)), (Some(&b"old"[..]), (3, 0)));
        if !is_closed {
            assert!(peer.close(&handle).is_err());
        }
        peer.put("f", b"old").unwrap();
    }
    fail(&mut peer);
    assert!(peer.remove("f").is_err());
    peer.remove("f").unwrap();
    assert_eq!(on_disk(&world, "f"), None);
}
