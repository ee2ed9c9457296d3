//! The browser in a real terminal, against a real server, as a person uses it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use ferry_e2e::{
    MIB, PASSWORD, compare, material,
    proxy::{Direction, Proxy, Then},
    screen::{Screen, Setup},
    server::{self, Server},
    wait,
};

#[test]
fn a_first_visit_shows_the_key_then_asks_for_the_password() {
    let server = Server::with_anna();
    let client = server.client("anna");
    fs::write(server.home("anna").join("there.txt"), "text").unwrap();
    let mut screen = Setup::new(&client).size(79, 24).start();
    screen.wait("Connect to a server");
    screen.type_text(&client.address_word());
    screen.keys("enter");
    screen.wait("Is this the right server?");
    screen.wait(server.fingerprint());
    screen.keys("y");
    screen.wait("password");
    screen.type_text(PASSWORD);
    assert!(!screen.text().contains(PASSWORD), "the password is shown");
    screen.keys("enter");
    // Such a narrow terminal shows one pane at a time.
    screen.wait("F5 copy");
    screen.wait("Tab shows it");
    screen.keys("tab");
    screen.wait("there.txt");
    screen.keys("q");
    assert_eq!(screen.wait_end(), 0);
    screen.assert_restored();
    // The key is known now, and the typed password is not stored anywhere.
    let mut screen = Setup::new(&client).word(client.address_word()).start();
    screen.wait("password");
    let kept = fs::read_to_string(client.home().join("known_servers")).unwrap_or_default();
    assert!(kept.contains(server.fingerprint()), "{kept}");
}

#[test]
fn no_key_means_nothing_is_sent() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let mut screen = Setup::new(&client).word(client.address_word()).start();
    screen.wait("Is this the right server?");
    screen.keys("esc");
    screen.wait_gone("Is this the right server?");
    screen.wait_gone("connecting");
    assert!(!server.log().contains("logged in"));
    assert!(fs::read_to_string(client.home().join("known_servers")).unwrap_or_default().is_empty());
}

#[test]
fn a_wrong_password_is_told_and_asked_for_again() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let mut screen = Setup::new(&client).word(client.address_word()).start();
    screen.wait("Is this the right server?");
    screen.keys("y");
    screen.wait("password");
    screen.type_text("not it");
    screen.keys("enter");
    screen.wait("wrong");
    // A failure costs the address a second; an early attempt is refused with an explanation, and may be repeated.
    loop {
        screen.type_text(PASSWORD);
        screen.keys("enter");
        screen.wait_until("an answer", |text| text.contains("free on server") || text.contains("too many failed"));
        if screen.text().contains("free on server") {
            break;
        }
        let told = Instant::now();
        wait::until("a second to pass", || told.elapsed() > Duration::from_secs(1));
    }
}

#[test]
fn a_changed_key_is_a_hard_stop() {
    let first = Server::with_anna();
    let client = first.client("anna");
    drop(Screen::logged_in(&client));
    let file = client.home().join("known_servers");
    let other = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let kept = fs::read_to_string(&file).unwrap().replace(first.fingerprint(), other);
    fs::write(&file, kept).unwrap();
    let mut screen = Setup::new(&client).word(client.address_word()).start();
    screen.wait(first.fingerprint());
    screen.wait(other);
    assert!(!screen.text().contains("password"), "{}", screen.text());
    screen.keys("y enter");
    assert!(!screen.text().contains("free on server"));
}

#[test]
fn a_file_that_is_edited_keeps_the_servers_mode_whatever_the_editor_leaves() {
    // One editor saves by renaming, with a mode of its own; the other saves in place.
    let by_renaming = r#"umask 077; { cat "$1"; echo more; } >"$1.new"; mv "$1.new" "$1""#;
    for (save, mode) in [(by_renaming, 0o775), (r#"echo more >>"$1"; chmod 777 "$1""#, 0o444)] {
        let server = Server::with_anna();
        let client = server.client("anna");
        let file = server.home("anna").join("notes.txt");
        fs::write(&file, "text\n").unwrap();
        material::set_mode(&file, mode);
        let editor = client.scratch("bin").join("editor");
        fs::write(&editor, format!("#!/bin/sh\n{save}\n")).unwrap();
        material::set_mode(&editor, 0o755);
        let setup = Setup::new(&client).environment("EDITOR", &editor).folder(&client.scratch("here"));
        let mut screen = Screen::log_in(setup.environment("VISUAL", ""), &client);
        screen.wait("notes.txt");
        screen.keys("tab j f4");
        screen.wait("is back on the server");
        assert_eq!(fs::read_to_string(&file).unwrap(), "text\nmore\n");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, mode);
    }
}

#[test]
fn folders_are_walked_on_both_sides() {
    let server = Server::with_anna();
    let client = server.client("anna");
    fs::create_dir_all(server.home("anna").join("albums/summer")).unwrap();
    fs::write(server.home("anna").join("albums/summer/lake.jpg"), "x").unwrap();
    fs::create_dir_all(client.scratch("here").join("letters")).unwrap();
    fs::write(client.scratch("here").join("letters/to-bob.txt"), "x").unwrap();
    let mut screen = Screen::logged_in(&client);
    screen.wait("albums/");
    screen.wait("letters/");
    screen.keys("j enter");
    screen.wait("to-bob.txt");
    screen.keys("tab enter");
    screen.wait("summer/");
    screen.keys("j l");
    screen.wait("lake.jpg");
    screen.keys("h");
    screen.wait("summer/");
    screen.keys("backspace");
    screen.wait("albums/");
    assert!(screen.text().contains("to-bob.txt"), "the other pane moved too");
}

#[test]
fn a_folder_goes_up_and_comes_back_verified() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let here = client.scratch("here");
    material::hostile_tree(&here.join("tree"));
    material::random_file(&here.join("tree/large.bin"), 5 * MIB + 7, 3);
    fs::write(here.join("alone.txt"), "alone").unwrap();
    let mut screen = Screen::logged_in(&client);
    screen.wait("alone.txt");
    screen.keys("ctrl-a f5");
    screen.wait("it fits");
    screen.keys("enter");
    screen.wait("verified");
    compare::same_tree(&here.join("tree"), &server.home("anna").join("tree"));
    compare::same_file(&here.join("alone.txt"), &server.home("anna").join("alone.txt"));
    // Back, into a folder that is made on the way.
    screen.keys("f7");
    screen.type_text("back");
    screen.keys("enter");
    screen.wait("back/");
    // The cursor is on the new folder.
    screen.keys("enter");
    screen.wait_until("the new folder", |text| text.lines().next().is_some_and(|line| line.contains("back")));
    screen.keys("tab");
    screen.wait("tree/");
    screen.keys("ctrl-a c");
    screen.wait("it fits");
    screen.keys("enter");
    screen.wait("2 done");
    compare::same_tree(&here.join("tree"), &here.join("back/tree"));
    screen.keys("q");
    assert_eq!(screen.wait_end(), 0);
}

#[test]
fn the_bar_moves_and_ends_in_verified() {
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    material::random_file(&client.scratch("here").join("large.bin"), 64 * MIB, 3);
    let mut screen = Screen::logged_in(&client);
    screen.wait("large.bin");
    proxy.after(Direction::Up, 24 * MIB, Then::Hold);
    screen.keys("j c");
    screen.wait("it fits");
    screen.keys("enter");
    proxy.wait_tripped(Direction::Up);
    // While the bytes are held, the bar is in the middle, and the final word is not shown yet.
    let line = |text: &str| {
        let lines: Vec<&str> = text.lines().collect();
        let half_way = |line: &&str| (15..95).any(|percent| line.contains(&format!(" {percent} %")));
        lines.iter().rposition(|line| line.contains("large.bin") && half_way(line) && line.contains("sending"))
    };
    screen.wait_until("a transfer under way", |text| line(text).is_some());
    let row = u16::try_from(line(&screen.text()).unwrap()).unwrap();
    let shown = screen.snapshot();
    let ground = |column: u16| shown.cell(row, column).unwrap().bgcolor();
    let done = (0..100).take_while(|column| ground(*column) == ground(0)).count();
    assert!((10..95).contains(&done), "the bar is {done} columns long");
    assert!(!screen.text().contains("verified"));
    assert!(!server.home("anna").join("large.bin").exists());
    proxy.release();
    screen.wait("verified");
    compare::same_file(&client.scratch("here").join("large.bin"), &server.home("anna").join("large.bin"));
}

#[test]
fn an_upload_that_cannot_fit_is_reported_before_it_starts() {
    let server = server::Setup::new().user("anna", &["--quota", "3MiB"]).start();
    let client = server.client("anna");
    material::random_file(&client.scratch("here").join("large.bin"), 5 * MIB, 3);
    fs::write(server.home("anna").join("kept.txt"), "kept").unwrap();
    let mut screen = Screen::logged_in(&client);
    screen.wait("large.bin");
    screen.keys("j c");
    screen.wait("DOES NOT FIT");
    screen.wait("are missing");
    // Insisting does not change the server's answer.
    screen.keys("enter");
    screen.wait("Files that fit are transferred");
    screen.keys("y");
    screen.wait("failed");
    screen.keys("w");
    screen.wait("quota");
    assert!(!server.home("anna").join("large.bin").exists());
    assert_eq!(fs::read(server.home("anna").join("kept.txt")).unwrap(), b"kept");
}

#[test]
fn a_conflict_waits_for_its_answer_and_holds_nothing_up() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (here, there) = (client.scratch("here"), server.home("anna"));
    fs::write(here.join("a.txt"), "mine is longer").unwrap();
    fs::write(there.join("a.txt"), "theirs").unwrap();
    fs::write(here.join("b.txt"), "goes on meanwhile").unwrap();
    let mut screen = Screen::logged_in(&client);
    screen.wait("b.txt");
    screen.keys("ctrl-a c");
    screen.wait("it fits");
    screen.keys("enter");
    screen.wait("1 already there: A");
    // They are independent, so either may be first.
    wait::until("the other file", || there.join("b.txt").exists());
    compare::same_file(&here.join("b.txt"), &there.join("b.txt"));
    assert_eq!(fs::read(there.join("a.txt")).unwrap(), b"theirs");
    screen.keys("A");
    screen.wait("Already there");
    screen.wait("contents are not equal");
    screen.keys("r");
    screen.wait("verified");
    compare::same_file(&here.join("a.txt"), &there.join("a.txt"));
}

#[test]
fn a_file_that_is_left_out_is_not_said_to_be_verified() {
    let server = Server::with_anna();
    let client = server.client("anna");
    fs::write(client.scratch("here").join("a.txt"), "mine").unwrap();
    fs::write(server.home("anna").join("a.txt"), "theirs").unwrap();
    let mut screen = Screen::logged_in(&client);
    screen.wait("a.txt");
    screen.keys("j c");
    screen.wait("it fits");
    screen.keys("enter");
    screen.wait("1 already there: A");
    screen.keys("A");
    screen.wait("Already there");
    screen.keys("s");
    screen.wait("nothing was copied, 1 skipped");
    assert!(!screen.text().contains("verified"), "{}", screen.text());
}

#[test]
fn the_demo_opens_the_browser_on_a_terminal() {
    let server = Server::with_anna();
    let mut screen = Setup::new(&server.client("anna")).start_program(&ferry_e2e::binaries::demo());
    screen.wait("from the server/");
    screen.wait("samples/");
    screen.keys("j c");
    screen.wait("it fits");
    screen.keys("enter");
    screen.wait("verified");
    screen.keys("q");
    assert_eq!(screen.wait_end(), 0);
    screen.assert_restored();
}
