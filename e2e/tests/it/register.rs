//! Accounts that people make themselves: where they may, with an invite that is used up.

use std::fs;

use ferry_e2e::{
    PASSWORD,
    client::{Client, Outcome},
    screen::Setup as Terminal,
    server::{Server, Setup},
};

const PATIENT: &str = "[login]\nallow = [\"127.0.0.0/8\"]\n";

fn with(mode: &str) -> Server {
    Setup::new().user("anna", &[]).config(&format!("{PATIENT}[registration]\n{mode}")).start()
}

/// A token of `ferryd invite create`.
fn invite(server: &Server, arguments: &[&str]) -> String {
    let (status, said) = server.ferryd(&[&["invite", "create"], arguments].concat(), "");
    assert!(status.success(), "{said}");
    said.lines().next().unwrap().to_owned()
}

fn register(client: &Client, token: &str) -> Outcome {
    let file = client.scratch("invites").join("token");
    fs::write(&file, token).unwrap();
    client.run(&[&"register", &client.address_word(), &"--invite-file", &file])
}

#[test]
fn a_closed_server_makes_no_accounts() {
    let server = Server::with_anna();
    drop(register(&server.client("berta"), "x").code(7).says("ask its operator"));
    assert!(!server.data().join("users/berta").exists());
}

#[test]
fn an_invite_makes_its_accounts_with_its_quota_and_no_more() {
    let server = with("mode = \"invite\"");
    let token = invite(&server, &["--quota", "3MiB", "--uses", "2"]);
    drop(register(&server.client("wrong"), "guess").code(7).says("invite"));
    for name in ["berta", "carl"] {
        let client = server.client(name);
        drop(register(&client, &token).ok().says("3.0 MiB"));
        drop(client.run(&[&"ls", &client.at("/")]).ok());
        drop(client.run(&[&"quota", &client.at("/")]).ok());
    }
    drop(register(&server.client("dora"), &token).code(7).says("invite"));
    let store = fs::read_to_string(server.data().join("users.json")).unwrap();
    assert!(!store.contains("dora") && !store.contains(&token), "{store}");
    assert!(store.contains("\"invites\": {}"), "a used-up invite stays: {store}");
}

#[test]
fn an_invite_that_is_over_or_taken_back_is_no_invite() {
    let server = with("mode = \"invite\"");
    let over = invite(&server, &["--expires", "2020-01-01"]);
    drop(register(&server.client("berta"), &over).code(7).says("invite"));
    let token = invite(&server, &[]);
    let (_, listed) = server.ferryd(&["invite", "list", "--json"], "");
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    for invite in listed.as_array().unwrap() {
        assert!(server.ferryd(&["invite", "revoke", invite["id"].as_str().unwrap()], "").0.success());
    }
    drop(register(&server.client("berta"), &token).code(7).says("invite"));
    assert!(!server.ferryd(&["invite", "revoke", "cafe"], "").0.success());
}

#[test]
fn one_use_raced_by_many_makes_one_account() {
    let server = with("mode = \"invite\"");
    let token = invite(&server, &[]);
    let codes: Vec<_> = std::thread::scope(|scope| {
        let start = |number: u32| {
            let (server, token) = (&server, &token);
            scope.spawn(move || register(&server.client(&format!("user{number}")), token).status.code())
        };
        let running: Vec<_> = (0..6).map(start).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
}

#[test]
fn an_open_server_needs_a_quota_and_gives_it_and_taken_names_stay_taken() {
    let server = with("mode = \"open\"\nquota = \"2MiB\"");
    drop(register(&server.client("berta"), "").ok().says("2.0 MiB"));
    drop(register(&server.client("berta"), "").code(1).says("taken"));
    drop(register(&server.client("anna"), "").code(1).says("taken"));
    drop(register(&server.client("../x"), "").code(7));
    let (status, said) = Setup::new().start().ferryd_with(&["check"], "[registration]\nmode = \"open\"\n");
    assert!(!status.success() && said.contains("registration.quota"), "{said}");
}

#[test]
fn the_browser_makes_an_account() {
    let server = with("mode = \"invite\"");
    let token = invite(&server, &["--quota", "1MiB"]);
    let client = server.client("berta");
    let mut screen = Terminal::new(&client).word(client.address_word()).word("--accept-new").start();
    screen.wait("Ctrl-N makes one, with an invite");
    screen.keys("ctrl-n");
    screen.wait("New account on");
    screen.type_text(PASSWORD);
    screen.keys("tab");
    screen.type_text(PASSWORD);
    screen.keys("tab");
    screen.type_text(&token);
    screen.keys("enter");
    screen.wait("free on server");
    screen.wait("1.0 MiB");
}
