//! Accounts that are added and removed: many absent ones cost little, and a name can be used again.

use std::fs;

use ferry_e2e::{
    PASSWORD, compare,
    peer::{Peer, put},
    server::{Server, Setup},
    wait,
};
use ferry_shared::message::{Reply, Request};
use serde_json::Value;

const ACCOUNTS: usize = 400;
/// Files that the server may have open: far fewer than one for each account.
const OPEN: &str = "256";

#[test]
fn hundreds_of_accounts_do_not_use_up_the_open_files() {
    let limited = format!(r#"ulimit -n {OPEN}; exec "$@""#);
    let mut server = Setup::new().user("anna", &[]).wrapper(&["sh", "-c", &limited, "sh"]).start();
    server.kill();
    let store = server.data().join("users.json");
    let mut users: Value = serde_json::from_str(&fs::read_to_string(&store).unwrap()).unwrap();
    let anna = users["users"]["anna"].clone();
    for number in 0..ACCOUNTS {
        let name = format!("user{number}");
        // There is no ledger: each home must be opened and counted.
        fs::write(server.home(&name).join("file"), "text").unwrap();
        users["users"][name] = anna.clone();
    }
    fs::write(&store, users.to_string()).unwrap();
    server.start_again();
    wait::until("every home to be counted", || server.log().matches("home counted").count() >= ACCOUNTS);
    let ledgers = || (0..ACCOUNTS).filter(|number| has_ledger(&server, &format!("user{number}"))).count();
    wait::until("the homes to be closed", || ledgers() == ACCOUNTS);
    let open = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    assert!(open < 100, "{open} files are open");
    let (status, said) = server.ferryd(&["status", "--json"], "");
    assert!(status.success(), "{said}");
    let told: Value = serde_json::from_str(&said).unwrap();
    let figures = told["users"].as_array().unwrap();
    assert_eq!(figures.iter().filter(|user| user["used"] == 4).count(), ACCOUNTS, "closed homes are told too");
    server.assert_serves("user7");
    assert!(!server.log().contains("cannot be used"), "{}", server.log());
}

fn has_ledger(server: &Server, user: &str) -> bool {
    server.data().join("users").join(user).join("ledger.json").exists()
}

#[test]
fn the_limit_of_open_files_is_raised_as_far_as_it_goes() {
    let limited = r#"ulimit -S -n 200; ulimit -H -n 3000; exec "$@""#;
    let server = Setup::new().user("anna", &[]).wrapper(&["sh", "-c", limited, "sh"]).start();
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(line.split_whitespace().nth(3), Some("3000"), "{line}");
}

#[tokio::test]
async fn a_name_can_be_used_again_at_once_after_its_files_were_removed() {
    let mut server = Server::with_anna();
    let ferryd = |server: &Server, words: &[&str]| {
        let (status, said) = server.ferryd(words, PASSWORD);
        assert!(status.success(), "{words:?}: {said}");
        said
    };
    for round in 1..=3_u8 {
        let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
        let content = vec![round; usize::from(round) * 1000];
        let name = format!("file{round}");
        let reply = peer.upload(&put(&name, Some(content.len() as u64)), &content).await.unwrap();
        assert!(matches!(reply, Reply::Stored { .. }), "{reply:?}");
        assert_eq!(fs::read(server.home("anna").join(&name)).unwrap(), content);
        let explained: Value = serde_json::from_str(&ferryd(&server, &["quota", "explain", "anna", "--json"])).unwrap();
        assert_eq!(explained["used"]["bytes"], content.len() as u64, "only what the new one has: {explained}");
        // While the session is open; in some rounds the server sees both changes at once.
        ferryd(&server, &["user", "remove", "anna", "--purge"]);
        if round == 1 {
            ferryd(&server, &["reload"]);
        }
        ferryd(&server, &["user", "add", "anna", "--password-stdin"]);
        ferryd(&server, &["reload"]);
        let asked = peer.send(&Request::Ping).await;
        let words = peer.last_words().await.unwrap();
        assert!(asked.is_err() || !words.contains("pong"), "the old session still works: {words}");
    }
    assert_eq!(compare::bytes_below(&server.home("anna")), 0);
    server.assert_serves("anna");
}
