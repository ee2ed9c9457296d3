//! `ferryd top` on a terminal: it shows the server, and gives the terminal back however it ends.

use std::{
    io::{Read as _, Write as _},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

use crate::{command_line::Place, serving::Serving};

/// Enters and leaves the screen that programs have for themselves.
const ENTER: &str = "\u{1b}[?1049h";
const LEAVE: &str = "\u{1b}[?1049l";

/// `ICANON` and `ECHO` of Linux: what a shell expects.
const LINES_AND_ECHO: u32 = 0o12;

struct Watched {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    text: Arc<Mutex<String>>,
}

/// `ferryd top` on a terminal of its own.
fn spawn(place: &Place) -> (Box<dyn Child + Send + Sync>, Box<dyn MasterPty + Send>) {
    let size = PtySize { rows: 24, cols: 100, pixel_width: 0, pixel_height: 0 };
    let pty = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_ferryd"));
    command.args(["top", "--data"]);
    command.arg(place.path().join("data"));
    command.env("TERM", "xterm-256color");
    (pty.slave.spawn_command(command).unwrap(), pty.master)
}

impl Watched {
    fn start(place: &Place) -> Self {
        let (child, master) = spawn(place);
        let mut reader = master.try_clone_reader().unwrap();
        let text = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&text);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self { child, master, text }
    }

    fn wait_for(&self, words: &str) {
        let start = Instant::now();
        while !self.text.lock().unwrap().contains(words) {
            assert!(start.elapsed() < Duration::from_secs(20), "no {words:?} in {:?}", self.text.lock().unwrap());
            thread::yield_now();
        }
    }

    fn ends_well(mut self) {
        assert!(self.child.wait().unwrap().success());
        self.wait_for(LEAVE);
        let local = self.master.get_termios().unwrap().local_flags;
        assert_eq!(local.bits() & LINES_AND_ECHO, LINES_AND_ECHO, "{local:?}");
    }
}

#[test]
fn the_terminal_is_given_back_after_a_key_and_after_a_signal() {
    let place = Place::new();
    let mut serving = Serving::start(&place, "serve --listen 127.0.0.1:0");
    assert!(serving.line().starts_with("listening"));
    for by_signal in [false, true] {
        let watched = Watched::start(&place);
        watched.wait_for(ENTER);
        watched.wait_for("nobody is connected");
        if by_signal {
            let pid = i32::try_from(watched.child.process_id().unwrap()).unwrap();
            kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
        } else {
            watched.master.take_writer().unwrap().write_all(b"q").unwrap();
        }
        watched.ends_well();
    }
}

#[test]
fn it_ends_when_its_terminal_is_gone() {
    let place = Place::new();
    let mut serving = Serving::start(&place, "serve --listen 127.0.0.1:0");
    assert!(serving.line().starts_with("listening"));
    let (mut child, master) = spawn(&place);
    let mut reader = master.try_clone_reader().unwrap();
    let (mut text, mut bytes) = (String::new(), [0; 4096]);
    while !text.contains("nobody is connected") {
        let count = reader.read(&mut bytes).unwrap();
        text.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    drop((reader, master));
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("it runs on without a terminal");
        }
        thread::yield_now();
    }
}

#[test]
fn without_a_terminal_or_a_server_it_says_so() {
    let place = Place::new();
    let ran = place.run_with("top", "");
    assert!(ran.code == 1 && ran.err.contains("needs a terminal"), "{}", ran.err);
    let watched = Watched::start(&place);
    watched.wait_for("no server answers at");
    assert!(!watched.text.lock().unwrap().contains(ENTER));
}
