//! A server on an inherited listener: a restart refuses nobody and interrupts no transfer for good.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
};

use ferry_e2e::{
    MIB,
    client::Running,
    compare, material, needs,
    proxy::{Direction, Proxy, Then},
    server::Setup,
    ssh::{HOST, Ssh},
};
use rustix::process::Signal;

/// Large enough that the rest after the cut fits into no buffer on the way.
const SIZE: u64 = 48 * MIB;
const CUT: u64 = 16 * MIB;

#[test]
fn a_restart_in_the_middle_of_a_transfer_refuses_nobody_and_the_transfer_goes_on() {
    for direction in [Direction::Up, Direction::Down] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let setup = Setup::new().user("anna", &[]).config("[limits]\ndrain_seconds = 1").inherit(listener);
        let mut server = setup.start();
        assert_eq!(server.address(), address);
        let proxy = Proxy::new(server.address());
        let client = server.client("anna").at_address(proxy.address());
        let (local, remote) = (client.scratch("here").join("file"), server.home("anna").join("file"));
        let at = client.at("file");
        let (words, source, target): ([&dyn AsRef<std::ffi::OsStr>; 4], _, _) = match direction {
            Direction::Up => ([&"put", &local, &at, &"--retries=50"], &local, &remote),
            Direction::Down => ([&"get", &at, &local, &"--retries=50"], &remote, &local),
        };
        material::random_file(source, SIZE, 1);
        proxy.after(direction, CUT, Then::Hold);
        let running = client.start(&words);
        proxy.wait_tripped(direction);
        server.signal(Signal::TERM);
        assert!(server.wait_end().success());
        proxy.release();
        // While there is no server, new clients wait.
        let early = server.client("anna");
        let waiting = early.start(&[&"ls", &early.at(""), &"--retries=0"]);
        assert!(std::net::TcpStream::connect(address).is_ok(), "the listener is gone");
        server.start_again();
        waiting.wait().ok();
        running.wait().ok();
        compare::same_file(source, target);
        assert!(
            proxy.counted(direction) <= SIZE + 12 * MIB,
            "{direction:?}: {} bytes travelled",
            proxy.counted(direction)
        );
    }
}

/// With a batch, `sftp` would ask for no password.
const ASK: &str = "-oBatchMode=no";

#[test]
fn a_listener_called_sftp_lets_clients_wait_for_a_restart_and_the_upload_goes_on() {
    if !needs::program("sftp", "openssh-client") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let setup = Setup::new().user("anna", &[]).config("[limits]\ndrain_seconds = 1").sftp();
    let mut server = setup.environment("LISTEN_FDNAMES", "sftp").inherit(listener).start();
    assert_eq!(server.sftp().0, address);
    assert_ne!(server.address(), address);
    let folder = tempfile::tempdir().unwrap();
    let local = folder.path().join("file");
    material::random_file(&local, SIZE, 1);
    let batch = |name: &str| {
        let file = folder.path().join(name);
        fs::write(&file, format!("{name} {} file\n", local.display())).unwrap();
        file
    };
    let (put, reput) = (batch("put"), batch("reput"));
    let proxy = Proxy::new(address);
    proxy.after(Direction::Up, CUT, Then::Hold);
    let ssh = Ssh::new(proxy.address(), "anna");
    let interrupted = Running::spawn(ssh.command("sftp", &[&ASK, &"-b", &put, &HOST]), Vec::new());
    proxy.wait_tripped(Direction::Up);
    server.signal(Signal::TERM);
    assert!(server.wait_end().success());
    assert!(!interrupted.wait().status.success());
    proxy.release();
    proxy.reset_counters();
    // While there is no server, a new client waits.
    let again = Running::spawn(ssh.command("sftp", &[&ASK, &"-b", &reput, &HOST]), Vec::new());
    assert!(std::net::TcpStream::connect(address).is_ok(), "the listener is gone");
    server.start_again();
    assert_eq!(server.sftp().0, address);
    again.wait().ok();
    compare::same_file(&local, &server.home("anna").join("file"));
    assert!(proxy.counted(Direction::Up) <= SIZE - CUT + 8 * MIB, "the upload began anew");
}

#[test]
fn a_listener_called_metrics_serves_the_figures() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let setup = Setup::new().user("anna", &[]).environment("LISTEN_FDNAMES", "metrics").inherit(listener);
    let mut server = setup.start();
    assert_ne!(server.address(), address);
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.contains("ferryd_users 1\n"), "{text}");
    server.assert_serves("anna");
}
