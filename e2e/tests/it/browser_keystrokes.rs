//! How many keys common tasks take. `docs/benchmarks.md` has the counts; connecting is counted in `keyring`.

use std::fs;

use ferry_e2e::{
    MIB, binaries, compare, material,
    screen::{Screen, Setup},
    server::{self, Server},
};

/// Presses keys, after checking that the documents count as many for a task.
fn typed(screen: &mut Screen, task: &str, keys: &[&str], between: impl Fn(&mut Screen, usize)) {
    assert_documented(task, keys.len());
    for (at, key) in keys.iter().enumerate() {
        screen.keys(key);
        between(screen, at);
    }
}

/// Fails unless the table of keystrokes in the documents has this task with this count.
pub(crate) fn assert_documented(task: &str, count: usize) {
    let text = fs::read_to_string(binaries::repository().join("docs/benchmarks.md")).unwrap();
    let row = text.lines().find(|line| line.starts_with(&format!("| {task} |")));
    let shown = row.and_then(|row| row.split('|').nth(3)).map(str::trim);
    assert_eq!(shown, Some(&*count.to_string()), "{task}: {row:?}");
}

#[test]
fn a_folder_is_copied_with_two_keys() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let tree = client.scratch("here").join("tree");
    material::many_files(&tree, 20, 500, 3);
    let mut screen = Screen::logged_in(&client);
    screen.wait("tree/");
    typed(&mut screen, "copy a folder", &["f5", "enter"], |_, _| {});
    screen.wait("verified");
    compare::same_tree(&tree, &server.home("anna").join("tree"));
}

#[test]
fn files_found_below_a_folder_are_downloaded_with_four_keys_and_their_folders() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let there = server.home("anna");
    for path in ["a.raw", "one/b.raw", "one/two/c.raw", "one/two/no.txt"] {
        fs::create_dir_all(there.join(path).parent().unwrap()).unwrap();
        fs::write(there.join(path), path).unwrap();
    }
    let mut screen = Screen::logged_in(&client);
    screen.keys("tab");
    screen.wait("a.raw");
    // The pattern itself is not counted.
    typed(
        &mut screen,
        "find below a folder and download what was found",
        &["F", "enter", "f5", "enter"],
        |screen, at| match at {
            0 => {
                screen.wait("Search below");
                screen.type_text("*.raw");
            }
            1 => screen.wait("3 found"),
            2 => screen.wait("it fits"),
            _ => screen.wait("verified"),
        },
    );
    let here = client.scratch("here");
    for path in ["a.raw", "one/b.raw", "one/two/c.raw"] {
        compare::same_file(&there.join(path), &here.join(path));
    }
    assert!(!here.join("one/two/no.txt").exists());
    screen.keys("q");
    assert_eq!(screen.wait_end(), 0);
}

#[test]
fn why_a_transfer_failed_and_to_try_it_again_takes_two_keys() {
    let server = server::Setup::new().user("anna", &["--quota", "1MiB"]).start();
    let client = server.client("anna");
    let file = client.scratch("here").join("large.bin");
    material::random_file(&file, 3 * MIB, 3);
    let mut screen = Screen::log_in(Setup::new(&client), &client);
    screen.wait("large.bin");
    screen.keys("f5");
    screen.wait("DOES NOT FIT");
    screen.keys("enter");
    screen.wait("Start though it does not fit?");
    screen.keys("y");
    screen.wait("1 failed");
    assert_eq!(server.ferryd(&["user", "set", "anna", "--quota", "10MiB"], "").0.code(), Some(0));
    typed(&mut screen, "see why a transfer failed, and try it again", &["w", "r"], |screen, at| match at {
        0 => screen.wait("quota"),
        _ => screen.wait("✓ verified"),
    });
    compare::same_file(&file, &server.home("anna").join("large.bin"));
}
