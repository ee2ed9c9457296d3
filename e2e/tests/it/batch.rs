//! `ferry batch`: verbs from a file or another program over connections that stay open.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    process::{Child, Command, Stdio},
};

use ferry_e2e::{
    PASSWORD,
    client::{Client, Outcome, Running},
    compare, material,
    server::{Server, Setup},
    wait,
};
use serde_json::Value;

/// How often the audit log of the server has a login.
fn logins(server: &Server) -> usize {
    let count = || {
        let text = fs::read_to_string(server.data().join("audit.jsonl")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["event"] == "login").count()
    };
    // The log is written by a thread of its own; an event of the end is behind all logins.
    wait::some("the log", || (server.ferryd(&["sessions", "--json"], "").1.trim() == "[]").then(count))
}

/// A file with lines; `@` is the server.
fn file(client: &Client, at: &OsStr, lines: &[&[u8]]) -> std::path::PathBuf {
    let mut text = Vec::new();
    for line in lines {
        for (index, part) in line.split(|b| *b == b'@').enumerate() {
            text.extend_from_slice(if index > 0 { at.as_bytes() } else { b"" });
            text.extend_from_slice(part);
        }
        text.push(b'\n');
    }
    let path = client.scratch("batch").join("lines");
    fs::write(&path, text).unwrap();
    path
}

fn run(client: &Client, mut command: Command, input: &str) -> Outcome {
    command.env("HOME", client.scratch("person")).env_remove("SSH_AUTH_SOCK");
    Running::spawn(command, input.as_bytes().to_vec()).wait()
}

/// Runs verbs of all kinds; returns their outcome.
fn work(client: &Client, at: &OsStr) -> Outcome {
    let here = client.scratch("here");
    material::many_files(&here.join("tree"), 20, 3000, 1);
    fs::write(here.join("my file"), "content").unwrap();
    let lines: &[&[u8]] = &[
        b"# a comment, and then a blank line",
        b"",
        b"mkdir @new",
        b"put 'here/my file' \"@new/my file\"   # quoted",
        b"put here/tree @tree",
        b"get @tree back",
        b"ls @new",
        b"sync here/tree @synced",
        b"hash \"@new/my file\"",
        b"cp @new/my\\ file @new/copy",
        b"rm @new/copy",
        b"stat @tree",
    ];
    let path = file(client, at, lines);
    let words: [&dyn AsRef<OsStr>; 5] = [&"batch", &path, &"--accept-new", &"--password-stdin", &"--json"];
    // The password is one line, so it can be read only once.
    run(client, client.bare(&words), &format!("{PASSWORD}\n"))
}

fn check(client: &Client, outcome: Outcome) {
    let objects = outcome.ok().json();
    let ends: Vec<_> = objects.iter().filter(|object| object.get("line").is_some()).collect();
    assert_eq!(ends.iter().map(|end| end["line"].as_u64().unwrap()).collect::<Vec<_>>(), (3..=12).collect::<Vec<_>>());
    assert!(ends.iter().all(|end| end["exit"] == 0), "{ends:?}");
    assert!(objects.iter().any(|object| object["name"] == "my file"), "{objects:?}");
    compare::same_tree(&client.scratch("here").join("tree"), &client.scratch("here").with_file_name("back"));
}

#[test]
fn the_lines_of_a_batch_log_in_once_and_ask_for_one_password() {
    let server = Server::with_anna();
    let client = server.client("anna");
    check(&client, work(&client, &client.at("")));
    assert_eq!(logins(&server), 1);
}

#[test]
fn the_lines_of_a_batch_log_in_once_at_an_sftp_server() {
    let server = Setup::new().user("anna", &[]).sftp().start();
    let client = server.client("anna");
    let at = format!("sftp://anna@{}/", server.sftp().0);
    let outcome = work(&client, OsStr::new(&at)).ok();
    assert!(outcome.json().iter().filter(|object| object.get("line").is_some()).all(|end| end["exit"] == 0));
    assert_eq!(logins(&server), 1);
}

#[test]
fn a_batch_ends_at_the_first_line_that_fails_with_its_number_and_code() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let lines: &[&[u8]] = &[b"mkdir @one", b"", b"rm @missing", b"ls @nowhere", b"mkdir @two"];
    let path = file(&client, &client.at(""), lines);
    client.run(&[&"batch", &path]).code(4).says("lines, line 3: exit code 4");
    assert!(server.home("anna").join("one").exists() && !server.home("anna").join("two").exists());
    fs::remove_dir(server.home("anna").join("one")).unwrap();
    let outcome = client.run(&[&"batch", &"-k", &path]).code(4).says("line 3: exit code 4").says("line 4: exit code 3");
    assert!(server.home("anna").join("two").exists(), "{outcome}");
}

#[test]
fn a_file_with_a_wrong_line_runs_nothing() {
    let server = Server::with_anna();
    let client = server.client("anna");
    for (line, says) in [
        (&b"mkdir 'open"[..], "quote"),
        (b"lss @x", "'lss'"),
        (b"ls --no-such-flag @", "--no-such-flag"),
        (b"batch -", "another batch"),
        (b"watch . @x", "does not end"),
        (b"passwd @", "passwords"),
        (b"ls --help", "help"),
        (b"@x", "verb"),
    ] {
        let path = file(&client, &client.at(""), &[b"mkdir @made", b"# fine", line]);
        let outcome = client.run(&[&"batch", &"-k", &path]).code(2).says("line 3: ").says(says);
        assert!(!server.home("anna").join("made").exists(), "{outcome}");
    }
    client.run(&[&"batch", &"no such file"]).code(4);
}

#[test]
fn names_that_are_not_text_go_through_a_batch() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let name = OsString::from_vec(b"caf\xe9 'x'".to_vec());
    fs::write(client.scratch("here").join(&name), "content").unwrap();
    let lines: &[&[u8]] = &[b"put \"here/caf\xe9 'x'\" \"@caf\xe9 'x'\"", b"ls @"];
    let path = file(&client, &client.at(""), lines);
    let outcome = client.run(&[&"batch", &path]).ok();
    assert!(server.home("anna").join(&name).exists() && outcome.stdout.ends_with(b"caf\xe9 'x'\n"), "{outcome}");
}

/// A batch that another program drives through its standard input.
struct Driven {
    process: Child,
    answers: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Driven {
    fn start(client: &Client) -> Self {
        let mut command = client.command(&[&"batch", &"-", &"-k", &"--json"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, answers }
    }

    /// Runs a line, and returns its results; the last one is its end.
    fn run(&mut self, line: &[u8]) -> Vec<Value> {
        self.process.stdin.as_mut().unwrap().write_all(&[line, b"\n"].concat()).unwrap();
        let mut results: Vec<Value> = Vec::new();
        while results.last().is_none_or(|result| result.get("line").is_none()) {
            results.push(serde_json::from_str(&self.answers.next().unwrap().unwrap()).unwrap());
        }
        results
    }
}

#[test]
fn another_program_drives_a_batch_line_by_line() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let at = client.at("").into_string().unwrap();
    let mut batch = Driven::start(&client);
    let mut run = |line: &str| batch.run(line.replace('@', &at).as_bytes());
    assert_eq!(
        run("mkdir @a"),
        serde_json::from_str::<Vec<Value>>(r#"[{"path":"a","outcome":"made"},{"line":1,"exit":0}]"#).unwrap()
    );
    assert!(server.home("anna").join("a").exists(), "a line runs before the next one is there");
    assert_eq!(run("rm @missing").last().unwrap()["exit"], 4);
    assert_eq!(run("ls 'open").last().unwrap()["exit"], 2);
    // Standard input has the lines, so no line can read it.
    assert_eq!(run("put - @stream").last().unwrap()["exit"], 1);
    assert_eq!(run("ls @").last().unwrap()["exit"], 0);
    drop(batch.process.stdin.take());
    assert_eq!(wait::some("the end", || batch.process.try_wait().unwrap()).code(), Some(4));
    assert_eq!(logins(&server), 1);
}

#[test]
fn a_signal_ends_a_batch_that_waits_for_a_line() {
    use rustix::process::{Pid, Signal, kill_process};
    let server = Server::with_anna();
    let client = server.client("anna");
    let at = client.at("a").into_string().unwrap();
    let mut batch = Driven::start(&client);
    assert_eq!(batch.run(format!("mkdir {at}").as_bytes()).last().unwrap()["exit"], 0);
    let pid = Pid::from_raw(i32::try_from(batch.process.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(wait::some("the end", || batch.process.try_wait().unwrap()).code(), Some(143));
}
