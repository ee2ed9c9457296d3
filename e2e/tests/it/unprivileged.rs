//! A server that is not root: what the permission bits of its own files forbid, it may not.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use ferry_e2e::{
    binaries,
    peer::{Peer, put},
    server::{Server, Setup},
};
use ferry_shared::{
    digest::Digest,
    frame,
    message::{Reply, Request, request::Put},
};

const BECOME: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/// A server under another user where this test is root; `None` where that cannot be.
fn server() -> Option<Server> {
    let setup = Setup::new().user("anna", &[]);
    if !rustix::process::geteuid().is_root() {
        return Some(setup.start());
    }
    let may_run = Command::new(BECOME[0]).args(&BECOME[1..]).arg("test").arg("-x").arg(binaries::ferryd()).status();
    if !may_run.is_ok_and(|status| status.success()) {
        eprintln!("not run: no setpriv, or the server's program is out of reach for others");
        return None;
    }
    let own = format!(r#"chown -R 65534:65534 "$0/.." && exec {} "$@""#, BECOME.join(" "));
    Some(setup.wrapper(&["sh", "-c", &own, "{data}"]).start())
}

#[tokio::test]
async fn files_that_nobody_may_read_are_stored_beside_others() {
    let Some(server) = server() else { return };
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
            assert_eq!(there.permissions().mode() & 0o777, mode(number), "{}", name(number));
        }
    }
}
