//! Standard input and output: closed, redirected, or without a reader; and commands whose output is sent.

use std::{ffi::OsStr, fs, os::fd::OwnedFd, path::Path, process::Command};

use ferry_e2e::{
    MIB,
    client::{Client, Running, Words},
    material,
    server::{Server, Setup},
    wait,
};
use rustix::process::Signal;

fn scene() -> (Server, Client) {
    let server = Setup::new().user("anna", &["--quota", "8MiB"]).start();
    fs::write(server.home("anna").join("file"), "good").unwrap();
    material::random_file(&server.home("anna").join("large"), 5 * MIB, 1);
    let client = server.client("anna");
    (server, client)
}

/// `ferry` with `words`, started by a shell that first does `redirect`.
fn redirected(client: &Client, redirect: &str, words: Words) -> Running {
    by_shell(redirect, &client.command(words))
}

fn by_shell(redirect: &str, inner: &Command) -> Running {
    let mut command = Command::new("sh");
    command.args(["-c", &format!(r#"exec "$@" {redirect}"#), "sh"]).arg(inner.get_program()).args(inner.get_args());
    if let Some(folder) = inner.get_current_dir() {
        command.current_dir(folder);
    }
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Running::spawn(command, Vec::new())
}

#[test]
fn an_input_that_is_closed_is_an_error_and_no_empty_file() {
    let (server, client) = scene();
    let put: Words = &[&"put", &"-", &client.at("file"), &"--on-conflict=replace"];
    redirected(&client, "<&-", put).wait().code(1).says("standard input is closed");
    assert_eq!(fs::read(server.home("anna").join("file")).unwrap(), b"good");
    let inner = client.bare(&[&"ls", &client.at(""), &"--accept-new", &"--password-stdin"]);
    by_shell("<&-", &inner).wait().code(1).says("standard input is closed");
    // An empty input gives an empty file, however it was opened.
    for redirect in ["</dev/null", "0<>/dev/null"] {
        redirected(&client, redirect, put).wait().ok();
        assert_eq!(fs::read(server.home("anna").join("file")).unwrap(), b"");
    }
}

#[test]
fn an_output_that_is_closed_is_an_error_where_it_is_needed() {
    let (server, client) = scene();
    let here = client.scratch("here");
    for words in [&["ls", ""][..], &["cat", "file"], &["hash", "file"], &["get", "file", "-"]] {
        let at = client.at(words[1]);
        let mut line: Vec<&dyn AsRef<OsStr>> = vec![&words[0], &at];
        line.extend(words[2..].iter().map(|word| word as &dyn AsRef<OsStr>));
        redirected(&client, ">&-", &line).wait().code(1).says("standard output is closed");
        redirected(&client, "1<>/dev/null", &line).wait().ok();
    }
    let got = here.join("got");
    redirected(&client, ">&-", &[&"get", &client.at("file"), &got, &"--json"]).wait().code(1);
    assert!(!got.exists(), "nothing is begun that cannot be told");
    redirected(&client, "<&- >&-", &[&"get", &client.at("file"), &got]).wait().ok();
    redirected(&client, "<&- >&-", &[&"put", &got, &client.at("again")]).wait().ok();
    assert_eq!(fs::read(server.home("anna").join("again")).unwrap(), b"good");
}

/// The exit code and messages of a command whose output nobody reads.
fn unread(client: &Client, words: Words) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = client.command(words).stdin(std::process::Stdio::null()).stdout(OwnedFd::from(writer)).output();
    let output = output.unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_reader_that_leaves_is_a_quiet_141() {
    let (_server, client) = scene();
    for words in [&["ls", ""][..], &["cat", "large"], &["cat", "file", "large"], &["get", "large", "-"], &["find", ""]]
    {
        let mut line: Vec<Box<dyn AsRef<OsStr>>> = vec![Box::new(words[0])];
        for word in &words[1..] {
            line.push(if *word == "-" { Box::new("-") } else { Box::new(client.at(word)) });
        }
        let line: Vec<&dyn AsRef<OsStr>> = line.iter().map(AsRef::as_ref).collect();
        assert_eq!(unread(&client, &line), (Some(141), String::new()), "{words:?}");
    }
}

#[test]
fn a_transfer_whose_json_nobody_reads_has_its_own_exit_code() {
    let (server, client) = scene();
    let tree = client.scratch("tree");
    // More than a pipe or a buffer holds.
    material::many_files(&tree, 2000, 100, 1);
    let (code, _) = unread(&client, &[&"put", &tree, &client.at("tree"), &"--json"]);
    assert_eq!(code, Some(0));
    ferry_e2e::compare::same_tree(&tree, &server.home("anna").join("tree"));
    let (code, _) = unread(&client, &[&"get", &client.at("missing"), &tree.join("x"), &"--json"]);
    assert_eq!(code, Some(4));
}

/// `ferry put --from-command`, with a shell script as the command.
fn produced(client: &Client, target: &str, script: &str) -> Running {
    let (at, file) = (client.at(target), client.password_file());
    let words: [&dyn AsRef<OsStr>; 10] = [
        &"put",
        &"--from-command",
        &"--on-conflict=replace",
        &at,
        &"--accept-new",
        &"--password-file",
        &file,
        &"--",
        &"sh",
        &"-c",
    ];
    let mut command = client.bare(&words);
    command.arg(script);
    Running::spawn(command, Vec::new())
}

#[test]
fn the_output_of_a_command_is_stored_only_if_the_command_succeeds() {
    let (server, client) = scene();
    let file = server.home("anna").join("file");
    produced(&client, "file", "exit 3").wait().code(1).says("exit status: 3");
    produced(&client, "file", "head -c 3000000 /dev/zero; exit 1").wait().code(1);
    produced(&client, "file", "printf half; kill -9 $$").wait().code(1).says("signal");
    assert_eq!(fs::read(&file).unwrap(), b"good");
    produced(&client, "file", "printf better").wait().ok();
    assert_eq!(fs::read(&file).unwrap(), b"better");
    produced(&client, "file", "exec 2>&1; head -c 3000000 /dev/zero").wait().ok();
    assert_eq!(fs::metadata(&file).unwrap().len(), 3_000_000);
    let line = client.bare(&[&"put", &"--from-command", &client.at("x"), &"--", &"no-such-program-here"]);
    assert_ne!(Running::spawn(line, Vec::new()).wait().status.code(), Some(0));
    for words in [&["put", "--from-command"][..], &["put", "--from-command", "anna@h:x"]] {
        let words: Vec<&dyn AsRef<OsStr>> = words.iter().map(|word| word as &dyn AsRef<OsStr>).collect();
        Running::spawn(client.bare(&words), Vec::new()).wait().code(2);
    }
}

/// Whether the process whose ID a script wrote is gone and has been reaped.
fn is_gone(pid: &Path) -> bool {
    let pid = fs::read_to_string(pid).unwrap();
    !Path::new("/proc").join(pid.trim()).exists()
}

#[test]
fn a_command_is_ended_when_its_upload_ends_first() {
    let (_server, client) = scene();
    let pid = client.scratch("here").join("pid");
    let script = format!("echo $$ >{}; exec yes", pid.display());
    produced(&client, "new", &script).wait().code(8);
    assert!(is_gone(&pid));
    // A command that writes nothing and does not end.
    fs::remove_file(&pid).unwrap();
    let script = format!("echo $$ >{0}.new; mv {0}.new {0}; exec sleep 1000", pid.display());
    let running = produced(&client, "new", &script);
    wait::until("the command's start", || pid.exists());
    running.signal(Signal::INT);
    let _ = running.wait().code(130);
    assert!(is_gone(&pid));
}

#[test]
fn a_dry_run_starts_no_command() {
    let (_server, client) = scene();
    let made = client.scratch("here").join("made");
    let (at, file) = (client.at("x"), client.password_file());
    let words: [&dyn AsRef<OsStr>; 9] =
        [&"put", &"-n", &"--from-command", &at, &"--accept-new", &"--password-file", &file, &"--", &"touch"];
    let mut command = client.bare(&words);
    command.arg(&made);
    Running::spawn(command, Vec::new()).wait().ok();
    assert!(!made.exists());
}
