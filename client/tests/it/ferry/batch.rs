//! Batches of requests over one connection.

use ferry_client::{
    ClientError, Obstacle,
    site::{Answer, BlockBytes, Content, Done, HEADROOM, OnlyIf, Op, Over, Request, Session, Version as SiteVersion},
};
use ferry_shared::{
    digest::Digest,
    entry::{Entry, Kind, Mtime},
    frame::Frame,
    limits::{BLOCK_LEN, BLOCK_SIZE},
    message::{self, Reply},
    name::Name,
    pool::BufferPool,
    refusal::Code,
};
use tokio::sync::mpsc;

use super::{at, data, is_refused, opened, opens, put, sent, session};
use crate::{
    fake::{Fake, Peer},
    transfer::memory_server::{File, Server},
};

/// Sends all requests at once; returns the answers by number, and the result of the batch.
async fn ask(session: &mut dyn Session, ops: Vec<Op>) -> (Vec<Answer>, Result<(), ClientError>) {
    let (requests, asked) = mpsc::channel(ops.len());
    let (answers, mut told) = mpsc::channel(ops.len());
    for (id, op) in (0..).zip(ops) {
        requests.try_send(Request { id, op, watch: None }).unwrap();
    }
    drop(requests);
    let result = session.batch(asked, answers).await;
    let mut found = Vec::new();
    while let Some(answer) = told.recv().await {
        found.push(answer);
    }
    found.sort_by_key(|answer| answer.id);
    (found, result)
}

fn entry(size: u64) -> Reply {
    let name = Name::try_from("x").unwrap();
    Reply::Entry { entry: Entry { name, kind: Kind::File, size, mtime: Mtime(0, 0), mode: 0o644 }, version: None }
}

async fn stats(peer: &mut Peer, count: usize) -> Option<()> {
    for _ in 0..count {
        assert!(matches!(peer.request().await?, message::Request::Stat { .. }));
    }
    Some(())
}

fn stat() -> Op {
    Op::Stat { at: at("x") }
}

#[tokio::test]
async fn a_batch_does_not_wait_for_answers_and_a_refusal_is_an_answer() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        stats(&mut peer, 500).await?;
        for number in 0..500 {
            match number % 3 {
                0 => peer.refuse(Code::NotFound).await,
                _ => peer.send(entry(number)).await,
            }
        }
        peer.frame().await.map(|_| ())
    })
    .await;
    let mut session = session(fake.trusting()).await;
    let (answers, result) = ask(&mut *session, (0..500).map(|_| stat()).collect()).await;
    result.unwrap();
    assert_eq!(answers.len(), 500);
    for (number, Answer { id, result }) in (0..).zip(answers) {
        assert_eq!(id, number);
        match result {
            Ok(Done::Found(found)) => assert!(found.facts.size == number && number % 3 != 0),
            result => assert!(is_refused(&result, Code::NotFound) && number % 3 == 0),
        }
    }
    assert!(session.is_usable());
}

#[tokio::test]
async fn all_requests_beyond_the_limit_of_unanswered_ones_are_answered() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        loop {
            stats(&mut peer, 700).await?;
            for _ in 0..700 {
                peer.writer.send(&entry(1)).await.ok()?;
            }
        }
    })
    .await;
    let mut session = session(fake.trusting()).await;
    let (answers, result) = ask(&mut *session, (0..7000).map(|_| stat()).collect()).await;
    assert!(result.is_ok() && answers.len() == 7000);
}

#[tokio::test]
async fn no_answer_is_lost_or_invented_when_the_connection_breaks() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        stats(&mut peer, 40).await?;
        for number in 0..15 {
            peer.send(entry(number)).await;
        }
        None
    })
    .await;
    let mut session = session(fake.trusting()).await;
    let (answers, result) = ask(&mut *session, (0..40).map(|_| stat()).collect()).await;
    assert!(matches!(result, Err(ClientError::Lost(_))));
    assert_eq!(answers.iter().map(|answer| answer.id).collect::<Vec<_>>(), (0..15).collect::<Vec<_>>());
    assert!(!session.is_usable());
}

fn content(bytes: BlockBytes) -> Box<Content> {
    let root = Digest::of(&bytes);
    Box::new(Content { opened: opened(bytes.len() as u64), bytes, root, grown: None })
}

#[tokio::test]
async fn small_files_of_every_size_are_transferred_unchanged_both_ways() {
    let server = Server::start().await;
    let mut session = session(server.connector()).await;
    let pool = BufferPool::new(1);
    let pooled = |bytes: &[u8], start| {
        let mut buffer = pool.take();
        buffer.resize(start, 7);
        buffer.extend_from_slice(bytes);
        BlockBytes::Pooled { buffer, start }
    };
    let files = [data(0, 0), data(5, 1), data(100_000, 2), data(BLOCK_LEN, 3), vec![0; 3000], data(200_000, 4)];
    let bytes = [
        BlockBytes::Zeros(0),
        BlockBytes::Shared(files[1].clone().into()),
        pooled(&files[2], HEADROOM),
        pooled(&files[3], HEADROOM),
        BlockBytes::Zeros(3000),
        pooled(&files[5], 0),
    ];
    let puts = bytes
        .into_iter()
        .zip(0..)
        .map(|(bytes, number)| Op::Put { put: put(&format!("f/{number}")), content: content(bytes) });
    let (answers, result) = ask(&mut *session, puts.collect()).await;
    result.unwrap();
    for (answer, file) in answers.into_iter().zip(&files) {
        let Ok(Done::Stored(stored)) = answer.result else { panic!("{:?}", answer.result) };
        assert_eq!((stored.size, stored.root), (file.len() as u64, Some(Digest::of(file))));
        let kept = &server.state().files[format!("f/{}", answer.id).as_bytes()];
        assert!(kept.bytes == *file && (kept.mtime, kept.mode) == (Mtime(3, 4), 0o640));
    }
    let gets = (0..files.len()).map(|number| Op::Get { at: at(&format!("f/{number}")), size: 0, growing: false });
    let (answers, result) = ask(&mut *session, gets.collect()).await;
    result.unwrap();
    for (answer, file) in answers.into_iter().zip(&files) {
        let Ok(Done::Content(content)) = answer.result else { panic!("{:?}", answer.result) };
        assert!(*content.bytes == **file && content.root == Digest::of(file));
        assert_eq!((content.opened.size, content.opened.mtime), (Some(file.len() as u64), Mtime(3, 4)));
    }
}

/// The version of a file in the server's form.
async fn version_of(session: &mut dyn Session, name: &str) -> Option<SiteVersion> {
    session.stat(&at(name)).await.unwrap().version
}

#[tokio::test]
async fn each_request_has_its_documented_effect() {
    let server = Server::start().await;
    server.state().put("a", b"one");
    server.state().put("b", b"two");
    let mut session = session(server.connector()).await;
    let seen = version_of(&mut *session, "a").await;
    server.state().make("a", File::new(b"changed", 2_000));
    let only = |version| Some(OnlyIf { version, root: Some(Digest::of(b"")), size: 0 });
    let now = version_of(&mut *session, "b").await;
    let over = |over| ferry_client::site::Put { over, ..put("a") };
    let ops = vec![
        Op::MakeFolder { at: at("x/y"), private: true },
        Op::SetAttributes { at: at("b"), mtime: None, mode: None, seen: None },
        Op::Hash { at: at("b") },
        Op::Remove { at: at("a"), only: only(seen.clone()) },
        Op::Put { put: over(Over::This(seen)), content: content(BlockBytes::Shared("new".into())) },
        Op::Put { put: over(Over::Nothing), content: content(BlockBytes::Shared("new".into())) },
        Op::Remove { at: at("b"), only: only(None) },
        Op::Remove { at: at("b"), only: only(now) },
        Op::Discard { at: at("b") },
        Op::Put { put: over(Over::Anything), content: content(BlockBytes::Shared("new".into())) },
    ];
    let (answers, result) = ask(&mut *session, ops).await;
    result.unwrap();
    let [made, set, hashed, removed, replaced, put, blind, gone, discarded, over]: [Result<Done, ClientError>; 10] =
        answers.into_iter().map(|answer| answer.result).collect::<Vec<_>>().try_into().unwrap();
    assert!(matches!((made, set, gone), (Ok(Done::Done), Ok(Done::Done), Ok(Done::Done))));
    assert!(matches!(hashed, Ok(Done::Hashed { root, .. }) if root == Digest::of(b"two")));
    assert!(is_refused(&removed, Code::Changed) && is_refused(&replaced, Code::Changed));
    assert!(is_refused(&put, Code::Exists) && is_refused(&discarded, Code::NotFound));
    assert_eq!(blind.unwrap_err().obstacle(), Obstacle::Changed, "a file of unknown version is not removed");
    assert!(matches!(over, Ok(Done::Stored(_))));
    assert_eq!(server.state().bytes("a"), b"new");
    assert!(server.state().folders.contains(&b"x/y"[..]) && !server.state().files.contains_key(&b"b"[..]));
    assert!(session.is_usable());
}

#[tokio::test]
async fn an_invalid_request_fails_without_affecting_others() {
    let server = Server::start().await;
    server.state().put("a", b"one");
    let mut session = session(server.connector()).await;
    let local = ferry_client::site::Root::new(std::path::PathBuf::from("/x").into());
    let here = ferry_client::site::Location::new(&local, super::path(""), ferry_client::site::Reach::Follow);
    let other = Content { opened: opened(9), ..*content(BlockBytes::Shared("four".into())) };
    let ops = vec![
        Op::Stat { at: at("a") },
        Op::Stat { at: here },
        Op::Put { put: put("b"), content: Box::new(other) },
        Op::Stat { at: at("a") },
    ];
    let (answers, result) = ask(&mut *session, ops).await;
    result.unwrap();
    let obstacles: Vec<_> = answers.iter().map(|a| a.result.as_ref().err().map(ClientError::obstacle)).collect();
    assert_eq!(obstacles, [None, Some(Obstacle::BadPath), Some(Obstacle::Changed), None]);
}

/// Answers a `Get` with this number of zero blocks, then a `Stat`.
async fn growing(blocks: u64) -> Fake {
    Fake::start(move |mut peer| async move {
        peer.let_in().await?;
        assert!(matches!(peer.request().await?, message::Request::Get { .. }));
        assert!(matches!(peer.frame().await?, Frame::Have { digests, .. } if digests.is_empty()));
        peer.send(opens(blocks * BLOCK_SIZE, "1")).await;
        for index in 0..blocks.min(20) {
            let mut frame = Vec::new();
            ferry_shared::frame::put_block_head(&mut frame, index, 0).unwrap();
            peer.writer.write(&frame).await.ok()?;
        }
        peer.writer.send(&sent(Digest::of(b""))).await.ok()?;
        stats(&mut peer, 1).await?;
        peer.send(entry(8)).await;
        peer.frame().await.map(|_| ())
    })
    .await
}

#[tokio::test]
async fn a_file_that_has_become_large_is_reported_and_delays_the_others_little() {
    for (blocks, survives) in [(2, true), (1000, false)] {
        let fake = growing(blocks).await;
        let mut session = session(fake.trusting()).await;
        let (answers, result) =
            ask(&mut *session, vec![Op::Get { at: at("x"), size: 5, growing: false }, stat()]).await;
        assert!(matches!(&answers[0].result, Ok(Done::Large(opened)) if opened.size == Some(blocks * BLOCK_SIZE)));
        assert_eq!((result.is_ok(), answers.len() == 2, session.is_usable()), (survives, survives, survives));
    }
}

#[tokio::test]
async fn an_invalid_answer_for_a_small_file_ends_the_session() {
    let cases: [(u64, &[(u64, usize)]); 5] =
        [(5, &[(1, 5)]), (5, &[(0, 4)]), (5, &[(0, 5), (0, 5)]), (5, &[]), (0, &[(0, 0)])];
    for (size, blocks) in cases {
        let fake = Fake::start(move |mut peer| async move {
            peer.let_in().await?;
            peer.request().await?;
            peer.frame().await?;
            peer.send(opens(size, "1")).await;
            for (index, length) in blocks {
                peer.block(*index, &vec![1; *length]).await;
            }
            peer.writer.send(&sent(Digest::of(&[1; 5]))).await.ok()?;
            peer.frame().await.map(|_| ())
        })
        .await;
        let mut session = session(fake.trusting()).await;
        let (answers, result) = ask(&mut *session, vec![Op::Get { at: at("x"), size, growing: false }]).await;
        assert!(matches!(result, Err(ClientError::Protocol(_))) && answers.is_empty(), "{size} {blocks:?}");
    }
}
