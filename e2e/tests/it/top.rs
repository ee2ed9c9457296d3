//! `ferryd top` on a terminal: it becomes `ferryd-top`, shows the server, and restores the terminal however it
//! ends.

use std::{
    ffi::OsString,
    fs,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use ferry_e2e::{
    binaries, needs,
    screen::{Screen, Setup},
    server::Server,
    wait,
};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use rustix::process::Signal;

/// The path of the program in the package.
const INSTALLED: &str = "/usr/libexec/ferryd/ferryd-top";

/// The command line of `ferryd top` for a server's data.
fn words(data: &Path) -> [OsString; 3] {
    ["top".into(), "--data".into(), data.into()]
}

/// `ferryd top` on a terminal.
fn watch(server: &Server, data: &Path) -> Screen {
    let client = server.client("anna");
    words(data).into_iter().fold(Setup::new(&client), Setup::word).start_program(&binaries::ferryd())
}

/// Without a terminal.
fn run(ferryd: &Path, data: &Path) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = Command::new(ferryd).args(words(data)).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// The program that a process runs, according to the kernel.
fn program_of(pid: u32) -> PathBuf {
    fs::read_link(format!("/proc/{pid}/exe")).unwrap()
}

#[test]
fn it_becomes_the_program_beside_ferryd_which_shows_the_server() {
    let server = Server::with_anna();
    let mut screen = watch(&server, &server.data());
    screen.wait("nobody is connected");
    assert_eq!(program_of(screen.pid()), fs::canonicalize(binaries::ferryd_top()).unwrap());
    let alone = Command::new(binaries::ferryd_top()).output().unwrap();
    assert_eq!(alone.status.code(), Some(2), "{}", String::from_utf8_lossy(&alone.stderr));
}

#[test]
fn the_terminal_is_given_back_after_a_key_and_after_a_signal() {
    let server = Server::with_anna();
    for signal in [None, Some(Signal::TERM), Some(Signal::HUP), Some(Signal::INT)] {
        let mut screen = watch(&server, &server.data());
        screen.wait("nobody is connected");
        assert!(screen.snapshot().alternate_screen());
        match signal {
            Some(signal) => screen.signal(signal),
            None => screen.keys("q"),
        }
        assert_eq!(screen.wait_end(), 0, "{signal:?}");
        screen.assert_restored();
    }
}

#[test]
fn it_ends_when_its_terminal_is_gone() {
    let server = Server::with_anna();
    let size = PtySize { rows: 24, cols: 100, pixel_width: 0, pixel_height: 0 };
    let pty = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(binaries::ferryd());
    command.args(words(&server.data()));
    command.env("TERM", "xterm-256color");
    let mut child = pty.slave.spawn_command(command).unwrap();
    drop(pty.slave);
    let mut reader = pty.master.try_clone_reader().unwrap();
    let (mut text, mut bytes) = (String::new(), [0; 4096]);
    while !text.contains("nobody is connected") {
        let count = reader.read(&mut bytes).unwrap();
        text.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    drop((reader, pty.master));
    wait::until("the end without a terminal", || child.try_wait().unwrap().is_some());
}

#[test]
fn without_a_terminal_or_a_server_it_says_so() {
    let server = Server::with_anna();
    let (code, said) = run(&binaries::ferryd(), &server.data());
    assert_eq!(code, Some(1));
    assert!(said.starts_with("ferryd: ") && said.contains("needs a terminal"), "{said}");
    let mut screen = watch(&server, &server.outside().join("other"));
    assert_eq!(screen.wait_end(), 1);
    screen.assert_restored();
    wait::until("why there is nothing", || screen.text().contains("ferryd: no server answers at"));
}

#[test]
fn a_missing_program_is_named_with_the_places_and_what_to_install() {
    if Path::new(INSTALLED).exists() {
        return ferry_e2e::skipped("the package ferryd is installed here");
    }
    let folder = tempfile::tempdir().unwrap();
    let ferryd = needs::ferryd_for_all(folder.path());
    let (code, said) = run(&ferryd, folder.path());
    assert_eq!(code, Some(1));
    let beside = fs::canonicalize(folder.path()).unwrap().join("ferryd-top");
    for part in ["ferryd: ", &beside.to_string_lossy(), INSTALLED, "install the package ferryd"] {
        assert!(said.contains(part), "no {part:?}: {said}");
    }
    // A program that exists but is not executable does not count as missing.
    fs::write(&beside, "").unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, said) = run(&ferryd, folder.path());
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("cannot run {}: Permission denied", beside.display())), "{said}");
}
