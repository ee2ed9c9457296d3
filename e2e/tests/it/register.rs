//! Accounts that people create themselves: only if allowed, with an invite that is used up.

use std::fs;

use ferry_e2e::{
    PASSWORD,
    client::{Client, Outcome},
    peer::{self, Peer},
    screen::Setup as Terminal,
    server::{Server, Setup},
    wait,
};
use ferry_shared::{
    message::{Reply, Request},
    refusal::Code,
    secret::Secret,
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
    let server = with("mode = \"invite\"\nquota = \"2MiB\"");
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
    let server = with("mode = \"invite\"\nquota = \"2MiB\"");
    let over = invite(&server, &["--expires", "2999-01-01"]);
    // The command refuses an expiry time in the past.
    let store = server.data().join("users.json");
    let text = fs::read_to_string(&store).unwrap().replace("2999-01-01", "2020-01-01");
    fs::write(&store, text).unwrap();
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
    let server = with("mode = \"invite\"\nquota = \"2MiB\"");
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
    let refused = register(&server.client("berta"), "").code(1).says("taken");
    assert!(!refused.stderr.contains("--on-conflict"), "{}", refused.stderr);
    drop(register(&server.client("anna"), "").code(1).says("taken"));
    drop(register(&server.client("../x"), "").code(7));
    for mode in ["open", "invite"] {
        let config = format!("[registration]\nmode = \"{mode}\"\n");
        let (status, said) = Setup::new().start().ferryd_with(&["check"], &config);
        assert!(!status.success() && said.contains("registration.quota"), "{said}");
    }
}

#[test]
fn files_of_a_removed_user_belong_to_nobody_until_the_operator_decides() {
    for mode in ["mode = \"open\"\nquota = \"2MiB\"", "mode = \"invite\"\nquota = \"2MiB\""] {
        let server = with(mode);
        let token = if mode.contains("open") { String::new() } else { invite(&server, &[]) };
        let client = server.client("berta");
        server.add_user("berta", &[]);
        wait::until("berta to be known", || client.run(&[&"mkdir", &client.at("/secret")]).status.success());
        let (status, said) = server.ferryd(&["user", "remove", "berta"], "");
        assert!(status.success() && said.contains("stay"), "{said}");
        assert!(server.ferryd(&["reload"], "").0.success());
        drop(register(&client, &token).code(1).says("taken"));
        client.run(&[&"ls", &client.at("/")]).code(7);
        // The refused attempt did not use the invite, and another name is free.
        drop(register(&server.client("carl"), &token).ok());
        let (status, said) = server.ferryd(&["user", "add", "berta", "--password-stdin"], PASSWORD);
        assert!(status.success() && said.contains("from before"), "{said}");
        assert!(server.ferryd(&["reload"], "").0.success());
        let listed = client.run(&[&"ls", &client.at("/")]).ok().text();
        assert!(listed.contains("secret"), "{listed}");
    }
}

#[tokio::test]
async fn asking_which_names_are_taken_costs_as_much_as_a_wrong_password() {
    let server = Setup::new().user("anna", &[]).config("[registration]\nmode = \"open\"\nquota = \"2MiB\"").start();
    let register = |user: &str| Request::Register {
        user: user.to_owned(),
        password: Secret::new(PASSWORD.to_owned()),
        invite: None,
    };
    // Each answered attempt makes the next wait longer, so one of them has to wait.
    for _ in 0..6 {
        let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
        let Reply::Refused(refusal) = peer.ask(&register("anna")).await.unwrap() else { panic!("anna is taken") };
        if refusal.code == Code::TooManyAttempts {
            return;
        }
        assert_eq!(refusal.code, Code::Exists);
    }
    panic!("names can be asked for without a wait");
}

fn registration(user: &str) -> Request {
    Request::Register { user: user.to_owned(), password: Secret::new(PASSWORD.to_owned()), invite: None }
}

#[tokio::test]
async fn an_address_makes_accounts_at_a_pace_and_hears_when_to_come_again() {
    let config = "[registration]\nmode = \"open\"\nquota = \"2MiB\"\nper_minute = 1";
    let server = Setup::new().user("anna", &[]).config(config).start();
    let register = async |number: usize| {
        let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
        peer.ask(&registration(&format!("user-{number}"))).await.unwrap()
    };
    for number in 0..4 {
        let reply = register(number).await;
        assert!(matches!(reply, Reply::LoggedIn(_)), "{number}: {reply:?}");
    }
    let Reply::Refused(refused) = register(4).await else { panic!("there is no pace") };
    assert_eq!(refused.code, Code::TooManyAttempts);
    assert!((30..=60).contains(&refused.retry_after.unwrap()), "{refused:?}");
    // Nobody else at this address has to wait because of that.
    assert!(Peer::logged_in(server.address(), "anna").await.is_ok());
    let elsewhere = "127.0.0.2".parse().unwrap();
    let mut peer = Peer::connect_from(elsewhere, server.address()).await.unwrap();
    assert!(matches!(peer.ask(&peer::hello()).await.unwrap(), Reply::Welcome(_)));
    assert!(matches!(peer.ask(&registration("user-5")).await.unwrap(), Reply::LoggedIn(_)));
}

#[tokio::test]
async fn no_account_is_made_beyond_the_number_the_operator_wants() {
    let server = with("mode = \"open\"\nquota = \"2MiB\"\nmax_accounts = 2");
    let register = async |user: &str| {
        let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
        peer.ask(&registration(user)).await.unwrap()
    };
    assert!(matches!(register("berta").await, Reply::LoggedIn(_)));
    let Reply::Refused(refused) = register("carl").await else { panic!("a third account was made") };
    assert_eq!(refused.code, Code::NotAllowed);
    // The operator can still add accounts.
    server.add_user("dora", &[]);
}

#[test]
fn the_browser_makes_an_account() {
    let server = with("mode = \"invite\"\nquota = \"2MiB\"");
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
    screen.wait("0 B of 1.0 MiB used");
}
