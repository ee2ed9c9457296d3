//! Creates the pictures in the documents from the real screen: `cargo run -p ferry-e2e --example pictures`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a script: what fails is its message")]

use std::{fs, path::Path};

use ferry_e2e::{
    MIB, binaries, material, picture,
    proxy::{Direction, Proxy, Then},
    screen::{Screen, Setup},
    server,
};

fn main() {
    let mut server = server::Setup::new().user("anna", &["--quota", "10GiB"]).start();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let (here, there) = (client.scratch("user/files"), server.home("anna"));
    local_files(&here);
    remote_files(&there);
    // Files added by hand are counted at the next start.
    server.kill();
    server.start_again();
    let setup = Setup::new(&client).folder(&here).size(110, 26).environment("COLORTERM", "truecolor");
    let mut screen = Screen::log_in(setup, &client);
    screen.wait("albums/");
    screen.keys("j space space");
    screen.wait("2 of");
    keep(&screen, "browse", "ferry with two files marked, local files left, the server's right");

    screen.keys("c");
    screen.wait("it fits");
    keep(&screen, "copy", "what a copy comes to, before it starts");
    proxy.after(Direction::Up, 70 * MIB, Then::Hold);
    screen.keys("enter");
    proxy.wait_tripped(Direction::Up);
    screen.wait("sending");
    keep(&screen, "transfer", "a copy under way");
    proxy.unplug();
    screen.wait("again in");
    keep(&screen, "lost", "the connection is lost and made again; the local side stays of use");
    proxy.release();
    screen.wait("verified");
    keep(&screen, "verified", "the copy went on where it was and is verified");
    screen.keys("?");
    screen.wait("Keys: type to search");
    keep(&screen, "help", "the keys, searchable");
}

fn keep(screen: &Screen, name: &str, title: &str) {
    let file = binaries::repository().join("assets/pictures").join(format!("{name}.svg"));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    // Leave out what differs between runs.
    let picture = picture::svg(&screen.snapshot(), title);
    fs::write(&file, picture).unwrap();
    println!("{}", file.display());
}

fn local_files(here: &Path) {
    fs::create_dir_all(here.join("letters")).unwrap();
    material::random_file(&here.join("holiday.raw"), 64 * MIB, 1);
    material::random_file(&here.join("lake.raw"), 38 * MIB, 2);
    material::random_file(&here.join("thesis.pdf"), 3 * MIB, 3);
    fs::write(here.join("notes.md"), "# Notes\n").unwrap();
    for (name, day) in [("letters", 3), ("holiday.raw", 9), ("lake.raw", 11), ("thesis.pdf", 17), ("notes.md", 20)] {
        material::set_mtime(&here.join(name), 1_793_000_000 + day * 86_400, 0);
    }
}

fn remote_files(there: &Path) {
    for folder in ["albums/2025", "albums/2026", "backup"] {
        fs::create_dir_all(there.join(folder)).unwrap();
    }
    material::random_file(&there.join("backup/home.tar"), 120 * MIB, 4);
    material::random_file(&there.join("report.odt"), 2 * MIB, 5);
    for (name, day) in [("albums", 1), ("backup", 5), ("report.odt", 14)] {
        material::set_mtime(&there.join(name), 1_793_000_000 + day * 86_400, 0);
    }
}
