//! A logged-in peer that breaks the rules of transfers harms nobody else, and itself only briefly.

use std::fs;

use anyhow::Result;
use ferry_e2e::{
    noise::Noise,
    peer::{self, Peer},
    server::Server,
};
use ferry_shared::{
    digest::Digest,
    message::{
        Reply, Request,
        request::{BlockRange, Put},
    },
};

const MIB: usize = 1 << 20;

async fn ready(server: &Server, put: &Put) -> Peer {
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    peer.send(&Request::Put(put.clone())).await.unwrap();
    match peer.reply().await.unwrap() {
        Reply::Ready { .. } => peer,
        other => panic!("not ready: {other:?}"),
    }
}

/// Fails unless the server refuses, whether or not it then closes.
async fn assert_refused(peer: &mut Peer, what: &str) {
    let reply = peer.reply().await.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(matches!(reply, Reply::Refused(_)), "{what}: {reply:?}");
}

fn big_put(target: &str) -> Put {
    peer::put(target, Some(3 * MIB as u64))
}

#[tokio::test]
async fn wrong_blocks_are_refused_and_store_nothing() {
    let mut server = Server::with_anna();
    let block = Noise::new(1).bytes(MIB);
    let cases: [(&str, &[(u64, usize)]); 8] = [
        ("an index just past the end", &[(3, MIB)]),
        ("an index far past the end", &[(u64::MAX, MIB)]),
        ("an index whose offset overflows", &[(u64::MAX / MIB as u64, MIB)]),
        ("a short block in the middle", &[(0, 100)]),
        ("a last block of a wrong length", &[(2, MIB - 1)]),
        ("the same block twice", &[(0, MIB), (0, MIB)]),
        ("blocks backwards", &[(1, MIB), (0, MIB)]),
        ("a block after the last", &[(0, MIB), (1, MIB), (2, MIB), (3, 1)]),
    ];
    for (what, blocks) in cases {
        let mut peer = ready(&server, &big_put("file")).await;
        for (index, length) in blocks {
            peer.send_block(*index, &block[..*length]).await.unwrap();
        }
        let _ = peer.send(&Request::Commit { size: 3 * MIB as u64, root: Digest::of(b"") }).await;
        assert_refused(&mut peer, what).await;
        assert!(!server.home("anna").join("file").exists(), "{what} stored something");
        let staged = server.staged_parts("anna").iter().map(|part| fs::metadata(part).unwrap().len()).max();
        assert!(staged.unwrap_or(0) <= 3 * MIB as u64, "{what}: a part of {staged:?} bytes");
    }
    server.assert_serves("anna");
}

#[tokio::test]
async fn frames_out_of_place_are_refused() {
    let mut server = Server::with_anna();
    let block = vec![7; MIB];
    type Step = fn(&[u8]) -> Vec<(Option<Request>, u64, usize)>;
    // In each step: requests to send, or a block of this size if there is none.
    let cases: [(&str, Step); 5] = [
        ("a commit without a put", |_| vec![(Some(Request::Commit { size: 0, root: Digest::of(b"") }), 0, 0)]),
        ("a block without a put", |_| vec![(None, 0, MIB)]),
        ("an empty block without a put", |_| vec![(None, 5, 0)]),
        ("a hello after login", |_| vec![(Some(peer::hello()), 0, 0)]),
        ("a login after login", |_| vec![(Some(peer::login("anna", "x")), 0, 0)]),
    ];
    for (what, steps) in cases {
        let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
        for (request, index, length) in steps(&block) {
            match request {
                Some(request) => peer.send(&request).await.unwrap(),
                None => peer.send_block(index, &block[..length]).await.unwrap(),
            }
        }
        assert_refused(&mut peer, what).await;
    }
    server.assert_serves("anna");
}

#[tokio::test]
async fn blocks_sent_before_ready_cannot_break_the_order() {
    let mut server = Server::with_anna();
    let content = Noise::new(3).bytes(3 * MIB);
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    peer.send(&Request::Put(big_put("file"))).await.unwrap();
    let digests = peer.send_blocks(&content).await.unwrap();
    let root = ferry_shared::digest::merge(content.len() as u64, &digests).unwrap();
    let _ = peer.send(&Request::Commit { size: content.len() as u64, root }).await;
    // Either it is refused, or it is accepted in order; nothing else is possible.
    let mut last = peer.reply().await.unwrap();
    if matches!(last, Reply::Ready { .. }) {
        last = peer.reply().await.unwrap();
    }
    match last {
        Reply::Stored { root: stored, .. } => {
            assert_eq!(stored, root);
            assert_eq!(fs::read(server.home("anna").join("file")).unwrap(), content);
        }
        Reply::Refused(_) => assert!(!server.home("anna").join("file").exists()),
        other => panic!("{other:?}"),
    }
    server.assert_serves("anna");
}

#[tokio::test]
async fn sizes_that_cannot_be_are_refused_before_anything_is_reserved() {
    let mut server = Server::with_anna();
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    for size in [u64::MAX, i64::MAX as u64 + 1, i64::MAX as u64, 1 << 60] {
        let reply = peer.ask(&Request::Put(peer::put("file", Some(size)))).await.unwrap();
        assert!(matches!(reply, Reply::Refused(_)), "{size}: {reply:?}");
    }
    let Reply::Usage(usage) = peer.ask(&Request::Usage).await.unwrap() else { panic!("no usage") };
    assert_eq!((usage.used, usage.reserved), (0, 0));
    assert!(server.staged_parts("anna").is_empty());
    server.assert_serves("anna");
}

#[tokio::test]
async fn a_commit_that_states_another_size_or_root_is_refused() {
    let server = Server::with_anna();
    let content = Noise::new(2).bytes(3 * MIB);
    for (size, right_root) in
        [(3 * MIB as u64 - 1, true), (3 * MIB as u64 + 1, true), (0, true), (3 * MIB as u64, false)]
    {
        let mut peer = ready(&server, &big_put("file")).await;
        let digests = peer.send_blocks(&content).await.unwrap();
        let root = ferry_shared::digest::merge(content.len() as u64, &digests).unwrap();
        let root = if right_root { root } else { Digest([0; 32]) };
        peer.send(&Request::Commit { size, root }).await.unwrap();
        assert_refused(&mut peer, "a wrong commit").await;
        assert!(!server.home("anna").join("file").exists());
    }
    // Files of one block too, and the connection stays in step.
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    peer.send(&Request::Put(peer::put("small", Some(5)))).await.unwrap();
    peer.send_block(0, b"hello").await.unwrap();
    peer.send(&Request::Commit { size: 5, root: Digest::of(b"world") }).await.unwrap();
    assert_refused(&mut peer, "a wrong small root").await;
    let stored = peer.upload(&peer::put("small", Some(5)), b"hello").await.unwrap();
    assert!(matches!(stored, Reply::Stored { .. }), "{stored:?}");
}

#[tokio::test]
async fn a_refused_small_put_keeps_the_connection_in_step() {
    let server = Server::with_anna();
    fs::create_dir(server.home("anna").join("folder")).unwrap();
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    // Ten at once, every second one with a folder as its target.
    for number in 0..10 {
        let target = if number % 2 == 0 { format!("file-{number}") } else { "folder".to_owned() };
        peer.send(&Request::Put(peer::put(&target, Some(3)))).await.unwrap();
        peer.send_block(0, b"abc").await.unwrap();
        peer.send(&Request::Commit { size: 3, root: Digest::of(b"abc") }).await.unwrap();
    }
    for number in 0..10 {
        let reply = peer.reply().await.unwrap();
        assert_eq!(matches!(reply, Reply::Stored { .. }), number % 2 == 0, "{number}: {reply:?}");
    }
    assert!(matches!(peer.ask(&Request::Ping).await.unwrap(), Reply::Pong));
}

async fn get(server: &Server, haves: &[(u64, usize)]) -> Result<String> {
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await?;
    peer.send(&Request::Get { path: peer::path("file"), blocks: None }).await?;
    for (first, count) in haves {
        let _ = peer.send_have(*first, &vec![Digest([9; 32]); *count]).await;
    }
    let _ = peer.send_have(0, &[]).await;
    // The answer to a ping shows that everything before was handled.
    let _ = peer.send(&Request::Ping).await;
    let mut words = String::new();
    while let Ok(Some(frame)) = peer.next().await {
        if let ferry_shared::frame::Frame::Message(json) = frame {
            words.push_str(&String::from_utf8_lossy(&json));
            if words.ends_with("\"pong\"") {
                break;
            }
        }
    }
    Ok(words)
}

#[tokio::test]
async fn nonsense_about_what_is_held_harms_nothing() {
    let mut server = Server::with_anna();
    fs::write(server.home("anna").join("file"), Noise::new(4).bytes(5 * MIB)).unwrap();
    let before = server.memory().now;
    server.forget_peak();
    let many: Vec<(u64, usize)> = (0..2000).map(|number| (number * 1024, 1024)).collect();
    let cases: [(&str, &[(u64, usize)]); 6] = [
        ("digests past the end", &[(100, 10)]),
        ("digests at the end of numbers", &[(u64::MAX, 1)]),
        ("digests over the end of numbers", &[(u64::MAX - 1, 1024)]),
        ("digests backwards", &[(3, 1), (0, 1)]),
        ("the same digests twice", &[(0, 2), (0, 2)]),
        ("two million digests", &many),
    ];
    for (what, haves) in cases {
        let words = get(&server, haves).await.unwrap();
        let whole = words.contains("\"sent\"");
        assert!(whole || words.contains("\"refused\""), "{what}: neither sent nor refused: {words}");
    }
    let grown = server.memory().peak.saturating_sub(before);
    assert!(grown < 48 << 10, "{grown} KiB more");
    server.assert_serves("anna");
}

#[tokio::test]
async fn ranges_past_the_end_send_nothing_or_are_refused() {
    let mut server = Server::with_anna();
    fs::write(server.home("anna").join("file"), Noise::new(5).bytes(2 * MIB + 1)).unwrap();
    for (first, count) in [(3, 1), (u64::MAX, 1), (0, u64::MAX), (u64::MAX, u64::MAX), (1, 0)] {
        let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
        let blocks = Some(BlockRange { first, count });
        peer.send(&Request::Get { path: peer::path("file"), blocks }).await.unwrap();
        peer.send_have(0, &[]).await.unwrap();
        let mut blocks = 0;
        loop {
            match peer.next().await.unwrap().expect("an answer") {
                ferry_shared::frame::Frame::Block { .. } => blocks += 1,
                ferry_shared::frame::Frame::Message(json) if json.starts_with(b"{\"opened\"") => {}
                _ => break,
            }
        }
        assert!(blocks <= 3, "{first}+{count}: {blocks} blocks of a file of three");
    }
    server.assert_serves("anna");
}

#[tokio::test]
async fn a_transfer_without_progress_is_closed_and_can_go_on() {
    let config = "[limits]\nstall_seconds = 1\nidle_seconds = 2";
    let mut server = ferry_e2e::server::Setup::new().user("anna", &[]).config(config).start();
    let mut peer = ready(&server, &big_put("file")).await;
    peer.send_block(0, &vec![1; MIB]).await.unwrap();
    peer.last_words().await.expect("the server closes a stalled transfer");
    let (mut idle, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    idle.last_words().await.expect("the server closes an idle connection");
    assert!(!server.staged_parts("anna").is_empty(), "the part was not kept");
    server.assert_serves("anna");
}
