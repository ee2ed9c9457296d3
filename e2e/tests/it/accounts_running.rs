//! Operators' changes reach work in progress, including a download that is rate-limited or not read.

use std::{
    fs,
    time::{Duration, Instant},
};

use ferry_e2e::{
    MIB, compare, material,
    peer::{self, Peer},
    server::{Server, Setup},
    wait,
};
use ferry_shared::{
    digest::Digest,
    frame::Frame,
    message::{Request, reply::Access},
};
use serde_json::{Value, json};

/// Large enough that most of it fits into no buffer on the way.
const SIZE: u64 = 64 * MIB;

/// Changes or removes anna by hand.
fn change(server: &Server, key: &str, value: Value) {
    let path = server.data().join("users.json");
    let mut store: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    match key {
        "gone" => drop(store["users"].as_object_mut().unwrap().remove("anna")),
        key => store["users"]["anna"][key] = value,
    }
    let new = server.data().join("users.json.edited");
    fs::write(&new, serde_json::to_string_pretty(&store).unwrap()).unwrap();
    fs::rename(new, path).unwrap();
    let (status, said) = server.ferryd(&["reload"], "");
    assert!(status.success(), "{said}");
}

/// A download in progress, and the number of bytes sent to anna so far.
fn under_way(server: &Server) -> Option<u64> {
    let (status, said) = server.ferryd(&["sessions", "--json"], "");
    assert!(status.success(), "{said}");
    let sessions: Vec<Value> = serde_json::from_str(&said).unwrap();
    let session = sessions.iter().find(|session| session["user"] == "anna")?;
    session["transfers"].get(0)?;
    session["sent"].as_u64()
}

#[tokio::test]
async fn a_download_ends_in_the_middle_when_its_account_does() {
    let other = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21l$eKQkqcGZ6pO3vZqLhWjQ7Q9m3Ck0m1bYzVn4m5a4b1Y";
    for (key, value) in
        [("enabled", json!(false)), ("expires", json!("2001-01-01")), ("password", json!(other)), ("gone", Value::Null)]
    {
        let server = Server::with_anna();
        material::random_file(&server.home("anna").join("file"), SIZE, 1);
        let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
        peer.send(&Request::Get { path: peer::path("file"), blocks: None }).await.unwrap();
        peer.send_have(0, &[] as &[Digest]).await.unwrap();
        while !matches!(peer.next().await.unwrap(), Some(Frame::Block { .. })) {}
        change(&server, key, value);
        let words = peer.last_words().await.unwrap();
        assert!(words.contains("account_closed") && !words.contains("\"sent\""), "{key}: {words:?}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_when_the_account_ends() {
    let server = Server::with_anna();
    material::random_file(&server.home("anna").join("file"), SIZE, 1);
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    peer.send(&Request::Get { path: peer::path("file"), blocks: None }).await.unwrap();
    peer.send_have(0, &[] as &[Digest]).await.unwrap();
    wait::until("the download to begin", || under_way(&server).is_some());
    change(&server, "enabled", json!(false));
    wait::until("the connection to be gone", || under_way(&server).is_none());
}

#[test]
fn a_download_held_back_ends_with_exit_code_7_when_its_user_is_disabled() {
    let server = Setup::new().user("anna", &[]).start();
    change(&server, "bandwidth", json!({ "down": "64KiB" }));
    let client = server.client("anna");
    material::random_file(&server.home("anna").join("file"), SIZE, 1);
    let to = client.scratch("here").join("file");
    let running = client.start(&[&"get", &client.at("file"), &to]);
    wait::until("the download to begin", || under_way(&server).is_some());
    let (status, said) = server.ferryd(&["user", "set", "anna", "--disable"], "");
    assert!(status.success(), "{said}");
    running.wait().code(7);
    assert!(!to.exists());
}

#[test]
fn a_rate_that_is_lowered_and_raised_holds_for_a_download_under_way() {
    const WINDOW: Duration = Duration::from_secs(2);
    let server = Setup::new().user("anna", &[]).start();
    change(&server, "bandwidth", json!({ "down": "4MiB" }));
    let client = server.client("anna");
    let remote = server.home("anna").join("file");
    material::random_file(&remote, SIZE, 1);
    let to = client.scratch("here").join("file");
    let mut running = client.start(&[&"get", &client.at("file"), &to]);
    wait::until("the download to run", || under_way(&server).is_some_and(|sent| sent > 2 * MIB));
    change(&server, "bandwidth", json!({ "down": "8KiB" }));
    let (begun, before) = (Instant::now(), under_way(&server).unwrap());
    wait::until("a while to pass", || begun.elapsed() > WINDOW);
    let sent = under_way(&server).unwrap() - before;
    assert!(sent < MIB / 2, "{sent} bytes in {:?}", begun.elapsed());
    assert!(!running.ended());
    change(&server, "bandwidth", json!({ "down": null }));
    running.wait().ok();
    compare::same_file(&remote, &to);
}

#[tokio::test]
async fn a_copy_under_way_stops_when_the_account_is_made_read_only() {
    let server = Server::with_anna();
    let folder = server.home("anna").join("many");
    fs::create_dir(&folder).unwrap();
    for number in 0..20_000 {
        fs::write(folder.join(number.to_string()), "").unwrap();
    }
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    let copy = Request::Copy { from: peer::path("many"), to: peer::path("copy"), replace: false };
    peer.send(&copy).await.unwrap();
    wait::until("the copy to begin", || server.home("anna").join("copy").exists());
    change(&server, "access", json!(Access::ReadOnly));
    let reply = format!("{:?}", peer.reply().await.unwrap());
    assert!(reply.contains("NotAllowed"), "{reply}");
    assert!(fs::read_dir(server.home("anna").join("copy")).unwrap().count() < 20_000);
}
