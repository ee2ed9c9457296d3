//! Size and number do not matter: one GiB, five sparse GiB, ten thousand small files.

use std::{fs, time::Duration};

use ferry_e2e::{
    MIB, compare, material,
    proxy::{Direction, Proxy},
    server::Server,
};

const GIB: u64 = 1024 * MIB;

#[test]
fn one_gib_survives_both_ways() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let here = client.scratch("here");
    let source = here.join("gib");
    material::random_file(&source, GIB, 1);
    client.put(&source, "gib").ok();
    let there = server.home("anna").join("gib");
    compare::same_file(&source, &there);
    // The disk need not hold it three times.
    fs::remove_file(&source).unwrap();
    client.get("gib", &source).ok();
    compare::same_file(&source, &there);
}

#[test]
fn a_sparse_file_of_more_than_4_gib_survives_both_ways_and_stays_sparse() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let source = client.scratch("here").join("image");
    // Islands at the edges of blocks and of the file. The server wants the whole size free, so it is no larger than needed.
    let size = 4 * GIB + 8 * MIB;
    let islands = [0, MIB - 4096, 2 * MIB, 3 * GIB + 77, size - 4096];
    material::sparse_file(&source, size, &islands);
    client.put(&source, "image").ok();
    let there = server.home("anna").join("image");
    compare::same_file(&source, &there);
    let back = client.scratch("back").join("image");
    client.get("image", &back).ok();
    compare::same_file(&there, &back);
    for copy in [&there, &back] {
        let taken = material::allocated(copy);
        assert!(taken < 64 * MIB, "{} takes {} MiB on disk", copy.display(), taken / MIB);
    }
}

#[test]
fn a_sparse_file_that_ends_in_a_hole_survives_both_ways() {
    let server = Server::with_anna();
    let client = server.client("anna");
    // Only holes; a hole at the end: of whole blocks, of a part of a block, of one byte.
    let files: [(&str, u64, &[u64]); 4] = [
        ("holes", 3 * MIB + 9, &[]),
        ("whole", 4 * MIB, &[0, MIB]),
        ("middle", 5 * MIB + 77, &[2 * MIB]),
        ("byte", 3 * MIB + 1, &[2 * MIB]),
    ];
    for (name, size, islands) in files {
        let source = client.scratch("here").join(name);
        material::sparse_file(&source, size, islands);
        client.put(&source, name).ok();
        let there = server.home("anna").join(name);
        compare::same_file(&source, &there);
        let back = client.scratch("back").join(name);
        client.get(name, &back).ok();
        compare::same_file(&there, &back);
        // The same over a file without holes, whose tail must become one.
        material::random_file(&back, size, 3);
        client.run(&[&"put", &back, &client.at(name), &"--on-conflict=replace"]).ok();
        client.run(&[&"put", &source, &client.at(name), &"--on-conflict=replace"]).ok();
        compare::same_file(&source, &there);
        client.run(&[&"get", &client.at(name), &back, &"--on-conflict=replace"]).ok();
        compare::same_file(&source, &back);
    }
}

#[test]
fn a_sparse_file_that_a_download_replaces_stays_sparse() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (there, here) = (server.home("anna").join("image"), client.scratch("here").join("image"));
    material::sparse_file(&there, 256 * MIB, &[0, 200 * MIB]);
    material::sparse_file(&here, 256 * MIB, &[0, 100 * MIB]);
    client.run(&[&"get", &client.at("image"), &here, &"--on-conflict=replace"]).ok();
    compare::same_file(&there, &here);
    let taken = material::allocated(&here);
    assert!(taken < 8 * MIB, "it takes {} MiB on disk", taken / MIB);
}

#[test]
fn ten_thousand_small_files_survive_both_ways() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let tree = client.scratch("many");
    material::many_files(&tree, 10_000, 2000, 7);
    client.put(&tree, "").ok();
    let there = server.home("anna").join("many");
    compare::same_tree(&tree, &there);
    let back = client.scratch("back");
    client.get("many", &back.join("")).ok();
    compare::same_tree(&there, &back.join("many"));
}

#[test]
fn small_files_do_not_wait_for_one_another() {
    const FILES: u64 = 400;
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let (tree, back) = (client.scratch("many"), client.scratch("back"));
    material::many_files(&tree, FILES, 500, 8);
    // On a slow connection, each wait for an answer is a chunk of its own on the wire.
    proxy.delay(Duration::from_millis(20));
    client.put(&tree, "").ok();
    let up = proxy.chunks(Direction::Up);
    assert!(up < FILES / 2, "{FILES} files went up in {up} steps");
    proxy.reset_counters();
    client.get("many", &back.join("")).ok();
    let up = proxy.chunks(Direction::Up);
    assert!(up < FILES / 2, "{FILES} files were asked for in {up} steps");
    compare::same_tree(&tree, &back.join("many"));
}
