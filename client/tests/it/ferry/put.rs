//! Uploads as a stream: the server's digests are passed on, blocks that differ are sent, and the
//! last blocks are held back until the source has reported its end.

use std::{pin::pin, sync::Arc, time::Duration};

use ferry_client::{
    ClientError,
    site::{BlockBytes, End, HEADROOM, Phase, Piece, Put, Session, Stored},
};
use ferry_shared::{
    digest::Digest,
    frame::Frame,
    limits::BLOCK_LEN,
    message::{
        Reply, Request,
        reply::Usage,
        request::{Basis, IfExists},
    },
    pool::BufferPool,
    refusal::Code,
};
use tokio::sync::mpsc;

use super::{SIZE, Told, at, data, digests, is_refused, opened, put, session, version};
use crate::{
    fake::{Fake, Peer},
    transfer::memory_server::Server,
};

fn end(file: &[u8]) -> Piece {
    let (root, size) = (Digest::of(file), file.len() as u64);
    Piece::End(End { root, size, transferred: 0, reused: 0, grown: None, version: None })
}

fn block(file: &[u8], index: usize, equal: bool) -> Piece {
    let mut buffer = BufferPool::new(0).take();
    buffer.resize(HEADROOM, 0);
    buffer.extend_from_slice(file[index * BLOCK_LEN..].chunks(BLOCK_LEN).next().unwrap());
    Piece::Block { index: index as u64, bytes: BlockBytes::Pooled { buffer, start: HEADROOM }, equal }
}

/// Writes a file whose source omits the blocks that the server has; returns the digests that the source received.
async fn write(
    session: &mut dyn Session,
    put: Put,
    file: &[u8],
    told: &Arc<Told>,
) -> (Result<Stored, ClientError>, Vec<Digest>) {
    let (pieces, taken) = mpsc::channel(1);
    let (holds, mut holding) = mpsc::channel(1);
    let source = async move {
        pieces.send(Piece::Opened(opened(file.len() as u64))).await.unwrap();
        let mut held = Vec::new();
        while let Some(digests) = holding.recv().await {
            held.extend(digests);
        }
        for (index, digest) in digests(file).into_iter().enumerate() {
            if held.get(index) != Some(&digest) && pieces.send(block(file, index, false)).await.is_err() {
                return held;
            }
        }
        let _refused = pieces.send(end(file)).await;
        held
    };
    let watch = Arc::clone(told);
    tokio::join!(session.put(put, taken, holds, watch), source)
}

#[tokio::test]
async fn files_of_every_length_are_stored_completely() {
    let server = Server::start().await;
    let mut session = session(server.connector()).await;
    for length in [0, 1, BLOCK_LEN, BLOCK_LEN + 1, 2 * BLOCK_LEN, SIZE] {
        let (file, told, name) = (data(length, 1), Arc::default(), length.to_string());
        let (stored, held) = write(&mut *session, put(&name), &file, &told).await;
        let stored = stored.unwrap();
        assert_eq!((stored.root, stored.size), (Some(Digest::of(&file)), length as u64));
        assert!(server.state().bytes(&name) == file && held.is_empty() && session.is_usable());
        assert_eq!(told.bytes(), (length as u64, 0));
        assert_eq!(*told.phases.lock().unwrap(), [Phase::Sending, Phase::Flushing]);
    }
}

#[tokio::test]
async fn blocks_that_the_server_has_are_reported_and_not_sent_again() {
    let server = Server::start().await;
    let (old, mut file) = (data(SIZE, 1), data(SIZE, 1));
    file[BLOCK_LEN] ^= 1;
    server.state().put("f", &old);
    let mut session = session(server.connector()).await;
    let (over, told) = (ferry_client::site::Over::Anything, Arc::default());
    let (stored, held) = write(&mut *session, Put { over, ..put("f") }, &file, &told).await;
    stored.unwrap();
    assert_eq!(held, digests(&old));
    assert!(server.state().bytes("f") == file && server.state().blocks_in == 1);
    assert_eq!(told.bytes(), (BLOCK_LEN as u64, 0), "the source counts the omitted blocks");
    assert_eq!(*told.phases.lock().unwrap(), [Phase::Checking, Phase::Sending, Phase::Flushing]);
}

#[tokio::test]
async fn zeros_are_sent_without_data_and_a_stream_has_no_size() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        let Request::Put(put) = peer.request().await? else { panic!("not a put") };
        assert_eq!((put.size, put.mtime, put.mode, put.basis), (None, None, None, Basis::None));
        ready(&mut peer).await;
        assert!(matches!(peer.frame().await?, Frame::Block { index: 0, bytes } if bytes.is_empty()));
        assert!(matches!(peer.frame().await?, Frame::Block { index: 1, bytes } if &bytes[..] == b"end"));
        store(&mut peer).await
    })
    .await;
    let mut session = session(fake.trusting()).await;
    let (pieces, taken) = mpsc::channel(9);
    let (holds, _holding) = mpsc::channel(1);
    let opened = ferry_client::site::Opened { size: None, ..opened(0) };
    let stream = [BlockBytes::Zeros(BLOCK_LEN), BlockBytes::Shared("end".into())];
    pieces.try_send(Piece::Opened(opened)).unwrap();
    for (index, bytes) in (0..).zip(stream) {
        pieces.try_send(Piece::Block { index, bytes, equal: false }).unwrap();
    }
    pieces.try_send(end(b"whatever")).unwrap();
    let told = Arc::new(Told::default());
    session.put(put("f"), taken, holds, told.clone()).await.unwrap();
    assert_eq!(told.bytes(), (BLOCK_LEN as u64 + 3, 0));
}

async fn ready(peer: &mut Peer) {
    peer.send(Reply::Ready { basis: Basis::None, have_blocks: 0 }).await;
}

/// Receives the commit and answers that the file is stored.
async fn store(peer: &mut Peer) -> Option<()> {
    let Request::Commit { size, root } = peer.request().await? else { panic!("not a commit") };
    peer.send(Reply::Stored { root, size, version: version("1"), usage: Usage::default() }).await;
    peer.frame().await.map(|_| ())
}

/// Receives an upload of more than three blocks, and reports how often bytes arrived while it waited a minute.
async fn patient(mut peer: Peer, expected: Vec<u64>, moves: mpsc::Sender<usize>) -> Option<()> {
    peer.let_in().await?;
    peer.request().await?;
    ready(&mut peer).await;
    let (meter, mut count, mut before) = (peer.reader.meter(), 0, 0);
    for index in expected {
        let mut next = pin!(peer.frame());
        let frame = loop {
            tokio::select! {
                frame = &mut next => break frame?,
                () = tokio::time::sleep(Duration::from_secs(60)) => {
                    let now = meter.load(std::sync::atomic::Ordering::Relaxed);
                    count += usize::from(now > before);
                    before = now;
                }
            }
        };
        assert!(matches!(frame, Frame::Block { index: found, .. } if found == index), "{frame:?}");
    }
    moves.send(count).await.ok()?;
    store(&mut peer).await
}

/// Writes a file whose source reports after `wait` whether it is complete.
async fn hesitating(equal: bool, wait: Duration, expected: Vec<u64>) -> (usize, Arc<Told>) {
    let (moves, mut moved) = mpsc::channel(1);
    let fake = Fake::start(move |peer| patient(peer, expected.clone(), moves.clone())).await;
    let mut session = session(fake.trusting()).await;
    let (pieces, taken) = mpsc::channel(9);
    let (holds, _holding) = mpsc::channel(1);
    let (file, told) = (data(SIZE, 0), Arc::new(Told::default()));
    let source = async {
        pieces.send(Piece::Opened(opened(SIZE as u64))).await.unwrap();
        for index in 0..4 {
            pieces.send(block(&file, index, equal && index > 1)).await.unwrap();
        }
        tokio::time::pause();
        tokio::time::sleep(wait).await;
        tokio::time::resume();
        pieces.send(end(&file)).await.unwrap();
    };
    let (stored, ()) = tokio::join!(session.put(put("f"), taken, holds, told.clone()), source);
    stored.unwrap();
    (moved.recv().await.unwrap(), told)
}

#[tokio::test]
async fn the_held_back_end_keeps_the_connection_alive() {
    let (moves, told) = hesitating(false, Duration::from_secs(1800), vec![0, 1, 2, 3]).await;
    assert!(moves > 20, "{moves}");
    assert_eq!(told.bytes(), (SIZE as u64, 0));
}

#[tokio::test]
async fn an_equal_block_at_the_end_is_sent_only_if_it_was_started() {
    let (_, told) = hesitating(true, Duration::ZERO, vec![0, 1]).await;
    assert_eq!(told.bytes(), (2 * BLOCK_LEN as u64, BLOCK_LEN as u64 + 99));
    let (_, told) = hesitating(true, Duration::from_secs(100), vec![0, 1, 2]).await;
    assert_eq!(told.bytes(), (3 * BLOCK_LEN as u64, 99));
}

#[tokio::test]
async fn a_lost_connection_ends_the_upload() {
    let server = Server::start().await;
    server.state().cut_after = Some(2);
    let mut session = session(server.connector()).await;
    let (stored, _) = write(&mut *session, put("f"), &data(SIZE, 1), &Arc::default()).await;
    assert!(matches!(stored, Err(ClientError::Lost(_))) && !session.is_usable());
    assert!(!server.state().staged.is_empty() && server.state().files.is_empty());
}

#[tokio::test]
async fn a_refusal_before_anything_was_sent_leaves_the_session_usable() {
    let server = Server::start().await;
    server.state().put("f", b"there");
    let mut session = session(server.connector()).await;
    for length in [5, SIZE] {
        let (stored, held) = write(&mut *session, put("f"), &data(length, 1), &Arc::default()).await;
        assert!(is_refused(&stored, Code::Exists) && held.is_empty() && session.is_usable(), "{length}");
    }
    assert_eq!(session.stat(&at("f")).await.unwrap().facts.size, 5);
}

#[tokio::test]
async fn a_refusal_in_the_middle_ends_the_upload_and_the_session() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        peer.request().await?;
        ready(&mut peer).await;
        peer.frame().await?;
        peer.refuse(Code::DiskFull).await;
        while peer.frame().await.is_some() {}
        None
    })
    .await;
    let mut session = session(fake.trusting()).await;
    let (pieces, taken) = mpsc::channel(9);
    let (holds, _holding) = mpsc::channel(1);
    pieces.try_send(Piece::Opened(opened(SIZE as u64))).unwrap();
    pieces.try_send(block(&data(SIZE, 1), 0, false)).unwrap();
    let stored = session.put(put("f"), taken, holds, Arc::new(Told::default())).await;
    assert!(is_refused(&stored, Code::DiskFull) && pieces.is_closed() && !session.is_usable());
}

#[tokio::test]
async fn an_incomplete_source_commits_nothing() {
    let server = Server::start().await;
    for sent in 0..5 {
        let mut session = session(server.connector()).await;
        let (pieces, taken) = mpsc::channel(9);
        let (holds, _holding) = mpsc::channel(1);
        let file = data(SIZE, 1);
        if sent > 0 {
            pieces.try_send(Piece::Opened(opened(SIZE as u64))).unwrap();
        }
        (1..sent).for_each(|index| pieces.try_send(block(&file, index, false)).unwrap());
        drop(pieces);
        let stored = session.put(put("f"), taken, holds, Arc::new(Told::default())).await;
        assert!(matches!(stored, Err(ClientError::Cancelled)), "{stored:?}");
        assert_eq!(session.is_usable(), sent == 0, "nothing was sent before the source was open");
        assert!(server.state().files.is_empty());
    }
}

#[tokio::test]
async fn a_dropped_upload_ends_its_connection_at_once() {
    let (ended, mut end) = mpsc::channel(1);
    let fake = Fake::start(move |mut peer| {
        let ended = ended.clone();
        async move {
            peer.let_in().await?;
            peer.request().await?;
            ready(&mut peer).await;
            while peer.frame().await.is_some() {}
            ended.send(()).await.ok()
        }
    })
    .await;
    let mut session = session(fake.trusting()).await;
    let (pieces, taken) = mpsc::channel(9);
    let (holds, _holding) = mpsc::channel(1);
    pieces.try_send(Piece::Opened(opened(SIZE as u64))).unwrap();
    let told = Arc::new(Told::default());
    tokio::select! {
        stored = session.put(put("f"), taken, holds, told.clone()) => panic!("{stored:?}"),
        () = async { while told.phases.lock().unwrap().is_empty() { tokio::task::yield_now().await } } => {}
    }
    assert!(!session.is_usable());
    drop(session);
    assert_eq!(end.recv().await, Some(()));
}

#[tokio::test]
async fn an_upload_resumes_from_the_permitted_basis() {
    use ferry_client::site::Over::{Anything, Nothing, This};
    let cases = [
        (true, false, Nothing, Basis::Staged, IfExists::Refuse),
        (true, false, Anything, Basis::Current, IfExists::Replace),
        (true, true, This(None), Basis::Current, IfExists::Replace),
        (false, true, Nothing, Basis::Staged, IfExists::Refuse),
        (false, false, Anything, Basis::None, IfExists::Replace),
    ];
    for (resume, begun, over, basis, if_exists) in cases {
        let expected = (basis, if_exists);
        let fake = Fake::start(move |mut peer| {
            let expected = expected.clone();
            async move {
                peer.let_in().await?;
                let Request::Put(put) = peer.request().await? else { panic!("not a put") };
                assert_eq!((put.basis, put.if_exists), expected);
                peer.refuse(Code::OverQuota).await;
                peer.frame().await.map(|_| ())
            }
        })
        .await;
        let mut session = session(fake.trusting()).await;
        let put = Put { resume, begun, over, ..put("f") };
        let (stored, _) = write(&mut *session, put, &data(SIZE, 0), &Arc::default()).await;
        assert!(is_refused(&stored, Code::OverQuota));
    }
}
