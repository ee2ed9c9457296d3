//! The audit log of a real server: its events, and that tampering is detected.

use std::fs;

use ferry_e2e::{
    MIB,
    failpoints::{Failpoints, Fault},
    material,
    peer::{self, Peer},
    proxy::{Direction, Proxy, Then},
    server::{Server, Setup},
    wait,
};
use ferry_shared::{message::Request, secret::Secret};
use serde_json::Value;

fn lines(server: &Server) -> Vec<Value> {
    let text = fs::read_to_string(server.data().join("audit.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The first line with this event, once it is written.
fn line(server: &Server, event: &str) -> Value {
    wait::some(&format!("a line '{event}'"), || lines(server).into_iter().find(|line| line["event"] == event))
}

fn verify(server: &Server, words: &[&str]) -> (bool, String) {
    let (status, said) = server.ferryd(&[&["audit", "verify"], words].concat(), "");
    (status.success(), said)
}

#[test]
fn logins_changes_transfers_and_refusals_are_recorded_with_their_authors() {
    let server = Setup::new().user("anna", &["--quota", "4MiB"]).start();
    let client = server.client("anna");
    let here = client.scratch("here");
    material::random_file(&here.join("small"), 1000, 1);
    material::random_file(&here.join("large"), 3 * MIB, 2);
    material::random_file(&here.join("too large"), 9 * MIB, 3);
    client.run(&[&"put", &here.join("small"), &client.at("small")]).ok();
    client.run(&[&"put", &here.join("large"), &client.at("large")]).ok();
    drop(client.run(&[&"put", &here.join("too large"), &client.at("too large")]));
    client.run(&[&"get", &client.at("large"), &here.join("back")]).ok();
    client.run(&[&"mkdir", &client.at("folder")]).ok();
    client.run(&[&"mv", &client.at("small"), &client.at("folder/\u{202e}evil")]).ok();
    client.run(&[&"rm", &client.at("large")]).ok();
    let digest = |name: &str| blake3::hash(&fs::read(here.join(name)).unwrap()).to_hex().to_string();
    let login = line(&server, "login");
    assert!(login["user"] == "anna" && login["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{login}");
    assert!(login["door"] == "ferry" && line(&server, "upload")["door"] == "ferry", "{login}");
    assert!(login["method"] == "password" && login.get("key").is_none(), "{login}");
    line(&server, "remove");
    let told = lines(&server);
    let of = |event: &str, path: &str| {
        let found = told.iter().find(|line| line["event"] == event && line["path"] == path);
        found.unwrap_or_else(|| panic!("no {event} of {path}: {told:#?}")).clone()
    };
    assert_eq!(
        (&of("upload", "/small")["size"], &of("upload", "/small")["digest"]),
        (&Value::from(1000), &Value::from(digest("small")))
    );
    assert_eq!(of("upload", "/large")["digest"], digest("large"));
    assert_eq!(of("download", "/large")["digest"], digest("large"));
    assert!(of("download", "/large")["session"].is_u64());
    assert!(of("make_dir", "/folder")["user"] == "anna" && of("remove", "/large")["user"] == "anna");
    let moved = line(&server, "rename");
    assert!(moved["from"] == "/small" && !moved["to"].as_str().unwrap().contains('\u{202e}'), "{moved}");
    assert_eq!(line(&server, "refused")["code"], "over_quota");
    assert!(verify(&server, &[]).0);
}

#[test]
fn strangers_the_operator_and_the_end_are_recorded() {
    let mut server = Server::with_anna();
    let client = server.client("anna");
    client.set_password("wrong");
    drop(client.run(&[&"ls", &client.at(""), &"--retries=0"]));
    let refused = line(&server, "refused");
    assert!(refused["code"] == "login_failed" && refused["user"] == "anna" && refused["peer"].is_string(), "{refused}");
    assert!(refused["reason"] == "password" && server.log().contains(r#"reason="password""#), "{refused}");
    assert!(server.ferryd(&["broadcast", "hello"], "").0.success());
    let said = line(&server, "broadcast");
    assert!(said["text"] == "hello" && said["uid"].is_u64(), "{said}");
    server.add_user("berta", &[]);
    let added = line(&server, "accounts");
    assert!(added["added"][0] == "berta" && added["uid"].is_u64(), "{added}");
    assert!(server.ferryd(&["drain"], "").0.success());
    assert!(server.wait_end().success());
    assert_eq!(lines(&server).last().unwrap()["event"], "stopped");
    assert_eq!(lines(&server)[0]["event"], "started");
}

#[tokio::test]
async fn the_reason_of_a_failed_login_is_only_for_the_operator() {
    let server = Setup::new().user("anna", &[]).config("[login]\nallow = [\"127.0.0.0/8\"]").start();
    let mut answers = Vec::new();
    for (change, user, reason) in [
        (None, "nobody", "unknown"),
        (None, "anna", "expired"),
        (Some(["--expires=none", "--disable"]), "anna", "disabled"),
        (Some(["--enable", "--max-files=1"]), "anna", "password"),
    ] {
        if let Some(words) = change {
            let (status, said) = server.ferryd(&[&["user", "set", "anna"][..], &words].concat(), "");
            assert!(status.success(), "{said}");
        }
        if reason == "expired" {
            // The command refuses an expiry time in the past.
            let store = server.data().join("users.json");
            let text = fs::read_to_string(&store).unwrap();
            fs::write(&store, text.replacen("\"expires\": null", "\"expires\": \"2001-01-01\"", 1)).unwrap();
            assert!(server.ferryd(&["reload"], "").0.success());
        }
        let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
        answers.push(format!("{:?}", peer.ask(&peer::login(user, "a guess")).await.unwrap()));
        let told =
            wait::some("the refusal to be told", || lines(&server).into_iter().find(|line| line["reason"] == reason));
        assert!(told["user"] == user && told["code"] == "login_failed", "{told}");
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn a_ticket_of_an_ended_session_is_not_a_failed_login() {
    let server = Server::with_anna();
    let (mut peer, login) = Peer::logged_in(server.address(), "anna").await.unwrap();
    assert!(server.ferryd(&["kick", "anna"], "").0.success());
    peer.last_words().await.unwrap();
    assert!(Peer::attached(server.address(), &login.ticket).await.is_err());
    assert!(server.ferryd(&["drain"], "").0.success());
    assert!(lines(&server).iter().all(|line| line["event"] != "refused"), "{:?}", lines(&server));
    assert!(!server.log().contains("login failed"));
}

#[test]
fn an_interrupted_download_is_recorded_with_its_progress() {
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    material::random_file(&server.home("anna").join("file"), 24 * MIB, 1);
    proxy.after(Direction::Down, 8 * MIB, Then::Reset);
    drop(client.run(&[&"get", &client.at("file"), &client.scratch("here").join("file"), &"--retries=0"]));
    let cut = line(&server, "download_cut");
    assert!(cut["path"] == "/file" && cut["reached"].as_u64().unwrap() >= 8 * MIB, "{cut}");
}

#[test]
fn tampering_is_found_with_its_line_and_the_chain_goes_on_after_a_kill() {
    let mut server = Server::with_anna();
    let client = server.client("anna");
    for name in ["one", "two", "three"] {
        client.run(&[&"mkdir", &client.at(name)]).ok();
    }
    wait::until("all lines to be there", || {
        lines(&server).iter().filter(|line| line["event"] == "make_dir").count() == 3
    });
    server.kill();
    server.start_again();
    wait::until("the second start", || lines(&server).iter().filter(|line| line["event"] == "started").count() == 2);
    let (whole, said) = verify(&server, &[]);
    assert!(whole, "{said}");
    let (_, json) = verify(&server, &["--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert!(
        json["from_the_start"] == true && said.ends_with(&format!("last {}\n", json["last"].as_str().unwrap())),
        "{json}"
    );
    let noted = said.lines().last().unwrap().strip_prefix("last ").unwrap().to_owned();
    server.kill();
    let path = server.data().join("audit.jsonl");
    let good = fs::read_to_string(&path).unwrap();
    let at = good.lines().position(|line| line.contains("/two")).unwrap();
    fs::write(&path, good.replace("/two", "/2wo")).unwrap();
    let (whole, said) = verify(&server, &[]);
    assert!(!whole && said.contains(&format!("audit.jsonl:{}: does not follow", at + 2)), "{said}");
    let cut: Vec<_> = good.lines().take(at).collect();
    fs::write(&path, cut.join("\n") + "\n").unwrap();
    assert!(verify(&server, &[]).0, "a shortened log is whole in itself");
    assert!(!verify(&server, &["--noted", &noted]).0, "the noted hash must tell");
    fs::write(&path, good).unwrap();
    assert!(verify(&server, &["--noted", &noted]).0);
}

// A server built for release follows no plans.
#[cfg(debug_assertions)]
#[test]
fn work_interrupted_by_a_disk_fault_is_recorded_with_its_progress() {
    let mut server = Failpoints::setup(Setup::new().user("anna", &[])).start();
    let Some(mut points) = Failpoints::of(&mut server) else { return };
    let client = server.client("anna");
    let tree = server.home("anna").join("tree");
    fs::create_dir(&tree).unwrap();
    (0..250).for_each(|number| fs::write(tree.join(number.to_string()), "12345").unwrap());
    points.arm(Fault::Broken, 4);
    drop(client.run(&[&"mkdir", &"--parents", &client.at("a/b/c/d/e/f")]));
    let cut = line(&server, "make_dir_cut");
    assert!(
        cut["path"] == "/a/b/c/d/e/f" && cut["folders"].as_u64().is_some_and(|made| (1..6).contains(&made)),
        "{cut}"
    );
    points.arm(Fault::Broken, 100);
    drop(client.run(&[&"cp", &client.at("tree"), &client.at("copy")]));
    let cut = line(&server, "copy_cut");
    let files = cut["files"].as_u64().unwrap();
    assert!(cut["to"] == "/copy" && (1..250).contains(&files) && cut["bytes"] == files * 5, "{cut}");
    assert_eq!(fs::read_dir(server.home("anna").join("copy")).unwrap().count() as u64, files);
    points.arm(Fault::Broken, 151);
    drop(client.run(&[&"rm", &"-r", &client.at("tree")]));
    points.end();
    let cut = line(&server, "remove_cut");
    let gone = 250 - fs::read_dir(&tree).unwrap().count() as u64;
    assert!(cut["path"] == "/tree" && cut["files"] == gone && (1..250).contains(&gone), "{cut}");
    assert!(verify(&server, &[]).0);
}

#[test]
fn changes_of_accounts_and_invites_are_recorded_with_their_authors() {
    let config = "[registration]\nmode = \"invite\"\nquota = \"1MiB\"";
    let server = Setup::new().user("anna", &[]).config(config).start();
    let run = |words: &[&str]| {
        let (status, said) = server.ferryd(words, "");
        assert!(status.success(), "{said}");
        said
    };
    run(&["user", "set", "anna", "--quota", "5MiB", "--disable"]);
    let changed = wait::some("the change", || {
        lines(&server).into_iter().find(|line| line["changed"] == serde_json::json!(["anna"]))
    });
    let uid = rustix::process::getuid().as_raw();
    let fields = serde_json::json!([
        { "field": "quota", "from": null, "to": 5 * MIB },
        // If none is set, the limit of files follows the quota.
        { "field": "max_files", "from": 1_000_000, "to": 10_000 },
        { "field": "enabled", "from": true, "to": false },
    ]);
    assert!(changed["fields"]["anna"] == fields && changed["uid"] == uid, "{changed}");
    let invite = run(&["invite", "create", "--uses", "1"]);
    let created = line(&server, "invites");
    assert!(created["created"][0].is_string() && created["uid"] == uid, "{created}");
    let id = created["created"][0].as_str().unwrap().to_owned();
    run(&["invite", "create"]);
    let other = wait::some("the other", || {
        lines(&server).into_iter().find(|line| line["created"][0].as_str().is_some_and(|other| other != id))
    });
    run(&["invite", "revoke", other["created"][0].as_str().unwrap()]);
    wait::until("the end of the other", || lines(&server).iter().any(|line| line["revoked"] == other["created"]));
    let invite = invite.lines().next().unwrap().to_owned();
    let registered = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
        let register = Request::Register {
            user: "carl".to_owned(),
            password: Secret::new("a long password".into()),
            invite: Some(Secret::new(invite)),
        };
        format!("{:?}", peer.ask(&register).await.unwrap())
    });
    assert!(registered.contains("LoggedIn"), "{registered}");
    let used = wait::some("the use", || lines(&server).into_iter().find(|line| line["used"] == created["created"]));
    assert_eq!(used["user"], "carl");
    let added = lines(&server).into_iter().find(|line| line["added"] == serde_json::json!(["carl"])).unwrap();
    assert_eq!(added["user"], "carl");
    let text = fs::read_to_string(server.data().join("audit.jsonl")).unwrap();
    assert!(!text.contains("argon2"), "{text}");
}

#[test]
fn a_log_that_was_taken_away_goes_on_and_is_reported() {
    let server = Server::with_anna();
    let client = server.client("anna");
    client.run(&[&"ls", &client.at("")]).ok();
    line(&server, "login");
    fs::remove_file(server.data().join("audit.jsonl")).unwrap();
    client.run(&[&"mkdir", &client.at("new")]).ok();
    line(&server, "make_dir");
    assert_eq!(lines(&server)[0]["event"], "moved_away");
    assert!(server.log().contains("moved, removed or cut the audit log"), "{}", server.log());
    let (whole, said) = verify(&server, &[]);
    assert!(!whole && said.contains("the start is missing"), "{said}");
}

#[test]
fn changes_while_no_server_runs_are_recorded_by_the_command() {
    let mut server = Server::with_anna();
    assert!(server.ferryd(&["drain"], "").0.success());
    assert!(server.wait_end().success());
    let told = lines(&server).len();
    assert!(server.ferryd(&["user", "set", "anna", "--max-files", "7"], "").0.success());
    let changed = lines(&server).pop().unwrap();
    let fields = serde_json::json!([{ "field": "max_files", "from": 1_000_000, "to": 7 }]);
    assert!(changed["fields"]["anna"] == fields && changed["uid"].is_u64(), "{changed}");
    server.start_again();
    wait::until("the second start", || lines(&server).len() == told + 2);
    let (whole, said) = verify(&server, &[]);
    assert!(whole, "{said}");
}
