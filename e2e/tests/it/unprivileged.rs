//! A server that is not root: it has no access that the permission bits of its own files deny.

use std::{fs, os::unix::fs::PermissionsExt as _};

use ferry_e2e::{
    MIB, compare, material, needs,
    peer::{Peer, path, put},
    server::{Server, Setup},
};
use ferry_shared::{
    digest::Digest,
    frame,
    message::{Reply, Request, request::Put},
};
use tempfile::TempDir;

/// A server under another user if this test is root, and the folder of its program; `None` if that is not possible.
fn server() -> Option<(Server, TempDir)> {
    let (setup, folder) = (Setup::new().user("anna", &[]), tempfile::tempdir().unwrap());
    if !rustix::process::geteuid().is_root() {
        return Some((setup.start(), folder));
    }
    let own = format!(r#"chown -R 65534:65534 "$0/.." && exec {} "$@""#, needs::as_nobody(65534)?.join(" "));
    let setup = setup.program(needs::ferryd_for_all(folder.path()));
    Some((setup.wrapper(&["sh", "-c", &own, "{data}"]).start(), folder))
}

#[tokio::test]
async fn files_that_nobody_may_read_are_stored_beside_others() {
    let Some((server, _program)) = server() else { return };
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    // Few enough to be flushed one by one, then more.
    for (round, count) in [3, 9].into_iter().enumerate() {
        let mut bytes = Vec::new();
        let name = |number: usize| format!("r{round}-{number}");
        let mode = |number: usize| if number.is_multiple_of(2) { 0o000 } else { 0o640 };
        for number in 0..count {
            let declared = Put { mode: Some(mode(number)), ..put(&name(number), Some(1)) };
            frame::put_message(&mut bytes, &Request::Put(declared)).unwrap();
            frame::put_block_head(&mut bytes, 0, 1).unwrap();
            bytes.push(b'x');
            frame::put_message(&mut bytes, &Request::Commit { size: 1, root: Digest::of(b"x") }).unwrap();
        }
        peer.send_bytes(&bytes).await.unwrap();
        for number in 0..count {
            let reply = peer.reply().await.unwrap();
            assert!(matches!(reply, Reply::Stored { .. }), "{}: {reply:?}", name(number));
            let there = fs::metadata(server.home("anna").join(name(number))).unwrap();
            // The server must be able to read it.
            let on_disk = if mode(number) == 0 { 0o400 } else { mode(number) };
            assert_eq!(there.permissions().mode() & 0o777, on_disk, "{}", name(number));
        }
    }
}

#[tokio::test]
async fn a_file_that_its_owner_may_not_read_can_be_got_back_with_its_mode() {
    let Some((as_nobody, _program)) = server() else { return };
    for server in [as_nobody, Server::with_anna()] {
        let client = server.client("anna");
        let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
        for (number, mode) in [0o000, 0o200, 0o044, 0o111, 0o377].into_iter().enumerate() {
            let name = format!("f{number}");
            // A file of one block and a file of several: they are stored differently.
            let small = Put { mode: Some(mode), ..put(&name, Some(1)) };
            let mut bytes = Vec::new();
            frame::put_message(&mut bytes, &Request::Put(small)).unwrap();
            frame::put_block_head(&mut bytes, 0, 1).unwrap();
            bytes.push(b'x');
            frame::put_message(&mut bytes, &Request::Commit { size: 1, root: Digest::of(b"x") }).unwrap();
            peer.send_bytes(&bytes).await.unwrap();
            assert!(matches!(peer.reply().await.unwrap(), Reply::Stored { .. }));
            let folder = client.scratch(&name);
            let large = folder.join("large");
            material::random_file(&large, 2 * MIB + 7, 1);
            client.put(&large, format!("large{number}")).ok();
            let set = Request::SetAttributes { path: path(&format!("large{number}")), mtime: None, mode: Some(mode) };
            peer.send(&set).await.unwrap();
            assert_eq!(peer.reply().await.unwrap(), Reply::Done);
            for (name, expected) in [(name, b"x".to_vec()), (format!("large{number}"), fs::read(&large).unwrap())] {
                let copy = format!("{name}-copy");
                client.run(&[&"cp", &client.at(&name), &client.at(&copy)]).ok();
                for name in [name, copy] {
                    let got = folder.join("got");
                    client.get(&name, &got).ok();
                    assert_eq!(fs::metadata(&got).unwrap().permissions().mode() & 0o777, mode, "{name} {mode:o}");
                    fs::set_permissions(&got, fs::Permissions::from_mode(0o600)).unwrap();
                    assert!(fs::read(&got).unwrap() == expected, "{name} {mode:o}");
                    fs::remove_file(&got).unwrap();
                    client.run(&[&"hash", &client.at(&name)]).ok();
                }
            }
        }
        peer.send(&Request::Usage).await.unwrap();
        let Reply::Usage(usage) = peer.reply().await.unwrap() else { panic!("no usage") };
        assert_eq!(usage.used, compare::bytes_below(&server.home("anna")));
    }
}
