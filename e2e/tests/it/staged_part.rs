//! A part with damaged bytes is repaired block by block: neither trusted nor discarded.

use std::{fs, path::PathBuf};

use ferry_e2e::{
    MIB, compare, material,
    peer::{self, Peer},
    proxy::{Direction, Proxy, Then},
    server::Server,
};
use ferry_shared::message::{Reply, Request};

const SIZE: u64 = 12 * MIB;

#[tokio::test]
async fn a_flipped_byte_in_a_staged_part_costs_one_block() {
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let source = client.scratch("here").join("file");
    material::random_file(&source, SIZE, 31);

    // All blocks arrive, but the commit never does.
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    peer.send(&Request::Put(peer::put("file", Some(SIZE)))).await.unwrap();
    assert!(matches!(peer.reply().await.unwrap(), Reply::Ready { .. }));
    peer.send_blocks(&fs::read(&source).unwrap()).await.unwrap();
    ferry_e2e::wait::until("all blocks to be staged", || staged_length(&server) == SIZE);
    drop(peer);

    material::flip_byte(&server.staged_parts("anna")[0], 5 * MIB + 17);
    // Digests show whether the source is the same file, so its date may differ.
    client.put(&source, "file").ok();
    compare::same_file(&source, &server.home("anna").join("file"));
    let sent = proxy.counted(Direction::Up);
    assert!((MIB..MIB + MIB / 2).contains(&sent), "{sent} bytes travelled for one bad block");
}

fn staged_length(server: &Server) -> u64 {
    let parts = server.staged_parts("anna");
    parts.first().and_then(|part| fs::metadata(part).ok()).map_or(0, |meta| meta.len())
}

#[test]
fn a_flipped_byte_in_a_downloaded_part_costs_one_block_more() {
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let source = server.home("anna").join("file");
    material::random_file(&source, SIZE, 32);
    let here = client.scratch("here");
    let target = here.join("file");
    let words: [&dyn AsRef<std::ffi::OsStr>; 3] = [&"get", &client.at("file"), &target];
    proxy.after(Direction::Down, 9 * MIB, Then::Hold);
    let running = client.start(&words);
    proxy.wait_tripped(Direction::Down);
    let part = ferry_e2e::wait::some("the client to write what came", || {
        local_part(&here).filter(|part| fs::metadata(part).is_ok_and(|meta| meta.len() >= 7 * MIB))
    });
    drop(running.kill());
    proxy.release();

    let held = fs::metadata(&part).unwrap().len();
    material::flip_byte(&part, 2 * MIB + 5);
    proxy.reset_counters();
    client.run(&words).ok();
    compare::same_file(&source, &target);
    let sent = proxy.counted(Direction::Down);
    let missing = SIZE - held / MIB * MIB + MIB;
    assert!(sent <= missing + MIB / 2, "{sent} bytes travelled where {missing} were missing");
    assert_eq!(fs::read_dir(&here).unwrap().count(), 1, "the part was left behind");
}

fn local_part(folder: &std::path::Path) -> Option<PathBuf> {
    let mut parts = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    parts.find(|path| path.to_string_lossy().ends_with(".ferry-part"))
}

#[tokio::test]
async fn a_wrong_root_is_refused_and_the_part_is_kept() {
    let server = Server::with_anna();
    let content = ferry_e2e::noise::Noise::new(33).bytes(3 << 20);
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    peer.send(&Request::Put(peer::put("file", Some(content.len() as u64)))).await.unwrap();
    assert!(matches!(peer.reply().await.unwrap(), Reply::Ready { .. }));
    peer.send_blocks(&content).await.unwrap();
    let wrong = ferry_shared::digest::Digest::of(b"something else");
    let reply = peer.ask(&Request::Commit { size: content.len() as u64, root: wrong }).await.unwrap();
    assert!(matches!(&reply, Reply::Refused(refusal) if refusal.code.as_str() == "mismatch"), "{reply:?}");
    assert!(!server.home("anna").join("file").exists());
    assert!(!server.staged_parts("anna").is_empty(), "what arrived was thrown away");
    // The connection is in step: the same again, correctly.
    let stored = peer.upload(&peer::put("file", Some(content.len() as u64)), &content).await.unwrap();
    assert!(matches!(stored, Reply::Stored { .. }), "{stored:?}");
}
