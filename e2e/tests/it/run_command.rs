//! `ferry run`: commands that are built into the server, with the real programs.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
};

use ferry_e2e::{
    MIB,
    client::{Client, Outcome, Running},
    compare, material,
    proxy::{Direction, Proxy, Then},
    server::{Server, Setup},
    wait,
};
use ferry_shared::digest::Digest;
use rustix::process::Signal;
use serde_json::Value;

/// `ferry FLAGS… run SITE -- WORDS…`.
fn line(client: &Client, flags: &[&str], words: &[&dyn AsRef<OsStr>]) -> Command {
    let mut command = client.bare(&[&"run", &client.at("")]);
    command.args(flags).arg("--accept-new").arg("--password-file").arg(client.password_file()).arg("--");
    command.args(words.iter().map(AsRef::as_ref));
    command
}

fn run(client: &Client, words: &[&dyn AsRef<OsStr>]) -> Outcome {
    Running::spawn(line(client, &[], words), Vec::new()).wait()
}

/// Waits until no client is connected, which means that the server does no more work for one.
fn wait_for_the_end_on(server: &Server) {
    wait::until("the command to end on the server", || sessions(server) == 0);
}

fn sessions(server: &Server) -> usize {
    let (status, said) = server.ferryd(&["sessions", "--json"], "");
    assert!(status.success(), "{said}");
    serde_json::from_str::<Value>(&said).unwrap().as_array().unwrap().len()
}

/// A command that takes minutes, in the middle of its work.
fn long_command(server: &Server, client: &Client) -> Running {
    fs::File::create(server.home("anna").join("huge")).unwrap().set_len(400 << 30).unwrap();
    let running = Running::spawn(line(client, &[], &[&"wc", &"huge"]), Vec::new());
    wait::until("the command to begin", || sessions(server) == 1);
    running
}

#[test]
fn commands_print_what_the_programs_of_their_names_print() {
    let server = Server::with_anna();
    let (client, home) = (server.client("anna"), server.home("anna"));
    material::hostile_tree(&home.join("names"));
    fs::write(home.join("text"), "one two\nthree\nfour").unwrap();
    material::random_file(&home.join("random"), 3 * MIB + 17, 1);
    for words in [
        "md5sum text random",
        "sha1sum text random missing",
        "sha256sum random",
        "head -n 2 text",
        "head -c 2000000 random",
        "tail -c 2000000 random",
        "tail -n +2 text",
        "wc text",
        "wc -lc text random",
        "du -b random",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let there = Command::new(words[0]).args(&words[1..]).current_dir(&home).env("LC_ALL", "C").output().unwrap();
        let words: Vec<&dyn AsRef<OsStr>> = words.iter().map(|word| word as _).collect();
        let here = run(&client, &words).code(there.status.code().unwrap());
        assert!(here.stdout == there.stdout, "{here}");
    }
    // Names of any bytes, there and back.
    let found = run(&client, &[&"find", &"names", &"-print0"]).ok();
    let mut found: Vec<_> = found.stdout.split_inclusive(|byte| *byte == 0).collect();
    let there = Command::new("find").args(["names", "-print0"]).current_dir(&home).output().unwrap();
    let mut there: Vec<_> = there.stdout.split_inclusive(|byte| *byte == 0).collect();
    found.sort_unstable();
    there.sort_unstable();
    assert!(found == there && found.len() > 10, "{} names", found.len());
    for name in material::hostile_names() {
        let path = std::path::Path::new("names").join(&name);
        if home.join(&path).is_file() {
            let sums = run(&client, &[&"md5sum", &"--", &path]).ok();
            let there = Command::new("md5sum").arg("--").arg(&path).current_dir(&home).output().unwrap();
            assert!(sums.stdout == there.stdout, "{sums}");
        }
    }
}

#[test]
fn the_digest_of_a_large_file_costs_a_few_bytes_on_the_wire() {
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let big = server.home("anna").join("big");
    material::random_file(&big, 64 * MIB, 2);
    let hashed = run(&client, &[&"hash", &"big"]).ok();
    assert_eq!(hashed.text(), format!("{}  big\n", Digest::of(&fs::read(&big).unwrap())));
    let moved = proxy.counted(Direction::Up) + proxy.counted(Direction::Down);
    assert!(moved < 64 << 10, "{moved} bytes");
}

#[test]
fn copies_and_moves_happen_on_the_server_within_the_quota() {
    let server = Setup::new().user("anna", &["--quota", "20MiB"]).start();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let file = client.scratch("here").join("file");
    material::random_file(&file, 8 * MIB, 3);
    client.put(&file, "file").ok();
    proxy.reset_counters();
    run(&client, &[&"cp", &"file", &"copy"]).ok();
    run(&client, &[&"mv", &"file", &"moved"]).ok();
    run(&client, &[&"cp", &"copy", &"over"]).code(1).says("quota");
    let moved = proxy.counted(Direction::Up) + proxy.counted(Direction::Down);
    assert!(moved < 200 << 10, "{moved} bytes");
    let home = server.home("anna");
    compare::same_file(&file, &home.join("copy"));
    compare::same_file(&file, &home.join("moved"));
    assert!(!home.join("file").exists() && !home.join("over").exists());
    let usage = &client.run(&[&"quota", &"--json", &client.at("")]).ok().json()[0];
    assert_eq!((&usage["used"], &usage["reserved"]), (&compare::bytes_below(&home).into(), &0.into()));
    let table = run(&client, &[&"df", &"-k"]).ok().text();
    assert!(table.lines().nth(1).is_some_and(|line| line.contains(" 20480 16384 ")), "{table}");
}

#[test]
fn the_exit_code_is_the_status_of_the_command() {
    let server = Setup::new().user("anna", &[]).config("[limits]\ncommand_output = \"100KB\"").start();
    let client = server.client("anna");
    fs::write(server.home("anna").join("big"), vec![b'x'; 200_000]).unwrap();
    run(&client, &[&"head", &"-c1", &"big"]).ok();
    drop(run(&client, &[&"head", &"missing"]).code(1).says("head: /missing is not there"));
    drop(run(&client, &[&"head", &"--wrong"]).code(1).says("Usage: head"));
    drop(run(&client, &[&"hash"]).code(2).says("Usage: hash"));
    drop(run(&client, &[&"sh", &"-c", &"id"]).code(127).says("there is no such command"));
    drop(run(&client, &[&"md5sum"]).code(1).says("no standard input"));
    let cut = run(&client, &[&"head", &"big"]).code(125).says("longer than 100KB");
    assert_eq!(cut.stdout.len(), 100_000);
    assert!(run(&client, &[&"help"]).ok().text().contains("tar-list"));
    // A code of ferry: there is no command at all.
    drop(client.run(&[&"run", &client.at("")]).code(2));
}

#[test]
fn with_json_output_and_status_are_objects() {
    let server = Server::with_anna();
    let client = server.client("anna");
    fs::write(server.home("anna").join("a"), b"text\n\xff").unwrap();
    let running = Running::spawn(line(&client, &["--json"], &[&"head", &"a", &"missing"]), Vec::new());
    let objects = running.wait().code(1).json();
    let of = |key: &str| objects.iter().filter_map(|object| object.get(key)).cloned().collect::<Vec<_>>();
    assert_eq!(of("status"), [1]);
    assert!(of("err").iter().any(|text| text.as_str().is_some_and(|text| text.contains("missing"))), "{objects:?}");
    assert!(!of("out").is_empty(), "{objects:?}");
}

#[test]
fn a_command_ends_on_the_server_when_its_client_is_interrupted() {
    let server = Server::with_anna();
    let client = server.client("anna");
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let running = long_command(&server, &client);
        running.signal(signal);
        drop(running.wait().code(code));
        wait_for_the_end_on(&server);
    }
}

#[test]
fn a_connection_lost_in_the_middle_of_a_command_is_a_failure() {
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let big = server.home("anna").join("big");
    material::random_file(&big, 12 * MIB, 4);
    proxy.after(Direction::Down, 6 * MIB, Then::Reset);
    let cut = run(&client, &[&"head", &"-c", &"12M", &"big"]).code(5);
    assert!(!cut.stderr.trim().is_empty(), "{cut}");
    let whole = fs::read(&big).unwrap();
    assert!(cut.stdout.len() < whole.len() && whole.starts_with(&cut.stdout), "{} bytes", cut.stdout.len());
    wait_for_the_end_on(&server);
}

#[test]
fn a_session_that_is_ended_ends_its_command() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let running = long_command(&server, &client);
    let (status, said) = server.ferryd(&["user", "set", "anna", "--disable"], "");
    assert!(status.success(), "{said}");
    drop(running.wait().code(7));
    wait_for_the_end_on(&server);
}

#[test]
fn a_reader_that_leaves_ends_the_command_silently() {
    let server = Server::with_anna();
    let client = server.client("anna");
    fs::write(server.home("anna").join("big"), "a line\n".repeat(2 << 20)).unwrap();
    let mut command = line(&client, &[], &[&"head", &"-n", &"2000000", &"big"]);
    let mut ferry =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ferry starts");
    let mut first = String::new();
    let mut reader = BufReader::new(ferry.stdout.take().unwrap());
    reader.read_line(&mut first).unwrap();
    drop(reader);
    assert_eq!(first, "a line\n");
    let status = wait::some("the end of ferry", || ferry.try_wait().unwrap());
    let mut said = String::new();
    ferry.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((status.code(), said.as_str()), (Some(141), ""));
    wait_for_the_end_on(&server);
}
