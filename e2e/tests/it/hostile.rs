//! Bytes that do not follow the protocol: refused at once and cheaply, and the server continues.

use ferry_e2e::{
    compare,
    noise::Noise,
    peer::{self, Peer},
    server::{Server, Setup},
};
use ferry_shared::{
    frame::Frame,
    limits::PATTERN_MAX,
    message::{Reply, Request},
    refusal::Code,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// The maximum growth of the server's memory because of hostile peers, in KiB.
const MEMORY: u64 = 48 << 10;

/// All tests use the loopback address: it must not be shut out because of deliberate failures.
fn patient_server() -> Server {
    Setup::new().user("anna", &[]).config("[login]\nallow = [\"127.0.0.0/8\"]").start()
}

fn frame(kind: u8, length: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = length.to_be_bytes();
    [&[kind, a, b, c], payload].concat()
}

/// Bytes that no client sends, and whether they are hostile before login, after it, or both.
fn nonsense() -> Vec<(&'static str, Vec<u8>)> {
    let json = |text: &str| frame(1, u32::try_from(text.len()).unwrap(), text.as_bytes());
    vec![
        ("kind 0", frame(0, 0, b"")),
        ("kind 4", frame(4, 5, b"hello")),
        ("kind 255", vec![255; 64]),
        ("a message of 16 MiB", frame(1, (1 << 24) - 1, b"{")),
        ("a message over 1 MiB", frame(1, (1 << 20) + 1, b"{")),
        ("a block over its size", frame(2, (1 << 20) + 9, b"")),
        ("a block without an index", frame(2, 7, b"1234567")),
        ("have-digests over their number", frame(3, 8 + 1025 * 32, b"")),
        ("a cut digest", frame(3, 8 + 31, &[0; 39])),
        ("an empty message", json("")),
        ("no JSON", json("list the home please")),
        ("half JSON", json("{\"list\":{\"path\":\"")),
        ("JSON of another shape", json("[1,2,3]")),
        ("two messages in one", json("{\"list\":{\"path\":\"\"},\"stat\":{\"path\":\"\"}}")),
        ("a field of another kind", json("{\"list\":{\"path\":7}}")),
        ("no UTF-8", frame(1, 4, b"\"\xff\xfe\"")),
        ("deep JSON", json(&"[".repeat(3000))),
        ("a number that is too large", json("{\"find\":{\"path\":\"\",\"pattern\":\"x\",\"limit\":1e999}}")),
    ]
}

async fn assert_refused_and_closed(mut peer: Peer, what: &str) {
    let words = peer.last_words().await.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(words.contains("\"malformed\"") || words.contains("\"too_large\""), "{what}: {words:?}");
    assert_eq!(words.matches("\"refused\"").count(), 1, "{what}: {words:?}");
}

#[tokio::test]
async fn nonsense_before_login_is_refused_once_and_closed() {
    let mut server = patient_server();
    for (what, bytes) in nonsense() {
        let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
        let _ = peer.send_bytes(&bytes).await;
        assert_refused_and_closed(peer, what).await;
    }
    for (what, bytes) in [("a block", frame(2, 9, &[0; 9])), ("have-digests", frame(3, 8, &[0; 8]))] {
        let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
        let _ = peer.send_bytes(&bytes).await;
        assert_refused_and_closed(peer, what).await;
    }
    server.assert_serves("anna");
}

#[tokio::test]
async fn nonsense_after_login_is_refused_once_and_closed() {
    let mut server = patient_server();
    for (what, bytes) in nonsense() {
        let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
        let _ = peer.send_bytes(&bytes).await;
        assert_refused_and_closed(peer, what).await;
    }
    server.assert_serves("anna");
}

#[tokio::test]
async fn frames_that_end_in_the_middle_leave_nothing_behind() {
    let mut server = patient_server();
    for (what, bytes) in nonsense() {
        for cut in [1, 3, 4, bytes.len() / 2] {
            let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
            let _ = peer.send_bytes(&bytes[..cut.min(bytes.len())]).await;
            drop(peer);
            let _ = what;
        }
    }
    for length in [0, 1, 7, 8, 9, 4000] {
        let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
        let _ = peer.send_bytes(&frame(2, 1 << 20, &vec![7; length])).await;
        // In the middle of a small upload, and of a stream: neither can be resumed.
        for put in [peer::put("small", Some(1 << 20)), peer::put("stream", None)] {
            let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
            peer.send(&Request::Put(put.clone())).await.unwrap();
            if !put.is_optimistic() {
                assert!(matches!(peer.reply().await.unwrap(), Reply::Ready { .. }));
            }
            let _ = peer.send_bytes(&frame(2, 8 + (1 << 20), &vec![0; length])).await;
        }
    }
    // In the middle of a block of a declared upload: its part stays, and reserves the declared size.
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    peer.send(&Request::Put(peer::put("kept", Some(3 << 20)))).await.unwrap();
    assert!(matches!(peer.reply().await.unwrap(), Reply::Ready { .. }));
    let _ = peer.send_bytes(&frame(2, 8 + (1 << 20), &[0; 4000])).await;
    drop(peer);
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    let mut uploads = Vec::new();
    // The server notices the ends of connections only after a while.
    for _ in 0..3000 {
        let Reply::Uploads { uploads: now, .. } = peer.ask(&Request::Uploads).await.unwrap() else { panic!("no list") };
        uploads = now;
        if uploads.iter().all(|upload| upload.size.is_some() && !upload.active) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let left: Vec<_> = uploads.iter().map(|upload| (upload.path.clone(), upload.received, upload.reserved)).collect();
    assert_eq!(left, [(peer::path("kept"), 0, 3 << 20)]);
    let parts: Vec<_> = server.staged_parts("anna").iter().map(|part| std::fs::metadata(part).unwrap().len()).collect();
    assert_eq!(parts, [0], "half a frame was written");
    let files = std::fs::read_dir(server.staging("anna")).unwrap().count();
    assert_eq!(files, 2, "a part and what is known of it are all there is in staging");
    assert!(matches!(peer.ask(&Request::Discard { path: peer::path("kept") }).await.unwrap(), Reply::Done));
    let Reply::Usage(usage) = peer.ask(&Request::Usage).await.unwrap() else { panic!("no usage") };
    assert_eq!((usage.used, usage.reserved, usage.files), (0, 0, 0));
    assert_eq!(std::fs::read_dir(server.staging("anna")).unwrap().count(), 0);
    drop(peer);
    server.assert_serves("anna");
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    peer.send(&Request::Usage).await.unwrap();
    let Reply::Usage(usage) = peer.reply().await.unwrap() else { panic!("no usage") };
    assert_eq!(usage.reserved, 0);
    assert!(!server.home("anna").join("small").exists());
    assert_eq!(compare::count_below(&server.home("anna").with_file_name("staging")), 0);
}

#[tokio::test]
async fn random_bytes_never_do_more_than_end_their_connection() {
    let mut server = patient_server();
    let (mut noise, seed) = Noise::any();
    let before = server.memory().now;
    server.forget_peak();
    for round in 0..200 {
        let length = usize::try_from(noise.below(20_000)).unwrap();
        let mut bytes = noise.bytes(length);
        // Half of them start like a valid frame.
        if round % 2 == 0 && length > 4 {
            bytes[..4].copy_from_slice(&[1 + u8::try_from(noise.below(3)).unwrap(), 0, 4, 8]);
        }
        let mut peer = if round % 10 == 0 {
            Peer::logged_in(server.address(), "anna").await.unwrap().0
        } else {
            Peer::connect(server.address()).await.unwrap()
        };
        let _ = peer.send_bytes(&bytes).await;
        let _ = peer.send_json("\"ping\"").await;
    }
    let grown = server.memory().peak.saturating_sub(before);
    assert!(grown < MEMORY, "seed {seed}: {grown} KiB more");
    server.assert_serves("anna");
}

#[tokio::test]
async fn a_peer_without_tls_or_with_another_protocol_gets_no_connection() {
    let mut server = patient_server();
    for words in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "SSH-2.0-x\r\n", "USER anna\r\nPASS x\r\n"] {
        let mut plain = TcpStream::connect(server.address()).await.unwrap();
        plain.write_all(words.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A reset is acceptable too.
        let _ = plain.read_to_end(&mut answer).await;
        assert!(answer.len() < 100, "{words:?} got {} bytes", answer.len());
    }
    assert!(Peer::connect_with(server.address(), &[b"http/1.1"]).await.is_err());
    let silent = Peer::connect_with(server.address(), &[]).await;
    if let Ok(mut peer) = silent {
        // A TLS client may offer no protocol; the server must then not answer.
        let _ = peer.send(&peer::hello()).await;
        assert!(!matches!(peer.next().await, Ok(Some(Frame::Message(json))) if json.starts_with(b"{\"welcome")));
    }
    server.assert_serves("anna");
}

#[tokio::test]
async fn memory_follows_bytes_that_came_never_lengths_that_were_claimed() {
    let server = patient_server();
    let (mut first, login) = Peer::logged_in(server.address(), "anna").await.unwrap();
    let before = server.memory().now;
    let mut peers = Vec::new();
    for _ in 0..25 {
        let mut peer = Peer::attached(server.address(), &login.ticket).await.unwrap();
        peer.send_bytes(&frame(1, 1 << 20, b"{")).await.unwrap();
        peers.push(peer);
        let mut peer = Peer::welcomed(server.address()).await.unwrap().0;
        let _ = peer.send_bytes(&frame(1, 4096, b"{")).await;
        if peers.len() < 10 {
            peers.push(peer);
        }
    }
    first.ask(&ferry_shared::message::Request::Ping).await.unwrap();
    let grown = server.memory().now.saturating_sub(before);
    assert!(grown < 8 << 10, "{} connections that claimed a MiB each took {grown} KiB", peers.len());
}

#[tokio::test]
async fn a_flood_of_requests_whose_answers_nobody_reads_is_held_back() {
    let mut server = patient_server();
    for number in 0..500 {
        std::fs::write(server.home("anna").join(format!("file-with-a-long-name-{number:0200}")), "").unwrap();
    }
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    let before = server.memory().now;
    server.forget_peak();
    let list = r#"{"list":{"path":""}}"#;
    let many = frame(1, u32::try_from(list.len()).unwrap(), list.as_bytes()).repeat(1000);
    // A million listings are 150 GB, and their requests are more than sockets hold; the server must stop reading
    // long before.
    let flood = async {
        for _ in 0..1000 {
            peer.send_bytes(&many).await?;
        }
        anyhow::Ok(())
    };
    let held_back = tokio::time::timeout(std::time::Duration::from_secs(3), flood).await;
    assert!(held_back.is_err(), "the server took everything");
    let grown = server.memory().peak.saturating_sub(before);
    assert!(grown < MEMORY, "{grown} KiB more");
    server.assert_serves("anna");
}

#[tokio::test]
async fn no_pattern_of_a_search_harms_the_server() {
    let mut server = patient_server();
    std::fs::write(server.home("anna").join("a".repeat(255)), "").unwrap();
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    let nested = |depth: usize| "*".to_owned() + &"{".repeat(depth) + "a" + &"}".repeat(depth);
    let costly = "*a".repeat(PATTERN_MAX / 2 - 1) + "*b";
    for (pattern, refused) in [
        (nested(20_000), Some(Code::Unsupported)),
        (nested(500_000), Some(Code::Unsupported)),
        ("a".repeat(PATTERN_MAX + 1), Some(Code::Unsupported)),
        ("[".repeat(1000), Some(Code::Unsupported)),
        ("[z-a]".to_owned(), Some(Code::Unsupported)),
        (nested(500), None),
        (costly, None),
        ("[a-z]".repeat(200), None),
        ("*".repeat(PATTERN_MAX), None),
    ] {
        let find = Request::Find { path: peer::path(""), pattern: pattern.clone(), limit: 5 };
        let reply = peer.ask(&find).await.unwrap();
        let code = if let Reply::Refused(refusal) = &reply { Some(refusal.code) } else { None };
        assert_eq!(code, refused, "{}…: {reply:?}", &pattern[..4]);
        let mut last = reply;
        while matches!(&last, Reply::Entries(page) if page.more) {
            last = peer.reply().await.unwrap();
        }
    }
    assert!(server.is_running() && matches!(peer.ask(&Request::Ping).await.unwrap(), Reply::Pong));
}
