//! The browser during faults: of the connection, of the client itself, of the disk under a pane.

use std::{fs, process::Command};

use ferry_e2e::{
    MIB, PASSWORD,
    client::Client,
    compare, material,
    proxy::{Direction, Proxy, Then},
    screen::{Screen, Setup},
    server::Server,
};

const SIZE: u64 = 64 * MIB;
const CUT: u64 = 40 * MIB;
/// Bytes that may be sent twice or additionally: those that a lost connection had in flight while the next one
/// started.
const SLACK: u64 = 28 * MIB;

/// A browser with an upload of `large.bin` that is held at [`CUT`].
fn held_upload() -> (Server, Proxy, Client, Screen) {
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    material::random_file(&client.scratch("here").join("large.bin"), SIZE, 3);
    let mut screen = Screen::logged_in(&client);
    screen.wait("large.bin");
    proxy.after(Direction::Up, CUT, Then::Hold);
    screen.keys("j c");
    screen.wait("it fits");
    screen.keys("enter");
    proxy.wait_tripped(Direction::Up);
    (server, proxy, client, screen)
}

/// Starts the browser again and accepts the offer to continue.
fn next_start(client: &Client) -> Screen {
    let mut screen = Setup::new(client).word(client.address_word()).start();
    screen.wait("password");
    screen.type_text(PASSWORD);
    screen.keys("enter");
    screen.wait("Go on from the last time?");
    screen.keys("enter");
    screen
}

fn assert_resumed(server: &Server, proxy: &Proxy, client: &Client) {
    compare::same_file(&client.scratch("here").join("large.bin"), &server.home("anna").join("large.bin"));
    let sent = proxy.counted(Direction::Up);
    assert!(sent <= SIZE + SLACK, "{sent} bytes went up");
}

#[test]
fn a_cut_link_is_told_made_again_and_the_transfer_goes_on() {
    let (server, proxy, client, mut screen) = held_upload();
    proxy.unplug();
    screen.wait("again in");
    // The local side remains usable meanwhile.
    screen.keys("f7");
    screen.type_text("made-offline");
    screen.keys("enter");
    screen.wait("made-offline/");
    proxy.release();
    screen.wait("verified");
    assert_resumed(&server, &proxy, &client);
}

/// Whether `word` precedes a percentage of [`CUT`] or more: bytes in flight are counted too.
fn is_far(text: &str, word: &str) -> bool {
    (60..=100).any(|percent| text.contains(&format!("{word} {percent} %")))
}

#[test]
fn a_pause_keeps_the_figures_and_what_arrived() {
    let (server, proxy, client, mut screen) = held_upload();
    screen.wait_until("how far it is", |text| is_far(text, ""));
    screen.keys("P");
    screen.wait_until("a pause that keeps the figures", |text| is_far(text, "paused "));
    proxy.release();
    screen.keys("P");
    screen.wait("verified");
    assert_resumed(&server, &proxy, &client);
}

/// A browser with an upload of the file `name` at a rate.
fn slow_upload(client: &Client, name: &str, rate: &str) -> Screen {
    let setup = Setup::new(client).word("--bwlimit").word(rate);
    let mut screen = Screen::log_in(setup, client);
    screen.wait(name);
    screen.keys("j c");
    screen.wait("it fits");
    screen.keys("enter");
    screen
}

/// Whether a transfer is displayed at one of these percentages.
fn is_at(text: &str, mut percent: std::ops::Range<u32>) -> bool {
    percent.any(|percent| text.contains(&format!(" {percent} %")))
}

#[test]
fn an_upload_that_is_paused_again_and_again_sends_no_block_twice() {
    const SIZE: u64 = 8 * MIB;
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    material::random_file(&client.scratch("here").join("large.bin"), SIZE, 3);
    let mut screen = slow_upload(&client, "large.bin", "2MiB");
    for percent in [10, 25, 40, 55, 70] {
        screen.wait_until("more bytes", |text| is_at(text, percent..101));
        screen.keys("P");
        screen.wait("paused");
        screen.keys("P");
    }
    screen.wait("verified");
    compare::same_file(&client.scratch("here").join("large.bin"), &server.home("anna").join("large.bin"));
    let sent = proxy.counted(Direction::Up);
    assert!(sent < SIZE + MIB / 2, "{sent} bytes went up");
}

#[test]
fn a_file_of_one_block_on_a_slow_link_shows_its_bytes() {
    let server = Server::with_anna();
    let client = server.client("anna");
    material::random_file(&client.scratch("here").join("small.bin"), 900 << 10, 3);
    let mut screen = slow_upload(&client, "small.bin", "200KiB");
    screen.wait_until("a part of its bytes", |text| is_at(text, 5..96) && !text.contains("waiting"));
    screen.wait("verified");
    compare::same_file(&client.scratch("here").join("small.bin"), &server.home("anna").join("small.bin"));
}

#[test]
fn a_cancelled_transfer_goes_on_from_what_arrived() {
    let (server, proxy, client, mut screen) = held_upload();
    screen.wait_until("how far it is", |text| is_far(text, ""));
    screen.keys("w x");
    screen.wait_until("a cancel that keeps the figures", |text| is_far(text, "cancelled at"));
    proxy.release();
    screen.keys("r");
    screen.wait("verified");
    assert_resumed(&server, &proxy, &client);
}

#[test]
fn a_killed_browser_offers_to_go_on_and_resumes() {
    let (server, proxy, client, screen) = held_upload();
    screen.kill();
    proxy.release();
    let mut screen = next_start(&client);
    screen.wait("verified");
    assert_resumed(&server, &proxy, &client);
    // The upload is complete: the next start has nothing to offer.
    screen.keys("q");
    assert_eq!(screen.wait_end(), 0);
    let mut screen = Screen::logged_in(&client);
    screen.wait("large.bin");
    assert!(!screen.text().contains("Go on from"), "{}", screen.text());
}

#[test]
fn quitting_while_busy_asks_and_goes_on_later() {
    let (server, proxy, client, mut screen) = held_upload();
    screen.keys("q");
    screen.wait("Quit while transfers run?");
    screen.keys("esc");
    screen.wait_gone("Quit while transfers run?");
    screen.keys("q");
    screen.wait("Quit while transfers run?");
    screen.keys("enter");
    assert_eq!(screen.wait_end(), 0);
    screen.assert_restored();
    proxy.release();
    next_start(&client).wait("verified");
    assert_resumed(&server, &proxy, &client);
}

#[test]
fn a_server_that_stops_answering_never_freezes_the_keys() {
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    fs::create_dir_all(server.home("anna").join("far")).unwrap();
    fs::write(client.scratch("here").join("near.txt"), "x").unwrap();
    let mut screen = Screen::logged_in(&client);
    screen.wait("far/");
    proxy.after(Direction::Down, 0, Then::Hold);
    screen.keys("tab j enter");
    screen.wait("reading");
    screen.keys("tab f7");
    screen.type_text("still-quick");
    screen.keys("enter");
    screen.wait("still-quick/");
    screen.keys("?");
    screen.wait("Keys: type to search");
    screen.keys("esc");
    screen.wait_gone("Keys: type to search");
    screen.keys("q");
    assert_eq!(screen.wait_end(), 0);
    screen.assert_restored();
}

#[test]
fn a_file_whose_reading_hangs_never_freezes_the_keys() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let here = client.scratch("here");
    // Reading a pipe that nobody writes to blocks forever, as on a mount that hangs.
    assert!(Command::new("mkfifo").arg(here.join("a-pipe")).status().unwrap().success());
    fs::write(here.join("b.txt"), "the text of b").unwrap();
    let mut screen = Screen::logged_in(&client);
    screen.wait("a-pipe");
    screen.keys("f3");
    screen.keys("j f3");
    screen.wait("the text of b");
    screen.keys("esc");
    screen.wait("free on server");
    screen.keys("q");
    assert_eq!(screen.wait_end(), 0);
    screen.assert_restored();
}
