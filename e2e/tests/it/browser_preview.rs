//! The preview of the browser in a real terminal: what it shows of a server's files, and that it holds nothing up.

use std::{
    fs::{self, File},
    process::Command,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ferry_e2e::{
    proxy::{Direction, Proxy, Then},
    screen::{Screen, Setup},
    server::Server,
};

/// 8 × 8 pixels, red above and blue below.
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFklEQVR42mP4z8CAFTFQUYKqhmGXAADpMD/BcEiM2AAAAABJRU5ErkJggg==";
/// A folder `docs` with a file `inside.md` of 2 KiB.
const ZIP: &str = "UEsDBBQAAAAAAAAAIVwAAAAAAAAAAAAAAAAFAAAAZG9jcy9QSwMEFAAAAAgAAAAhXM80Um8RAAAAAAgAAA4AAABkb2NzL2luc2lkZS5tZK\
     uoGAWjYBSMglEwCkbBSAMAUEsBAhQDFAAAAAAAAAAhXAAAAAAAAAAAAAAAAAUAAAAAAAAAAAAAAIABAAAAAGRvY3MvUEsBAhQDFAAAAAgAAAAh\
     XM80Um8RAAAAAAgAAA4AAAAAAAAAAAAAAIABIwAAAGRvY3MvaW5zaWRlLm1kUEsFBgAAAAACAAIAbwAAAGAAAAAAAA==";

/// The cell that a text begins with on the screen.
fn cell(screen: &Screen, text: &str) -> vt100::Cell {
    let seen = screen.snapshot();
    let (_, columns) = seen.size();
    let rows = seen.rows(0, columns.get()).enumerate();
    let (row, column) = rows
        .filter_map(|(row, line)| Some((row, line[..line.find(text)?].chars().count())))
        .next()
        .unwrap_or_else(|| panic!("no {text:?} on the screen:\n{}", screen.text()));
    seen.cell(u16::try_from(row).unwrap(), u16::try_from(column).unwrap()).unwrap().clone()
}

#[test]
fn a_wide_screen_previews_texts_archives_and_images_of_a_server() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let home = server.home("anna");
    fs::write(home.join("a-code.rs"), "fn main() {\n    println!(\"from the server\");\n}\n").unwrap();
    fs::write(home.join("b-pack.zip"), STANDARD.decode(ZIP).unwrap()).unwrap();
    fs::write(home.join("c-picture.png"), STANDARD.decode(PNG).unwrap()).unwrap();
    fs::write(home.join("d-hostile.txt"), "before\x1b[2J\x1b]0;forged\x07after\n").unwrap();
    let mut screen = Screen::log_in(Setup::new(&client).size(160, 30), &client);
    screen.wait("a-code.rs");
    screen.keys("tab");
    screen.wait("println!(\"from the server\");");
    assert_ne!(cell(&screen, "fn main").fgcolor(), vt100::Color::Default, "the keyword has no colour");
    screen.keys("j");
    screen.wait("docs/inside.md");
    screen.wait("zip, 2 entries");
    screen.wait_gone("println!");
    screen.keys("j");
    screen.wait("PNG, 8 × 8");
    screen.wait("▀▀▀▀▀▀▀▀");
    screen.keys("j");
    screen.wait(r"before\u{1b}[2J\u{1b}]0;forged\u{7}after");
    screen.keys("p");
    screen.wait_gone("before");
    screen.keys("k p");
    screen.wait("▀▀▀▀▀▀▀▀");
    screen.keys("q");
    assert_eq!(screen.wait_end(), 0);
    screen.assert_restored();
    // A preview changes nothing, and leaves nothing behind.
    assert_eq!(fs::read_dir(&home).unwrap().count(), 4);
}

#[test]
fn a_narrow_screen_previews_in_the_place_of_the_other_pane_and_opens_no_fifo() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let here = client.scratch("here");
    fs::write(server.home("anna").join("there.txt"), "x").unwrap();
    fs::write(here.join("a.txt"), "what the file says\n").unwrap();
    assert!(Command::new("mkfifo").arg(here.join("b-pipe")).status().unwrap().success());
    let mut screen = Screen::logged_in(&client);
    screen.wait("there.txt");
    screen.keys("p");
    screen.wait("what the file says");
    screen.wait_gone("there.txt");
    screen.keys("j");
    screen.wait("a FIFO, a socket or a device");
    screen.keys("p");
    screen.wait("there.txt");
    screen.keys("q");
    assert_eq!(screen.wait_end(), 0);
}

#[test]
fn a_preview_comes_while_a_folder_of_100_000_entries_loads() {
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let many = server.home("anna").join("many");
    fs::create_dir(&many).unwrap();
    for n in 0..100_000 {
        File::create(many.join(format!("{n:06}"))).unwrap();
    }
    fs::write(many.join("zzz.txt"), "the last of many").unwrap();
    fs::write(client.scratch("here").join("local.txt"), "what the local file says\n").unwrap();
    let mut screen = Screen::log_in(Setup::new(&client).size(160, 30), &client);
    screen.wait("many/");
    // The preview of the folder itself shows its first entries.
    screen.keys("tab");
    screen.wait("more than");
    proxy.after(Direction::Down, 1 << 20, Then::Hold);
    screen.keys("enter");
    proxy.wait_tripped(Direction::Down);
    // While the list is held in the middle, the other pane is used and previewed.
    screen.keys("tab");
    screen.wait("what the local file says");
    assert!(!screen.text().contains("100001"), "the list was not held:\n{}", screen.text());
    proxy.release();
    screen.wait("100001");
    screen.keys("tab G");
    screen.wait("the last of many");
    screen.keys("q");
    assert_eq!(screen.wait_end(), 0);
}
