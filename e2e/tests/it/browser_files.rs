//! Files in the real browser: permissions, sizes of folders, searches by size and date, copies under another name, and
//! completed paths; on this computer and on a server.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use ferry_e2e::{compare, material, screen::Screen, server::Server, wait};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn permissions_of_a_tree_are_set_on_both_sides() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let home = server.home("anna");
    for top in [client.scratch("here"), home.clone()] {
        fs::create_dir_all(top.join("tree/in")).unwrap();
        for file in ["tree/a", "tree/in/b"] {
            fs::write(top.join(file), file).unwrap();
            fs::set_permissions(top.join(file), fs::Permissions::from_mode(0o644)).unwrap();
        }
    }
    let mut screen = Screen::logged_in(&client);
    screen.wait_until("both trees", |text| text.matches("tree/").count() == 2);
    for (keys, top) in [("M", client.scratch("here")), ("tab M", home)] {
        screen.keys(keys);
        screen.wait("Permissions of tree");
        screen.keys("ctrl-u");
        screen.type_text("u=rwX,go=");
        screen.keys("tab ctrl-u");
        screen.type_text("yes");
        screen.keys("enter");
        screen.wait("permissions of 4 entries set");
        let modes = || ["tree", "tree/a", "tree/in", "tree/in/b"].map(|name| mode(&top.join(name)));
        // The message of the first side may still be shown.
        wait::until(&format!("the permissions in {}", top.display()), || modes() == [0o700, 0o600, 0o700, 0o600]);
    }
}

#[test]
fn sizes_of_folders_and_large_files_are_found_on_a_server() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let home = server.home("anna");
    fs::create_dir_all(home.join("tree/in")).unwrap();
    material::random_file(&home.join("tree/in/large.bin"), 3 << 20, 1);
    material::random_file(&home.join("tree/small.bin"), 100, 1);
    let mut screen = Screen::logged_in(&client);
    screen.wait("tree/");
    screen.keys("tab S");
    screen.wait("tree: 3.0 MiB in 2 files");
    screen.keys("F tab");
    screen.type_text(">1MiB");
    screen.keys("tab");
    screen.type_text("1d");
    screen.keys("enter");
    screen.wait("1 found");
    assert!(screen.text().contains("tree/in/large.bin") && !screen.text().contains("small.bin"), "{}", screen.text());
    // The file that was found is copied to this computer.
    screen.keys("f5");
    screen.wait("it fits");
    screen.keys("enter");
    screen.wait("verified");
    compare::same_file(&home.join("tree/in/large.bin"), &client.scratch("here").join("tree/in/large.bin"));
    // It is in the history of the next start.
    screen.kill();
    let mut screen = Screen::logged_in(&client);
    screen.keys("W");
    screen.wait("copy tree/in/large.bin");
    assert!(screen.text().contains("verified"), "{}", screen.text());
}

#[test]
fn a_path_is_completed_on_the_server_and_a_copy_gets_another_name_in_its_own_folder() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let home = server.home("anna");
    fs::create_dir_all(home.join("photographs/winter")).unwrap();
    fs::create_dir_all(home.join("photographs/summer")).unwrap();
    material::random_file(&home.join("photographs/winter/a.bin"), 2 << 20, 1);
    let mut screen = Screen::logged_in(&client);
    screen.wait("photographs/");
    screen.keys("tab g /");
    screen.wait("Go to");
    screen.type_text("/ph");
    screen.keys("tab");
    screen.wait("/photographs/");
    screen.keys("tab");
    screen.wait("summer/  winter/");
    screen.type_text("w");
    screen.keys("tab");
    screen.wait("/photographs/winter/");
    screen.keys("enter");
    screen.wait("a.bin");
    // The other pane shows the same folder.
    screen.keys("tab g o");
    screen.wait_until("the folder on both sides", |text| text.matches("/photographs").count() >= 1);
    screen.keys("g /");
    screen.type_text("/photographs/winter");
    screen.keys("enter");
    screen.wait_until("the file on both sides", |text| text.matches("a.bin").count() == 2);
    screen.keys("f5");
    screen.wait("Copy as");
    screen.keys("ctrl-u");
    screen.type_text("b.bin");
    screen.keys("enter");
    screen.wait("as     b.bin");
    screen.keys("enter");
    screen.wait_until("the copy on both sides", |text| text.matches("b.bin").count() >= 2);
    compare::same_file(&home.join("photographs/winter/a.bin"), &home.join("photographs/winter/b.bin"));
}
