//! `ferryd serve` as a process: its output, its reactions, and its end.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStdout, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::command_line::Place;

/// A running server; killed when dropped.
pub(crate) struct Serving {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Serving {
    pub(crate) fn start(place: &Place, line: &str) -> Self {
        let log = fs::File::create(place.path().join("log")).unwrap();
        let mut command = place.command(line);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// The next line of standard output; empty if it is closed.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn ends_with(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // This fails only if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until the log contains `text`.
fn log_with(place: &Place, text: &str) -> String {
    let start = Instant::now();
    loop {
        let log = fs::read_to_string(place.path().join("log")).unwrap();
        if log.contains(text) {
            return log;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "no '{text}' in {log}");
        thread::yield_now();
    }
}

#[test]
fn says_where_it_is_and_how_to_begin_and_ends_on_sigterm() {
    let place = Place::new();
    let mut serving = Serving::start(&place, "serve --listen 127.0.0.1:0 --listen 127.0.0.1:0");
    let mut address =
        || -> SocketAddr { serving.line().strip_prefix("listening on ").expect("an address").parse().unwrap() };
    let (first, second) = (address(), address());
    assert_ne!(first.port(), second.port());
    let fingerprint = serving.line();
    assert_eq!(fingerprint.strip_prefix("fingerprint ").unwrap(), place.run_with("identity", "").well().trim());
    let hint = serving.line();
    assert!(hint.starts_with("no users yet") && hint.contains("ferryd user add"), "{hint}");
    TcpStream::connect(first).unwrap();
    serving.signal(Signal::TERM);
    let mut rest = String::new();
    serving.out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert_eq!(serving.ends_with(), 0);
    assert!(TcpStream::connect(first).is_err());
}

#[test]
fn follows_the_user_store_and_keeps_the_last_good_one() {
    let place = Place::new();
    let mut serving = Serving::start(&place, "serve --listen 127.0.0.1:0");
    while !serving.line().starts_with("no users") {}
    place.run_with("user add alice --password-stdin", "secret").well();
    log_with(&place, "user store reloaded added=1");
    let store = place.path().join("data/users.json");
    let good = fs::read_to_string(&store).unwrap();
    fs::write(&store, good.replacen("true", "maybe", 1)).unwrap();
    let log = log_with(&place, "users.json:10:18");
    assert!(log.contains("ERROR"), "{log}");
    fs::write(&store, good.replacen("true", "false", 1)).unwrap();
    log_with(&place, "changed=1");
    serving.signal(Signal::HUP);
    log_with(&place, "certificate read again");
    serving.signal(Signal::INT);
    assert_eq!(serving.ends_with(), 0);
}

#[test]
fn a_start_is_logged_with_what_it_uses_and_one_that_fails_is_not_told_in_the_audit_log() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ran = place.run_with(&format!("serve --listen {}", taken.local_addr().unwrap()), "");
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(
        ran.err.contains("server.listen: cannot listen on 127.0.0.1:") && ran.err.contains("'ss -ltnp'"),
        "{}",
        ran.err
    );
    let data = place.path().join("data");
    assert!(!data.join("audit.jsonl").exists());
    let config = place.path().join("ferryd.toml");
    fs::write(&config, "").unwrap();
    let mut serving = Serving::start(&place, "serve --listen 127.0.0.1:0");
    assert!(serving.line().starts_with("listening"));
    let line = format!("starting version=\"{}\" config=\"{}\"", env!("CARGO_PKG_VERSION"), config.display());
    let log = log_with(&place, &line);
    assert!(log.contains(&format!("data={}", data.display())), "{log}");
    serving.signal(Signal::TERM);
    assert_eq!(serving.ends_with(), 0);
    let audit = fs::read_to_string(data.join("audit.jsonl")).unwrap();
    assert_eq!(audit.matches("started").count(), 1, "{audit}");
}

#[test]
fn does_not_start_without_its_control_socket() {
    let place = Place::new();
    fs::create_dir(place.path().join("data")).unwrap();
    fs::write(place.path().join("data/control.sock"), "").unwrap();
    let ran = place.run_with("serve --listen 127.0.0.1:0", "");
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("control.socket: ") && ran.err.contains("exists and is not a socket"), "{}", ran.err);
}

#[test]
fn does_not_start_on_a_broken_store_or_configuration() {
    let place = Place::new();
    fs::create_dir(place.path().join("data")).unwrap();
    fs::write(place.path().join("data/users.json"), "{}").unwrap();
    let ran = place.run_with("serve --listen 127.0.0.1:0", "");
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("users.json:1:2: missing field `version`"), "{}", ran.err);
    fs::write(place.path().join("ferryd.toml"), "[server]\nlisten = []\n").unwrap();
    let ran = place.run_with("serve", "");
    assert!(ran.code == 1 && ran.err.contains("ferryd.toml:2:1: server.listen"), "{}", ran.err);
}
