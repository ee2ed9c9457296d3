//! The real `ferry` in a real terminal: a pty, key presses, and the resulting screen.

mod keys;

use std::{
    ffi::OsString,
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    num::NonZeroU16,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Instant,
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

use crate::{PASSWORD, binaries, client::Client, server::Server, wait};

/// The setup of a terminal before `ferry` starts in it.
#[derive(Debug)]
pub struct Setup {
    size: (u16, u16),
    folder: PathBuf,
    words: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    background: &'static str,
}

/// `ferry` in its terminal. Killed when dropped.
pub struct Screen {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Keys,
    seen: Arc<Mutex<Seen>>,
}

/// The way for key presses, and for the answers of the terminal.
type Keys = Arc<Mutex<Box<dyn Write + Send>>>;

/// The output of the terminal.
struct Seen {
    terminal: vt100::Parser,
    bytes: u64,
    last: Instant,
    over: bool,
}

/// A terminal's size: columns, then lines.
fn pty_size((columns, lines): (u16, u16)) -> PtySize {
    PtySize { rows: lines, cols: columns, pixel_width: 0, pixel_height: 0 }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a terminal has cells")
}

impl Setup {
    /// Sets up `ferry` for `client` in its folder `here`, in a terminal of 100 columns and 30 lines.
    #[must_use]
    pub fn new(client: &Client) -> Self {
        let home = client.scratch("user");
        let mut setup = Self {
            size: (100, 30),
            folder: client.scratch("here"),
            words: vec![],
            environment: vec![],
            background: "0000/0000/0000",
        };
        setup.set("PATH", std::env::var_os("PATH").unwrap_or_default());
        setup.set("FERRY_HOME", client.home());
        setup.set("HOME", home);
        setup.set("TERM", "xterm-256color");
        setup.set("LANG", "C.UTF-8");
        setup.set("SHELL", "/bin/sh");
        setup.set("TZ", "UTC");
        setup
    }

    fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.environment.push((name.into(), value.into()));
    }

    /// Another size: columns, then lines.
    #[must_use]
    pub fn size(self, columns: u16, lines: u16) -> Self {
        Self { size: (columns, lines), ..self }
    }

    /// A terminal with this background, as its answer to OSC 11 says it.
    #[must_use]
    pub fn background(self, background: &'static str) -> Self {
        Self { background, ..self }
    }

    /// Starts in another folder.
    #[must_use]
    pub fn folder(self, folder: &Path) -> Self {
        Self { folder: folder.to_owned(), ..self }
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn environment(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.set(name, value);
        self
    }

    /// Adds an argument to the command line.
    #[must_use]
    pub fn word(mut self, word: impl Into<OsString>) -> Self {
        self.words.push(word.into());
        self
    }

    /// Starts `ferry`.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(self) -> Screen {
        let program = binaries::ferry();
        self.start_program(&program)
    }

    /// Starts another program instead.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start_program(self, program: &Path) -> Screen {
        let pty = native_pty_system().openpty(pty_size(self.size)).expect("a terminal can be opened");
        let mut command = CommandBuilder::new(program);
        command.env_clear();
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        command.args(&self.words);
        command.cwd(&self.folder);
        let child = pty.slave.spawn_command(command).expect("ferry starts");
        let terminal = vt100::Parser::new(cells(self.size.1), cells(self.size.0), 0);
        let seen = Arc::new(Mutex::new(Seen { terminal, bytes: 0, last: Instant::now(), over: false }));
        let output = pty.master.try_clone_reader().expect("the terminal can be read");
        let keys: Keys = Arc::new(Mutex::new(pty.master.take_writer().expect("the terminal takes keys")));
        follow(output, Arc::clone(&seen), Arc::clone(&keys), self.background);
        Screen { child, master: pty.master, keys, seen }
    }
}

/// The answers of a terminal to some output: its background, and its kind.
fn answer(output: &[u8], background: &str) -> String {
    let asks = |question: &[u8]| output.windows(question.len()).any(|window| window == question);
    let colour = if asks(b"\x1b]11;?") { format!("\x1b]11;rgb:{background}\x1b\\") } else { String::new() };
    colour + if asks(b"\x1b[c") { "\x1b[?62c" } else { "" }
}

fn follow(mut output: Box<dyn Read + Send>, seen: Arc<Mutex<Seen>>, keys: Keys, background: &'static str) {
    thread::spawn(move || {
        let mut buffer = [0; 1 << 16];
        loop {
            let count = match output.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let told = answer(&buffer[..count], background);
            if !told.is_empty() {
                // A program that has ended meanwhile needs no answer.
                let _ = keys.lock().unwrap_or_else(PoisonError::into_inner).write_all(told.as_bytes());
            }
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.terminal.process(&buffer[..count]);
            seen.bytes += count as u64;
            seen.last = Instant::now();
        }
        seen.lock().unwrap_or_else(PoisonError::into_inner).over = true;
    });
}

impl Screen {
    /// `ferry` of `client`, logged in: the server's key is accepted and the password typed.
    #[must_use]
    pub fn logged_in(client: &Client) -> Self {
        Self::log_in(Setup::new(client), client)
    }

    /// Like [`Screen::logged_in`], with a setup of the caller.
    ///
    /// # Panics
    /// If the login does not proceed as expected.
    #[must_use]
    pub fn log_in(setup: Setup, client: &Client) -> Self {
        let mut screen = setup.word(client.address_word()).start();
        screen.wait_until("the question about the key, or the password's", |text| {
            text.contains("Is this the right server?") || text.contains("password")
        });
        if screen.text().contains("Is this the right server?") {
            screen.keys("y");
        }
        screen.wait("password");
        screen.type_text(PASSWORD);
        screen.keys("enter");
        // The pane shows what is free there, or how much of the quota is used.
        screen.wait_until("the login", |text| text.contains("free on server") || text.contains(" used "));
        screen
    }

    /// Connects the active pane to another server, whose key is not known yet.
    ///
    /// # Panics
    /// If the login does not proceed as expected.
    pub fn connect(&mut self, server: &Server) {
        self.connect_at(server, server.address());
    }

    /// As [`Screen::connect`], at an address that leads to the server.
    ///
    /// # Panics
    /// If the login does not proceed as expected.
    pub fn connect_at(&mut self, server: &Server, address: SocketAddr) {
        self.keys("f9");
        self.wait("Connect to");
        // Recent servers are listed first.
        if !self.text().contains("Connect to a server") {
            self.keys("n");
            self.wait("Connect to a server");
        }
        self.type_text(&format!("anna@{address}"));
        self.keys("enter");
        self.wait(server.fingerprint());
        self.keys("y");
        self.wait("password");
        self.type_text(PASSWORD);
        self.keys("enter");
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text on the screen, with a newline after each line.
    #[must_use]
    pub fn text(&self) -> String {
        self.seen().terminal.screen().contents()
    }

    /// The screen with its colours and attributes, by cell.
    #[must_use]
    pub fn snapshot(&self) -> vt100::Screen {
        self.seen().terminal.screen().clone()
    }

    /// The number of bytes the program has written, and when it last wrote.
    #[must_use]
    pub fn written(&self) -> (u64, Instant) {
        let seen = self.seen();
        (seen.bytes, seen.last)
    }

    /// Waits until the screen shows `text`.
    ///
    /// # Panics
    /// With the screen, if this never happens or `ferry` ends.
    #[track_caller]
    pub fn wait(&mut self, text: &str) {
        self.wait_until(&format!("{text:?}"), |screen| screen.contains(text));
    }

    /// Waits until the screen no longer shows `text`.
    ///
    /// # Panics
    /// With the screen, if this never happens or `ferry` ends.
    #[track_caller]
    pub fn wait_gone(&mut self, text: &str) {
        self.wait_until(&format!("{text:?} to go"), |screen| !screen.contains(text));
    }

    /// Waits until `is_so` is true for the text on the screen.
    ///
    /// # Panics
    /// With the screen, if this never happens or `ferry` ends.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, is_so: impl Fn(&str) -> bool) {
        let end = Instant::now() + wait::PATIENCE;
        loop {
            let over = self.seen().over;
            let text = self.text();
            if is_so(&text) {
                return;
            }
            assert!(!over, "ferry ended before the screen showed {what}:\n{text}");
            assert!(Instant::now() < end, "the screen never showed {what}:\n{text}");
            thread::park_timeout(std::time::Duration::from_millis(5));
        }
    }

    /// Presses keys, with the names of `keys.toml`, separated by spaces: `j j space f5 ctrl-a`.
    ///
    /// # Panics
    /// If a name is unknown.
    pub fn keys(&mut self, names: &str) {
        for name in names.split(' ') {
            let bytes = keys::bytes(name);
            self.send(&bytes);
        }
    }

    /// Types a text unchanged.
    pub fn type_text(&mut self, text: &str) {
        self.send(text.as_bytes());
    }

    /// Waits for `text`, and clicks with the left button where it begins, on the last line that shows it.
    ///
    /// # Panics
    /// If the screen does not show it.
    pub fn click(&mut self, text: &str) {
        self.wait(text);
        let screen = self.snapshot();
        let (lines, columns) = screen.size();
        let (lines, columns) = (lines.get(), columns.get());
        let at = (0..lines).rev().find_map(|line| {
            let from = |column| screen.contents_between(line, column, line, columns);
            (0..columns).find(|column| from(*column).starts_with(text)).map(|column| (column + 1, line + 1))
        });
        let (x, y) = at.unwrap_or_else(|| panic!("no {text:?} to click on:\n{}", self.text()));
        self.type_text(&format!("\x1b[<0;{x};{y}M\x1b[<0;{x};{y}m"));
    }

    fn send(&mut self, bytes: &[u8]) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.write_all(bytes).and_then(|()| keys.flush()).expect("the terminal takes keys");
    }

    /// Changes the terminal's size: columns, then lines.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn resize(&self, columns: u16, lines: u16) {
        self.seen().terminal.set_size(cells(lines), cells(columns));
        self.master.resize(pty_size((columns, lines))).expect("the terminal's size can be changed");
    }

    /// The process ID of `ferry`.
    ///
    /// # Panics
    /// If it has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.process_id().expect("ferry runs")
    }

    /// Sends `ferry` a signal.
    ///
    /// # Panics
    /// If it has ended.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).expect("process ids are small");
        kill_process(Pid::from_raw(pid).expect("process ids are not 0"), signal).expect("ferry runs");
    }

    /// Kills `ferry`, as in a crash.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until `ferry` has ended and all its output was read; returns its exit code.
    ///
    /// # Panics
    /// If it does not end.
    #[track_caller]
    pub fn wait_end(&mut self) -> u32 {
        let end = Instant::now() + wait::PATIENCE;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.exit_code();
            }
            assert!(Instant::now() < end, "ferry does not end:\n{}", self.text());
            thread::park_timeout(std::time::Duration::from_millis(5));
        }
    }

    /// Fails unless the terminal is in the state that a shell needs: line mode and echo, the main screen, a visible
    /// cursor, no mouse reports, no bracketed paste.
    ///
    /// # Panics
    /// With the differences.
    #[track_caller]
    pub fn assert_restored(&self) {
        wait::until("the terminal to be given back", || {
            let seen = self.seen();
            let screen = seen.terminal.screen();
            !screen.alternate_screen()
                && !screen.hide_cursor()
                && !screen.bracketed_paste()
                && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
        });
        let tty = self.master.tty_name().expect("the terminal has a name");
        let output = Command::new("stty").arg("-a").arg("-F").arg(tty).output().expect("stty runs");
        let settings = String::from_utf8_lossy(&output.stdout).into_owned();
        let has = |word: &str| settings.split([' ', ';', '\n']).any(|setting| setting == word);
        assert!(has("icanon") && has("echo") && has("isig"), "the terminal was left raw: {settings}");
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
