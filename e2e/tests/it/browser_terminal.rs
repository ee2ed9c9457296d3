//! The browser and its terminal: always restored, and never written to without need.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use ferry_e2e::{
    client::Client,
    screen::{Screen, Setup},
    server::Server,
    wait,
};
use rustix::process::Signal;

#[test]
fn the_terminal_is_given_back_on_signals() {
    let server = Server::with_anna();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let client = server.client("anna");
        let mut screen = Screen::logged_in(&client);
        screen.signal(signal);
        let _code = screen.wait_end();
        screen.assert_restored();
    }
}

#[test]
fn the_terminal_is_given_back_after_a_panic() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let mut screen = Screen::log_in(Setup::new(&client).environment("FERRY_FAULT", "1"), &client);
    screen.type_text("\x1b[200~panic\x1b[201~");
    assert_eq!(screen.wait_end(), 101);
    screen.assert_restored();
    // The panic message must be readable, below the former output of the shell.
    assert!(screen.text().contains("on purpose"), "{}", screen.text());
}

#[test]
fn suspended_it_gives_the_terminal_back_and_returns_as_it_was() {
    let server = Server::with_anna();
    let client = server.client("anna");
    fs::write(client.scratch("here").join("seen.txt"), "x").unwrap();
    let mut shell = Setup::new(&client)
        .word("-i")
        .environment("PS1", "ready> ")
        .environment("FERRY_PROGRAM", ferry_e2e::binaries::ferry())
        .start_program(Path::new("/bin/sh"));
    shell.wait("ready>");
    shell.type_text("\"$FERRY_PROGRAM\"\r");
    shell.wait("seen.txt");
    shell.wait("Connect to a server");
    shell.keys("esc");
    shell.wait_gone("Connect to a server");
    shell.keys("ctrl-z");
    shell.wait("ready>");
    shell.assert_restored();
    shell.type_text("fg\r");
    shell.wait("seen.txt");
    shell.keys("q");
    shell.wait("ready>");
    shell.assert_restored();
}

#[test]
fn nothing_is_written_while_nothing_happens() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let mut screen = Screen::logged_in(&client);
    screen.wait("free on server");
    let quiet = Duration::from_secs(2);
    // The output caused by the login ends after a while; after that there must be none.
    wait::until("two seconds without a byte", || screen.written().1.elapsed() > quiet);
    let (before, _) = screen.written();
    let end = Instant::now() + quiet;
    wait::until("two seconds more", || Instant::now() > end);
    assert_eq!(screen.written().0, before);
}

#[test]
fn every_size_is_drawn_and_too_small_is_said() {
    let server = Server::with_anna();
    let client = server.client("anna");
    fs::write(client.scratch("here").join("seen.txt"), "x").unwrap();
    let mut screen = Screen::logged_in(&client);
    for (columns, lines) in [(80, 24), (200, 60), (60, 20), (99, 24), (100, 24)] {
        screen.resize(columns, lines);
        screen.wait("seen.txt");
    }
    screen.resize(30, 8);
    screen.wait("too small");
    screen.resize(80, 24);
    screen.wait("seen.txt");
}

#[test]
fn a_broken_setting_is_shown_with_its_line() {
    let server = Server::with_anna();
    let client = server.client("anna");
    configure(&client, "config.toml", "# mine\nthemee = \"dark\"\n");
    configure(&client, "keys.toml", "[browse]\ncopy = [\"f5\"]\nflyy = [\"x\"]\n");
    let mut screen = Setup::new(&client).size(120, 40).start();
    screen.wait("config.toml, line 2");
    screen.wait("keys.toml, line 3");
    screen.wait("flyy");
}

#[test]
fn colours_go_and_signs_stay_where_there_are_none() {
    let server = Server::with_anna();
    let client = server.client("anna");
    fs::create_dir_all(client.scratch("here").join("folder")).unwrap();
    let setup = Setup::new(&client).environment("NO_COLOR", "1").environment("LANG", "C");
    let mut screen = Screen::log_in(setup, &client);
    screen.wait("folder/");
    let shown = screen.snapshot();
    let (lines, columns) = shown.size();
    for (line, column) in (0..lines.get()).flat_map(|line| (0..columns.get()).map(move |column| (line, column))) {
        let cell = shown.cell(line, column).unwrap();
        assert_eq!((cell.fgcolor(), cell.bgcolor()), (vt100::Color::Default, vt100::Color::Default));
        assert!(cell.contents().is_ascii(), "{:?} at {line}, {column}", cell.contents());
    }
}

fn configure(client: &Client, name: &str, text: &str) {
    fs::create_dir_all(client.home()).unwrap();
    fs::write(client.home().join(name), text).unwrap();
}

#[test]
fn a_terminal_that_only_prints_lines_gets_the_commands() {
    let server = Server::with_anna();
    let mut screen = Setup::new(&server.client("anna")).environment("TERM", "dumb").start();
    screen.wait("the browser needs a terminal");
    assert_eq!(screen.wait_end(), 2);
}

#[test]
fn the_theme_follows_the_background_of_the_terminal() {
    let server = Server::with_anna();
    let client = server.client("anna");
    fs::create_dir_all(client.scratch("here").join("folder")).unwrap();
    let mut colours = Vec::new();
    for background in ["ffff/ffff/ffff", "1e1e/1e1e/2e2e"] {
        let mut screen = Setup::new(&client).background(background).start();
        screen.wait("folder/");
        let shown = screen.snapshot();
        let (rows, columns) = (shown.size().0.get(), shown.size().1.get());
        let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let title = cells.filter_map(|(row, column)| shown.cell(row, column)).find(|cell| cell.contents() == "❯");
        colours.push(title.map(|cell| format!("{:?}", cell.fgcolor())).unwrap());
    }
    assert_ne!(colours[0], colours[1], "both backgrounds have the same theme");
}
