//! A server with a seal answers clients that know its secret, and gives all others the same single refusal.

use std::fs;

use ferry_e2e::{
    PASSWORD,
    peer::{self, Peer},
    server::{Server, Setup},
};
use ferry_shared::message::{Reply, Request};
use tempfile::NamedTempFile;

const SECRET: &str = "correct horse battery staple";

fn secret_file(secret: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    fs::write(&file, format!("{secret}\n")).unwrap();
    file
}

/// A sealed server at which no address has to wait, unless the test is about that.
fn sealed_server(secret: &NamedTempFile, allow: &str) -> Server {
    let config = format!("[login]\nseal = {:?}\nallow = [{allow}]\n", secret.path());
    Setup::new().user("anna", &[]).config(&config).start()
}

/// Checks that the server sends only the refusal `unsealed` before it closes the connection.
async fn assert_unsealed(peer: &mut Peer, sent: &str) {
    let words = peer.last_words().await.unwrap();
    let mut lines = words.lines();
    let first = lines.next().unwrap_or_else(|| panic!("nothing was said to {sent}"));
    assert!(first.contains("\"unsealed\""), "{sent}: {first}");
    assert_eq!(lines.next(), None, "{sent}");
}

#[tokio::test]
async fn a_client_that_does_not_know_the_secret_gets_one_refusal_whatever_it_sends() {
    let file = secret_file(SECRET);
    let server = sealed_server(&file, "\"127.0.0.0/8\"");
    let another = Peer::connect(server.address()).await.unwrap();
    let peer = async || Peer::connect(server.address()).await.unwrap();
    for (what, request) in [
        ("no seal", peer::hello()),
        ("a seal of another secret", another.sealed_hello("correct horse battery stable")),
        ("a seal of another connection", another.sealed_hello(SECRET)),
        ("a login at once", peer::login("anna", PASSWORD)),
        ("a ping", Request::Ping),
    ] {
        let mut peer = peer().await;
        peer.send(&request).await.unwrap();
        assert_unsealed(&mut peer, what).await;
    }
    for json in ["{", "{\"unheard_of\": 1}", "{\"hello\": {\"protocol\": 99, \"client\": \"x\", \"features\": []}}"] {
        let mut peer = peer().await;
        peer.send_json(json).await.unwrap();
        assert_unsealed(&mut peer, json).await;
    }
    let mut peer = peer().await;
    peer.send_bytes(b"GET / HTTP/1.1\r\nHost: files\r\n\r\n").await.unwrap();
    assert_unsealed(&mut peer, "another protocol").await;
}

#[tokio::test]
async fn a_client_that_knows_the_secret_logs_in_and_a_changed_one_applies_after_the_reload() {
    let file = secret_file(SECRET);
    let server = sealed_server(&file, "\"127.0.0.0/8\"");
    let mut peer = Peer::connect(server.address()).await.unwrap();
    let hello = peer.sealed_hello(SECRET);
    assert!(matches!(peer.ask(&hello).await.unwrap(), Reply::Welcome(_)));
    assert!(matches!(peer.ask(&peer::login("anna", PASSWORD)).await.unwrap(), Reply::LoggedIn(_)));

    let client = server.client("anna");
    let at = client.at("");
    client.run(&[&"ls", &at]).code(7).says("--seal-file");
    client.run(&[&"ls", &at, &"--seal-file", &file.path()]).ok();
    let mut command = client.command(&[&"ls", &at]);
    assert!(command.env("FERRY_SEAL_FILE", file.path()).status().unwrap().success());
    let place = client.at("");
    client.run(&[&"site", &"add", &"sealed", &place, &"--seal-file", &file.path()]).ok();
    client.run(&[&"ls", &"sealed:"]).ok();
    client.run(&[&"ls", &at, &"--seal-file", &"/nowhere/seal"]).code(7).says("/nowhere/seal");

    fs::write(&file, "too short").unwrap();
    let (status, said) = server.ferryd(&["reload"], "");
    assert!(!status.success() && said.contains("9 bytes"), "{said}");
    fs::write(&file, "another secret that is long").unwrap();
    let (status, said) = server.ferryd(&["reload"], "");
    assert!(status.success(), "{said}");
    let mut peer = Peer::connect(server.address()).await.unwrap();
    peer.send(&peer.sealed_hello(SECRET)).await.unwrap();
    assert_unsealed(&mut peer, "the old secret").await;
    client.run(&[&"ls", &"sealed:"]).ok();
}

#[tokio::test]
async fn a_client_without_the_seal_holds_up_nobody_else_at_its_address() {
    let file = secret_file(SECRET);
    let server = sealed_server(&file, "");
    for _ in 0..40 {
        let mut peer = Peer::connect(server.address()).await.unwrap();
        peer.send(&peer::hello()).await.unwrap();
        assert_unsealed(&mut peer, "no seal").await;
    }
    let mut peer = Peer::connect(server.address()).await.unwrap();
    let hello = peer.sealed_hello(SECRET);
    assert!(matches!(peer.ask(&hello).await.unwrap(), Reply::Welcome(_)));
    let reply = peer.ask(&peer::login("anna", PASSWORD)).await.unwrap();
    assert!(matches!(reply, Reply::LoggedIn(_)), "{reply:?}");
}
