//! Operators' changes reach open sessions, and a mistake in the user store harms nobody.

use std::fs;

use ferry_e2e::{
    MIB, PASSWORD, compare, material,
    noise::Noise,
    peer::{self, Peer},
    proxy::{Direction, Proxy, Then},
    server::{Server, Setup},
    wait,
};
use ferry_shared::{
    message::{Reply, Request, reply::LoggedIn},
    refusal::Code,
};
use serde_json::{Value, json};

/// Changes a user by editing `users.json` as an editor does: a new file is renamed over the old one.
fn edit(server: &Server, user: &str, key: &str, value: Value) {
    let path = server.data().join("users.json");
    let mut store: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    store["users"][user][key] = value;
    let new = server.data().join("users.json.edited");
    fs::write(&new, serde_json::to_string_pretty(&store).unwrap()).unwrap();
    fs::rename(new, path).unwrap();
}

/// Sends small requests until an answer `fits`.
async fn until_reply(peer: &mut Peer, request: &Request, fits: impl Fn(&Reply) -> bool) -> Reply {
    let end = std::time::Instant::now() + wait::PATIENCE;
    loop {
        let reply = peer.ask(request).await.unwrap();
        if fits(&reply) {
            return reply;
        }
        assert!(std::time::Instant::now() < end, "{request:?} is still answered with {reply:?}");
    }
}

fn is(code: Code) -> impl Fn(&Reply) -> bool {
    move |reply| matches!(reply, Reply::Refused(refusal) if refusal.code == code)
}

#[tokio::test]
async fn a_user_disabled_by_hand_is_out_at_the_next_frame() {
    let server = Server::with_anna();
    let (mut peer, login) = Peer::logged_in(server.address(), "anna").await.unwrap();
    edit(&server, "anna", "enabled", json!(false));
    until_reply(&mut peer, &Request::Usage, is(Code::AccountClosed)).await;
    peer.last_words().await.expect("the server closes");
    assert!(Peer::attached(server.address(), &login.ticket).await.is_err(), "the ticket still works");
    let client = server.client("anna");
    client.run(&[&"ls", &client.at("")]).code(7);
    edit(&server, "anna", "enabled", json!(true));
    wait::until("anna to be let in again", || client.run(&[&"ls", &client.at("")]).status.success());
}

#[tokio::test]
async fn a_user_disabled_in_the_middle_of_an_upload_stores_nothing_more() {
    let server = Server::with_anna();
    let content = Noise::new(1).bytes(64 << 20);
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    let (mut watching, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    peer.send(&Request::Put(peer::put("file", Some(content.len() as u64)))).await.unwrap();
    assert!(matches!(peer.reply().await.unwrap(), Reply::Ready { .. }));
    peer.send_block(0, &content[..1 << 20]).await.unwrap();
    let (status, said) = server.ferryd(&["user", "set", "anna", "--disable"], "");
    assert!(status.success(), "{said}");
    // The other connection shows when the server knows.
    until_reply(&mut watching, &Request::Ping, is(Code::AccountClosed)).await;
    let _ = peer.send_block(1, &content[1 << 20..2 << 20]).await;
    let words = peer.last_words().await.unwrap();
    assert!(words.contains("account_closed"), "{words:?}");
    assert!(!server.home("anna").join("file").exists());
}

#[tokio::test]
async fn a_user_made_read_only_may_look_but_no_longer_change() {
    let server = Server::with_anna();
    fs::write(server.home("anna").join("old"), "old").unwrap();
    let content = Noise::new(2).bytes(3 << 20);
    let (mut upload, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    upload.send(&Request::Put(peer::put("file", Some(content.len() as u64)))).await.unwrap();
    assert!(matches!(upload.reply().await.unwrap(), Reply::Ready { .. }));
    let digests = upload.send_blocks(&content).await.unwrap();
    let (mut begun, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    begun.send(&Request::Put(peer::put("begun", Some(content.len() as u64)))).await.unwrap();
    assert!(matches!(begun.reply().await.unwrap(), Reply::Ready { .. }));

    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    edit(&server, "anna", "access", json!("read-only"));
    until_reply(&mut peer, &Request::MakeDir { path: peer::path("d"), parents: true }, is(Code::NotAllowed)).await;
    for request in [
        Request::Remove { path: peer::path("old"), recursive: false, version: None },
        Request::Rename { from: peer::path("old"), to: peer::path("new"), replace: false },
        Request::Copy { from: peer::path("old"), to: peer::path("new"), replace: false },
        Request::SetAttributes { path: peer::path("old"), mtime: None, mode: Some(0o600) },
        Request::Discard { path: peer::path("file") },
    ] {
        let reply = peer.ask(&request).await.unwrap();
        assert!(is(Code::NotAllowed)(&reply), "{request:?}: {reply:?}");
    }
    let reply = peer.upload(&peer::put("small", Some(1)), b"x").await.unwrap();
    assert!(is(Code::NotAllowed)(&reply), "{reply:?}");
    let reply = peer.ask(&Request::List { path: peer::path("") }).await.unwrap();
    assert!(matches!(reply, Reply::Entries(_)), "{reply:?}");

    // No further block of an upload in progress is accepted, and it cannot succeed.
    begun.send_block(0, &content[..1 << 20]).await.unwrap();
    let reply = begun.reply().await.unwrap();
    assert!(is(Code::NotAllowed)(&reply), "{reply:?}");
    let root = ferry_shared::digest::merge(content.len() as u64, &digests).unwrap();
    let reply = upload.ask(&Request::Commit { size: content.len() as u64, root }).await.unwrap();
    assert!(is(Code::NotAllowed)(&reply), "{reply:?}");
    assert!(!server.home("anna").join("file").exists());
}

#[test]
fn a_running_transfer_of_a_disabled_user_ends_with_exit_code_7() {
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let source = client.scratch("here").join("file");
    material::random_file(&source, 48 * MIB, 1);
    proxy.after(Direction::Up, 4 * MIB, Then::Hold);
    let running = client.start(&[&"put", &source, &client.at("file")]);
    proxy.wait_tripped(Direction::Up);
    edit(&server, "anna", "enabled", json!(false));
    let other = server.client("anna");
    wait::until("the server to know", || other.run(&[&"ls", &other.at("")]).status.code() == Some(7));
    proxy.release();
    running.wait().code(7);
    assert!(!server.home("anna").join("file").exists());
}

#[tokio::test]
async fn a_lowered_quota_holds_at_once() {
    let server = Server::with_anna();
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    edit(&server, "anna", "quota", json!("1MiB"));
    let is_limited = |reply: &Reply| matches!(reply, Reply::Usage(usage) if usage.limit == Some(MIB));
    until_reply(&mut peer, &Request::Usage, is_limited).await;
    let content = Noise::new(3).bytes(2 << 20);
    let reply = peer.upload(&peer::put("file", Some(content.len() as u64)), &content).await.unwrap();
    assert!(is(Code::OverQuota)(&reply), "{reply:?}");
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions() {
    let server = Setup::new().user("anna", &[]).config("[login]\nallow = [\"127.0.0.0/8\"]").start();
    let (mut one, login) = Peer::logged_in(server.address(), "anna").await.unwrap();
    let mut attached = Peer::attached(server.address(), &login.ticket).await.unwrap();
    let (mut two, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    let new = "a much better password";
    let change = |old: &str| {
        let secret = |text: &str| ferry_shared::secret::Secret::new(text.to_owned());
        Request::ChangePassword { old: secret(old), new: secret(new) }
    };
    let reply = one.ask(&change("wrong")).await.unwrap();
    assert!(matches!(reply, Reply::Refused(_)), "{reply:?}");
    assert!(matches!(one.ask(&change(PASSWORD)).await.unwrap(), Reply::Done));
    until_reply(&mut two, &Request::Ping, is(Code::AccountClosed)).await;
    assert!(matches!(one.ask(&Request::Ping).await.unwrap(), Reply::Pong), "the changer was thrown out");
    assert!(matches!(attached.ask(&Request::Ping).await.unwrap(), Reply::Pong), "the changer was thrown out");
    assert!(Peer::logged_in(server.address(), "anna").await.is_err(), "the old password still works");
    let client = server.client("anna");
    client.set_password(new);
    client.run(&[&"ls", &client.at("")]).ok();
    let store = fs::read_to_string(server.data().join("users.json")).unwrap();
    assert!(!store.contains(new) && store.contains("$argon2id$"), "{store}");
}

const MANY_LOGINS: &str = "[login]\nallow = [\"127.0.0.0/8\"]\n[limits]\nconnections_per_user = 64";

/// Peers whose logins were in flight when `change` was made, once the server knows of the change.
async fn logins_in_flight(server: &Server, change: impl FnOnce()) -> Vec<(Peer, LoggedIn)> {
    let mut peers = Vec::new();
    for _ in 0..24 {
        let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
        peer.send(&peer::login("anna", PASSWORD)).await.unwrap();
        peers.push(peer);
    }
    change();
    let (status, said) = server.ferryd(&["reload"], "");
    assert!(status.success(), "{said}");
    let mut entered = Vec::new();
    for mut peer in peers {
        match peer.reply().await.unwrap() {
            Reply::LoggedIn(login) => entered.push((peer, login)),
            reply => assert!(is(Code::LoginFailed)(&reply), "{reply:?}"),
        }
    }
    entered
}

#[tokio::test]
async fn logins_in_flight_while_the_account_changes_do_nothing_with_the_old_proof() {
    for what in ["password", "enabled"] {
        let server = Setup::new().user("anna", &[]).user("ben", &[]).config(MANY_LOGINS).start();
        let store: Value = serde_json::from_slice(&fs::read(server.data().join("users.json")).unwrap()).unwrap();
        let value = if what == "password" { store["users"]["ben"]["password"].clone() } else { json!(false) };
        let entered = logins_in_flight(&server, || edit(&server, "anna", what, value)).await;
        for (number, (mut peer, login)) in entered.into_iter().enumerate() {
            let made = Request::MakeDir { path: peer::path(&format!("d{number}")), parents: true };
            if peer.send(&made).await.is_ok() {
                let words = peer.last_words().await.unwrap();
                assert!(words.contains("account_closed") || words.is_empty(), "{what}: {words}");
            }
            assert!(Peer::attached(server.address(), &login.ticket).await.is_err(), "{what}: the ticket works");
        }
        let made = fs::read_dir(server.home("anna")).map_or(0, Iterator::count);
        assert_eq!(made, 0, "{what}: something was made after the change");
    }
}

#[tokio::test]
async fn logins_in_flight_while_the_quota_is_lowered_have_the_lower_one() {
    let server = Setup::new().user("anna", &["--quota", "5MiB"]).config(MANY_LOGINS).start();
    let entered = logins_in_flight(&server, || edit(&server, "anna", "quota", json!("1MiB"))).await;
    assert!(!entered.is_empty());
    for (mut peer, _) in entered {
        let reply = peer.ask(&Request::Usage).await.unwrap();
        assert!(matches!(&reply, Reply::Usage(usage) if usage.limit == Some(MIB)), "{reply:?}");
    }
}

/// Typical mistakes: a text, its replacement, and a word that the report must contain.
const SLIPS: [(&str, &str, &str); 5] = [
    ("\"enabled\": true", "\"enabled\": true,,", "users.json"),
    ("\"enabled\": true", "\"enabled\": maybe", "users.json"),
    ("\"enabled\"", "\"enabeld\"", "enabeld"),
    ("\"version\": 1", "\"version\": 99", "version"),
    ("\"read-write\"", "\"write-only\"", "write-only"),
];

/// Whether a report contains the store's name, line and column, such as `users.json:3:14:`.
fn names_a_place(report: &str) -> bool {
    report.split("users.json:").skip(1).any(|rest| {
        let mut parts = rest.splitn(3, ':');
        let mut number = || parts.next().is_some_and(|part| part.parse::<u32>().is_ok());
        number() && number()
    })
}

#[test]
fn a_broken_user_store_is_reported_with_its_place_and_changes_nothing() {
    for (right, wrong, word) in SLIPS {
        let server = Server::with_anna();
        let path = server.data().join("users.json");
        let good = fs::read_to_string(&path).unwrap();
        let broken = good.replacen(right, wrong, 1);
        assert_ne!(good, broken, "the store does not have {right}: {good}");
        let before = server.log().len();
        fs::write(&path, &broken).unwrap();

        wait::until(&format!("{wrong} to be reported in the log"), || {
            let log = server.log()[before..].to_lowercase();
            names_a_place(&log) && log.contains(word)
        });
        let client = server.client("anna");
        client.run(&[&"ls", &client.at("")]).ok();

        let (status, said) = server.ferryd(&["check"], "");
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(names_a_place(&said) && said.contains(word), "{said}");

        // Nobody overwrites a store that cannot be read.
        let (status, said) = server.ferryd(&["user", "add", "ben", "--password-stdin"], PASSWORD);
        assert!(!status.success(), "{said}");
        assert_eq!(fs::read_to_string(&path).unwrap(), broken, "the broken store was written over");

        // Once repaired, it takes effect again.
        fs::write(&path, good.replacen("\"enabled\": true", "\"enabled\": false", 1)).unwrap();
        wait::until("the mended store to count", || client.run(&[&"ls", &client.at("")]).status.code() == Some(7));
    }
}

#[test]
fn a_server_does_not_start_over_a_broken_user_store() {
    let mut server = Server::with_anna();
    server.kill();
    let path = server.data().join("users.json");
    let broken = fs::read_to_string(&path).unwrap().replacen('{', "{,", 1);
    fs::write(&path, &broken).unwrap();
    let (status, said) = server.ferryd(&["serve", "--listen", "127.0.0.1:0"], "");
    assert!(!status.success() && names_a_place(&said), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), broken);
}

#[test]
fn check_finds_nothing_wrong_with_a_fresh_server() {
    let mut server = Server::with_anna();
    // A home that is just being created would look as if it were missing.
    server.assert_serves("anna");
    let (status, said) = server.ferryd(&["check"], "");
    assert!(status.success(), "{said}");
}

#[test]
fn users_added_while_the_server_runs_can_log_in_and_removed_ones_cannot() {
    let server = Server::with_anna();
    server.add_user("ben", &[]);
    let ben = server.client("ben");
    let file = ben.scratch("here").join("file");
    fs::write(&file, "ben's").unwrap();
    wait::until("ben to be let in", || ben.put(&file, "file").status.success());
    // Users cannot see each other's files.
    let anna = server.client("anna");
    assert!(!anna.run(&[&"ls", &anna.at(""), &"-R"]).ok().text().contains("file"));
    let (status, said) = server.ferryd(&["user", "remove", "ben"], "");
    assert!(status.success(), "{said}");
    wait::until("ben to be out", || ben.run(&[&"ls", &ben.at("")]).status.code() == Some(7));
    compare::same_file(&file, &server.home("ben").join("file"));
}

#[tokio::test]
async fn a_change_by_ferryd_user_is_in_force_when_the_command_ends() {
    let server = Setup::new().config("[login]\nallow = [\"127.0.0.0/8\"]").start();
    let change = |words: &[&str], input: &str| {
        let (status, said) = server.ferryd(words, input);
        // A second line would report that the server could not be told.
        assert!(status.success() && said.lines().count() == 1, "{words:?}: {said}");
    };
    for name in ["ben", "carl", "dora"] {
        change(&["user", "add", name, "--password-stdin"], "another password");
        change(&["user", "passwd", name, "--password-stdin"], PASSWORD);
        let (mut peer, _) = Peer::logged_in(server.address(), name).await.unwrap();
        change(&["user", "set", name, "--access", "read-only"], "");
        let reply = peer.ask(&Request::MakeDir { path: peer::path("d"), parents: true }).await.unwrap();
        assert!(is(Code::NotAllowed)(&reply), "{reply:?}");
        change(&["user", "remove", name, "--purge"], "");
        assert!(Peer::logged_in(server.address(), name).await.is_err());
    }
}

#[tokio::test]
async fn a_user_has_limited_connections_and_a_closed_one_makes_room() {
    let config = "[limits]\nconnections_per_user = 2\n[login]\nallow = [\"127.0.0.0/8\"]";
    let server = Setup::new().user("anna", &[]).user("ben", &[]).config(config).start();
    let (first, login) = Peer::logged_in(server.address(), "anna").await.unwrap();
    let second = Peer::attached(server.address(), &login.ticket).await.unwrap();
    let refused = Peer::attached(server.address(), &login.ticket).await.unwrap_err().to_string();
    assert!(refused.contains("Busy"), "{refused}");
    Peer::logged_in(server.address(), "ben").await.expect("another user has room of his own");
    drop(second);
    // The server notices the end of a connection only after a while.
    let end = std::time::Instant::now() + wait::PATIENCE;
    while let Err(error) = Peer::attached(server.address(), &login.ticket).await {
        assert!(std::time::Instant::now() < end, "{error}");
    }
    drop(first);
}
