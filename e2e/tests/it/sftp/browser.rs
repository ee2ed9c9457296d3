//! SSH servers in the browser.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use ferry_e2e::{
    MIB, PASSWORD, compare, material,
    screen::{Screen, Setup},
    server::Server,
};

use super::{Door, Far, same};

#[test]
fn a_tree_is_copied_from_an_ssh_server_in_one_pane_to_a_ferry_server_in_the_other() {
    let Some(far) = Far::new() else { return };
    let server = Server::with_anna();
    let tree = far.folder.join("tree");
    material::hostile_tree(&tree);
    material::random_file(&tree.join("large.bin"), 5 * MIB + 7, 3);
    fs::write(server.home("anna").join("of-the-ferry.txt"), "2").unwrap();
    let mut screen: Screen = Setup::new(&far.client).word(far.url("")).word("--identity").word(far.sshd.key()).start();
    // The key of the host is not known yet.
    screen.wait("SHA256:");
    screen.keys("y");
    screen.wait("tree/");
    screen.connect(&server);
    screen.wait("of-the-ferry.txt");
    screen.keys("tab ctrl-a f5");
    screen.wait("Copy");
    screen.keys("enter");
    let copy = server.home("anna").join("tree");
    ferry_e2e::wait::until("the tree to arrive", || {
        compare::count_below(&copy) == compare::count_below(&tree)
            && compare::bytes_below(&copy) == compare::bytes_below(&tree)
    });
    same(&tree, &copy);
}

#[test]
fn links_and_permissions_are_set_on_an_ssh_server() {
    let Some(far) = Far::new() else { return };
    let file = far.folder.join("original");
    fs::create_dir(far.folder.join("tree")).unwrap();
    for file in [&file, &far.folder.join("tree/inside")] {
        fs::write(file, "content").unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let mut screen: Screen =
        Setup::new(&far.client).word(far.url("")).word("--accept-new").word("--identity").word(far.sshd.key()).start();
    screen.wait("original");
    // The tree is the first entry, the file the second.
    screen.keys("tab j s");
    screen.wait("Symbolic link in");
    screen.type_text("alias");
    screen.keys("enter");
    screen.wait("alias@");
    assert_eq!(fs::read_link(far.folder.join("alias")).unwrap(), Path::new("original"));
    assert_eq!(fs::read(far.folder.join("alias")).unwrap(), b"content");
    screen.keys("ctrl-a M");
    screen.wait("Permissions of 3 entries");
    screen.keys("ctrl-u");
    screen.type_text("644");
    screen.keys("tab ctrl-u");
    screen.type_text("yes");
    screen.keys("enter");
    screen.wait("permissions of 3 entries set");
    let mode = |name: &str| fs::metadata(far.folder.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(["original", "tree/inside"].map(mode), [0o644, 0o644]);
}

#[test]
fn a_password_is_asked_for_only_where_no_key_is_enough() {
    let door = Door::new();
    fs::write(door.server.home("anna").join("of-anna.txt"), "1").unwrap();
    let mut screen: Screen = Setup::new(&door.client).word(door.url("")).start();
    screen.wait(door.server.sftp().1);
    screen.keys("y");
    screen.wait("Log in to");
    screen.type_text(PASSWORD);
    screen.keys("enter");
    screen.wait("of-anna.txt");
}

#[test]
fn a_password_that_is_typed_for_an_ssh_server_is_in_no_file_log_or_process_list() {
    let door = Door::new();
    fs::write(door.server.home("anna").join("of-anna.txt"), "1").unwrap();
    let here = door.client.scratch("here");
    material::random_file(&here.join("large"), 40 * MIB, 1);
    let mut screen: Screen =
        Setup::new(&door.client).word(door.url("")).word("--accept-new").word("--bwlimit=1M").start();
    screen.wait("Log in to");
    // A wrong one first, which must not be kept either.
    let wrong = "not the horse battery";
    screen.type_text(wrong);
    screen.keys("enter");
    screen.wait("wrong user name or password");
    // Failed logins are slowed down.
    assert_eq!(door.server.ferryd(&["penalties", "lift", "127.0.0.1"], "").0.code(), Some(0));
    screen.type_text(PASSWORD);
    screen.keys("enter");
    screen.wait("of-anna.txt");
    // With a transfer under way, there are a journal and the notes of an unfinished upload.
    screen.keys("tab f5");
    screen.wait("Copy");
    screen.keys("enter");
    ferry_e2e::wait::until("the journal", || {
        files(&door.client.home()).iter().any(|(name, _)| name.contains("transfers"))
    });
    let process = format!("/proc/{}", screen.pid());
    let read = |name: &str| (name.to_owned(), fs::read(Path::new(&process).join(name)).unwrap());
    let mut places = vec![read("cmdline"), read("environ"), ("the log".to_owned(), door.server.log().into_bytes())];
    let listed = Command::new("ps").args(["-eww", "-o", "args"]).output().unwrap();
    places.push(("the process list".to_owned(), listed.stdout));
    for folder in [door.client.home(), door.client.scratch("user"), door.server.data()] {
        places.extend(files(&folder));
    }
    screen.kill();
    places.extend(files(&door.client.home()));
    for (name, bytes) in places {
        for secret in [PASSWORD, wrong] {
            let is_there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!is_there, "{secret} is in {name}");
        }
    }
}

/// The files below a folder with their content, apart from what was sent.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let listed = Command::new("find").arg(folder).args(["-type", "f", "-size", "-1024k"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().filter_map(|name| Some((name.to_owned(), fs::read(name).ok()?))).collect()
}
