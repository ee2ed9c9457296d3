//! Comparing two trees in the browser, and syncing one like the other, with the real program.

use std::{fs, os::unix::fs::symlink, path::Path};

use ferry_e2e::{
    MIB,
    client::Client,
    compare, material,
    proxy::{Direction, Proxy, Then},
    screen::{Screen, Setup},
    server::{self, Server},
};

use crate::browser_keystrokes::assert_documented;

/// A tree, and at `target` an older state of it.
fn trees(source: &Path, target: &Path) {
    material::many_files(&source.join("many"), 40, 3000, 1);
    material::random_file(&source.join("large.bin"), 3 * MIB, 2);
    fs::write(source.join("was-folder"), "file").unwrap();
    fs::create_dir_all(target.join("was-folder")).unwrap();
    fs::write(target.join("was-folder/in.txt"), "in").unwrap();
    fs::write(target.join("large.bin"), "older").unwrap();
    fs::create_dir_all(target.join("old/deep")).unwrap();
    fs::write(target.join("old/deep/gone.txt"), "gone").unwrap();
    // More than half of the target stays, so that nothing has to be asked.
    fs::create_dir(source.join("kept")).unwrap();
    fs::create_dir(target.join("kept")).unwrap();
    for number in 0..20 {
        for tree in [source, target] {
            fs::write(tree.join(format!("kept/{number}")), "kept").unwrap();
            material::set_mtime(&tree.join(format!("kept/{number}")), 1_700_000_000, 0);
        }
    }
    for tree in [source, target] {
        material::set_mtime(&tree.join("kept"), 1_700_000_000, 0);
    }
}

fn browser(client: &Client) -> Screen {
    let mut screen = Screen::log_in(Setup::new(client).size(120, 40), client);
    screen.wait("large.bin");
    screen
}

/// Opens the plan, and switches the deletions on.
fn plan_deletions(screen: &mut Screen) {
    screen.keys("= d");
    screen.wait("to delete");
}

#[test]
fn a_tree_is_mirrored_with_three_keys_and_then_nothing_differs() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (here, there) = (client.scratch("here"), server.home("anna"));
    trees(&here, &there);
    symlink("elsewhere", there.join("a-link")).unwrap();
    let mut screen = browser(&client);
    let typed = ["=", "d", "y"];
    assert_documented("mirror a tree", typed.len());
    screen.keys(typed[0]);
    screen.wait("only there");
    screen.wait("20 files the same");
    screen.keys(typed[1]);
    screen.wait("6 to delete");
    screen.wait("- unlink");
    screen.keys("G");
    screen.wait("- delete");
    screen.wait("~ kind");
    screen.keys(typed[2]);
    // The link, the folder with its file, and two folders with one file.
    screen.wait("42 verified, 6 deleted");
    compare::same_tree(&here, &there);
    screen.keys("=");
    screen.wait("nothing differs: both trees are the same by size and date");
    screen.keys("c");
    screen.wait("nothing differs: both trees are the same by content");
    screen.keys("h q");
    assert_eq!(screen.wait_end(), 0);
}

#[test]
fn a_sync_without_deletions_keeps_what_only_the_target_has_and_what_was_left_out() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (here, there) = (client.scratch("here"), server.home("anna"));
    trees(&here, &there);
    let mut screen = browser(&client);
    screen.keys("=");
    screen.wait("only there");
    // The first lines are the changed file and the new folder.
    screen.wait("~ size");
    screen.keys("space");
    screen.wait("1 left out");
    screen.keys("enter");
    screen.wait("40 files, ");
    screen.wait("verified");
    assert_eq!(fs::read(there.join("large.bin")).unwrap(), b"older");
    compare::same_tree(&here.join("many"), &there.join("many"));
    assert!(there.join("old/deep/gone.txt").exists() && there.join("was-folder/in.txt").exists());
    assert!(!server.log().contains("panic"));
}

#[test]
fn an_older_tree_of_this_computer_is_synced_from_a_server_and_between_two_servers() {
    let (first, second) = (Server::with_anna(), Server::with_anna());
    let client = first.client("anna");
    let (here, there) = (client.scratch("here"), first.home("anna"));
    trees(&there, &here);
    let mut screen = browser(&client);
    // The plan is turned round: from the server to this computer.
    screen.keys("=");
    screen.wait("only there");
    screen.keys("t");
    screen.wait_until("the other direction", |text| {
        text.lines().next().is_some_and(|line| line.find("127.0.0.1").is_some_and(|at| line[at..].contains('→')))
    });
    screen.wait("only there");
    screen.keys("d");
    screen.wait("to delete");
    screen.keys("y");
    screen.wait("5 deleted");
    compare::same_tree(&there, &here);
    fs::write(second.home("anna").join("only-there.txt"), "x").unwrap();
    screen.connect(&second);
    screen.wait("only-there.txt");
    screen.keys("tab =");
    screen.wait("1 only there");
    screen.keys("enter");
    screen.wait("2 done");
    compare::same_tree(&there.join("many"), &second.home("anna").join("many"));
    compare::same_file(&there.join("large.bin"), &second.home("anna").join("large.bin"));
    assert!(second.home("anna").join("only-there.txt").exists());
}

#[test]
fn two_folders_of_this_computer_are_synced() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (here, home) = (client.scratch("here"), client.scratch("user"));
    trees(&here, &home);
    let mut screen = Setup::new(&client).size(120, 40).start();
    screen.wait("Connect to a server");
    screen.keys("esc");
    screen.wait_gone("Connect to a server");
    screen.keys("tab g o");
    screen.wait("old/");
    screen.keys("tab = d");
    screen.wait("to delete");
    screen.keys("y");
    screen.wait("5 deleted");
    compare::same_tree(&here, &home);
}

#[test]
fn a_tree_is_mirrored_over_sftp_and_the_words_say_what_is_proven() {
    let server = server::Setup::new().user("anna", &[]).sftp().start();
    let client = server.client("anna");
    let (here, there) = (client.scratch("here"), server.home("anna"));
    trees(&here, &there);
    let (address, key) = server.sftp();
    let word = format!("sftp://anna@{address}");
    let mut screen = Setup::new(&client).size(120, 40).word(word).start();
    screen.wait("Is this the right server?");
    screen.wait(key);
    screen.keys("y");
    screen.wait("password");
    screen.type_text(ferry_e2e::PASSWORD);
    screen.keys("enter");
    screen.wait("was-folder/");
    plan_deletions(&mut screen);
    screen.keys("y");
    screen.wait("5 deleted");
    // This server offers no digests.
    screen.wait("stored, sizes equal");
    assert!(!screen.text().contains("verified"), "{}", screen.text());
    for path in ["large.bin", "was-folder", "many/000/file-39"] {
        compare::same_file(&here.join(path), &there.join(path));
    }
    assert_eq!(compare::count_below(&here), compare::count_below(&there));
}

#[test]
fn nothing_is_deleted_where_a_file_was_not_copied() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (here, there) = (client.scratch("here"), server.home("anna"));
    trees(&here, &there);
    let mut screen = browser(&client);
    plan_deletions(&mut screen);
    // Between the plan and its start.
    fs::remove_file(here.join("large.bin")).unwrap();
    screen.keys("y");
    screen.wait("nothing deleted (5 entries)");
    assert!(there.join("old/deep/gone.txt").exists() && there.join("was-folder/in.txt").exists());
    screen.keys("w");
    screen.wait("large.bin");
    // The next comparison has the rest.
    screen.keys("w = d");
    screen.wait("large.bin");
    screen.wait("to delete");
    screen.keys("y");
    screen.wait("verified, 6 deleted");
    compare::same_tree(&here, &there);
}

#[test]
fn a_mirror_that_is_killed_is_planned_again_and_ends_in_the_same_state() {
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let (here, there) = (client.scratch("here"), server.home("anna"));
    trees(&here, &there);
    material::random_file(&here.join("huge.bin"), 24 * MIB, 9);
    let mut screen = browser(&client);
    plan_deletions(&mut screen);
    proxy.after(Direction::Up, 12 * MIB, Then::Hold);
    screen.keys("y");
    proxy.wait_tripped(Direction::Up);
    screen.kill();
    proxy.release();
    assert!(there.join("old/deep/gone.txt").exists(), "something was deleted before everything was copied");
    let mut screen = browser(&client);
    plan_deletions(&mut screen);
    proxy.reset_counters();
    screen.keys("y");
    screen.wait("5 deleted");
    compare::same_tree(&here, &there);
    // The part of the large file is used.
    assert!(proxy.counted(Direction::Up) < 20 * MIB, "{}", proxy.counted(Direction::Up));
}

#[test]
fn deleting_more_than_half_is_asked_about_and_the_answer_is_y() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (here, there) = (client.scratch("here"), server.home("anna"));
    fs::write(here.join("large.bin"), "x").unwrap();
    material::many_files(&there.join("many"), 10, 30, 3);
    let mut screen = browser(&client);
    plan_deletions(&mut screen);
    screen.keys("y");
    screen.wait("more than half");
    screen.keys("enter esc");
    screen.wait_gone("more than half");
    assert!(there.join("many").exists());
    screen.keys("y");
    screen.wait("more than half");
    screen.keys("y");
    screen.wait("12 deleted");
    compare::same_tree(&here, &there);
}

#[test]
fn a_comparison_of_a_large_tree_shows_how_far_it_is_and_is_given_up_at_once() {
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    fs::write(client.scratch("here").join("large.bin"), "x").unwrap();
    material::many_files(&server.home("anna").join("many"), 3000, 1, 3);
    let mut screen = browser(&client);
    screen.wait("many/");
    proxy.after(Direction::Down, 0, Then::Hold);
    screen.keys("=");
    screen.wait("entries so far");
    screen.keys("esc");
    screen.wait_gone("entries so far");
    proxy.release();
    screen.keys("=");
    screen.wait("3031 only there");
    screen.keys("h q");
    assert_eq!(screen.wait_end(), 0);
}
