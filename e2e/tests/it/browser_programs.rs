//! Programs of the user in the real browser: commands and openers of `config.toml`.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use ferry_e2e::{client::Client, screen::Screen, server::Server, wait};

/// A logged-in browser with this `config.toml`.
fn with_config(server: &Server, text: &str) -> (Client, Screen) {
    let client = server.client("anna");
    fs::create_dir_all(client.home()).unwrap();
    fs::write(client.home().join("config.toml"), text).unwrap();
    let screen = Screen::logged_in(&client);
    (client, screen)
}

/// The files that are kept for programs now.
fn copies(home: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![home.join("edit")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found
}

#[test]
fn a_command_gets_hostile_names_as_arguments_and_its_output_stays_until_a_key() {
    let server = Server::with_anna();
    let config = "[[command]]\nname = \"count\"\nkey = \"X\"\nrun = [\"wc\", \"-c\", \"{paths}\"]\nwait = true\n\
        [[command]]\nname = \"show\"\nkey = \"Y\"\nrun = [\"cat\", \"{name}\"]\nwait = true\n";
    let (client, mut screen) = with_config(&server, config);
    let here = client.scratch("here");
    for name in ["--help", "a; touch pwned", "$(touch pwned)"] {
        fs::write(here.join(name), "dear cat").unwrap();
    }
    screen.wait("--help");
    screen.keys("ctrl-a X");
    screen.wait("Press any key");
    let text = screen.text();
    assert!(text.contains("24 total") && text.contains("/--help") && text.contains("/$(touch pwned)"), "{text}");
    screen.keys("j");
    screen.wait_gone("Press any key");
    screen.wait("--help");
    assert!(!here.join("pwned").exists());
    // The name alone is not an option either.
    screen.keys("u g g / - - h e l p enter Y");
    // The shell's screen still shows the first one.
    screen.wait_until("a second prompt", |text| text.matches("Press any key").count() == 2);
    assert!(screen.text().contains("dear cat"), "{}", screen.text());
    screen.keys("enter");
    screen.wait_gone("Press any key");
    screen.keys("q");
    assert_eq!(screen.wait_end(), 0);
}

#[test]
fn a_remote_file_is_opened_here_without_the_right_to_run_and_removed_afterwards() {
    let server = Server::with_anna();
    let out = tempfile::tempdir().unwrap();
    let kept = out.path().join("kept");
    let config = format!(
        "[[open]]\nmatch = \"*.tool\"\nrun = [\"stat\", \"--format=mode %a\", \"{{path}}\"]\nwait = true\npause = true\n\
         [[open]]\nmatch = \"*.pdf\"\nrun = [\"cp\", \"{{path}}\", \"{}\"]\n",
        kept.display()
    );
    let tool = server.home("anna").join("a.tool");
    fs::write(&tool, "#!/bin/sh\ntouch pwned\n").unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(server.home("anna").join("b.pdf"), "%PDF dear cat").unwrap();
    let (client, mut screen) = with_config(&server, &config);
    screen.wait("b.pdf");
    screen.keys("tab g g enter");
    screen.wait("mode 600");
    assert_eq!(copies(&client.home()).len(), 1);
    screen.keys("enter");
    screen.wait("b.pdf");
    wait::until("the copy to go", || copies(&client.home()).is_empty());
    // One that is not waited for keeps its copy until ferry ends.
    screen.keys("j enter");
    wait::until("the program to have run", || fs::read(&kept).is_ok_and(|bytes| bytes == b"%PDF dear cat"));
    assert_eq!(copies(&client.home()).len(), 1);
    screen.keys("q");
    assert_eq!(screen.wait_end(), 0);
    assert_eq!(copies(&client.home()), Vec::<PathBuf>::new());
}

#[test]
fn a_program_that_fails_or_is_missing_is_told_and_ctrl_c_ends_only_the_program() {
    let server = Server::with_anna();
    let config = "[[command]]\nname = \"fail\"\nkey = \"X\"\nrun = [\"false\"]\n\
        [[command]]\nname = \"missing\"\nkey = \"Y\"\nrun = [\"no-such-program-of-ferry\"]\nwait = true\n\
        [[command]]\nname = \"long\"\nkey = \"Z\"\nrun = [\"tail\", \"-f\", \"{path}\"]\nwait = true\npause = false\n";
    let (client, mut screen) = with_config(&server, config);
    fs::write(client.scratch("here").join("seen.txt"), "it runs").unwrap();
    screen.wait("seen.txt");
    for (key, words) in [("X", "`false` ended with exit code 1"), ("Y", "`no-such-program-of-ferry` was not found")] {
        screen.keys(key);
        screen.wait(words);
        screen.wait("of config.toml");
        screen.keys("enter");
        screen.wait_gone(words);
    }
    screen.keys("Z");
    screen.wait("it runs");
    screen.keys("ctrl-c");
    screen.wait("was ended by a signal");
    screen.keys("enter");
    screen.wait_gone("was ended by a signal");
    screen.wait("seen.txt");
    screen.keys("q");
    assert_eq!(screen.wait_end(), 0);
}

#[test]
fn a_key_that_is_taken_is_told_at_the_start() {
    let server = Server::with_anna();
    let client = server.client("anna");
    fs::create_dir_all(client.home()).unwrap();
    let config = "[[command]]\nname = \"mine\"\nkey = \"ctrl-o\"\nrun = [\"true\"]\n";
    fs::write(client.home().join("config.toml"), config).unwrap();
    let mut screen = ferry_e2e::screen::Setup::new(&client).start();
    screen.wait("config.toml, line 3");
    let text = screen.text();
    assert!(text.contains("`mine`") && text.contains("`shell`"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn threads_of_transfers_yield_to_the_drawing_one_and_programs_do_not_inherit_that() {
    let server = Server::with_anna();
    let out = tempfile::tempdir().unwrap();
    let nice = |name: &str| {
        let path = out.path().join(name);
        move || fs::read_to_string(&path).ok().and_then(|text| text.trim().parse::<i32>().ok())
    };
    let config = format!(
        "[[command]]\nname = \"one\"\nkey = \"X\"\nrun = [\"sh\", \"-c\", \"nice > {0}/one\"]\nwait = true\npause = false\n\
         [[command]]\nname = \"two\"\nkey = \"Y\"\nrun = [\"sh\", \"-c\", \"nice > {0}/two\"]\n",
        out.path().display()
    );
    let (_client, mut screen) = with_config(&server, &config);
    let tasks = fs::read_dir(format!("/proc/{}/task", screen.pid())).unwrap();
    let mut seen: Vec<i32> = tasks
        .map(|task| {
            let stat = fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
            // The name of a thread may have spaces; the 19th field is its niceness.
            let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
            fields[16].parse().unwrap()
        })
        .collect();
    seen.sort_unstable();
    let (first, last) = (seen[0], seen[seen.len() - 1]);
    assert_eq!(last, (first + 5).min(19), "{seen:?}");
    screen.keys("X");
    wait::until("the program with the terminal", || nice("one")() == Some(first));
    screen.wait("this computer");
    screen.keys("Y");
    wait::until("the program beside it", || nice("two")() == Some(first));
    screen.keys("q");
    assert_eq!(screen.wait_end(), 0);
}
