//! Passwords in the keyring of the desktop: stored when the person asks, for one account, and nowhere else.

use std::{fs, path::Path, process::Command};

use ferry_e2e::{
    PASSWORD,
    client::{Client, Outcome, Running, Words},
    keyring::{BUS, Keyring},
    screen::Setup,
    server::{self, Server},
};

use crate::browser_keystrokes::assert_documented;

/// The exit code of a login without a password, or with a wrong one.
const DENIED: i32 = 7;

/// A client that uses a keyring.
struct User {
    client: Client,
    bus: String,
}

impl User {
    fn new(client: &Client, bus: &str) -> Self {
        Self { client: client.clone(), bus: bus.to_owned() }
    }

    /// A command without a password.
    fn run(&self, words: Words) -> Outcome {
        self.run_with_input(words, Vec::new())
    }

    fn run_with_input(&self, words: Words, input: Vec<u8>) -> Outcome {
        let mut command = self.client.bare(words);
        command.env(BUS, &self.bus).env("HOME", self.client.scratch("person")).env_remove("SSH_AUTH_SOCK");
        Running::spawn(command, input).wait()
    }

    fn store(&self, site: &str, password: &str) -> Outcome {
        self.run_with_input(&[&"site", &"password", &site, &"--password-stdin"], format!("{password}\n").into())
    }

    fn list(&self, site: &str) -> Outcome {
        self.run(&[&"ls", &format!("{site}:"), &"--accept-new"])
    }

    fn screen(&self) -> Setup {
        Setup::new(&self.client).environment(BUS, &self.bus).word("--accept-new")
    }

    fn sites(&self) -> String {
        fs::read_to_string(self.client.home().join("sites.toml")).unwrap()
    }
}

/// Whether a file below a folder contains a text.
fn is_in_a_file(text: &str, folder: &Path) -> bool {
    Command::new("grep").arg("-raqF").arg("--").arg(text).arg(folder).status().unwrap().success()
}

#[test]
fn a_password_in_the_keyring_logs_in_to_its_account_alone_and_goes_with_its_site() {
    let Some(keyring) = Keyring::start() else { return };
    let server = server::Setup::new().user("anna", &[]).user("bob", &[]).sftp().start();
    let user = User::new(&server.client("anna"), keyring.address());
    let (address, sftp) = (server.address(), server.sftp().0);
    for (name, url) in [
        ("work", format!("anna@{address}")),
        ("colleague", format!("bob@{address}")),
        ("door", format!("sftp://anna@{sftp}")),
    ] {
        user.run(&[&"site", &"add", &name, &url]).ok();
    }
    user.list("work").code(DENIED).says("--password-file");
    for site in ["work", "door"] {
        user.store(site, PASSWORD).ok().says("stored in the keyring");
        user.list(site).ok();
    }
    user.run(&[&"put", &user.client.password_file(), &"work:x"]).ok().says("verified");
    // Not for another account, even if the file says so.
    user.list("colleague").code(DENIED);
    fs::write(user.client.home().join("sites.toml"), user.sites().replace("\"bob\"", "\"bob\"\nkeyring = true"))
        .unwrap();
    user.list("colleague").code(DENIED).says("has no password of ferry://bob@");
    assert!(!server.log().contains("login failed"), "{}", server.log());
    assert!(!is_in_a_file(PASSWORD, &user.client.home()));
    assert!(user.run(&[&"site", &"list", &"--json"]).ok().text().contains("\"keyring\":true"));
    user.run(&[&"site", &"forget", &"door"]).ok().says("is removed from the keyring");
    user.list("door").code(DENIED);
    user.run(&[&"site", &"forget", &"door"]).ok().says("has no password");
    // A site of the same name and account finds nothing of the one before.
    user.run(&[&"site", &"remove", &"work"]).ok();
    user.run(&[&"site", &"add", &"work", &format!("anna@{address}")]).ok();
    fs::write(user.client.home().join("sites.toml"), format!("{}keyring = true\n", user.sites())).unwrap();
    user.list("work").code(DENIED).says("has no password of ferry://anna@");
}

#[test]
fn a_wrong_password_in_the_keyring_is_told_and_tried_once() {
    let Some(keyring) = Keyring::start() else { return };
    let server = Server::with_anna();
    let user = User::new(&server.client("anna"), keyring.address());
    user.run(&[&"site", &"add", &"work", &format!("anna@{}", server.address())]).ok();
    user.store("work", "not the password").ok();
    user.list("work").code(DENIED).says("in the keyring is wrong").says("ferry site password");
    assert_eq!(server.log().matches("login failed").count(), 1, "{}", server.log());
    // Failed logins are slowed down.
    let lift = || assert_eq!(server.ferryd(&["penalties", "lift", "127.0.0.1"], "").0.code(), Some(0));
    lift();
    // The browser asks, and replaces it on request.
    fs::write(server.home("anna").join("of-anna.txt"), "1").unwrap();
    let mut screen = user.screen().word("work").start();
    screen.wait("the password in the keyring is wrong");
    lift();
    screen.wait("Remember it in the keyring (Ctrl-R): no");
    screen.keys("ctrl-r");
    screen.wait("Remember it in the keyring (Ctrl-R): yes");
    screen.type_text(PASSWORD);
    screen.keys("enter");
    screen.wait("of-anna.txt");
    ferry_e2e::wait::until("the password to be stored", || user.list("work").status.success());
}

#[test]
fn the_browser_remembers_a_password_only_on_request() {
    let Some(keyring) = Keyring::start() else { return };
    let server = Server::with_anna();
    let user = User::new(&server.client("anna"), keyring.address());
    fs::write(server.home("anna").join("of-anna.txt"), "1").unwrap();
    user.run(&[&"site", &"add", &"work", &format!("anna@{}", server.address())]).ok();
    for remembers in [false, true] {
        let mut screen = user.screen().word("work").start();
        screen.wait("Remember it in the keyring (Ctrl-R): no");
        if remembers {
            screen.keys("ctrl-r");
        }
        screen.type_text(PASSWORD);
        screen.keys("enter");
        screen.wait("of-anna.txt");
        if remembers {
            ferry_e2e::wait::until("the site to be marked", || user.sites().contains("keyring = true"));
        }
        screen.keys("q");
        assert_eq!(screen.wait_end(), 0);
        assert_eq!(user.sites().contains("keyring"), remembers);
    }
    user.list("work").ok();
    let mut screen = user.screen().word("work").start();
    screen.wait("of-anna.txt");
    assert!(!is_in_a_file(PASSWORD, &user.client.home()));
}

#[test]
fn a_saved_site_with_a_stored_password_is_two_keys_away() {
    let Some(keyring) = Keyring::start() else { return };
    let server = Server::with_anna();
    let user = User::new(&server.client("anna"), keyring.address());
    fs::write(server.home("anna").join("of-anna.txt"), "1").unwrap();
    user.run(&[&"site", &"add", &"work", &format!("anna@{}", server.address())]).ok();
    user.store("work", PASSWORD).ok();
    let mut screen = user.screen().start();
    screen.wait("Connect to");
    screen.keys("esc");
    screen.wait_gone("Connect to");
    let typed = ["f9", "enter"];
    assert_documented("connect to a saved site whose password is stored", typed.len());
    screen.keys(typed[0]);
    screen.wait("Connect to");
    screen.keys(typed[1]);
    screen.wait("of-anna.txt");
}

#[test]
fn without_a_keyring_the_next_step_is_told() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let user = User::new(&client, &format!("unix:path={}", client.scratch("no").join("bus").display()));
    user.run(&[&"site", &"add", &"work", &format!("anna@{}", server.address())]).ok();
    user.store("work", PASSWORD).code(1).says("there is no keyring here").says("--password-file");
    assert!(!user.sites().contains("keyring"));
    fs::write(client.home().join("sites.toml"), format!("{}keyring = true\n", user.sites())).unwrap();
    user.list("work").code(DENIED).says("there is no keyring here");
    client.run(&[&"ls", &"work:"]).ok();
    user.run(&[&"site", &"remove", &"work"]).code(6).says("still in the keyring");
    assert!(!user.sites().contains("work"));
}
