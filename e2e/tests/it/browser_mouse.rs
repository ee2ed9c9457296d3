//! The mouse in the real browser: what is shown as a key or a line can be clicked.

use std::fs;

use ferry_e2e::{screen::Screen, server::Server};

#[test]
fn a_file_is_copied_and_deleted_with_clicks_alone() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (here, there) = (client.scratch("here"), server.home("anna"));
    fs::write(here.join("letter.txt"), "Dear Anna").unwrap();
    let mut screen = Screen::logged_in(&client);
    screen.wait("letter.txt");
    screen.click("letter.txt");
    screen.click("F5 copy");
    screen.wait("it fits");
    screen.click("Enter start");
    screen.wait("1 done");
    assert_eq!(fs::read(there.join("letter.txt")).unwrap(), b"Dear Anna");
    screen.click("F8 delete");
    screen.wait("It cannot be brought back.");
    screen.click("It cannot be brought back.");
    screen.click("y yes");
    screen.wait_gone("It cannot be brought back.");
    screen.wait("deleted");
    assert!(!here.join("letter.txt").exists());
    // A command of the palette, by two clicks.
    screen.click(": commands");
    screen.wait("Commands");
    screen.type_text("new-tab");
    screen.wait("a new tab");
    screen.click("a new tab");
    screen.click("a new tab");
    screen.wait("[2 ");
    screen.keys("q");
    assert_eq!(screen.wait_end(), 0);
}
