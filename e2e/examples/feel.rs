//! The responsiveness of the browser, measured through a real terminal: `cargo run --release -p ferry-e2e --example
//! feel`.
//!
//! It measures the time from a key press to the changed screen, while files of 1 GiB are sent, a folder of 100,000
//! entries is open and the preview of the file under the cursor is shown; the time to the first page of that folder; the
//! cost of being idle; and memory.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a script: what fails is its message")]

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use ferry_e2e::{
    MIB, material,
    screen::{Screen, Setup},
    server::{self, Server},
};

const ENTRIES: usize = 100_000;
/// Files sent meanwhile, two at a time.
const FILES: usize = 16;
const SIZE: u64 = 1024 * MIB;
/// Clock ticks of the kernel per second.
const TICKS: f64 = 100.0;

fn main() {
    let server = server::Setup::new().user("anna", &[]).start();
    let client = server.client("anna");
    let here = client.scratch("here");
    many_entries(&server);
    material::random_file(&here.join("big-0"), SIZE, 1);
    for number in 1..FILES {
        fs::hard_link(here.join("big-0"), here.join(format!("big-{number}"))).unwrap();
    }
    let setup = Setup::new(&client).size(160, 40).word("--transfers").word("2");
    let mut screen = Screen::log_in(setup, &client);
    screen.wait("many/");
    screen.wait("big-5");
    idle(&mut screen);
    let before = memory(&screen, "VmRSS:");
    first_page(&mut screen);
    screen.wait(&format!("{ENTRIES} entries"));
    let listed = memory(&screen, "VmRSS:");
    let each = listed.saturating_sub(before) * 1024 / ENTRIES as u64;
    println!("memory            {before} KiB before, {listed} KiB with {ENTRIES} entries: {each} bytes an entry");
    keys(&mut screen, "quiet", 400);
    screen.keys("tab");
    screen.keys("ctrl-a c");
    screen.wait("it fits");
    screen.keys("enter tab");
    screen.wait("sending");
    keys(&mut screen, "2 x 1 GiB running", 400);
    while screen.text().contains(" running ") {
        thread::sleep(Duration::from_secs(1));
    }
    screen.wait("1 done");
    println!("memory            at most {} KiB in all", memory(&screen, "VmHWM:"));
    check(&server, &here);
}

fn many_entries(server: &Server) {
    let many = server.home("anna").join("many");
    fs::create_dir(&many).unwrap();
    for number in 0..ENTRIES {
        fs::write(many.join(format!("entry-{number:06}.rs")), format!("fn entry() -> u32 {{\n    {number}\n}}\n"))
            .unwrap();
    }
}

/// Time from Enter to the first names of the large folder.
fn first_page(screen: &mut Screen) {
    let mut times = Vec::new();
    screen.keys("tab j");
    for _ in 0..7 {
        let pressed = Instant::now();
        screen.keys("enter");
        until(screen, |text| text.contains("entry-"));
        times.push(pressed.elapsed());
        screen.wait(&format!("{ENTRIES} entries"));
        screen.keys("h");
        screen.wait("many/");
    }
    screen.keys("enter");
    times.sort();
    println!("first page        {:.1?} median, {:.1?} worst of {}", times[times.len() / 2], times[6], times.len());
}

/// Repeatedly measures the time from a key press to the screen that shows its effect.
fn keys(screen: &mut Screen, when: &str, count: usize) {
    let mut times = Vec::new();
    let mut at = position(&screen.text());
    for number in 0..count {
        let key = if number % 40 < 20 { "j" } else { "k" };
        let pressed = Instant::now();
        screen.keys(key);
        until(screen, |text| position(text) != at);
        times.push(pressed.elapsed());
        at = position(&screen.text());
        // Like a person who holds a key down: thirty times a second.
        thread::sleep(Duration::from_millis(33).saturating_sub(pressed.elapsed()));
        if when != "quiet" && !screen.text().contains("running") {
            break;
        }
    }
    times.sort();
    let at = |permille: usize| times[(times.len() * permille / 1000).min(times.len() - 1)];
    println!(
        "key to screen     {when}: p50 {:.1?}, p99 {:.1?}, worst {:.1?} of {} keys",
        at(500),
        at(990),
        at(1000),
        times.len()
    );
}

/// The first number of `12/100000` in the pane on the right; the second grows while files arrive.
fn position(text: &str) -> Option<usize> {
    let numbers = |word: &str| word.split_once('/').and_then(|(at, of)| at.parse().ok().zip(of.parse::<usize>().ok()));
    text.split_whitespace().filter_map(numbers).find(|(_, of)| *of >= ENTRIES).map(|(at, _)| at)
}

fn until(screen: &Screen, is_so: impl Fn(&str) -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so(&screen.text()) {
        assert!(Instant::now() < end, "nothing changed:\n{}", screen.text());
        thread::sleep(Duration::from_micros(200));
    }
}

/// Bytes written and processor time used in ten idle seconds.
fn idle(screen: &mut Screen) {
    // A message stays for a few seconds and then disappears.
    while screen.written().1.elapsed() < Duration::from_secs(8) {
        thread::sleep(Duration::from_millis(100));
    }
    let (bytes, used, begun) = (screen.written().0, ticks(screen), Instant::now());
    thread::sleep(Duration::from_secs(10));
    let share = (ticks(screen) - used) / TICKS / begun.elapsed().as_secs_f64() * 100.0;
    println!("doing nothing     {} bytes written, {share:.2} % of a core in 10 s", screen.written().0 - bytes);
}

fn ticks(screen: &Screen) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", screen.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()
}

fn memory(screen: &Screen, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", screen.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn check(server: &Server, here: &Path) {
    for number in 0..FILES {
        let name = format!("big-{number}");
        ferry_e2e::compare::same_file(&here.join(&name), &server.home("anna").join("many").join(&name));
    }
}
