//! Creates the pictures in the documents from the real screen: `cargo run -p ferry-e2e --example pictures`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a script: what fails is its message")]

use std::{
    fs::{self, File},
    path::Path,
};

use ferry_e2e::{
    MIB, binaries,
    client::Client,
    material, picture,
    proxy::{Direction, Proxy, Then},
    screen::{Screen, Setup},
    server,
};

/// A file for the preview.
const CODE: &str = r#"//! Counts the words of a text.

use std::{collections::BTreeMap, env, fs, io};

/// The number of times each word occurs, without regard to capitals.
fn count(text: &str) -> BTreeMap<String, usize> {
    let mut words = BTreeMap::new();
    for word in text.split_whitespace() {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        *words.entry(word).or_insert(0) += 1;
    }
    words
}

fn main() -> io::Result<()> {
    for file in env::args_os().skip(1) {
        let text = fs::read_to_string(&file)?;
        let mut words: Vec<_> = count(&text).into_iter().collect();
        words.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        for (word, times) in words.iter().take(10) {
            println!("{times:>6}  {word}");
        }
    }
    Ok(())
}
"#;

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
    mark(&mut screen);
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
    drop(screen);
    looks(&client, &proxy, &here);
}

/// The same folders on screens of other sizes and with other colours.
fn looks(client: &Client, proxy: &Proxy, here: &Path) {
    let setup = |columns, lines| Setup::new(client).folder(here).size(columns, lines);
    let colours = |setup: Setup| setup.environment("COLORTERM", "truecolor");

    let mut wide = Screen::log_in(colours(setup(200, 50)).word("--bwlimit=12M"), client);
    wide.wait("albums/");
    wide.keys("S");
    material::random_file(&here.join("film.mkv"), 64 * MIB, 9);
    wide.wait("film.mkv");
    proxy.after(Direction::Up, 40 * MIB, Then::Hold);
    wide.keys("/");
    wide.type_text("film");
    wide.keys("enter f5");
    wide.wait("it fits");
    wide.keys("enter /");
    wide.type_text("scan");
    wide.keys("enter");
    wide.wait("fn main");
    proxy.wait_tripped(Direction::Up);
    keep(&wide, "wide", "200 columns: a preview beside both panes, a copy under way with the history of its rate");
    proxy.release();
    wide.wait("1 done");
    drop(wide);

    for (name, title, setup) in [
        ("small", "80 columns and 24 lines", colours(setup(80, 24))),
        ("light", "a terminal with a light background", colours(setup(120, 40)).background("ffff/ffff/ffff")),
        ("sixteen", "a terminal with 16 colours", setup(120, 40).environment("TERM", "xterm")),
        ("plain", "without colours: NO_COLOR is set", setup(120, 40).environment("NO_COLOR", "1")),
    ] {
        let mut screen = Screen::log_in(setup, client);
        screen.wait("albums/");
        mark(&mut screen);
        screen.keys("tab f");
        screen.type_text("a");
        screen.keys("enter");
        screen.wait_gone("report.odt");
        screen.wait_gone("Esc shows all again");
        keep(&screen, name, title);
    }
}

/// Marks the two large files.
fn mark(screen: &mut Screen) {
    screen.keys("j j j +");
    screen.wait("pattern");
    screen.type_text("*.raw");
    screen.keys("enter");
    screen.wait("2 of");
}

fn keep(screen: &Screen, name: &str, title: &str) {
    let file = binaries::repository().join("assets/pictures").join(format!("{name}.svg"));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    // Leave out what differs between runs.
    let picture = picture::svg(&screen.snapshot(), title);
    fs::write(&file, picture).unwrap();
    println!("{}", file.display());
}

/// Further entries, so that screens have something to show: folders end with `/`; the rest has these sizes in KiB.
fn further(top: &Path, entries: &[(&str, u64)]) {
    for (day, (name, size)) in entries.iter().enumerate() {
        match name.strip_suffix('/') {
            Some(folder) => fs::create_dir_all(top.join(folder)).unwrap(),
            None => File::create(top.join(name)).unwrap().set_len(size << 10).unwrap(),
        }
        material::set_mtime(&top.join(name), 1_792_000_000 + day as u64 * 90_000, 0);
    }
}

const LOCAL: &[(&str, u64)] = &[
    ("drafts/", 0),
    ("music/", 0),
    ("talks/", 0),
    ("backup.tar.zst", 18_400),
    ("budget.ods", 212),
    ("concert.flac", 31_200),
    ("deploy.sh", 3),
    ("index.html", 12),
    ("invoice-2026-10.pdf", 180),
    ("kitchen.heic", 2_900),
    ("lecture.mp4", 148_000),
    ("map.svg", 640),
    ("readme.txt", 4),
    ("song.ogg", 5_300),
    ("trip-01.jpg", 4_100),
    ("trip-02.jpg", 3_850),
    ("trip-10.jpg", 4_420),
    ("words.json", 77),
];

const REMOTE: &[(&str, u64)] = &[
    ("incoming/", 0),
    ("music/", 0),
    ("projects/", 0),
    ("shared/", 0),
    ("catalogue.csv", 930),
    ("family.jpg", 5_200),
    ("garden.jpg", 4_700),
    ("letter.docx", 58),
    ("mail.mbox", 88_000),
    ("notes-2025.md", 33),
    ("old-site.zip", 21_700),
    ("party.mp4", 64_000),
    ("photo-index.json", 412),
    ("poster.png", 7_800),
    ("sync.sh", 2),
];

fn local_files(here: &Path) {
    further(here, LOCAL);
    fs::create_dir_all(here.join("letters")).unwrap();
    material::random_file(&here.join("holiday.raw"), 64 * MIB, 1);
    material::random_file(&here.join("lake.raw"), 38 * MIB, 2);
    material::random_file(&here.join("thesis.pdf"), 3 * MIB, 3);
    fs::write(here.join("notes.md"), "# Notes\n").unwrap();
    fs::write(here.join("scan.rs"), CODE).unwrap();
    for (name, day) in
        [("letters", 3), ("holiday.raw", 9), ("lake.raw", 11), ("thesis.pdf", 17), ("notes.md", 20), ("scan.rs", 19)]
    {
        material::set_mtime(&here.join(name), 1_793_000_000 + day * 86_400, 0);
    }
}

fn remote_files(there: &Path) {
    further(there, REMOTE);
    for folder in ["albums/2025", "albums/2026", "backup"] {
        fs::create_dir_all(there.join(folder)).unwrap();
    }
    material::random_file(&there.join("backup/home.tar"), 120 * MIB, 4);
    material::random_file(&there.join("report.odt"), 2 * MIB, 5);
    for (name, day) in [("albums", 1), ("backup", 5), ("report.odt", 14)] {
        material::set_mtime(&there.join(name), 1_793_000_000 + day * 86_400, 0);
    }
}
