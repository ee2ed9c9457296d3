//! SSH servers in the browser.

use std::fs;

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
