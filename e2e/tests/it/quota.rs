//! The quota: refused before the first byte, with numbers, and always in agreement with `du`.

use std::fs;

use ferry_e2e::{
    MIB, client, compare, long, material,
    noise::Noise,
    peer::{self, Peer},
    proxy::{Direction, Proxy, Then},
    server::{Server, Setup},
};
use ferry_shared::{
    message::{Reply, Request, reply::Usage},
    refusal::Code,
};

fn server_with(quota: &str) -> Server {
    Setup::new().user("anna", &["--quota", quota]).start()
}

#[test]
fn an_upload_over_quota_is_refused_with_figures_before_any_data() {
    let mut server = server_with("1MiB");
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let source = client.scratch("here").join("file");
    material::random_file(&source, 5 * MIB, 1);
    let outcome = client.put(&source, "file").code(8).says("quota");
    for figure in [5 * MIB, MIB] {
        let shown = [figure.to_string(), format!("{} MiB", figure / MIB), format!("{}.0 MiB", figure / MIB)];
        assert!(shown.iter().any(|text| outcome.stderr.contains(text)), "no {figure} in: {outcome}");
    }
    assert!(proxy.counted(Direction::Up) < 100_000, "{} bytes travelled in vain", proxy.counted(Direction::Up));
    assert_eq!(compare::bytes_below(&server.home("anna")), 0);
    server.assert_serves("anna");
}

#[test]
fn a_replacement_over_quota_leaves_the_old_file_as_it_was() {
    let mut server = server_with("4MiB");
    let client = server.client("anna");
    let (old, new) = (client.scratch("old").join("file"), client.scratch("new").join("file"));
    material::random_file(&old, 3 * MIB, 1);
    material::random_file(&new, 5 * MIB, 2);
    client.put(&old, "file").ok();
    client.run(&[&"put", &new, &client.at("file"), &"--on-conflict=replace"]).code(8).says("quota");
    compare::same_file(&old, &server.home("anna").join("file"));
    // The size of a pipe is not known beforehand; it is stopped on the way.
    let content = fs::read(&new).unwrap();
    client.run_with_input(&[&"put", &"-", &client.at("file"), &"--on-conflict=replace"], content).code(8).says("quota");
    compare::same_file(&old, &server.home("anna").join("file"));
    // A file as large as the old one fits, although both together do not.
    material::random_file(&new, 4 * MIB, 3);
    client.run(&[&"put", &new, &client.at("file"), &"--on-conflict=replace"]).ok();
    compare::same_file(&new, &server.home("anna").join("file"));
    server.assert_serves("anna");
}

#[test]
fn a_tree_over_quota_is_refused_or_what_fits_is_sent() {
    let server = server_with("100kB");
    let client = server.client("anna");
    let tree = client.scratch("tree");
    for number in 0..30 {
        fs::write(tree.join(format!("f{number}")), vec![number; 9000]).unwrap();
    }
    let outcome = client.run(&[&"put", &tree, &client.at("/"), &"-q"]).code(8).says("quota");
    assert!(outcome.stderr.lines().count() <= 3, "{outcome}");
    assert_eq!(compare::bytes_below(&server.home("anna").join("tree")), 0, "what cannot fit is not begun");
    let outcome = client.run(&[&"put", &tree, &client.at("/"), &"-q", &"--fill"]).code(8).says("quota");
    assert_eq!(outcome.stderr.lines().filter(|line| line.contains("/tree/f")).count(), 19, "{outcome}");
    let there = server.home("anna").join("tree");
    assert_eq!(compare::bytes_below(&there), 11 * 9000, "eleven fit into 100,000 bytes");
}

#[test]
fn only_growth_counts_against_the_quota() {
    let server = server_with("100kB");
    let client = server.client("anna");
    let tree = client.scratch("tree");
    for number in 0..10 {
        fs::write(tree.join(format!("f{number}")), vec![number; 9000]).unwrap();
    }
    let put = || client.run(&[&"put", &tree, &client.at("/"), &"--on-conflict=replace"]);
    put().ok();
    put().ok();
    fs::write(tree.join("f0"), vec![7; 19_000]).unwrap();
    put().ok();
    fs::write(tree.join("f0"), vec![8; 19_001]).unwrap();
    put().code(8).says("quota");
    assert_eq!(compare::bytes_below(&server.home("anna").join("tree")), 100_000);
}

#[test]
fn nine_tenths_of_the_quota_are_told_once_and_again_when_it_filled_up_again() {
    let server = server_with("10MiB");
    let client = server.client("anna");
    let folder = client.scratch("here");
    for (name, size) in [("some", 8 * MIB), ("more", 3 * MIB / 2)] {
        material::random_file(&folder.join(name), size, size);
    }
    let small = client.scratch("small");
    material::many_files(&small, 20, 1000, 3);
    let warnings = |outcome: &client::Outcome| outcome.stderr.matches("are used on this server").count();
    assert_eq!(warnings(&client.put(&folder.join("some"), "some").ok()), 0);
    let outcome = client.put(&folder.join("more"), "more").ok().says("9.5 MiB of 10 MiB");
    assert_eq!(warnings(&outcome), 1, "{outcome}");
    let outcome = client.run(&[&"put", &small, &client.at("")]).ok();
    assert_eq!(warnings(&outcome), 1, "{outcome}");
    client.run(&[&"rm", &client.at("more")]).ok();
    let outcome = client.run(&[&"put", &small.join("."), &client.at("other")]).ok();
    assert_eq!(warnings(&outcome), 0, "{outcome}");
}

#[test]
fn the_number_of_files_is_limited_too() {
    let server = Setup::new().user("anna", &["--max-files", "3"]).start();
    let client = server.client("anna");
    let file = client.scratch("here").join("file");
    fs::write(&file, "x").unwrap();
    for name in ["a", "b"] {
        client.put(&file, name).ok();
    }
    client.run(&[&"mkdir", &client.at("c")]).ok();
    client.put(&file, "d").code(8).says("files");
    client.run(&[&"mkdir", &client.at("d")]).code(8);
    client.run(&[&"rm", &client.at("a")]).ok();
    client.put(&file, "d").ok();
}

#[test]
fn a_user_without_a_file_limit_has_one_that_fits_the_quota() {
    let server = Setup::new().user("anna", &["--quota", "1MiB"]).start();
    let client = server.client("anna");
    for number in 0..10_000 {
        fs::write(server.home("anna").join(number.to_string()), "").unwrap();
    }
    // The server may have counted the home while it was filled.
    assert!(server.ferryd(&["quota", "rescan", "anna"], "").0.success());
    client.run(&[&"mkdir", &client.at("more")]).code(8);
    client.run(&[&"rm", &client.at("1")]).ok();
    client.run(&[&"mkdir", &client.at("more")]).ok();
    let (_, shown) = server.ferryd(&["user", "show", "anna"], "");
    assert!(shown.contains("10000"), "{shown}");
    // A limit that is set later removes nothing, and is reported.
    let (status, said) = server.ferryd(&["user", "set", "anna", "--max-files", "5"], "");
    assert!(status.success(), "{said}");
    client.run(&[&"ls", &client.at("more")]).ok();
    client.run(&[&"mkdir", &client.at("yet more")]).code(8);
    let (_, said) = server.ferryd(&["check"], "");
    assert!(said.contains("'anna' has 10000 files and folders and may have 5"), "{said}");
}

#[test]
fn a_copy_on_the_server_counts() {
    let server = server_with("5MiB");
    let client = server.client("anna");
    let file = client.scratch("here").join("file");
    material::random_file(&file, 2 * MIB, 1);
    client.put(&file, "a").ok();
    client.run(&[&"cp", &client.at("a"), &client.at("b")]).ok();
    client.run(&[&"cp", &client.at("a"), &client.at("c")]).code(8).says("quota");
    assert_eq!(compare::bytes_below(&server.home("anna")), 4 * MIB);
}

#[test]
fn an_unfinished_upload_holds_its_room_until_it_is_discarded() {
    let server = server_with("10MiB");
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let (large, small) = (client.scratch("here").join("large"), client.scratch("here").join("small"));
    material::random_file(&large, 8 * MIB, 1);
    material::random_file(&small, 3 * MIB, 2);
    proxy.after(Direction::Up, 5 * MIB, Then::Reset);
    client.run(&[&"put", &large, &client.at("large"), &"--retries=0"]).code(5);
    proxy.release();
    proxy.wait_idle();
    client.put(&small, "small").code(8).says("unfinished");
    client.run(&[&"uploads", &client.at(""), &"--discard", &"large"]).ok();
    client.put(&small, "small").ok();
    client.put(&large, "large").code(8);
}

async fn usage(peer: &mut Peer) -> Usage {
    match peer.ask(&Request::Usage).await.unwrap() {
        Reply::Usage(usage) => usage,
        other => panic!("no usage: {other:?}"),
    }
}

/// One random change of the home, as a request; refusals are fine.
async fn change(peer: &mut Peer, noise: &mut Noise) -> Reply {
    let name = |noise: &mut Noise| format!("d{}/f{}", noise.below(3), noise.below(6));
    let (one, two, kind) = (name(noise), name(noise), noise.below(10));
    match kind {
        0..4 => {
            let length = usize::try_from(noise.below(200_000)).unwrap();
            let mut put = peer::put(&one, Some(length as u64));
            put.parents = true;
            peer.upload(&put, &noise.bytes(length)).await.unwrap()
        }
        4 => {
            let length = usize::try_from(noise.below(3 * MIB)).unwrap();
            let mut put = peer::put(&one, None);
            put.parents = true;
            peer.upload(&put, &noise.bytes(length)).await.unwrap()
        }
        5 => ask(peer, Request::Copy { from: peer::path(&one), to: peer::path(&two), replace: true }).await,
        6 => ask(peer, Request::Rename { from: peer::path(&one), to: peer::path(&two), replace: true }).await,
        7 => {
            ask(peer, Request::Copy { from: peer::path("d0"), to: peer::path(&format!("c{one}")), replace: false })
                .await
        }
        8 => ask(peer, Request::Remove { path: peer::path(&one), recursive: false, version: None }).await,
        _ => {
            let folder = format!("{}d{}", ["", "c"][usize::from(noise.below(2) == 0)], noise.below(3));
            ask(peer, Request::Remove { path: peer::path(&folder), recursive: true, version: None }).await
        }
    }
}

async fn ask(peer: &mut Peer, request: Request) -> Reply {
    peer.ask(&request).await.unwrap()
}

#[tokio::test]
async fn after_any_change_the_usage_is_what_du_says() {
    const QUOTA: u64 = 3 * MIB;
    let (mut noise, seed) = Noise::any();
    let mut server = server_with("3MiB");
    let home = server.home("anna");
    let mut refused = 0;
    for _ in 0..if long() { 20 } else { 3 } {
        let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
        for _ in 0..60 {
            let reply = change(&mut peer, &mut noise).await;
            refused += u64::from(matches!(&reply, Reply::Refused(refusal) if refusal.code == Code::OverQuota));
            let (usage, held) = (usage(&mut peer).await, compare::bytes_below(&home));
            assert_eq!(usage.used, held, "seed {seed}: after {reply:?}");
            assert_eq!(usage.files, compare::count_below(&home), "seed {seed}: after {reply:?}");
            assert!(usage.used <= QUOTA, "seed {seed}: {usage:?}");
        }
        // A `kill -9` loses nothing either.
        server.kill();
        server.start_again();
    }
    assert!(refused > 0 || !long(), "seed {seed}: the quota was never met");
}

#[test]
fn a_torn_ledger_means_counting_again_never_zero() {
    let mut server = server_with("10MiB");
    let client = server.client("anna");
    let file = client.scratch("here").join("file");
    material::random_file(&file, 6 * MIB, 1);
    client.put(&file, "a").ok();
    let ledger = server.data().join("users/anna/ledger.json");
    let breakages: [fn(&std::path::Path); 3] = [
        |ledger| drop(fs::remove_file(ledger)),
        |ledger| fs::write(ledger, "{\"used\":0").unwrap(),
        |ledger| fs::write(ledger, fs::read_to_string(ledger).unwrap_or_default().replace("6291456", "6")).unwrap(),
    ];
    for breakage in breakages {
        server.signal(rustix::process::Signal::TERM);
        let _ = server.wait_end();
        breakage(&ledger);
        server.start_again();
        let shown = client.run(&[&"quota", &client.at(""), &"--json"]).ok().json();
        assert_eq!(shown[0]["used"].as_u64(), Some(6 * MIB), "{shown:?}");
        client.put(&file, "b").code(8);
    }
}

#[test]
fn files_put_into_the_home_by_hand_count_after_a_start() {
    let mut server = server_with("10MiB");
    server.kill();
    material::random_file(&server.home("anna").join("by hand"), 8 * MIB, 1);
    server.start_again();
    let client = server.client("anna");
    let file = client.scratch("here").join("file");
    material::random_file(&file, 4 * MIB, 2);
    client.put(&file, "file").code(8);
    client.get("by hand", &client.scratch("here").join("back")).ok();
}
