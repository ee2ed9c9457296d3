//! Downloads as a stream: only blocks that the target does not have arrive, in order and verified.

use std::{sync::Arc, time::Duration};

use ferry_client::{
    ClientError, Site as _,
    site::{End, Get, Phase, Piece, Session},
};
use ferry_shared::{
    digest::Digest,
    entry::{Entry, Kind, Mtime},
    frame::Frame,
    limits::BLOCK_LEN,
    message::{Reply, Request, reply::Usage},
    name::Name,
    refusal::Code,
};
use tokio::sync::mpsc;

use super::{SIZE, Told, at, data, digests, get, is_refused, opens, sent, session, surroundings, version};
use crate::{
    fake::{Fake, Peer},
    transfer::memory_server::Server,
};

/// The blocks of a file, and the result.
struct Came {
    blocks: Vec<(u64, Vec<u8>)>,
    result: Result<End, ClientError>,
}

/// Reads a file for a target that has `held`, in batches.
async fn read(session: &mut dyn Session, get: Get, held: Vec<Vec<Digest>>, told: &Arc<Told>) -> Came {
    let (holds, holding) = mpsc::channel(1);
    let (pieces, mut taken) = mpsc::channel(1);
    let telling = async move {
        for digests in held {
            if holds.send(digests).await.is_err() {
                return;
            }
        }
    };
    let taking = async {
        let mut blocks = Vec::new();
        let mut number = 0;
        while let Some(piece) = taken.recv().await {
            match piece {
                Piece::Opened(_) => assert_eq!(number, 0),
                Piece::Block { index, bytes, .. } => blocks.push((index, bytes.to_vec())),
                Piece::End(_) => assert!(taken.recv().await.is_none()),
            }
            number += 1;
        }
        blocks
    };
    let watch = Arc::clone(told);
    let (result, (), blocks) = tokio::join!(session.get(get, holding, pieces, watch), telling, taking);
    Came { blocks, result }
}

#[tokio::test]
async fn only_blocks_that_differ_arrive_and_the_others_are_counted() {
    let server = Server::start().await;
    let file = data(5 * BLOCK_LEN + 17, 1);
    server.state().put("f", &file);
    let other = digests(&data(6 * BLOCK_LEN, 2));
    let mut held = digests(&file);
    held[1] = other[1];
    held[4] = other[4];
    held.push(other[5]);
    let mut session = session(server.connector()).await;
    for batches in [1, 2, 7] {
        let told = Arc::default();
        let batches = held.chunks(batches).map(<[_]>::to_vec).collect();
        let came = read(&mut *session, get("f"), batches, &told).await;
        let end = came.result.unwrap();
        let block = |index: usize| file[index * BLOCK_LEN..].chunks(BLOCK_LEN).next().unwrap().to_vec();
        assert!(came.blocks == vec![(1, block(1)), (4, block(4))]);
        let transferred = 2 * BLOCK_LEN as u64;
        assert_eq!((end.root, end.size), (Digest::of(&file), file.len() as u64));
        assert_eq!((end.transferred, end.reused), (transferred, file.len() as u64 - transferred));
        assert_eq!(told.bytes(), (0, end.reused));
        assert_eq!(*told.phases.lock().unwrap(), [Phase::Receiving]);
        assert!(session.is_usable());
    }
}

#[tokio::test]
async fn a_file_of_any_length_arrives_complete_at_an_empty_target() {
    let server = Server::start().await;
    let mut session = session(server.connector()).await;
    for length in [0, 1, BLOCK_LEN, BLOCK_LEN + 1, SIZE] {
        let file = data(length, 3);
        server.state().put("f", &file);
        for opened_first in [false, true] {
            let told = Arc::default();
            let came = read(&mut *session, Get { opened_first, ..get("f") }, Vec::new(), &told).await;
            let end = came.result.unwrap();
            assert!(came.blocks.iter().flat_map(|(_, bytes)| bytes).copied().eq(file.iter().copied()));
            assert_eq!((end.root, end.transferred, end.reused), (Digest::of(&file), length as u64, 0));
            assert_eq!(told.opened.lock().unwrap().len(), 1);
        }
    }
}

/// Takes a `Get` up to its last have-frame.
async fn take_get(peer: &mut Peer) -> Option<()> {
    assert!(matches!(peer.request().await?, Request::Get { .. }));
    while !matches!(peer.frame().await?, Frame::Have { digests, .. } if digests.is_empty()) {}
    Some(())
}

#[tokio::test]
async fn the_session_continues_after_a_refusal_whatever_digests_the_target_still_sends() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        for _ in 0..3 {
            assert!(matches!(peer.request().await?, Request::Get { .. }));
            peer.refuse(Code::NotFound).await;
            while !matches!(peer.frame().await?, Frame::Have { digests, .. } if digests.is_empty()) {}
        }
        peer.answer(Reply::Usage(Usage::default())).await?;
        peer.frame().await.map(|_| ())
    })
    .await;
    let mut session = session(fake.trusting()).await;
    for batches in [0, 1, 100] {
        let held = vec![digests(&data(BLOCK_LEN + 1, 0)); batches];
        let came = read(&mut *session, get("f"), held, &Arc::default()).await;
        assert!(is_refused(&came.result, Code::NotFound) && came.blocks.is_empty() && session.is_usable());
    }
    session.room(&at(""), true).await.unwrap();
}

#[tokio::test]
async fn a_server_that_violates_the_protocol_delivers_no_wrong_block() {
    let root = Digest::of(b"");
    let none = Reply::Sent { root: None, version: version("1") };
    let cases: [(&[(u64, usize)], Reply); 7] = [
        // The target has one block of more than three.
        (&[(2, BLOCK_LEN)], sent(root)),
        (&[(1, BLOCK_LEN), (1, BLOCK_LEN)], sent(root)),
        (&[(1, BLOCK_LEN - 1)], sent(root)),
        (&[(1, BLOCK_LEN), (2, BLOCK_LEN), (3, 100)], sent(root)),
        (&[(1, BLOCK_LEN), (2, BLOCK_LEN), (3, 99), (4, 1)], sent(root)),
        (&[(1, BLOCK_LEN), (2, BLOCK_LEN)], sent(root)),
        (&[(1, BLOCK_LEN), (2, BLOCK_LEN), (3, 99)], none),
    ];
    for (number, (blocks, end)) in cases.into_iter().enumerate() {
        let end = Arc::new(end);
        let fake = Fake::start(move |mut peer| {
            let end = Arc::clone(&end);
            async move {
                peer.let_in().await?;
                take_get(&mut peer).await?;
                peer.send(opens(SIZE as u64, "1")).await;
                for (index, length) in blocks {
                    let mut frame = Vec::new();
                    ferry_shared::frame::put_block_head(&mut frame, *index, *length).unwrap();
                    frame.resize(frame.len() + length, 1);
                    peer.writer.write(&frame).await.ok()?;
                }
                peer.writer.send(&*end).await.ok()?;
                peer.frame().await.map(|_| ())
            }
        })
        .await;
        let mut session = session(fake.trusting()).await;
        let came = read(&mut *session, get("f"), vec![digests(&data(BLOCK_LEN, 0))], &Arc::default()).await;
        assert!(matches!(came.result, Err(ClientError::Protocol(_))), "{number}: {:?}", came.result);
        assert!(!session.is_usable(), "{number}");
    }
}

#[tokio::test]
async fn a_read_ends_when_the_receiver_is_dropped() {
    let server = Server::start().await;
    server.state().put("f", &data(SIZE, 0));
    let mut session = session(server.connector()).await;
    let (_holds, holding) = mpsc::channel(1);
    let (pieces, taken) = mpsc::channel(1);
    drop(taken);
    let result = session.get(get("f"), holding, pieces, Arc::new(Told::default())).await;
    assert!(matches!(result, Err(ClientError::Cancelled)) && !session.is_usable());
}

fn stat_reply(size: u64, named: &str) -> Reply {
    let entry = Entry { name: Name::try_from("f").unwrap(), kind: Kind::File, size, mtime: Mtime(3, 4), mode: 0o640 };
    Reply::Entry { entry, version: Some(version(named)) }
}

#[tokio::test]
async fn the_facts_of_a_file_can_be_reported_before_the_target_sends_its_digests() {
    let (asked, mut was_asked) = mpsc::channel(1);
    let fake = Fake::start(move |mut peer| {
        let asked = asked.clone();
        async move {
            peer.let_in().await?;
            assert!(matches!(peer.answer(stat_reply(SIZE as u64, "1")).await?, Request::Stat { .. }));
            let next = peer.request().await?;
            asked.send(next.name()).await.ok()?;
            if let Request::Ping = next {
                peer.send(Reply::Pong).await;
                peer.request().await?;
            }
            while !matches!(peer.frame().await?, Frame::Have { digests, .. } if digests.is_empty()) {}
            peer.send(opens(SIZE as u64, "1")).await;
            peer.send(sent(Digest::of(b"x"))).await;
            peer.frame().await.map(|_| ())
        }
    })
    .await;
    let mut session = session(fake.trusting()).await;
    let (holds, holding) = mpsc::channel(1);
    let (pieces, mut taken) = mpsc::channel(9);
    let target = async {
        let Some(Piece::Opened(opened)) = taken.recv().await else { panic!("it is not open") };
        assert_eq!((opened.size, opened.mtime, opened.mode), (Some(SIZE as u64), Mtime(3, 4), 0o640));
        // The client sends pings, however long the target takes.
        tokio::time::pause();
        assert_eq!(was_asked.recv().await, Some("ping"));
        tokio::time::resume();
        holds.send(digests(&data(SIZE, 0))).await.unwrap();
        drop(holds);
        assert!(matches!(taken.recv().await, Some(Piece::End(_))));
    };
    let get = Get { opened_first: true, ..get("f") };
    let (end, ()) = tokio::join!(session.get(get, holding, pieces, Arc::new(Told::default())), target);
    assert_eq!(end.unwrap().reused, SIZE as u64);
}

#[tokio::test]
async fn a_file_that_changed_since_its_facts_were_reported_is_not_read() {
    for (size, named) in [(SIZE as u64, "2"), (SIZE as u64 + 1, "1")] {
        let fake = Fake::start(move |mut peer| async move {
            peer.let_in().await?;
            peer.answer(stat_reply(SIZE as u64, "1")).await?;
            take_get(&mut peer).await?;
            peer.send(opens(size, named)).await;
            peer.frame().await.map(|_| ())
        })
        .await;
        let mut session = session(fake.trusting()).await;
        let came = read(&mut *session, Get { opened_first: true, ..get("f") }, Vec::new(), &Arc::default()).await;
        assert!(matches!(came.result, Err(ClientError::SourceChanged)) && came.blocks.is_empty());
        assert!(!session.is_usable());
    }
}

#[tokio::test]
async fn a_server_may_be_silent_only_while_the_target_is() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        take_get(&mut peer).await?;
        peer.send(opens(SIZE as u64, "1")).await;
        // The server sends no more blocks.
        while peer.frame().await.is_some() {}
        None
    })
    .await;
    let surroundings = surroundings(Duration::from_secs(30));
    let mut session = ferry_client::Ferry::new(fake.trusting()).open(&surroundings).await.unwrap();
    let (holds, holding) = mpsc::channel(1);
    let (pieces, mut taken) = mpsc::channel(9);
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    let target = async {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(200)).await;
            holds.send(digests(&data(BLOCK_LEN, 0))).await.unwrap();
        }
        drop(holds);
        assert!(matches!(taken.recv().await, Some(Piece::Opened(_))));
        taken.recv().await
    };
    let (result, rest) = tokio::join!(session.get(get("f"), holding, pieces, Arc::new(Told::default())), target);
    assert!(matches!(result, Err(ClientError::Timeout(_))), "{result:?}");
    assert!(rest.is_none() && start.elapsed() >= Duration::from_secs(2000));
}
