//! Large files: stored, interrupted, resumed, stopped.

use std::sync::Arc;

use bytes::Bytes;
use ferry_shared::{
    digest::Digest,
    entry::Mtime,
    limits::{BLOCK_LEN, BLOCK_SIZE},
};
use tokio::sync::mpsc;

use super::scene::{DATE, Noted, Scene, large};
use crate::{
    error::ClientError,
    obstacle::Obstacle,
    site::{BlockBytes, Dates, FileFacts, Get, Make, Op, Opened, Over, Piece, Put, Replace, Resume, TargetKind, Watch},
};

pub(super) async fn a_large_file_is_stored_and_read_back(scene: &Scene) {
    let (content, watch) = (large(1), Noted::new());
    let streamed = scene.stream(scene.put("a/x", Over::Nothing), &content, usize::MAX, watch.clone()).await;
    let stored = streamed.result.unwrap();
    assert_eq!((stored.size, streamed.reused), (content.len() as u64, 0));
    assert!(stored.root.is_none_or(|root| root == Digest::of(&content)));
    assert_eq!(stored.root.is_some(), scene.abilities().digest);
    assert_eq!(watch.bytes(), (content.len() as u64, 0));
    let (opened, read, end) = scene.read("a/x").await.unwrap();
    assert!(read == content && end.root == Digest::of(&content));
    assert_eq!((end.transferred, end.reused), (content.len() as u64, 0));
    assert!(end.grown.is_none() && opened.size == Some(content.len() as u64));
    match scene.abilities().mtime {
        Dates::Exact => assert_eq!(opened.mtime, DATE),
        Dates::Seconds => assert_eq!(opened.mtime, Mtime(DATE.0, 0)),
        Dates::None => {}
    }
    assert_eq!(opened.mode, if scene.abilities().mode_bits { 0o640 } else { 0 });
}

pub(super) async fn a_file_whose_size_is_not_known_is_stored(scene: &Scene) {
    for content in [Vec::new(), b"short".to_vec(), vec![5; 1 << 20], large(1)] {
        let put = Put { keep_attributes: false, ..scene.put("x", Over::Anything) };
        let root = Digest::of(&content);
        let streamed = scene.stream_as(put, &content, None, usize::MAX, root, Noted::new()).await;
        assert_eq!(streamed.result.unwrap().size, content.len() as u64);
        assert!(scene.read("x").await.unwrap().1 == content);
    }
}

pub(super) async fn a_large_file_with_another_digest_is_never_stored(scene: &Scene) {
    let content = large(1);
    let size = Some(content.len() as u64);
    let put = scene.put("x", Over::Nothing);
    let streamed = scene.stream_as(put, &content, size, usize::MAX, Digest::of(b"other"), Noted::new()).await;
    if scene.abilities().digest {
        assert_eq!(streamed.result.unwrap_err().obstacle(), Obstacle::Mismatch);
        assert!(scene.look("x").await.is_none());
    }
}

/// Stores only the first `most` blocks of a file.
async fn interrupt(scene: &Scene, put: Put, content: &[u8], most: usize) {
    let streamed = scene.stream(put, content, most, Noted::new()).await;
    assert_eq!(streamed.result.unwrap_err().obstacle(), Obstacle::Cancelled);
}

pub(super) async fn an_interrupted_file_resumes(scene: &Scene) {
    let content = large(1);
    for (resume, begun) in [(false, true), (true, false), (false, false)] {
        let over = if scene.abilities().replace == Replace::InPlace { Over::Anything } else { Over::Nothing };
        interrupt(scene, scene.put("x", over.clone()), &content, 3).await;
        let put = Put { resume, begun, ..scene.put("x", over) };
        let streamed = scene.stream(put, &content, usize::MAX, Noted::new()).await;
        streamed.result.unwrap();
        let resumes = resume || begun;
        match scene.abilities().resume {
            Resume::Blocks if resumes => assert_eq!(streamed.reused, 3 * BLOCK_SIZE, "{resume}, {begun}"),
            // A site that trusts an offset may start earlier.
            Resume::Offset if resumes => assert!(streamed.reused <= 3 * BLOCK_SIZE, "{}", streamed.reused),
            _ => assert_eq!(streamed.reused, 0, "{resume}, {begun}"),
        }
        assert!(scene.read("x").await.unwrap().1 == content);
        scene.do_it(Op::Remove { at: scene.at("x"), only: None }).await;
    }
}

pub(super) async fn a_paused_file_keeps_the_blocks_that_were_begun(scene: &Scene) {
    // The site in memory has no blocks to keep where it offers no digests.
    if !scene.is_server() && scene.abilities().resume != Resume::Blocks {
        return;
    }
    let content = large(1);
    let (pieces, taken) = mpsc::channel(2);
    let (told, mut held) = mpsc::channel(1);
    let (mut session, watch) = (scene.session().await, Noted::new());
    let put = Put { resume: true, ..scene.put("x", Over::Nothing) };
    let put = Put { expected: FileFacts { size: content.len() as u64, ..put.expected }, ..put };
    let writing = session.put(put.clone(), taken, told, Arc::clone(&watch) as Arc<dyn Watch>);
    let sending = async {
        let opened = Opened { size: Some(content.len() as u64), mtime: DATE, mode: 0o640, version: None };
        pieces.send(Piece::Opened(opened)).await.unwrap();
        assert!(held.recv().await.is_none());
        for (index, block) in content.chunks(BLOCK_LEN).take(2).enumerate() {
            let bytes = BlockBytes::Shared(Bytes::copy_from_slice(block));
            pieces.send(Piece::Block { index: index as u64, bytes, equal: false }).await.unwrap();
        }
        while watch.bytes().0 < 2 * BLOCK_SIZE {
            tokio::task::yield_now().await;
        }
        watch.pausing.cancel();
        // A site may wait for the source, which ends too.
        drop(pieces);
    };
    let (result, ()) = tokio::join!(writing, sending);
    assert_eq!(result.unwrap_err().obstacle(), Obstacle::Cancelled);
    session.settle().await;
    assert!(session.is_usable());
    // The file that was written to may be closed only now, before the answer.
    drop(session.stat(&scene.at("")).await);
    let streamed = scene.stream(put, &content, usize::MAX, Noted::new()).await;
    streamed.result.unwrap();
    assert_eq!(streamed.reused, 2 * BLOCK_SIZE);
    assert!(scene.read("x").await.unwrap().1 == content);
}

pub(super) async fn equal_blocks_of_a_replaced_file_are_not_sent(scene: &Scene) {
    let (old, mut new) = (large(1), large(1));
    scene.stream(scene.put("x", Over::Nothing), &old, usize::MAX, Noted::new()).await.result.unwrap();
    new[5] = 99;
    new.truncate(new.len() - 3);
    let seen = scene.look("x").await.unwrap().version;
    let put = Put { resume: true, ..scene.put("x", Over::This(seen)) };
    let streamed = scene.stream(put, &new, usize::MAX, Noted::new()).await;
    streamed.result.unwrap();
    // The last block is the beginning of the old one.
    let equal = new.len() as u64 - BLOCK_SIZE;
    assert_eq!(streamed.reused, if scene.abilities().resume == Resume::Blocks { equal } else { 0 });
    assert!(scene.read("x").await.unwrap().1 == new);
}

pub(super) async fn an_interrupted_file_is_not_seen_under_its_name(scene: &Scene) {
    if scene.abilities().replace == Replace::InPlace {
        return;
    }
    interrupt(scene, scene.put("x", Over::Nothing), &large(1), 2).await;
    assert!(scene.look("x").await.is_none());
    scene.write("y", b"old").await;
    interrupt(scene, scene.put("y", Over::Anything), &large(1), 2).await;
    assert_eq!(scene.read("y").await.unwrap().1, b"old");
}

pub(super) async fn the_part_of_an_interrupted_file_is_discarded(scene: &Scene) {
    interrupt(scene, scene.put("a/x", Over::Nothing), &large(1), 2).await;
    scene.do_it(Op::Discard { at: scene.at("a/x") }).await;
    let mut session = scene.session().await;
    let prepared = session.prepare(&scene.at(""), TargetKind::Folder, Make::Itself, false).await.unwrap();
    let mut existing = prepared.existing;
    let below = ferry_shared::path::RemotePath::from_wire(b"a/x").unwrap();
    let begun = tokio::task::spawn_blocking(move || existing.begun(&below)).await.unwrap();
    assert_eq!(begun, 0);
    // There may be no part to discard.
    scene.do_it(Op::Discard { at: scene.at("a/x") }).await;
}

pub(super) async fn a_stopped_file_is_not_published(scene: &Scene) {
    if scene.abilities().replace == Replace::InPlace {
        return;
    }
    let streamed = scene.stream(scene.put("x", Over::Nothing), &large(1), usize::MAX, Noted::stopped()).await;
    assert_eq!(streamed.result.unwrap_err().obstacle(), Obstacle::Cancelled);
    assert!(scene.look("x").await.is_none());
}

fn get(scene: &Scene, below: &str) -> Get {
    let expected = crate::site::FileFacts { size: 0, mtime: DATE };
    Get { at: scene.source(below), expected, growing: false, opened_first: true, basis: None }
}

pub(super) async fn reading_stops_when_the_receiver_is_dropped(scene: &Scene) {
    scene.stream(scene.put("x", Over::Nothing), &large(1), usize::MAX, Noted::new()).await.result.unwrap();
    let (pieces, mut taken) = mpsc::channel(1);
    let (_, held) = mpsc::channel(1);
    let mut session = scene.session().await;
    let reading = session.get(get(scene, "x"), held, pieces, Noted::new());
    let taking = async {
        assert!(matches!(taken.recv().await, Some(Piece::Opened(_))));
        drop(taken);
    };
    let (read, ()) = tokio::join!(reading, taking);
    assert!(matches!(read, Err(ClientError::Cancelled)), "{read:?}");
}

pub(super) async fn a_session_whose_call_was_dropped_is_usable_or_reports_that_it_is_not(scene: &Scene) {
    scene.stream(scene.put("x", Over::Nothing), &large(1), usize::MAX, Noted::new()).await.result.unwrap();
    let mut session = scene.session().await;
    let (pieces, mut taken) = mpsc::channel(1);
    // The call waits, because no digests are sent.
    let (_told, held) = mpsc::channel(1);
    tokio::select! {
        biased;
        _ = session.get(get(scene, "x"), held, pieces, Noted::new()) => panic!("its blocks are not received"),
        piece = taken.recv() => assert!(piece.is_some()),
    }
    session.settle().await;
    if session.is_usable() {
        assert!(session.stat(&scene.source("x")).await.is_ok());
    }
    assert!(scene.read("x").await.is_some());
}
