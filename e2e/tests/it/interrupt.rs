//! Ctrl-C and TERM stop in an orderly way: the exit code shows it and no transferred data is lost.

use std::{fs, path::Path};

use ferry_e2e::{
    MIB, compare, material,
    proxy::{Direction, Proxy, Then},
    server::Server,
    wait,
};
use rustix::process::Signal;

const SIZE: u64 = 24 * MIB;
const CUT: u64 = 16 * MIB;

/// The length of the longest file below a folder.
fn longest_file(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let lengths = entries.filter_map(|entry| match entry.metadata().ok()? {
        folder if folder.is_dir() => Some(longest_file(&entry.path())),
        file => Some(file.len()),
    });
    lengths.max().unwrap_or(0)
}

#[test]
fn an_interrupted_transfer_ends_with_130_or_143_and_can_go_on() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        for direction in [Direction::Up, Direction::Down] {
            let server = Server::with_anna();
            let proxy = Proxy::new(server.address());
            let client = server.client("anna").at_address(proxy.address());
            let (local, remote) = (client.scratch("here").join("file"), server.home("anna").join("file"));
            let at = client.at("file");
            let (words, source, target): ([&dyn AsRef<std::ffi::OsStr>; 3], _, _) = match direction {
                Direction::Up => ([&"put", &local, &at], &local, &remote),
                Direction::Down => ([&"get", &at, &local], &remote, &local),
            };
            material::random_file(source, SIZE, 1);
            proxy.after(direction, CUT, Then::Hold);
            let running = client.start(&words);
            proxy.wait_tripped(direction);
            // Bytes that the receiver has not read yet are in the buffers of the sockets, and are lost.
            let receiver = if direction == Direction::Up { server.data() } else { client.scratch("here") };
            wait::until("the receiver to write", || longest_file(&receiver) >= CUT - 6 * MIB);
            running.signal(signal);
            let outcome = running.wait().code(code);
            assert!(!outcome.stderr.trim().is_empty(), "says nothing of how to go on: {outcome}");
            assert!(!target.exists(), "half a file has the file's name");
            proxy.release();
            proxy.reset_counters();
            client.run(&words).ok();
            compare::same_file(source, target);
            let sent = proxy.counted(direction);
            assert!(sent <= SIZE - CUT + 8 * MIB, "{direction:?}: {sent} bytes travelled again");
        }
    }
}

#[test]
fn the_same_command_again_goes_on_with_a_folder_that_was_new_at_first() {
    for direction in [Direction::Up, Direction::Down] {
        let server = Server::with_anna();
        let proxy = Proxy::new(server.address());
        let client = server.client("anna").at_address(proxy.address());
        let (here, there) = (client.scratch("here"), server.home("anna"));
        let (source, target) = match direction {
            Direction::Up => (here.join("movies"), there.join("copy")),
            Direction::Down => (there.join("movies"), here.join("copy")),
        };
        let (remote, local) = (client.at(if direction == Direction::Up { "copy" } else { "movies" }), &here);
        let local = local.join(if direction == Direction::Up { "movies" } else { "copy" });
        let words: [&dyn AsRef<std::ffi::OsStr>; 3] = match direction {
            Direction::Up => [&"put", &local, &remote],
            Direction::Down => [&"get", &remote, &local],
        };
        fs::create_dir_all(source.join("below")).unwrap();
        material::many_files(&source, 20, 100, 1);
        material::random_file(&source.join("below/large"), SIZE, 1);
        proxy.after(direction, CUT, Then::Hold);
        let running = client.start(&words);
        proxy.wait_tripped(direction);
        let receiver = if direction == Direction::Up { server.data() } else { here.clone() };
        wait::until("the receiver to write", || longest_file(&receiver) >= CUT - 6 * MIB);
        running.signal(Signal::INT);
        drop(running.wait().code(130));
        proxy.release();
        proxy.reset_counters();
        client.run(&words).ok().says("is merged with it");
        compare::same_tree(&source, &target);
        let sent = proxy.counted(direction);
        // More was in flight than with one file: several connections have buffers.
        assert!(sent <= SIZE - CUT + 8 * MIB, "{direction:?}: {sent} bytes travelled again");
        let uploads = client.run(&[&"uploads", &client.at("")]).ok();
        assert!(uploads.stdout.is_empty(), "unfinished uploads are left: {uploads}");
        // Repeating the command changes nothing.
        proxy.reset_counters();
        client.run(&words).ok();
        compare::same_tree(&source, &target);
        assert!(proxy.counted(direction) <= MIB, "{direction:?}: what is equal travelled again");
    }
}

#[test]
fn an_interrupted_listing_ends_with_130() {
    let server = Server::with_anna();
    material::many_files(&server.home("anna"), 4000, 10, 1);
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    proxy.after(Direction::Down, 8000, Then::Hold);
    let running = client.start(&[&"ls", &client.at(""), &"-R", &"-l"]);
    proxy.wait_tripped(Direction::Down);
    running.signal(Signal::INT);
    drop(running.wait().code(130));
}

#[test]
fn a_server_told_to_stop_ends_well_and_its_transfers_can_go_on() {
    for direction in [Direction::Up, Direction::Down] {
        let mut server =
            ferry_e2e::server::Setup::new().user("anna", &[]).config("[limits]\ndrain_seconds = 1").start();
        let proxy = Proxy::new(server.address());
        let client = server.client("anna").at_address(proxy.address());
        let (local, remote) = (client.scratch("here").join("file"), server.home("anna").join("file"));
        let at = client.at("file");
        let (words, source, target): ([&dyn AsRef<std::ffi::OsStr>; 4], _, _) = match direction {
            Direction::Up => ([&"put", &local, &at, &"--retries=50"], &local, &remote),
            Direction::Down => ([&"get", &at, &local, &"--retries=50"], &remote, &local),
        };
        material::random_file(source, SIZE, 2);
        proxy.after(direction, CUT, Then::Hold);
        let running = client.start(&words);
        proxy.wait_tripped(direction);
        server.signal(Signal::TERM);
        let ended = server.wait_end();
        assert!(ended.success(), "the server ended with {ended}");
        proxy.release();
        server.start_again();
        running.wait().ok();
        compare::same_file(source, target);
        assert!(proxy.counted(direction) <= SIZE + 5 * MIB);
    }
}

#[test]
fn a_stopped_server_lets_a_running_transfer_finish() {
    let mut server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let source = client.scratch("here").join("file");
    material::random_file(&source, SIZE, 3);
    proxy.after(Direction::Up, CUT, Then::Hold);
    let running = client.start(&[&"put", &source, &client.at("file"), &"--retries=0"]);
    proxy.wait_tripped(Direction::Up);
    server.signal(Signal::TERM);
    // It accepts nobody new from now on.
    let late = server.client("anna");
    wait::until("newcomers to be refused", || {
        late.run(&[&"ls", &late.at(""), &"--retries=0"]).status.code() == Some(5)
    });
    proxy.release();
    running.wait().ok();
    compare::same_file(&source, &server.home("anna").join("file"));
    assert!(server.wait_end().success());
}
