//! The bytes that travel when a file was changed, or can be compressed: counted on the wire, both ways, and with programs of before.

use std::{
    fs,
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
};

use ferry_e2e::{
    MIB, compare, material,
    proxy::{Direction, Proxy},
    server::Server,
};

/// The size of a file that is changed.
const SIZE: u64 = 24 * MIB;

/// Puts some bytes in front of a file.
fn put_in(path: &Path, bytes: &[u8]) {
    let old = fs::read(path).unwrap();
    fs::write(path, [bytes, &old].concat()).unwrap();
}

/// Changes 4 KiB in every other MiB of a file.
fn change_here_and_there(path: &Path) {
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    for at in (0..SIZE / MIB).step_by(2) {
        file.seek(SeekFrom::Start(at * MIB + 5000)).unwrap();
        file.write_all(&[b'x'; 4096]).unwrap();
    }
}

/// A change of a file: its name, how it is made, and the bytes that may travel then.
type Change = (&'static str, fn(&Path), u64);

#[test]
fn bytes_put_in_or_changed_cost_little_more_than_themselves_both_ways() {
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let here = client.scratch("here").join("file");
    let there = server.home("anna").join("file");
    material::random_file(&here, SIZE, 1);
    client.put(&here, "file").ok();
    let changes: [Change; 2] =
        [("put in", |path| put_in(path, b"eight by"), 200 << 10), ("changed", change_here_and_there, 600 << 10)];
    for (what, change, most) in changes {
        change(&here);
        proxy.reset_counters();
        client.run(&[&"put", &here, &client.at("file"), &"--on-conflict=replace"]).ok();
        compare::same_file(&here, &there);
        let moved = proxy.counted(Direction::Up) + proxy.counted(Direction::Down);
        assert!(moved < most, "{what}: {moved} bytes for an upload");
    }
    for (what, change, most) in changes {
        change(&there);
        proxy.reset_counters();
        client.run(&[&"get", &client.at("file"), &here, &"--on-conflict=replace"]).ok();
        compare::same_file(&here, &there);
        let moved = proxy.counted(Direction::Up) + proxy.counted(Direction::Down);
        assert!(moved < most, "{what}: {moved} bytes for a download");
    }
}

#[test]
fn bytes_taken_out_and_moved_are_found_again() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let here = client.scratch("here").join("file");
    let there = server.home("anna").join("file");
    material::random_file(&here, SIZE, 2);
    client.put(&here, "file").ok();
    let old = fs::read(&here).unwrap();
    let (a, b) = (5 * 1_000_003, 14 * 1_000_003);
    for new in [
        [&old[..a], &old[b..]].concat(),
        [&old[b..], &old[..a]].concat(),
        [&old[a..b], b"between", &old[a..b], &old[..a]].concat(),
        old[..3_000_000].to_vec(),
        old.clone(),
    ] {
        fs::write(&here, &new).unwrap();
        client.run(&[&"put", &here, &client.at("file"), &"--on-conflict=replace"]).ok();
        compare::same_file(&here, &there);
    }
}

#[test]
fn text_and_listings_travel_compressed_unless_that_is_forbidden() {
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let folder = client.scratch("here");
    let line =
        |at: u64| format!("static int field_{} = {}; /* the value of the field */\n", at % 977, at * 7919 % 10_007);
    fs::write(folder.join("large"), (0..40_000).map(line).collect::<String>()).unwrap();
    for at in 0..300 {
        fs::write(folder.join(format!("small {at}")), (at..at + 40).map(line).collect::<String>()).unwrap();
    }
    let size = compare::bytes_below(&folder);
    let moved = |compress: &str, direction: Direction| {
        proxy.reset_counters();
        let name = format!("to{compress}");
        match direction {
            Direction::Up => client.run(&[&"put", &folder, &client.at(&name), &compress]).ok(),
            Direction::Down => {
                let back = client.scratch(&name);
                let outcome = client.run(&[&"get", &client.at(&name), &back.join("x"), &compress]).ok();
                compare::same_tree(&folder, &back.join("x"));
                outcome
            }
        };
        proxy.counted(direction)
    };
    for compress in ["--compress=auto", "--compress"] {
        let up = moved(compress, Direction::Up);
        assert!(up < size / 2, "{compress}: {up} bytes up for {size}");
    }
    let down = moved("--compress=auto", Direction::Down);
    assert!(down < size / 2, "{down} bytes down for {size}");
    for direction in [Direction::Up, Direction::Down] {
        let plain = moved("--compress=never", direction);
        assert!(plain > size, "{plain} bytes for {size}, without compression");
    }
    proxy.reset_counters();
    let listing = client.run(&[&"ls", &"--json", &client.at("to--compress")]).ok().stdout;
    let down = proxy.counted(Direction::Down);
    assert!(down * 2 < listing.len() as u64, "{down} bytes for a listing of {}", listing.len());
}
