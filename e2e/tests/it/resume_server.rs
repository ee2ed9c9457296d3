//! A server that dies in the middle loses nothing it acknowledged, and transfers continue where they were.

use std::fs;

use ferry_e2e::{
    MIB, compare, long, material,
    noise::Noise,
    proxy::{Direction, Proxy, Then},
    server::Server,
};

/// More than the sockets can still hold when the connection is cut; otherwise the rest would arrive from them.
const SIZE: u64 = 96 * MIB;
const CUT: u64 = 40 * MIB;
/// Bytes that a dying side may have had in its sockets and not yet on its disk.
const SLACK: u64 = 12 * MIB;

#[test]
fn an_upload_goes_on_after_the_server_was_killed() {
    for patient in [false, true] {
        let mut server = Server::with_anna();
        let proxy = Proxy::new(server.address());
        let client = server.client("anna").at_address(proxy.address());
        let source = client.scratch("here").join("file");
        material::random_file(&source, SIZE, 21);
        let retries = if patient { "--retries=50" } else { "--retries=0" };
        let target = client.at("file");
        let words: [&dyn AsRef<std::ffi::OsStr>; 4] = [&"put", &source, &target, &retries];
        proxy.after(Direction::Up, CUT, Then::Hold);
        let running = client.start(&words);
        proxy.wait_tripped(Direction::Up);
        server.kill();
        proxy.release();
        if patient {
            server.start_again();
            running.wait().ok();
        } else {
            running.wait().code(5);
            assert!(!server.home("anna").join("file").exists(), "half a file has the file's name");
            server.start_again();
            client.run(&words).ok();
        }
        compare::same_file(&source, &server.home("anna").join("file"));
        let sent = proxy.counted(Direction::Up);
        assert!(sent <= SIZE + SLACK, "patient {patient}: {sent} bytes travelled");
    }
}

#[test]
fn a_download_goes_on_after_the_server_was_killed() {
    for patient in [false, true] {
        let mut server = Server::with_anna();
        let proxy = Proxy::new(server.address());
        let client = server.client("anna").at_address(proxy.address());
        let source = server.home("anna").join("file");
        material::random_file(&source, SIZE, 22);
        let target = client.scratch("here").join("file");
        let retries = if patient { "--retries=50" } else { "--retries=0" };
        let remote = client.at("file");
        let words: [&dyn AsRef<std::ffi::OsStr>; 4] = [&"get", &remote, &target, &retries];
        proxy.after(Direction::Down, CUT, Then::Hold);
        let running = client.start(&words);
        proxy.wait_tripped(Direction::Down);
        server.kill();
        proxy.release();
        if patient {
            server.start_again();
            running.wait().ok();
        } else {
            running.wait().code(5);
            assert!(!target.exists(), "half a file has the file's name");
            server.start_again();
            client.run(&words).ok();
        }
        compare::same_file(&source, &target);
        let sent = proxy.counted(Direction::Down);
        assert!(sent <= SIZE + SLACK, "patient {patient}: {sent} bytes travelled");
    }
}

#[test]
fn acknowledged_files_survive_a_kill() {
    let (mut noise, seed) = Noise::any();
    let mut acknowledged = 0;
    for round in 0..if long() { 20 } else { 3 } {
        let mut server = Server::with_anna();
        let proxy = Proxy::new(server.address());
        let client = server.client("anna").at_address(proxy.address());
        let tree = client.scratch("tree");
        // More than four connections may have requested beyond the cut.
        material::many_files(&tree, 3200, 4_000, seed ^ round);
        // Cut after a number of the server's bytes, so that it has acknowledged something.
        proxy.after(Direction::Down, 15_000 + noise.below(60_000), Then::Hold);
        let running =
            client.start(&[&"put", &tree, &client.at("/"), &"--json", &"--retries=0", &"--on-conflict=replace"]);
        proxy.wait_tripped(Direction::Down);
        server.kill();
        proxy.release();
        let outcome = running.wait().code(5);
        let there = server.home("anna").join("tree");
        // Every file under its final name is whole, and so is every acknowledged file.
        for folder in fs::read_dir(&there).into_iter().flatten().flatten() {
            for file in fs::read_dir(folder.path()).unwrap().flatten() {
                let source = tree.join(folder.file_name()).join(file.file_name());
                assert!(compare::equal(&source, &file.path()), "seed {seed}: {} is torn", file.path().display());
            }
        }
        for line in outcome.json().iter().filter(|line| line["outcome"] == "verified") {
            let path = line["path"].as_str().unwrap();
            let file = server.home("anna").join(path.trim_start_matches('/'));
            assert!(file.exists(), "seed {seed}: {path} was acknowledged and is not there");
            acknowledged += 1;
        }
        server.start_again();
        client.run(&[&"put", &tree, &client.at("/"), &"--on-conflict=different"]).ok();
        compare::same_tree(&tree, &there);
    }
    assert!(acknowledged > 0, "seed {seed}: nothing was acknowledged before any kill");
}

#[test]
fn a_replaced_file_is_wholly_old_or_wholly_new_after_a_kill() {
    let (mut noise, seed) = Noise::any();
    let mut server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let (old, new) = (client.scratch("old").join("file"), client.scratch("new").join("file"));
    material::random_file(&old, 6 * MIB, 1);
    material::random_file(&new, 6 * MIB, 2);
    client.put(&old, "file").ok();
    for _ in 0..if long() { 30 } else { 4 } {
        // The last bytes are the commit: most kills should happen around it.
        proxy.after(Direction::Up, 6 * MIB + noise.below(8000) - 2000, Then::Hold);
        let mut running =
            client.start(&[&"put", &new, &client.at("file"), &"--on-conflict=replace", &"--retries=0", &"--no-resume"]);
        ferry_e2e::wait::until("the fault or the end", || proxy.tripped(Direction::Up) || running.ended());
        server.kill();
        proxy.release();
        let outcome = running.wait();
        let file = server.home("anna").join("file");
        if outcome.status.success() {
            compare::same_file(&new, &file);
        } else {
            assert!(compare::equal(&old, &file) || compare::equal(&new, &file), "seed {seed}: a mixture");
        }
        server.start_again();
        client.run(&[&"put", &old, &client.at("file"), &"--on-conflict=replace"]).ok();
        compare::same_file(&old, &file);
    }
}

#[test]
fn an_unfinished_upload_outlives_the_server_and_is_listed() {
    let mut server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let source = client.scratch("here").join("file");
    material::random_file(&source, SIZE, 23);
    client.run(&[&"mkdir", &client.at("folder")]).ok();
    proxy.after(Direction::Up, CUT, Then::Reset);
    client.run(&[&"put", &source, &client.at("folder/file"), &"--retries=0"]).code(5);
    proxy.release();
    server.kill();
    server.start_again();
    let listed = client.run(&[&"uploads", &client.at(""), &"--json"]).ok().json();
    assert!(listed.iter().any(|upload| upload.to_string().contains("folder/file")), "{listed:?}");
    client.run(&[&"uploads", &client.at(""), &"--discard", &"folder/file"]).ok();
    assert!(client.run(&[&"uploads", &client.at(""), &"--json"]).ok().json().is_empty());
    assert!(server.staged_parts("anna").is_empty(), "discarded parts stay on disk");
}

#[test]
fn an_upload_to_a_server_that_is_just_being_started_again_waits_for_it() {
    let mut server = Server::with_anna();
    let client = server.client("anna");
    let source = client.scratch("here").join("file");
    material::random_file(&source, MIB, 23);
    server.kill();
    // As a stopping server treats the last connections.
    let closing = std::net::TcpListener::bind(server.address()).unwrap();
    let target = client.at("file");
    let running = client.start(&[&"put", &source, &target, &"--retries=50"]);
    drop(closing.accept().unwrap());
    drop(closing);
    server.start_again();
    running.wait().ok();
    compare::same_file(&source, &server.home("anna").join("file"));
}
