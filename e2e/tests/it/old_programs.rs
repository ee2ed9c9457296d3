//! The programs from before there were features work with those of today, in both combinations.
//!
//! `FERRY_OLD_PROGRAMS` names the folder with the old `ferry` and `ferryd`; `.ci/run` builds them.

use std::{env, fs, path::PathBuf};

use ferry_e2e::{
    MIB, PASSWORD, binaries,
    client::{Client, Running},
    compare, material,
    peer::{self, Peer},
    proxy::{Direction, Proxy, Then},
    server::{Server, Setup},
    skipped, wait,
};
use ferry_shared::{
    feature::Features,
    message::{Reply, Request},
};

const SIZE: u64 = 12 * MIB + 3;

/// The old side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Old {
    Server,
    Client,
}

fn old_programs() -> Option<PathBuf> {
    let folder = env::var_os("FERRY_OLD_PROGRAMS").map(PathBuf::from);
    if folder.is_none() {
        skipped("FERRY_OLD_PROGRAMS names no folder with the old programs");
    }
    folder
}

/// Runs `test` with an old server and a new client, and the other way round.
fn both(config: &str, test: impl Fn(&Server, &Client)) {
    let Some(folder) = old_programs() else { return };
    for old in [Old::Server, Old::Client] {
        let (ferryd, ferry) = match old {
            Old::Server => (folder.join("ferryd"), binaries::ferry()),
            Old::Client => (binaries::ferryd(), folder.join("ferry")),
        };
        let server = Setup::new().user("anna", &[]).config(config).program(ferryd).start();
        let client = server.client("anna").with_program(ferry);
        eprintln!("the old one is the {old:?}");
        test(&server, &client);
    }
}

#[test]
fn old_and_new_programs_put_list_get_and_remove() {
    both("", |server, client| {
        let tree = client.scratch("tree");
        material::many_files(&tree, 120, 3000, 1);
        material::random_file(&tree.join("large"), SIZE, 2);
        material::sparse_file(&tree.join("sparse"), 4 * MIB, &[0]);
        material::hostile_tree(&tree.join("names"));
        client.put(&tree, "tree").ok();
        let there = server.home("anna").join("tree");
        // The old client does not transfer the dates of folders.
        compare::same_but_for_dates_of_folders(&tree, &there);
        let listed = client.run(&[&"ls", &"--json", &client.at("tree")]).ok().json();
        assert_eq!(listed.len(), fs::read_dir(&tree).unwrap().count());
        let back = client.scratch("back").join("tree");
        client.get("tree", &back).ok();
        compare::same_but_for_dates_of_folders(&there, &back);
        // An update of an existing file.
        material::flip_byte(&tree.join("large"), 5 * MIB);
        client.run(&[&"put", &tree.join("large"), &client.at("tree/large"), &"--on-conflict=replace"]).ok();
        compare::same_file(&tree.join("large"), &there.join("large"));
        drop(client.run(&[&"mv", &client.at("tree/large"), &client.at("moved")]).ok());
        drop(client.run(&[&"rm", &"-r", &client.at("tree"), &client.at("moved")]).ok());
        assert_eq!(fs::read_dir(server.home("anna")).unwrap().count(), 0);
    });
}

#[test]
fn old_and_new_programs_replace_changed_files_both_ways() {
    both("", |server, client| {
        let here = client.scratch("here").join("file");
        material::random_file(&here, SIZE, 2);
        client.put(&here, "file").ok();
        let there = server.home("anna").join("file");
        fs::write(&here, [b"put in", &fs::read(&here).unwrap()[..]].concat()).unwrap();
        client.run(&[&"put", &here, &client.at("file"), &"--on-conflict=replace"]).ok();
        compare::same_file(&here, &there);
        fs::write(&there, b"text ".repeat(1 << 20)).unwrap();
        client.run(&[&"get", &client.at("file"), &here, &"--on-conflict=replace"]).ok();
        compare::same_file(&here, &there);
    });
}

#[test]
fn old_and_new_programs_go_on_with_what_was_cut() {
    for direction in [Direction::Up, Direction::Down] {
        both("", |server, client| {
            let proxy = Proxy::new(server.address());
            let client = client.at_address(proxy.address());
            let (local, remote) = (client.scratch("here").join("file"), server.home("anna").join("file"));
            let (source, target) = if direction == Direction::Up { (&local, &remote) } else { (&remote, &local) };
            material::random_file(source, SIZE, 3);
            let run = || match direction {
                Direction::Up => client.start(&[&"put", &local, &client.at("file"), &"--retries=0"]),
                Direction::Down => client.start(&[&"get", &client.at("file"), &local, &"--retries=0"]),
            };
            proxy.after(direction, 9 * MIB, Then::Hold);
            let running = run();
            proxy.wait_tripped(direction);
            let part = || match direction {
                Direction::Up => server.staged_parts("anna").first().cloned(),
                Direction::Down => Some(local.with_file_name(".file.ferry-part")),
            };
            let held = || part().and_then(|part| fs::metadata(part).ok()).map_or(0, |part| part.len());
            wait::until("most of it to be written", || held() >= 7 * MIB);
            drop(running.kill());
            proxy.cut();
            proxy.release();
            if direction == Direction::Up {
                let told = || client.run(&[&"uploads", &"--json", &client.at("")]).ok().json();
                assert_eq!(told().len(), 1, "the unfinished upload is listed");
            }
            proxy.reset_counters();
            drop(run().wait().ok());
            compare::same_file(source, target);
            let sent = proxy.counted(direction);
            assert!(sent < 7 * MIB, "{sent} bytes travelled again");
            assert!(client.run(&[&"uploads", &"--json", &client.at("")]).ok().json().is_empty());
        });
    }
}

#[test]
fn a_server_without_remote_commands_is_told_as_such() {
    let Some(folder) = old_programs() else { return };
    let server = Setup::new().user("anna", &[]).program(folder.join("ferryd")).start();
    let client = server.client("anna");
    let mut command = client.bare(&[&"run", &client.at(""), &"--accept-new", &"--password-file"]);
    command.arg(client.password_file()).args(["--", "df"]);
    drop(Running::spawn(command, Vec::new()).wait().code(1).says("does not offer remote commands"));
}

#[test]
fn an_account_is_made_by_old_and_new_programs() {
    both("[registration]\nmode = \"open\"\nquota = \"3MiB\"\n[login]\nallow = [\"127.0.0.0/8\"]", |server, client| {
        let berta = server.client("berta").with_program(client.program());
        drop(berta.run(&[&"register", &berta.address_word()]).ok().says("3.0 MiB"));
        drop(berta.run(&[&"ls", &berta.at("/")]).ok());
    });
}

#[tokio::test]
async fn a_server_of_today_speaks_to_a_client_without_features_as_ever() {
    let server = Server::with_anna();
    let (mut peer, welcome) = Peer::welcomed(server.address()).await.unwrap();
    assert_eq!(welcome.features, Features::known());
    assert!(matches!(peer.ask(&peer::login("anna", PASSWORD)).await.unwrap(), Reply::LoggedIn(_)));
    peer.send(&Request::Uploads).await.unwrap();
    let Some(ferry_shared::frame::Frame::Message(json)) = peer.next().await.unwrap() else { panic!("no answer") };
    assert_eq!(std::str::from_utf8(&json).unwrap(), r#"{"uploads":{"uploads":[]}}"#);
}

#[test]
fn files_left_by_an_old_server_are_taken_over_by_the_new_one() {
    let Some(folder) = old_programs() else { return };
    let mut server = Setup::new().user("anna", &["--quota", "40MiB"]).program(folder.join("ferryd")).start();
    let client = server.client("anna").with_program(folder.join("ferry"));
    let (small, large) = (client.scratch("here").join("small"), client.scratch("here").join("large"));
    material::random_file(&small, 1000, 4);
    material::random_file(&large, SIZE, 5);
    client.put(&small, "small").ok();
    let proxy = Proxy::new(server.address());
    proxy.after(Direction::Up, 9 * MIB, Then::Hold);
    let cut = client.at_address(proxy.address());
    let running = cut.start(&[&"put", &large, &cut.at("large")]);
    proxy.wait_tripped(Direction::Up);
    wait::until("most of it to be staged", || {
        server
            .staged_parts("anna")
            .first()
            .and_then(|part| fs::metadata(part).ok())
            .is_some_and(|part| part.len() >= 7 * MIB)
    });
    drop(running.kill());
    server.kill();
    server.start_updated();
    let new = server.client("anna");
    compare::same_file(&small, &server.home("anna").join("small"));
    proxy.release();
    proxy.reset_counters();
    let again = new.at_address(proxy.address());
    again.put(&large, "large").ok();
    compare::same_file(&large, &server.home("anna").join("large"));
    assert!(proxy.counted(Direction::Up) < 7 * MIB, "what was there was sent again");
    drop(new.run(&[&"rm", &new.at("small"), &new.at("large")]).ok());
    let Some(usage) = new.run(&[&"quota", &"--json", &new.at("")]).ok().json().pop() else { panic!("no usage") };
    assert_eq!(usage["used"], 0, "{usage}");
}
