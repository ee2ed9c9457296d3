//! The browser's messages when something goes wrong, or changes under it.

use std::{fs, os::unix::fs::symlink, process::Command};

use ferry_e2e::{
    MIB, PASSWORD,
    client::Client,
    compare, material,
    proxy::{Direction, Proxy, Then},
    screen::{Screen, Setup},
    server::{self, Server},
};

/// A browser with an upload that is held half-way.
fn held_half_way() -> (Server, Proxy, Client, Screen) {
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    material::random_file(&client.scratch("here").join("large.bin"), 24 * MIB, 3);
    let mut screen = Screen::log_in(Setup::new(&client).size(120, 30), &client);
    screen.wait("large.bin");
    proxy.after(Direction::Up, 8 * MIB, Then::Hold);
    screen.keys("c");
    screen.wait("it fits");
    screen.keys("enter");
    proxy.wait_tripped(Direction::Up);
    (server, proxy, client, screen)
}

#[test]
fn an_account_that_is_disabled_during_a_copy_ends_the_session_and_ctrl_r_goes_on_once_it_is_enabled() {
    let (server, proxy, client, mut screen) = held_half_way();
    assert!(server.ferryd(&["user", "set", "anna", "--disable"], "").0.success());
    proxy.release();
    screen.wait("ended the session");
    screen.keys("esc");
    screen.wait("ended: ");
    screen.wait("Ctrl-R logs in again");
    screen.wait("waiting for anna@");
    assert!(server.ferryd(&["user", "set", "anna", "--enable"], "").0.success());
    screen.keys("ctrl-r");
    screen.wait("Log in to");
    screen.type_text(PASSWORD);
    screen.keys("enter");
    screen.wait("verified");
    compare::same_file(&client.scratch("here").join("large.bin"), &server.home("anna").join("large.bin"));
}

#[test]
fn a_server_that_is_killed_and_started_again_is_reached_again_and_the_copy_goes_on() {
    let (mut server, proxy, client, mut screen) = held_half_way();
    server.kill();
    screen.wait("again in");
    proxy.release();
    server.start_again();
    screen.wait("verified");
    screen.wait_gone("again in");
    compare::same_file(&client.scratch("here").join("large.bin"), &server.home("anna").join("large.bin"));
    let sent = proxy.counted(Direction::Up);
    assert!(sent < 28 * MIB, "{sent} bytes went up");
}

#[test]
fn another_key_after_a_restart_is_a_hard_stop_that_names_both_and_sends_nothing() {
    let (mut server, proxy, _client, mut screen) = held_half_way();
    server.kill();
    let logins = |server: &Server| server.log().matches(": logged in").count();
    let (known, before) = (server.fingerprint().to_owned(), logins(&server));
    fs::remove_dir_all(server.data().join("identity")).unwrap();
    proxy.release();
    server.start_again();
    screen.wait("Stopped: the server's key is not the known one");
    let text = screen.text();
    assert!(text.contains(&known) && text.contains(server.fingerprint()), "{text}");
    screen.keys("y enter");
    screen.wait("waiting for anna@");
    assert_eq!(logins(&server), before, "{}", server.log());
    assert!(!server.home("anna").join("large.bin").exists());
}

#[test]
fn failures_with_one_cause_are_one_line_and_their_names_are_behind_enter() {
    let server = server::Setup::new().user("anna", &["--quota", "1MiB"]).start();
    let client = server.client("anna");
    let tree = client.scratch("here").join("tree");
    fs::create_dir(&tree).unwrap();
    for n in 0..45 {
        material::random_file(&tree.join(format!("file-{n:02}")), 2 * MIB, n);
    }
    let mut screen = Screen::logged_in(&client);
    screen.wait("tree/");
    screen.keys("c");
    screen.wait("DOES NOT FIT");
    screen.keys("enter");
    screen.wait("Start though it does not fit?");
    screen.keys("y");
    screen.wait("45 failed");
    screen.keys("w");
    screen.wait("45 files, 90 MiB");
    let text = screen.text();
    assert_eq!(text.lines().filter(|line| line.contains("over quota")).count(), 1, "{text}");
    screen.keys("G enter");
    screen.wait("tree/file-00");
    let text = screen.text();
    assert!(text.find("file-00") < text.find("file-01") && text.find("file-01") < text.find("file-02"), "{text}");
    screen.keys("s");
    screen.wait("saved as");
    let saved = fs::read_dir(client.scratch("here")).unwrap().flatten();
    let saved =
        saved.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|kind| kind == "txt")).unwrap();
    assert_eq!(fs::read_to_string(saved).unwrap().lines().filter(|line| line.contains("file-")).count(), 45);
}

#[test]
fn links_and_fifos_in_a_tree_are_told_by_name() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let tree = client.scratch("here").join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("a.txt"), "text").unwrap();
    symlink("a.txt", tree.join("a-link")).unwrap();
    assert!(Command::new("mkfifo").arg(tree.join("a-pipe")).status().unwrap().success());
    let mut screen = Screen::log_in(Setup::new(&client).size(120, 30), &client);
    screen.wait("tree/");
    screen.keys("c");
    screen.wait("2 symlinks or special files skipped");
    screen.keys("enter");
    screen.wait("verified, 2 skipped");
    screen.keys("w enter");
    screen.wait("a-link: a symbolic link");
    screen.wait("a-pipe: a FIFO, socket or device");
}

#[test]
fn a_pane_shows_what_another_program_changes_in_its_folder() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let here = client.scratch("here");
    fs::write(here.join("first.txt"), "x").unwrap();
    let mut screen = Screen::logged_in(&client);
    screen.wait("first.txt");
    fs::write(here.join("second.txt"), "x").unwrap();
    screen.wait("second.txt");
    fs::remove_file(here.join("first.txt")).unwrap();
    screen.wait_gone("first.txt");
}

#[test]
fn files_appear_in_the_target_pane_while_others_are_still_held() {
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let here = client.scratch("here");
    fs::write(here.join("a-small.txt"), "x").unwrap();
    material::random_file(&here.join("z-large.bin"), 24 * MIB, 3);
    let mut screen = Screen::log_in(Setup::new(&client).size(120, 30), &client);
    screen.wait("z-large.bin");
    proxy.after(Direction::Up, 8 * MIB, Then::Hold);
    screen.keys("ctrl-a c");
    screen.wait("it fits");
    screen.keys("enter");
    proxy.wait_tripped(Direction::Up);
    // The small file is there and shown, the large one is neither.
    screen.wait_until("the small file in both panes", |text| text.matches("a-small.txt").count() >= 2);
    assert!(!screen.text().contains("verified"));
    proxy.release();
    screen.wait("verified");
}
