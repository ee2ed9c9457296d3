//! Uploads through the SFTP door that are not alone, have no room, or whose account is closed.

use std::{ffi::OsStr, fs};

use ferry_e2e::{
    MIB,
    client::Running,
    compare, material,
    proxy::{Direction, Proxy, Then},
    server::Server,
    sftp::{Kind, Op, SftpClient, figures_agree, server_with, used_as_counted},
};

const NAME: &str = "file";
const SIZE: u64 = 16 * MIB;
/// The bytes that pass before the client has to wait.
const CUT: u64 = 6 * MIB;

fn name() -> &'static OsStr {
    NAME.as_ref()
}

/// A client whose upload has come half way, in place of a file that exists.
struct Midway {
    server: Server,
    proxy: Proxy,
    client: SftpClient,
    running: Running,
    keys: tempfile::TempDir,
}

fn midway(kind: Kind) -> Midway {
    let (server, keys) = server_with(&[]);
    let proxy = Proxy::new(server.sftp().0);
    let client = SftpClient::at(kind, proxy.address(), keys.path());
    for (name, size, seed) in [("old", MIB, 1), ("new", SIZE, 2), ("other", SIZE, 3)] {
        material::random_file(&client.local().join(name), size, seed);
    }
    let old = client.local().join("old");
    drop(client.run(Op::Put(&old, name())).ok());
    client.has_stored(&old, &server.home("anna").join(NAME));
    proxy.after(Direction::Up, CUT, Then::Hold);
    let running = client.start(Op::Put(&client.local().join("new"), name()));
    proxy.wait_tripped(Direction::Up);
    Midway { server, proxy, client, running, keys }
}

#[tokio::test]
async fn with_every_client_a_file_beyond_the_quota_fails_visibly_and_the_old_one_stays() {
    for kind in Kind::all() {
        let (server, keys) = server_with(&["--quota", "8MiB"]);
        let client = SftpClient::new(kind, &server, keys.path());
        let (old, new) = (client.local().join("old"), client.local().join("new"));
        material::random_file(&old, MIB, 1);
        material::random_file(&new, 20 * MIB, 2);
        drop(client.run(Op::Put(&old, name())).ok());
        client.has_stored(&old, &server.home("anna").join(NAME));
        let outcome = client.run(Op::Put(&new, name()));
        assert!(!outcome.status.success(), "{outcome}");
        compare::same_file(&old, &server.home("anna").join(NAME));
        let outcome = client.run(Op::Put(&new, OsStr::new("another")));
        assert!(!outcome.status.success(), "{outcome}");
        assert!(!server.home("anna").join("another").exists());
        figures_agree(&server, client).await;
    }
}

#[tokio::test]
async fn with_every_client_an_account_disabled_midway_ends_the_upload_and_the_old_file_stays() {
    for kind in Kind::all() {
        let Midway { server, proxy, client, running, keys } = midway(kind);
        let ferryd = |words: &[&str]| {
            let (status, said) = server.ferryd(words, "");
            assert!(status.success(), "{said}");
        };
        ferryd(&["user", "set", "anna", "--disable"]);
        proxy.release();
        let outcome = running.wait();
        assert!(!outcome.status.success(), "{outcome}");
        compare::same_file(&client.local().join("old"), &server.home("anna").join(NAME));
        ferryd(&["user", "set", "anna", "--enable"]);
        let _ = server.ferryd(&["penalties", "lift", "127.0.0.1"], "");
        // The bytes that arrived are kept, and replaced by the next upload.
        let new = keys.path().join("new");
        fs::rename(client.local().join("new"), &new).unwrap();
        drop(client);
        let kept: u64 = server.staged_parts("anna").iter().map(|part| fs::metadata(part).unwrap().len()).sum();
        // Only the growth is reserved.
        assert!(kept > MIB && used_as_counted(&server).await >= kept - MIB, "{kept} bytes were kept");
        let again = SftpClient::new(kind, &server, keys.path());
        drop(again.run(Op::Put(&new, name())).ok());
        again.has_stored(&new, &server.home("anna").join(NAME));
        figures_agree(&server, again).await;
    }
}

#[tokio::test]
async fn both_doors_write_one_path_and_with_every_client_the_file_is_whole() {
    for kind in Kind::all() {
        let Midway { server, proxy, client, running, keys: _keys } = midway(kind);
        let [old, new, other] = ["old", "new", "other"].map(|name| client.local().join(name));
        let stored = server.home("anna").join(NAME);
        let ferry = server.client("anna");
        // Its own protocol comes second, and takes over.
        drop(ferry.run(&[&"put", &other, &ferry.at(NAME), &"--on-conflict=replace"]).ok());
        compare::same_file(&other, &stored);
        proxy.release();
        let outcome = running.wait();
        assert!(!outcome.status.success(), "{outcome}");
        compare::same_file(&other, &stored);
        // The other way round.
        let held = Proxy::new(server.address());
        let slow = ferry.at_address(held.address());
        held.after(Direction::Up, CUT, Then::Hold);
        let running = slow.start(&[&"put", &new, &slow.at(NAME), &"--on-conflict=replace"]);
        held.wait_tripped(Direction::Up);
        drop(client.run(Op::Put(&old, name())).ok());
        client.has_stored(&old, &stored);
        held.release();
        let outcome = running.wait();
        let last = if outcome.status.success() { &new } else { &old };
        compare::same_file(last, &stored);
        figures_agree(&server, client).await;
    }
}

#[tokio::test]
async fn both_doors_race_for_one_path_and_one_whole_file_is_stored() {
    if !Kind::OpenSsh.is_there() {
        return;
    }
    let (server, keys) = server_with(&[]);
    let sftp = SftpClient::new(Kind::OpenSsh, &server, keys.path());
    let ferry = server.client("anna");
    let (one, two) = (sftp.local().join("one"), sftp.local().join("two"));
    material::random_file(&one, 8 * MIB, 1);
    material::random_file(&two, 8 * MIB, 2);
    for _ in 0..5 {
        let through_sftp = sftp.start(Op::Put(&one, name()));
        let through_ferry = ferry.start(&[&"put", &two, &ferry.at(NAME), &"--on-conflict=replace"]);
        let (sftp, ferry) = (through_sftp.wait(), through_ferry.wait());
        assert!(sftp.status.success() || ferry.status.success(), "{sftp}{ferry}");
        let stored = server.home("anna").join(NAME);
        assert!(compare::equal(&one, &stored) || compare::equal(&two, &stored), "a mixture was stored");
    }
    // An upload that was superseded is kept until it is discarded.
    let _ = ferry.run(&[&"uploads", &ferry.at(""), &"--discard", &NAME]);
    figures_agree(&server, sftp).await;
}
