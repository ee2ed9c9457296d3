//! Symlinks, and entries that are neither file nor folder: followed if named, left out and reported if found in a
//! folder.

use std::{ffi::OsStr, fs, os::unix::fs::symlink, path::Path};

use ferry_e2e::{
    MIB,
    client::{Client, Outcome},
    material,
    server::Server,
};
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// A tree with a file, a folder, and symlinks to a file, to a folder, to a parent, and to nothing.
fn tree(root: &Path) {
    fs::create_dir_all(root.join("tree/folder")).unwrap();
    fs::create_dir(root.join("beside")).unwrap();
    fs::write(root.join("beside/leaf"), "leaf").unwrap();
    material::random_file(&root.join("target"), 2 * MIB + 5, 7);
    fs::write(root.join("tree/plain"), "plain").unwrap();
    symlink("../target", root.join("tree/to-file")).unwrap();
    symlink("../beside", root.join("tree/to-folder")).unwrap();
}

fn run(client: &Client, verb: &str, from: &OsStr, to: &OsStr, flags: &[&str]) -> Outcome {
    let mut words: Vec<&dyn AsRef<OsStr>> = vec![&verb, &from, &to, &"-q"];
    words.extend(flags.iter().map(|flag| flag as &dyn AsRef<OsStr>));
    client.run(&words)
}

fn put(client: &Client, from: &Path, to: &str, flags: &[&str]) -> Outcome {
    run(client, "put", from.as_os_str(), &client.at(to), flags)
}

#[test]
fn links_in_a_folder_that_is_sent_are_named_skipped_or_followed() {
    let server = Server::with_anna();
    let (client, home) = (server.client("anna"), server.home("anna"));
    let here = client.scratch("here");
    tree(&here);
    let from = here.join("tree");
    put(&client, &from, "named", &[]).code(6).says("to-file skipped: a symlink").says("to-folder skipped: a symlink");
    assert!(home.join("named/plain").is_file() && fs::symlink_metadata(home.join("named/to-file")).is_err());
    let skipped = put(&client, &from, "skipped", &["--links=skip"]).ok();
    assert!(skipped.stderr.is_empty(), "{skipped}");
    assert!(home.join("skipped/plain").is_file() && !home.join("skipped/to-file").exists());
    put(&client, &from, "followed", &["--links=follow"]).ok();
    assert!(fs::read(home.join("followed/to-file")).unwrap() == fs::read(here.join("target")).unwrap());
    assert!(!fs::symlink_metadata(home.join("followed/to-file")).unwrap().is_symlink());
    assert_eq!(fs::read(home.join("followed/to-folder/leaf")).unwrap(), b"leaf");
    // A move follows none: it would remove files elsewhere.
    assert!(here.join("beside/leaf").exists() && here.join("target").exists());
}

#[test]
fn following_ends_where_a_link_leads_back_and_tells_what_leads_nowhere() {
    let server = Server::with_anna();
    let (client, home) = (server.client("anna"), server.home("anna"));
    let here = client.scratch("here");
    tree(&here);
    symlink("..", here.join("tree/folder/up")).unwrap();
    symlink(".", here.join("tree/self")).unwrap();
    symlink("gone", here.join("tree/dangling")).unwrap();
    let outcome = put(&client, &here.join("tree"), "t", &["--links=follow"]).code(6);
    for text in [
        "folder/up skipped: a symlink to a folder that contains it",
        "self skipped: a symlink to a folder that contains it",
        "dangling",
    ] {
        assert!(outcome.stderr.contains(text), "{text}: {outcome}");
    }
    assert!(home.join("t/plain").is_file() && home.join("t/folder").is_dir() && !home.join("t/folder/up").exists());
}

#[test]
fn a_link_that_is_named_is_followed() {
    let server = Server::with_anna();
    let (client, home) = (server.client("anna"), server.home("anna"));
    let here = client.scratch("here");
    tree(&here);
    tree(&home);
    put(&client, &here.join("tree/to-file"), "file", &[]).ok();
    put(&client, &here.join("tree/to-folder"), "folder", &[]).ok();
    assert_eq!(fs::read(home.join("folder/leaf")).unwrap(), b"leaf");
    let target = fs::read(home.join("target")).unwrap();
    client.get("tree/to-file", &here.join("got")).ok();
    assert!(fs::read(here.join("got")).unwrap() == target);
    client.get("tree/to-folder", &here.join("got-folder")).ok();
    assert_eq!(fs::read(here.join("got-folder/leaf")).unwrap(), b"leaf");
    client.run(&[&"cp", &client.at("tree/to-file"), &client.at("copied")]).ok();
    assert!(fs::read(home.join("copied")).unwrap() == target);
    client.run(&[&"cp", &client.at("tree/to-folder"), &client.at("copied-folder")]).ok();
    assert_eq!(fs::read(home.join("copied-folder/leaf")).unwrap(), b"leaf");
    client.run(&[&"check", &here.join("tree/to-file"), &client.at("file")]).ok();
}

#[test]
fn links_in_the_home_are_named_skipped_or_followed_to_files() {
    let server = Server::with_anna();
    let (client, home) = (server.client("anna"), server.home("anna"));
    let here = client.scratch("here");
    tree(&home);
    symlink("gone", home.join("tree/dangling")).unwrap();
    let run = |verb, to: &OsStr, flags: &[&str]| run(&client, verb, &client.at("tree"), to, flags);
    run("get", here.join("named").as_os_str(), &[]).code(6).says("to-file skipped").says("dangling skipped");
    assert!(here.join("named/plain").is_file() && !here.join("named/to-file").exists());
    run("get", here.join("skipped").as_os_str(), &["--links=skip"]).ok();
    let followed = run("get", here.join("followed").as_os_str(), &["--links=follow"]).code(6);
    assert!(fs::read(here.join("followed/to-file")).unwrap() == fs::read(home.join("target")).unwrap(), "{followed}");
    assert!(followed.stderr.contains("to-folder skipped") && followed.stderr.contains("dangling"), "{followed}");
    run("cp", &client.at("copy"), &[]).code(6).says("to-file skipped");
    assert!(home.join("copy/plain").is_file() && !home.join("copy/to-file").exists());
    run("cp", &client.at("copy2"), &["--links=skip"]).ok();
    run("cp", &client.at("copy3"), &["--links=follow"]).code(6);
    assert!(fs::read(home.join("copy3/to-file")).unwrap() == fs::read(home.join("target")).unwrap());
}

#[test]
fn a_site_says_what_to_do_with_links_unless_the_flag_does() {
    let server = Server::with_anna();
    let (client, home) = (server.client("anna"), server.home("anna"));
    let here = client.scratch("here");
    tree(&here);
    for links in ["skip", "follow"] {
        let flag = format!("--links={links}");
        let line: [&dyn AsRef<OsStr>; 6] = [&"site", &"add", &links, &client.at(""), &flag, &"-q"];
        ferry_e2e::client::Running::spawn(client.bare(&line), Vec::new()).wait().ok();
    }
    let from = here.join("tree");
    client.run(&[&"put", &from, &"skip:a"]).ok();
    client.run(&[&"put", &from, &"follow:b"]).ok();
    client.run(&[&"put", &from, &"follow:c", &"--links=skip"]).ok();
    assert!(!home.join("a/to-file").exists() && home.join("b/to-file").exists() && !home.join("c/to-file").exists());
}

#[test]
fn links_are_kept_as_links_on_this_computer_and_refused_where_that_is_not_possible() {
    let server = Server::with_anna();
    let (client, home) = (server.client("anna"), server.home("anna"));
    let here = client.scratch("here");
    tree(&here);
    symlink("gone", here.join("tree/folder/dangling")).unwrap();
    let (from, to) = (here.join("tree"), here.join("copy"));
    let texts = || ["to-file", "to-folder", "folder/dangling"].map(|link| fs::read_link(to.join(link)).unwrap());
    let expected = ["../target", "../beside", "gone"].map(std::path::PathBuf::from);
    client.run(&[&"cp", &from, &to, &"--links=keep", &"-n"]).ok();
    assert!(!to.exists());
    let objects = client.run(&[&"cp", &from, &to, &"--links=keep", &"--json"]).ok().json();
    assert_eq!(texts(), expected);
    assert_eq!(fs::read(to.join("plain")).unwrap(), b"plain");
    assert_eq!(objects.iter().filter(|object| object["outcome"] == "link").count(), 3);
    assert_eq!(objects.last().unwrap()["summary"]["links"], 3);
    let date = |root: &Path| fs::metadata(root.join("folder")).unwrap().modified().unwrap();
    assert_eq!(date(&from), date(&to), "the folder has its date although a link was made in it");
    // Another link is replaced only if a rule says so, and never what it leads to.
    fs::remove_file(to.join("to-file")).unwrap();
    symlink("plain", to.join("to-file")).unwrap();
    let mirror = || client.run(&[&"sync", &from, &to, &"--links=keep", &"--delete"]);
    symlink("plain", to.join("extra")).unwrap();
    mirror().ok();
    assert_eq!(texts(), expected);
    assert!(fs::symlink_metadata(to.join("extra")).is_err());
    assert_eq!(fs::read(to.join("plain")).unwrap(), b"plain");
    mirror().ok().says("nothing to do");
    // To and from a server, and by a move, links cannot be kept.
    fs::create_dir(home.join("tree")).unwrap();
    let lines: [&[&dyn AsRef<OsStr>]; 7] = [
        &[&"put", &from, &client.at("new")],
        &[&"cp", &from, &client.at("new")],
        &[&"sync", &from, &client.at("new")],
        &[&"get", &client.at("tree"), &here.join("new")],
        &[&"sync", &client.at("tree"), &here.join("new")],
        &[&"cp", &client.at("tree"), &client.at("new")],
        &[&"mv", &from, &here.join("new")],
    ];
    for line in lines {
        client.run(&[line, &[&"--links=keep"]].concat()).code(2).says("--links keep");
        assert!(!home.join("new").exists() && !here.join("new").exists());
    }
    client.run(&[&"check", &from, &client.at("tree"), &"--links=keep"]).code(2);
}

#[test]
fn entries_of_a_folder_that_cannot_be_sent_are_named_with_exit_code_6() {
    let server = Server::with_anna();
    let (client, home) = (server.client("anna"), server.home("anna"));
    let here = client.scratch("here");
    for name in ["fifo", "socket"] {
        let folder = here.join(name);
        fs::create_dir(&folder).unwrap();
        let kind = if name == "fifo" { FileType::Fifo } else { FileType::Socket };
        mknodat(CWD, folder.join(name), kind, Mode::from_raw_mode(0o600), 0).unwrap();
        put(&client, &folder, name, &[]).code(6).says(&format!("{name} skipped: neither a file nor a folder"));
        put(&client, &folder, name, &["--links=skip"]).code(6);
    }
    fs::create_dir(here.join("mixed")).unwrap();
    fs::write(here.join("mixed/plain"), "plain").unwrap();
    mknodat(CWD, here.join("mixed/pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    put(&client, &here.join("mixed"), "mixed", &[]).code(6).says("pipe");
    assert!(home.join("mixed/plain").exists());
}

#[test]
fn check_tells_what_it_did_not_compare() {
    let server = Server::with_anna();
    let (client, home) = (server.client("anna"), server.home("anna"));
    let here = client.scratch("here");
    tree(&here);
    let from = here.join("tree");
    put(&client, &from, "t", &["--links=follow"]).ok();
    let check = |flags: &[&str]| {
        let at = client.at("t");
        let mut words: Vec<&dyn AsRef<OsStr>> = vec![&"check", &from, &at, &"-q"];
        words.extend(flags.iter().map(|flag| flag as &dyn AsRef<OsStr>));
        client.run(&words)
    };
    check(&[]).code(6).says("to-file not compared: a symlink").says("to-folder not compared");
    check(&["--links=skip"]).ok();
    check(&["--links=follow"]).ok();
    fs::write(home.join("t/to-folder/leaf"), "fael").unwrap();
    check(&["--links=skip"]).ok();
    let outcome = check(&["--links=follow"]).code(12);
    assert!(outcome.text().contains("to-folder/leaf"), "{outcome}");
    symlink("plain", home.join("t/there")).unwrap();
    check(&["--links=skip"]).ok();
    fs::write(home.join("t/to-folder/leaf"), "leaf").unwrap();
    check(&["--links=follow"]).code(6).says("there not compared");
}
