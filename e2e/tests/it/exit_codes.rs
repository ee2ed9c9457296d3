//! The exit code of each command, and that commands never ask when nobody can answer.

use std::{ffi::OsString, fs, path::PathBuf};

use ferry_e2e::{
    MIB,
    client::{Client, Outcome, Running},
    material,
    server::{Server, Setup},
};

/// A server with a few files, and a client whose scratch folder has the same ones.
fn scene() -> (Server, Client, PathBuf) {
    let server = Setup::new()
        .user("anna", &["--quota", "2MiB"])
        .user("reader", &["--read-only"])
        .config("[login]\nallow = [\"127.0.0.0/8\"]")
        .start();
    let client = server.client("anna");
    let here = client.scratch("here");
    for root in [server.home("anna"), here.clone(), server.home("reader")] {
        fs::create_dir_all(root.join("folder/below")).unwrap();
        fs::write(root.join("folder/file"), "in the folder").unwrap();
        fs::write(root.join("file"), "content").unwrap();
    }
    fs::write(here.join("other"), "other content").unwrap();
    material::random_file(&here.join("large"), 3 * MIB, 1);
    (server, client, here)
}

/// A row: the exit code, and the command line. `@x` is the remote path `x`, `./x` the local one.
type Row = (i32, &'static str);

const ROWS: &[Row] = &[
    // Success.
    (0, "ls @"),
    (0, "ls @folder"),
    (0, "ls @ -l -R"),
    (0, "tree @"),
    (0, "stat @file"),
    (0, "cat @file"),
    (0, "du @"),
    (0, "find @ file"),
    (0, "hash @file"),
    (0, "hash --sha256 @file @folder/file"),
    (0, "quota @"),
    (0, "uploads @"),
    (0, "check ./folder @folder"),
    (0, "mkdir @new"),
    (0, "put ./file @put"),
    (0, "put ./folder @into/"),
    (0, "get @file ./got"),
    (0, "get @folder ./into/"),
    (0, "cp @file @copied"),
    (0, "mv @copied @moved"),
    (0, "rm @moved"),
    (0, "rm -r @into"),
    (0, "completion bash"),
    (0, "--help"),
    (0, "--version"),
    // Skipped as requested.
    (0, "put ./other @file --on-conflict=skip"),
    (0, "get @file ./other --on-conflict=skip"),
    (0, "cp @file @folder/file --on-conflict=skip"),
    // Wrong usage.
    (2, "no-such-command"),
    (2, "get"),
    (2, "put ./file"),
    (2, "ls @ --no-such-flag"),
    (2, "put ./file @x --on-conflict=perhaps"),
    (2, "ls not-an-address-at-all"),
    // A folder is missing.
    (3, "put ./file @missing/x"),
    (3, "ls @missing"),
    (3, "ls @missing/deeper"),
    // A file is missing.
    (4, "get @missing ./x"),
    (4, "put ./missing @x"),
    (4, "check ./missing @folder"),
    (4, "cat @missing"),
    (4, "stat @missing"),
    (4, "hash @missing"),
    (4, "rm @missing"),
    (4, "mv @missing @x"),
    (4, "cp @missing @x"),
    // Some items failed.
    (6, "put ./file ./missing @into2/"),
    (6, "get @file @missing ./into2/"),
    // Over the quota, even if some items arrived.
    (8, "put ./large @large"),
    (8, "put ./file ./large @into3/"),
    (8, "put ./file ./large ./missing @into4/"),
    // Differences.
    (12, "check ./other @file"),
];

fn words(client: &Client, here: &std::path::Path, line: &str) -> Vec<OsString> {
    let word = |word: &str| match (word.strip_prefix('@'), word.strip_prefix("./")) {
        (Some(path), _) => client.at(path),
        // Joining keeps a trailing slash.
        (_, Some(path)) => here.join(path).into_os_string(),
        _ => OsString::from(word),
    };
    line.split_whitespace().map(word).collect()
}

fn run(client: &Client, here: &std::path::Path, line: &str) -> Outcome {
    let words = words(client, here, line);
    let words: Vec<&dyn AsRef<std::ffi::OsStr>> =
        words.iter().map(|word| word as &dyn AsRef<std::ffi::OsStr>).collect();
    // Commands without a server take no password.
    if line.contains('@') { client.run(&words) } else { Running::spawn(client.bare(&words), Vec::new()).wait() }
}

#[test]
fn every_command_ends_with_the_code_that_tells_what_happened() {
    let (_server, client, here) = scene();
    let mut wrong = Vec::new();
    for (code, line) in ROWS {
        let outcome = run(&client, &here, line);
        if outcome.status.code() != Some(*code) {
            wrong.push(format!("`{line}`: expected {code}: {outcome}"));
        }
        if !matches!(code, 0 | 12) && outcome.stderr.is_empty() {
            wrong.push(format!("`{line}`: failed without a word"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), ROWS.len(), wrong.join("\n"));
}

#[test]
fn with_json_every_line_is_an_object() {
    let (_server, client, here) = scene();
    for (code, line) in ROWS.iter().filter(|(_, line)| line.contains('@') && !line.starts_with("cat")) {
        if *code == 2 {
            continue;
        }
        let outcome = run(&client, &here, &format!("{line} --json"));
        let objects = outcome.json();
        let listing =
            ["ls", "stat", "du", "find", "hash", "quota", "put", "get"].contains(&line.split(' ').next().unwrap());
        if *code == 0 && listing {
            assert!(!objects.is_empty(), "{outcome}");
        }
    }
}

#[test]
fn a_login_or_permission_that_fails_is_7() {
    let (server, client, here) = scene();
    client.set_password("wrong");
    client.run(&[&"ls", &client.at("")]).code(7);
    client.set_password(ferry_e2e::PASSWORD);

    let reader = server.client("reader");
    let file = here.join("file");
    reader.run(&[&"ls", &reader.at("")]).ok();
    reader.run(&[&"put", &file, &reader.at("x")]).code(7);
    reader.run(&[&"mkdir", &reader.at("x")]).code(7);
    reader.run(&[&"rm", &reader.at("file")]).code(7);

    let nobody = server.client("nobody");
    nobody.run(&[&"ls", &nobody.at("")]).code(7);
}

#[test]
fn too_many_attempts_are_waited_for_or_are_5() {
    let server = Setup::new().user("anna", &[]).start();
    let client = server.client("anna");
    client.run(&[&"ls", &client.at("")]).ok();
    client.set_password("wrong");
    client.run(&[&"ls", &client.at("")]).code(7);
    client.set_password(ferry_e2e::PASSWORD);
    client.run(&[&"ls", &client.at(""), &"--retries=0"]).code(5).says("asks to wait");
    client.run(&[&"ls", &client.at("")]).ok();
}

#[test]
fn each_failure_has_a_line_of_its_own_also_where_few_messages_are_wanted() {
    let (_server, client, here) = scene();
    let tree = here.join("many");
    for number in 0..60 {
        fs::create_dir_all(tree.join(format!("{number}"))).unwrap();
    }
    let (at, many) = (client.at("many"), here.join("many"));
    client.run(&[&"put", &tree, &at]).ok();
    for number in 0..60 {
        fs::remove_dir(tree.join(format!("{number}"))).unwrap();
        fs::write(tree.join(format!("{number}")), "a folder is there").unwrap();
    }
    fs::write(tree.join("fine"), "x").unwrap();
    let outcome = client.run(&[&"put", &many, &at, &"-q"]).code(6);
    assert_eq!(outcome.stderr.lines().filter(|line| line.contains("in the way")).count(), 60, "{outcome}");
}

#[test]
fn a_server_that_is_not_there_is_5() {
    let (mut server, client, here) = scene();
    server.kill();
    for line in ["ls @", "get @file ./x", "put ./file @x", "cat @file", "quota @"] {
        let outcome = run(&client, &here, &format!("{line} --retries=0"));
        assert_eq!(outcome.status.code(), Some(5), "{outcome}");
    }
}

#[test]
fn a_key_that_is_not_known_is_7_and_nothing_is_asked_or_sent() {
    let (server, client, _) = scene();
    let file = client.password_file();
    let target = client.at("");
    let trust = |words: &[&dyn AsRef<std::ffi::OsStr>]| {
        let mut all: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"ls", &target, &"--password-file", &file];
        all.extend(words);
        Running::spawn(client.bare(&all), Vec::new()).wait()
    };
    // Without a terminal nobody can be asked: the command stops and shows what to check.
    let outcome = trust(&[]).code(7);
    assert!(outcome.stderr.contains(server.fingerprint()), "{outcome}");
    trust(&[&"--server-key", &"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]).code(7);
    assert!(!server.log().contains("logged in"), "a secret was sent to a server nobody trusts");
    trust(&[&"--server-key", &server.fingerprint()]).ok();
}

#[test]
fn a_key_that_changed_is_7_and_both_fingerprints_are_named() {
    let (mut server, client, _) = scene();
    client.run(&[&"ls", &client.at("")]).ok();
    let old = server.fingerprint().to_owned();
    server.kill();
    fs::remove_dir_all(server.data().join("identity")).unwrap();
    server.start_again();
    assert_ne!(old, server.fingerprint());
    let outcome = client.run(&[&"ls", &client.at(""), &"--retries=0"]).code(7);
    assert!(outcome.stderr.contains(&old) && outcome.stderr.contains(server.fingerprint()), "{outcome}");
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    let (server, client, here) = scene();
    // There is no password.
    let outcome = Running::spawn(client.bare(&[&"ls", &client.at(""), &"--accept-new"]), Vec::new()).wait();
    assert!(matches!(outcome.status.code(), Some(2 | 7)), "{outcome}");
    // Nobody can decide a conflict.
    let (file, other) = (here.join("file"), here.join("other"));
    let outcome = client.run(&[&"put", &other, &client.at("file")]);
    assert!(outcome.status.code() != Some(0), "{outcome}");
    assert_eq!(fs::read(server.home("anna").join("file")).unwrap(), fs::read(&file).unwrap());
    let outcome = client.run(&[&"get", &client.at("file"), &other]);
    assert!(outcome.status.code() != Some(0), "{outcome}");
    assert_eq!(fs::read_to_string(&other).unwrap(), "other content");
}

#[test]
fn the_password_can_come_from_stdin_and_is_never_shown() {
    let (_server, client, _) = scene();
    let target = client.at("");
    let words: [&dyn AsRef<std::ffi::OsStr>; 5] = [&"ls", &target, &"--accept-new", &"--password-stdin", &"-v"];
    let stdin = format!("{}\n", ferry_e2e::PASSWORD).into_bytes();
    let outcome = Running::spawn(client.bare(&words), stdin).wait().ok();
    assert!(!outcome.text().contains(ferry_e2e::PASSWORD) && !outcome.stderr.contains(ferry_e2e::PASSWORD));
}

#[test]
fn conflicts_are_decided_as_asked() {
    let (server, client, here) = scene();
    let (file, other) = (here.join("file"), here.join("other"));
    let there = server.home("anna").join("file");
    let put = |rule: &str| client.run(&[&"put", &other, &client.at("file"), &format!("--on-conflict={rule}")]);
    put("skip").ok();
    assert_eq!(fs::read_to_string(&there).unwrap(), "content");
    assert_ne!(put("fail").status.code(), Some(0));
    assert_eq!(fs::read_to_string(&there).unwrap(), "content");
    put("keep-both").ok();
    assert_eq!(fs::read_to_string(&there).unwrap(), "content");
    let all: Vec<String> = fs::read_dir(server.home("anna"))
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .collect();
    assert!(all.contains(&"other content".to_owned()), "the second of both is missing");
    material::set_mtime(&other, 1, 0);
    let _ = put("newer");
    assert_eq!(fs::read_to_string(&there).unwrap(), "content", "an older file replaced a newer one");
    put("different").ok();
    assert_eq!(fs::read_to_string(&there).unwrap(), "other content");
    client.run(&[&"put", &file, &client.at("file"), &"--on-conflict=replace", &"--dry-run"]).ok();
    assert_eq!(fs::read_to_string(&there).unwrap(), "other content", "a dry run changed something");
    client.run(&[&"put", &file, &client.at("file"), &"--on-conflict=replace", &"--verify"]).ok();
    assert_eq!(fs::read_to_string(&there).unwrap(), "content");
}

/// Commands that change something on the server, or report why not.
const CHANGES: &[&str] = &[
    "mkdir @new",
    "mkdir @new",
    "mkdir -p @new",
    "mkdir @file",
    "mkdir -p @file",
    "mkdir @file/x",
    "mkdir -p @file/x",
    "mkdir @missing/x",
    "mkdir -p @deep/er/x",
    "touch @touched",
    "touch @touched",
    "touch @folder",
    "touch @file/x",
    "touch @missing/x",
    "mv @missing @x",
    "mv @file @folder/file",
    "mv @file @new/moved --on-conflict=replace",
    "mv @new/moved @folder --on-conflict=replace",
    "mv @folder @new/folder",
    "mv @folder @new/",
    "mv @new/folder @new/folder/below/x",
    "mv @new/moved @missing/x",
    "mv @new/moved @missing/",
    "mv @new/moved @file",
    "cp @missing @x",
    "cp @file @missing/x",
    "cp @file @copy",
    "cp @file @copy --on-conflict=skip",
    "cp @new @new/below",
    "cp @new @far/off",
    "cp @new @file --on-conflict=replace",
    "cp @new @file/x",
    "rm @missing",
    "rm @new",
    "rm @copy",
    "rm @deep/er/x",
    "rm -r @new",
    "rm -r @/",
    "uploads @ --discard nothing",
];

#[test]
fn a_dry_run_ends_as_the_real_one_and_changes_nothing() {
    let (server, client, here) = scene();
    let picture = || {
        let outcome = client.run(&[&"ls", &"-R", &client.at("")]).ok();
        (outcome.stdout, ferry_e2e::compare::bytes_below(&server.home("anna")))
    };
    for line in CHANGES {
        let before = picture();
        let dry = run(&client, &here, &format!("{line} -n"));
        assert_eq!(picture(), before, "a dry run changed something: {dry}");
        let real = run(&client, &here, line);
        assert_eq!(dry.status.code(), real.status.code(), "dry: {dry}\nreal: {real}");
        assert_eq!(real.status.success(), dry.stderr.contains("would"), "{dry}");
    }
    // A dry run also reports a read-only account.
    let reader = server.client("reader");
    reader.run(&[&"mkdir", &"-n", &reader.at("x")]).code(7);
    reader.run(&[&"rm", &"-n", &reader.at("file")]).code(7);
}

#[test]
fn a_dry_run_of_a_transfer_counts_folders_apart_and_no_bytes_of_a_stream() {
    let (_server, client, here) = scene();
    fs::create_dir_all(here.join("tree/empty")).unwrap();
    fs::write(here.join("tree/leaf"), "leaf").unwrap();
    let counted = "1 file, 2 folders, 4 B would be";
    run(&client, &here, "put -n ./tree @tree").ok().says(counted);
    run(&client, &here, "put ./tree @tree").ok();
    run(&client, &here, "get -n @tree ./tree-again").ok().says(counted);
    let stream = run(&client, &here, "put -n - @stream").ok().says("1 file would be sent");
    assert!(stream.text().contains("size unknown"), "{stream}");
    let stream = run(&client, &here, "get -n @tree/leaf -").ok().says("1 file, 4 B would be received");
    assert!(stream.text().contains("(4 B)"), "{stream}");
    run(&client, &here, "get -n @tree/missing -").code(4);
    run(&client, &here, "get -n @tree -").code(4);
}

#[test]
fn a_failure_names_its_cause_and_what_to_do_next() {
    let (_server, client, here) = scene();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        here.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    fs::create_dir(here.join("down")).unwrap();
    std::os::unix::fs::symlink("../folder", here.join("down/folder")).unwrap();
    let rows: [(i32, &str, &[&str]); 6] = [
        (1, "put ./pipe @x", &["/pipe:", "put -"]),
        (4, "get @folder/*.jpg ./", &["/folder/*.jpg", "ferry find"]),
        (3, "put ./file ./other @new", &["/new is not there", "/new/"]),
        (3, "get @file @folder ./new", &["no such folder", "/new/"]),
        (3, "get @folder ./down/", &["/down/folder", "symlink"]),
        (3, "ls @file/x", &["/file is not a folder"]),
    ];
    for (code, line, texts) in rows {
        let outcome = run(&client, &here, line).code(code);
        for text in texts {
            assert!(outcome.stderr.contains(text), "{text:?}: {outcome}");
        }
    }
}
