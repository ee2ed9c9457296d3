//! Any contents of a folder arrive unchanged in both directions, as checked by independent programs.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{MetadataExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use ferry_e2e::{MIB, compare, material, server::Server};

/// Sends `tree` up and down again and compares it after each direction.
fn round_trip(server: &Server, tree: &Path) {
    let client = server.client("anna");
    let name = tree.file_name().expect("the tree has a name");
    client.put(tree, "there/").ok();
    let there = server.home("anna").join("there").join(name);
    compare::same_tree(tree, &there);
    let back = client.scratch("back");
    client.get(joined(b"there/", name), &with_slash(&back)).ok();
    compare::same_tree(&there, &back.join(name));
}

fn joined(folder: &[u8], name: &OsStr) -> OsString {
    OsStr::from_bytes(&[folder, name.as_bytes()].concat()).to_owned()
}

/// The folder as a destination with a trailing slash.
fn with_slash(folder: &Path) -> PathBuf {
    folder.join("")
}

#[test]
fn files_of_every_size_around_a_block_survive_both_ways() {
    let server = Server::with_anna();
    let tree = tempfile::tempdir().unwrap();
    let tree = tree.path().join("sizes");
    fs::create_dir(&tree).unwrap();
    for size in [0, 1, 2, MIB - 1, MIB, MIB + 1, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1, 5 * MIB + 12_345] {
        material::random_file(&tree.join(format!("{size}-bytes")), size, size);
    }
    round_trip(&server, &tree);
}

#[test]
fn the_digest_ferry_shows_is_the_one_b3sum_and_sha256sum_show() {
    let server = Server::with_anna();
    let client = server.client("anna");
    for size in [0, 1, MIB, MIB + 1, 3 * MIB + 7] {
        let file = server.home("anna").join(format!("f{size}"));
        material::random_file(&file, size, size);
        let shown = client.run(&[&"hash", &client.at(format!("f{size}"))]).ok().text();
        if let Some(expected) = compare::b3sum(&file) {
            assert!(shown.contains(&expected), "{size} bytes: {shown:?} has no {expected}");
        }
        let shown = client.run(&[&"hash", &"--sha256", &client.at(format!("f{size}"))]).ok().text();
        let expected = compare::sha256sum(&file);
        assert!(shown.contains(&expected), "{size} bytes: {shown:?} has no {expected}");
    }
}

#[test]
fn empty_folders_are_kept() {
    let server = Server::with_anna();
    let tree = tempfile::tempdir().unwrap();
    let tree = tree.path().join("hollow");
    for folder in ["a/b/c/d", "a/empty", "z"] {
        fs::create_dir_all(tree.join(folder)).unwrap();
    }
    round_trip(&server, &tree);
}

#[test]
fn hostile_names_survive_both_ways() {
    let server = Server::with_anna();
    let tree = tempfile::tempdir().unwrap();
    let tree = tree.path().join("names");
    material::hostile_tree(&tree);
    round_trip(&server, &tree);
}

#[test]
fn hostile_names_can_be_named_on_the_command_line() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (here, back, there) = (client.scratch("here"), client.scratch("back"), server.home("anna"));
    let names = material::hostile_names();
    let local: Vec<OsString> = names.iter().map(|name| here.join(name).into_os_string()).collect();
    let remote: Vec<OsString> = names.iter().map(|name| client.at(joined(b"", name))).collect();
    for (number, file) in local.iter().enumerate() {
        fs::write(file, format!("{number}")).unwrap();
    }
    let run = |verb: &str, names: &[OsString], last: Option<OsString>| {
        let all: Vec<OsString> = names.iter().cloned().chain(last).collect();
        let mut words: Vec<&dyn AsRef<OsStr>> = vec![&verb];
        words.extend(all.iter().map(|word| word as &dyn AsRef<OsStr>));
        client.run(&words).ok()
    };
    run("put", &local, Some(client.at("/")));
    compare::same_tree(&here, &there);
    run("get", &remote, Some(with_slash(&back).into_os_string()));
    compare::same_tree(&here, &back);
    run("rm", &remote, None);
    assert_eq!(compare::count_below(&there), 0);
}

#[test]
fn names_that_move_the_cursor_are_shown_escaped_on_a_terminal() {
    let server = Server::with_anna();
    let client = server.client("anna");
    material::hostile_tree(&server.home("anna"));
    for words in ["ls -R", "ls -l -R", "tree", "find"] {
        let pattern = if words == "find" { "*" } else { "" };
        let at = client.at("");
        let command = client.command(&[]);
        let mut line: Vec<_> = command.get_args().map(OsStr::to_string_lossy).map(|word| format!("'{word}'")).collect();
        line.splice(1..1, words.split(' ').map(str::to_owned).chain([format!("'{}' '{pattern}'", at.display())]));
        let line = line.join(" ").replace(" ''", "");
        // `script` provides a terminal.
        let mut terminal = Command::new("script");
        terminal
            .args(["-qec", &line, "/dev/null"])
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let shown = String::from_utf8_lossy(&terminal.stdin(Stdio::null()).output().unwrap().stdout).into_owned();
        assert!(shown.contains("decomposed"), "{line} shows nothing: {shown}");
        for hostile in ["\u{1b}[2J", "\u{202e}", "\t"] {
            assert!(!shown.contains(hostile), "{words} lets {hostile:?} through");
        }
    }
}

#[test]
fn dates_and_permissions_survive_both_ways() {
    let server = Server::with_anna();
    let tree = tempfile::tempdir().unwrap();
    let tree = tree.path().join("attributes");
    fs::create_dir(&tree).unwrap();
    let dates = [(0, 0), (1, 1), (951_782_400, 123_456_789), (4_102_444_800, 999_999_999)];
    for (number, (seconds, nanos)) in dates.into_iter().enumerate() {
        // A file of one block and a file of several: they are transferred differently.
        for (kind, size) in [("small", 10), ("large", MIB + 10)] {
            let file = tree.join(format!("{kind}-{number}"));
            material::random_file(&file, size, 1);
            material::set_mode(&file, [0o644, 0o755, 0o600, 0o700][number]);
            material::set_mtime(&file, seconds, nanos);
        }
    }
    round_trip(&server, &tree);
}

#[test]
fn folders_that_a_transfer_makes_get_the_permissions_of_their_source_and_those_that_are_there_keep_theirs() {
    const MODES: [(&str, u32); 5] =
        [("", 0o750), ("secret", 0o700), ("open", 0o777), ("open/empty", 0o705), ("plain", 0o755)];
    let server = Server::with_anna();
    let client = server.client("anna");
    let here = client.scratch("here");
    let (source, there) = (here.join("tree"), server.home("anna").join("tree"));
    for (folder, _) in MODES {
        fs::create_dir_all(source.join(folder)).unwrap();
    }
    for file in ["secret/key", "open/one", "plain/two", "three"] {
        fs::write(source.join(file), file).unwrap();
    }
    let set = |root: &Path| MODES.iter().for_each(|(folder, mode)| material::set_mode(&root.join(folder), *mode));
    let modes = |root: &Path| {
        let mode = |folder: &str| fs::metadata(root.join(folder)).unwrap().permissions().mode() & 0o777;
        MODES.map(|(folder, _)| (folder, mode(folder)))
    };
    set(&source);
    client.put(&source, "tree").ok();
    assert_eq!(modes(&there), MODES);
    client.get("tree", &here.join("back")).ok();
    assert_eq!(modes(&here.join("back")), MODES);
    // Existing folders keep their permissions.
    for folder in ["open", "secret", ""] {
        material::set_mode(&there.join(folder), 0o711);
        material::set_mode(&here.join("back").join(folder), 0o711);
    }
    let changed = modes(&there);
    client.put(&source, "tree").ok();
    assert_eq!(modes(&there), changed);
    client.get("tree", &here.join("back")).ok();
    assert_eq!(modes(&here.join("back")), changed);
}

#[test]
fn a_file_that_replaces_equal_content_brings_its_date_and_permissions_whatever_the_size() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (here, there) = (client.scratch("here"), server.home("anna"));
    for rule in ["replace", "newer", "different", "fail"] {
        for (name, size) in [("small", 10), ("large", 2 * MIB + 10)] {
            for way in ["put", "get"] {
                let (source, target) = if way == "put" {
                    (here.join(name), there.join(name))
                } else {
                    (there.join(name), here.join(name))
                };
                for (file, mode, time) in [(&source, 0o755, 2_000_000), (&target, 0o600, 1_000_000)] {
                    material::random_file(file, size, 1);
                    material::set_mode(file, mode);
                    material::set_mtime(file, time, 0);
                }
                let rule_flag = format!("--on-conflict={rule}");
                if way == "put" {
                    client.run(&[&"put", &source, &client.at(name), &rule_flag]).ok();
                } else {
                    client.run(&[&"get", &client.at(name), &target, &rule_flag]).ok();
                }
                let facts = fs::metadata(&target).unwrap();
                let (mode, time) = if rule == "fail" { (0o600, 1_000_000) } else { (0o755, 2_000_000) };
                let found = (facts.permissions().mode() & 0o777, facts.mtime());
                assert_eq!(found, (mode, time), "{way} of {name} with {rule}");
            }
        }
    }
}

#[test]
fn a_pipe_goes_up_and_comes_down() {
    let server = Server::with_anna();
    let client = server.client("anna");
    for size in [0, 1, MIB, MIB + 1, 4 * MIB + 99] {
        let source = client.scratch("pipe").join("source");
        material::random_file(&source, size, size);
        let content = fs::read(&source).unwrap();
        // The program cannot distinguish an empty pipe from a missing one.
        client.run_with_input(&[&"put", &"-", &client.at(format!("p{size}"))], content.clone()).ok();
        compare::same_file(&source, &server.home("anna").join(format!("p{size}")));
        let down = client.run(&[&"get", &client.at(format!("p{size}")), &"-"]).ok();
        assert!(down.stdout == content, "get - of {size} bytes wrote something else");
        let shown = client.run(&[&"cat", &client.at(format!("p{size}"))]).ok();
        assert!(shown.stdout == content, "cat of {size} bytes wrote something else");
    }
}

#[test]
fn check_says_whether_two_trees_are_the_same() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let tree = client.scratch("tree");
    material::many_files(&tree, 30, 5000, 3);
    material::random_file(&tree.join("large"), 3 * MIB, 9);
    client.put(&tree, "").ok();
    let there = server.home("anna").join("tree");
    let check = || client.run(&[&"check", &tree, &client.at("tree")]);
    check().ok();
    material::flip_byte(&there.join("large"), 2 * MIB);
    check().code(12);
    fs::copy(tree.join("large"), there.join("large")).unwrap();
    check().ok();
    fs::remove_file(there.join("000/file-7")).unwrap();
    check().code(12);
    let filtered = |flag: &str| client.run(&[&"check", &tree, &client.at("tree"), &flag]);
    filtered("--exclude=file-7").ok();
    filtered("--exclude=000").ok();
    filtered("--include=large").ok();
    filtered("--include=file-7").code(12);
    assert!(tree.join("000/file-7").exists() && !there.join("000/file-7").exists(), "check changed something");
}

#[test]
fn a_folder_becomes_the_destination_and_a_file_goes_into_a_folder_that_is_there() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (here, there) = (client.scratch("here"), server.home("anna"));
    for root in [&here, &there] {
        fs::create_dir_all(root.join("tree/below")).unwrap();
        fs::write(root.join("tree/below/leaf"), "leaf").unwrap();
        fs::write(root.join("file"), "content").unwrap();
        fs::create_dir(root.join("present")).unwrap();
    }
    std::os::unix::fs::symlink("present", here.join("link")).unwrap();
    // Download: to a folder, to a symlink that leads to it, to a folder with a slash.
    client.get("file", &here.join("present")).ok();
    client.get("tree", &here.join("link")).ok().says("merged");
    assert!(here.join("present/file").is_file() && here.join("present/below/leaf").is_file());
    client.get("tree", &here.join("present/")).ok();
    assert!(here.join("present/tree/below/leaf").is_file());
    assert!(here.join("link").is_symlink());
    // Upload: the same.
    client.put(&here.join("file"), "present").ok();
    client.put(&here.join("tree"), "present").ok().says("merged");
    assert!(there.join("present/file").is_file() && there.join("present/below/leaf").is_file());
    client.put(&here.join("tree"), "present/").ok();
    assert!(there.join("present/tree/below/leaf").is_file());
}

#[test]
fn a_file_with_content_and_without_a_size_is_refused_and_goes_up_as_a_stream() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let there = server.home("anna");
    client.put(Path::new("/proc/version"), "version").code(1).says("no size").says("put -");
    assert!(!there.join("version").exists());
    client.run_with_input(&[&"put", &"-", &client.at("version")], fs::read("/proc/version").unwrap()).ok();
    assert_eq!(fs::read(there.join("version")).unwrap(), fs::read("/proc/version").unwrap());
}
