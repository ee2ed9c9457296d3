//! An interrupted transfer continues where it stopped, as shown by the number of bytes on the wire.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

use ferry_e2e::{
    MIB,
    client::{Client, Outcome, Running},
    compare, long, material,
    noise::Noise,
    proxy::{Direction, Proxy, Then},
    server::Server,
    wait,
};

/// The size of the file whose transfer is interrupted.
const SIZE: u64 = 24 * MIB;
/// Bytes after which it is interrupted.
const CUT: u64 = 16 * MIB;
/// Bytes that may be sent twice or additionally: blocks in flight, greetings, digests.
const SLACK: u64 = 4 * MIB;

/// A transfer of one file in one direction, so that each test runs in both.
struct Transfer {
    direction: Direction,
    proxy: Proxy,
    client: Client,
    source: PathBuf,
    target: PathBuf,
}

impl Transfer {
    fn new(server: &Server, direction: Direction, size: u64) -> Self {
        let proxy = Proxy::new(server.address());
        let client = server.client("anna").at_address(proxy.address());
        let (local, remote) = (client.scratch("here").join("file"), server.home("anna").join("file"));
        let (source, target) = if direction == Direction::Up { (local, remote) } else { (remote, local) };
        material::random_file(&source, size, 11);
        Self { direction, proxy, client, source, target }
    }

    fn words(&self, more: &[&str]) -> Vec<OsString> {
        let (source, target) = (self.source.clone().into_os_string(), self.target.clone().into_os_string());
        let mut words = match self.direction {
            Direction::Up => vec!["put".into(), source, self.client.at("file")],
            Direction::Down => vec!["get".into(), self.client.at("file"), target],
        };
        words.push("--on-conflict=replace".into());
        words.extend(more.iter().map(OsString::from));
        words
    }

    fn run(&self, more: &[&str]) -> Outcome {
        self.start(more).wait()
    }

    fn start(&self, more: &[&str]) -> Running {
        let words = self.words(more);
        let words: Vec<&dyn AsRef<OsStr>> = words.iter().map(|word| word as &dyn AsRef<OsStr>).collect();
        self.client.start(&words)
    }

    /// Lets `bytes` pass and waits until the receiver has written about all of them.
    fn start_and_hold(&self, server: &Server, bytes: u64) -> Running {
        self.proxy.after(self.direction, bytes, Then::Hold);
        let running = self.start(&["--retries=0"]);
        self.proxy.wait_tripped(self.direction);
        let held = || match self.direction {
            Direction::Up => length_of(server.staged_parts("anna").first()),
            Direction::Down => length_of(Some(&self.target.with_file_name(".file.ferry-part"))),
        };
        wait::until("what came to be written", || held() + 2 * MIB >= bytes);
        running
    }

    /// Lets [`CUT`] bytes pass, then cuts the connection; the client does not retry.
    fn cut(&self, server: &Server) {
        let running = self.start_and_hold(server, CUT);
        self.proxy.cut();
        drop(running.wait().code(5));
        self.proxy.release();
    }

    /// Runs to the end and fails if more than `most` bytes were transferred for that.
    fn finish_within(&self, most: u64) {
        self.proxy.reset_counters();
        self.run(&[]).ok();
        compare::same_file(&self.source, &self.target);
        let sent = self.proxy.counted(self.direction);
        assert!(sent <= most, "{:?}: {sent} bytes travelled where at most {most} were missing", self.direction);
    }
}

fn length_of(file: Option<&PathBuf>) -> u64 {
    file.and_then(|file| fs::metadata(file).ok()).map_or(0, |meta| meta.len())
}

fn both(test: impl Fn(Direction)) {
    test(Direction::Up);
    test(Direction::Down);
}

#[test]
fn a_cut_cable_costs_only_what_was_under_way() {
    both(|direction| {
        let server = Server::with_anna();
        let transfer = Transfer::new(&server, direction, SIZE);
        transfer.cut(&server);
        assert!(!transfer.target.exists(), "half a file has the file's name");
        transfer.finish_within(SIZE - CUT + SLACK);
    });
}

#[test]
fn a_killed_client_costs_only_what_was_under_way() {
    both(|direction| {
        let server = Server::with_anna();
        let transfer = Transfer::new(&server, direction, SIZE);
        drop(transfer.start_and_hold(&server, CUT).kill());
        transfer.proxy.release();
        assert!(!transfer.target.exists(), "half a file has the file's name");
        transfer.finish_within(SIZE - CUT + SLACK);
    });
}

#[test]
fn a_line_that_breaks_at_random_places_is_survived_by_the_client_itself() {
    let rounds = if long() { 20 } else { 2 };
    let (mut noise, seed) = Noise::any();
    for round in 0..rounds {
        both(|direction| {
            let mut noise = noise.clone();
            let server = Server::with_anna();
            let transfer = Transfer::new(&server, direction, SIZE);
            let mut running = transfer.start(&["--retries=50"]);
            for _ in 0..5 {
                // Half of the time the connection is closed in an orderly way, in the middle of a frame.
                let then = if noise.below(2) == 0 { Then::Reset } else { Then::Close };
                transfer.proxy.after(direction, 100 + noise.below(5 * MIB), then);
                wait::until("the fault or the end", || transfer.proxy.tripped(direction) || running.ended());
            }
            transfer.proxy.release();
            let _ = running.wait().ok();
            assert!(compare::equal(&transfer.source, &transfer.target), "seed {seed}, round {round}, {direction:?}");
            let sent = transfer.proxy.counted(direction);
            assert!(sent <= SIZE + 6 * SLACK, "seed {seed}, round {round}, {direction:?}: {sent} bytes travelled");
        });
        noise.next_u64();
    }
}

#[test]
fn a_cable_that_is_pulled_is_waited_for_until_it_is_back() {
    both(|direction| {
        let server = Server::with_anna();
        let transfer = Transfer::new(&server, direction, SIZE);
        transfer.proxy.after(direction, CUT, Then::Hold);
        let running = transfer.start(&["--retries=50"]);
        transfer.proxy.wait_tripped(direction);
        let before = transfer.proxy.connections();
        transfer.proxy.unplug();
        wait::until("the client to try again, in vain", || transfer.proxy.connections() >= before + 2);
        transfer.proxy.release();
        drop(running.wait().ok());
        compare::same_file(&transfer.source, &transfer.target);
    });
}

#[test]
fn no_resume_begins_anew() {
    both(|direction| {
        let server = Server::with_anna();
        let transfer = Transfer::new(&server, direction, SIZE);
        transfer.cut(&server);
        transfer.proxy.reset_counters();
        transfer.run(&["--no-resume"]).ok();
        compare::same_file(&transfer.source, &transfer.target);
        assert!(transfer.proxy.counted(direction) >= SIZE);
    });
}

#[test]
fn a_source_changed_after_the_cut_gives_the_new_source_not_a_mixture() {
    both(|direction| {
        for change in ["first block", "longer", "shorter", "all"] {
            let server = Server::with_anna();
            let transfer = Transfer::new(&server, direction, SIZE);
            transfer.cut(&server);
            alter(&transfer.source, change);
            transfer.run(&[]).ok();
            assert!(compare::equal(&transfer.source, &transfer.target), "{direction:?}, {change}: a mixture");
        }
    });
}

fn alter(file: &Path, change: &str) {
    let open = || fs::OpenOptions::new().write(true).open(file).unwrap();
    match change {
        "first block" => material::flip_byte(file, 5),
        "longer" => open().set_len(SIZE + MIB + 3).unwrap(),
        "shorter" => open().set_len(SIZE - 10 * MIB - 3).unwrap(),
        _ => material::random_file(file, SIZE, 99),
    }
}

#[test]
fn a_changed_file_costs_only_its_changed_blocks() {
    both(|direction| {
        let server = Server::with_anna();
        let transfer = Transfer::new(&server, direction, SIZE);
        transfer.run(&[]).ok();
        material::flip_byte(&transfer.source, 3 * MIB);
        material::flip_byte(&transfer.source, 20 * MIB + 5);
        material::set_mtime(&transfer.source, 1_700_000_000, 0);
        transfer.finish_within(2 * MIB + MIB / 2);
    });
}

#[test]
fn another_client_can_go_on_with_an_upload() {
    let server = Server::with_anna();
    let transfer = Transfer::new(&server, Direction::Up, SIZE);
    transfer.cut(&server);
    let other = server.client("anna").at_address(transfer.proxy.address());
    let copy = other.scratch("elsewhere").join("copy");
    fs::copy(&transfer.source, &copy).unwrap();
    transfer.proxy.reset_counters();
    other.put(&copy, "file").ok();
    compare::same_file(&transfer.source, &transfer.target);
    let sent = transfer.proxy.counted(Direction::Up);
    assert!(sent <= SIZE - CUT + SLACK, "{sent} bytes travelled");
}

#[test]
fn a_tree_that_was_cut_goes_on_without_sending_what_is_there() {
    both(|direction| {
        let server = Server::with_anna();
        let proxy = Proxy::new(server.address());
        let client = server.client("anna").at_address(proxy.address());
        let (here, there) = (client.scratch("here"), server.home("anna"));
        let (source, target) = if direction == Direction::Up { (&here, &there) } else { (&there, &here) };
        material::many_files(&source.join("tree"), 400, 60_000, 5);
        let run = |retries: &str| {
            if direction == Direction::Up {
                let tree = here.join("tree");
                client.run(&[&"put", &tree, &client.at("/"), &"--on-conflict=different", &retries])
            } else {
                client.run(&[&"get", &client.at("tree"), &here.join(""), &"--on-conflict=different", &retries])
            }
        };
        proxy.after(direction, 6 * MIB, Then::Reset);
        let _ = run("--retries=0").code(5);
        proxy.release();
        proxy.reset_counters();
        run("--retries=3").ok();
        compare::same_tree(&source.join("tree"), &target.join("tree"));
        let whole = compare::bytes_below(&source.join("tree"));
        let sent = proxy.counted(direction);
        assert!(sent <= whole - 2 * MIB, "{direction:?}: {sent} of {whole} bytes travelled again");
    });
}
