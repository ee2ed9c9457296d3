//! The browser with several sites: two servers, and two folders of this computer.

use std::fs;

use ferry_e2e::{
    MIB, compare, material,
    screen::{Screen, Setup},
    server::Server,
};

#[test]
fn a_server_that_cannot_be_reached_costs_nothing_and_another_opens_beside_the_first() {
    let (first, second) = (Server::with_anna(), Server::with_anna());
    let client = first.client("anna");
    fs::write(first.home("anna").join("of-the-first.txt"), "1").unwrap();
    fs::write(second.home("anna").join("of-the-second.txt"), "2").unwrap();
    let mut screen = Screen::logged_in(&client);
    screen.wait("of-the-first.txt");
    screen.keys("f9");
    screen.wait("Connect to a server");
    // No server listens there.
    screen.type_text("anna@127.0.0.1:1");
    screen.keys("enter");
    screen.wait("Not connected");
    screen.keys("enter");
    screen.wait("anna@127.0.0.1:1");
    assert!(screen.text().contains("of-the-first.txt"), "{}", screen.text());
    screen.keys("esc");
    screen.wait_gone("Connect to a server");
    screen.connect(&second);
    screen.wait("of-the-second.txt");
    assert!(screen.text().contains("of-the-first.txt"), "{}", screen.text());
}

#[test]
fn a_folder_goes_from_one_server_to_another_verified() {
    let (first, second) = (Server::with_anna(), Server::with_anna());
    let client = first.client("anna");
    let tree = first.home("anna").join("tree");
    material::hostile_tree(&tree);
    material::random_file(&tree.join("large.bin"), 5 * MIB + 7, 3);
    fs::write(second.home("anna").join("of-the-second.txt"), "2").unwrap();
    let mut screen = Screen::logged_in(&client);
    screen.wait("tree/");
    screen.connect(&second);
    screen.wait("of-the-second.txt");
    screen.keys("tab ctrl-a f5");
    screen.wait("it fits");
    screen.keys("enter");
    screen.wait("verified");
    compare::same_tree(&tree, &second.home("anna").join("tree"));
    screen.keys("q");
    assert_eq!(screen.wait_end(), 0);
}

#[test]
fn a_folder_is_copied_and_then_moved_on_this_computer() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (here, home) = (client.scratch("here"), client.scratch("user"));
    material::hostile_tree(&here.join("tree"));
    material::random_file(&here.join("tree/large.bin"), 5 * MIB + 7, 3);
    fs::create_dir(home.join("back")).unwrap();
    // No server is needed.
    let mut screen = Setup::new(&client).start();
    screen.wait("Connect to a server");
    screen.keys("esc");
    screen.wait_gone("Connect to a server");
    screen.keys("tab g o");
    screen.wait("back/");
    screen.keys("tab");
    screen.wait("tree/");
    screen.keys("ctrl-a f5");
    screen.wait("it fits");
    screen.keys("enter");
    screen.wait("verified");
    compare::same_tree(&here.join("tree"), &home.join("tree"));
    // Now the source moves, to another folder.
    screen.keys("tab g g j enter");
    screen.wait_until("the empty folder", |text| text.lines().next().is_some_and(|line| line.contains("~/back")));
    screen.keys("tab ctrl-a f6");
    screen.wait("it fits");
    screen.keys("enter");
    screen.wait("2 done");
    compare::same_tree(&home.join("tree"), &home.join("back/tree"));
    assert!(!here.join("tree/large.bin").exists(), "the source of the move is still there");
    screen.keys("q");
    assert_eq!(screen.wait_end(), 0);
}
