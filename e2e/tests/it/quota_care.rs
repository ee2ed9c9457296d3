//! The usage of users is explained, and counted again after files were changed by hand.

use std::{fs, path::Path, process::Command};

use ferry_e2e::{
    MIB, compare, material,
    peer::{self, Peer},
    server::{Server, Setup},
};
use ferry_shared::message::{Reply, Request};
use rustix::process::Signal;
use serde_json::Value;

fn asked(server: &Server, words: &[&str]) -> Value {
    let (status, said) = server.ferryd(&[words, &["--json"]].concat(), "");
    assert!(status.success(), "{words:?}: {said}");
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{words:?}: {error}: {said}"))
}

fn weighed(home: &Path) -> Value {
    serde_json::json!({ "bytes": compare::bytes_below(home), "files": compare::count_below(home) })
}

/// An upload of 3 MiB of which one block arrived.
async fn cut_upload(server: &Server) {
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    peer.send(&Request::Put(peer::put("cut", Some(3 * MIB)))).await.unwrap();
    assert!(matches!(peer.reply().await.unwrap(), Reply::Ready { .. }));
    peer.send_block(0, &vec![7; 1 << 20]).await.unwrap();
    peer.give_up().await.unwrap();
}

#[test]
fn a_rescan_is_right_while_uploads_run_and_the_operator_changes_files() {
    let server = Setup::new().user("anna", &["--quota", "1GiB"]).user("bert", &[]).start();
    let client = server.client("anna");
    let tree = client.scratch("tree");
    material::many_files(&tree, 1500, 3_000, 5);
    let running = client.start(&[&"put", &tree, &client.at("/")]);
    let home = server.home("anna");
    ferry_e2e::wait::until("the first files", || compare::bytes_below(&home) > 0);
    fs::create_dir(home.join("restored")).unwrap();
    material::random_file(&home.join("restored/by hand"), MIB, 9);
    fs::create_dir_all(home.join("empty")).unwrap();
    let counted = asked(&server, &["quota", "rescan", "anna"]);
    assert_eq!(counted[0]["user"], "anna");
    assert_ne!(counted[0]["counted"], counted[0]["believed"], "{counted}");
    running.wait().ok();
    fs::remove_dir(home.join("empty")).unwrap();
    asked(&server, &["quota", "rescan"]);
    let explained = asked(&server, &["quota", "explain", "anna"]);
    assert_eq!(explained["used"], weighed(&home), "{explained}");
    assert_eq!(explained["source"], "server");
    let again = asked(&server, &["quota", "rescan"]);
    assert_eq!(again.as_array().unwrap().len(), 2, "{again}");
    assert_eq!(again[0]["counted"], again[0]["believed"], "{again}");
    assert_eq!(asked(&server, &["status"])["quota_drifts"], 2);
    assert!(server.log().contains("the home differed from the ledger"), "{}", server.log());
    compare::same_tree(&tree, &home.join("tree"));
}

#[tokio::test]
async fn explain_shows_what_unfinished_uploads_hold_with_and_without_a_server() {
    let mut server = Setup::new().user("anna", &["--quota", "10MiB"]).start();
    let client = server.client("anna");
    let file = client.scratch("here").join("file");
    material::random_file(&file, MIB, 1);
    client.put(&file, "file").ok();
    cut_upload(&server).await;
    let mut sources = Vec::new();
    for stop in [None, Some(Signal::TERM), Some(Signal::KILL)] {
        if let Some(signal) = stop {
            server.signal(signal);
            let _ = server.wait_end();
        }
        let explained = asked(&server, &["quota", "explain", "anna"]);
        assert_eq!(explained["used"], weighed(&server.home("anna")), "{explained}");
        assert_eq!(explained["reserved"], serde_json::json!({ "bytes": 3 * MIB, "files": 1 }), "{explained}");
        assert_eq!(explained["quota"], 10 * MIB);
        let part = &explained["parts"][0];
        assert_eq!((&part["path"], &part["received"]), (&"/cut".into(), &MIB.into()), "{explained}");
        assert_eq!((&part["reserved"], &part["size"]), (&(3 * MIB).into(), &(3 * MIB).into()), "{explained}");
        sources.push(explained["source"].as_str().unwrap().to_owned());
        if stop.is_some() {
            server.start_again();
            server.assert_serves("anna");
        }
    }
    assert_eq!(sources, ["server", "ledger", "count"]);
    let (status, said) = server.ferryd(&["quota", "explain", "anna"], "");
    assert!(status.success() && said.contains("/cut") && said.contains("6.0 MiB"), "{said}");
    let (status, said) = server.ferryd(&["quota", "explain", "nobody"], "");
    assert!(!status.success() && said.contains("no user 'nobody'"), "{said}");
}

#[test]
fn a_ledger_older_than_the_home_it_is_restored_with_is_not_believed() {
    let mut server = Setup::new().user("anna", &["--quota", "30MiB"]).start();
    let client = server.client("anna");
    let file = client.scratch("here").join("file");
    material::random_file(&file, 20 * MIB, 1);
    let folder = client.scratch("folder");
    client.put(&folder, "folder").ok();
    server.signal(Signal::TERM);
    let _ = server.wait_end();
    let home = server.home("anna");
    let ledger = home.with_file_name("ledger.json");
    let early = fs::read(&ledger).unwrap();
    server.start_again();
    server.client("anna").put(&file, "folder/file").ok();
    server.signal(Signal::TERM);
    let _ = server.wait_end();
    // The backup has the ledger from the start, and the present home.
    let aside = home.with_file_name("aside");
    fs::rename(&home, &aside).unwrap();
    let copied = Command::new("cp").arg("-a").arg(&aside).arg(&home).status().unwrap();
    assert!(copied.success());
    fs::remove_dir_all(&aside).unwrap();
    fs::write(&ledger, early).unwrap();
    server.start_again();
    let explained = asked(&server, &["quota", "explain", "anna"]);
    assert_eq!(explained["used"], weighed(&home), "{explained}");
    server.client("anna").put(&file, "again").code(8);
}

#[test]
fn without_a_server_a_rescan_makes_the_next_start_count_and_beside_one_it_is_refused() {
    let mut server = Setup::new().user("anna", &[]).start();
    server.assert_serves("anna");
    server.signal(Signal::TERM);
    let _ = server.wait_end();
    let home = server.home("anna");
    let ledger = home.with_file_name("ledger.json");
    assert!(ledger.exists());
    material::random_file(&home.join("by hand"), MIB, 1);
    let all = asked(&server, &["quota", "rescan"]);
    assert_eq!(all[0]["believed"], Value::Null, "a name in the home is new since the ledger was written: {all}");
    assert_eq!(all[0]["counted"], weighed(&home), "{all}");
    server.start_again();
    assert_eq!(asked(&server, &["quota", "explain", "anna"])["used"], weighed(&home));
    // This configuration states another path for its socket.
    let elsewhere = server.outside().join("elsewhere.sock");
    let (status, said) =
        server.ferryd_with(&["quota", "rescan"], &format!("[control]\nsocket = \"{}\"", elsewhere.display()));
    assert!(!status.success() && said.contains("a server uses this data folder"), "{said}");
}
