//! Copies and moves between any two sites: on this computer, and between two servers.

use std::{ffi::OsStr, fs, os::unix::fs::symlink, path::PathBuf};

use ferry_e2e::{
    MIB,
    client::{Client, Outcome, Running},
    compare, material,
    proxy::{Direction, Proxy, Then},
    server::Server,
};
use rustix::process::Signal;

/// Two servers with a user each, and a client that knows both passwords.
struct Two {
    from: Server,
    to: Server,
    client: Client,
    other: Client,
}

impl Two {
    fn new() -> Self {
        let (from, to) = (Server::with_anna(), Server::with_anna());
        let (client, other) = (from.client("anna"), to.client("anna"));
        Self { from, to, client, other }
    }

    /// Runs a verb from the one server to the other, with the password of each.
    fn run(&self, verb: &str, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>, more: &[&str]) -> Outcome {
        let (from_password, to_password) = (self.client.password_file(), self.other.password_file());
        let mut words: Vec<&dyn AsRef<OsStr>> = vec![&verb, &from, &to, &"--accept-new"];
        let (from_flag, to_flag) = ("--from-password-file", "--to-password-file");
        words.extend([&from_flag as &dyn AsRef<OsStr>, &from_password, &to_flag, &to_password]);
        words.extend(more.iter().map(|word| word as &dyn AsRef<OsStr>));
        Running::spawn(self.client.bare(&words), Vec::new()).wait()
    }
}

fn tree(root: PathBuf) -> PathBuf {
    material::many_files(&root, 40, 3000, 1);
    material::random_file(&root.join("large"), 5 * MIB + 17, 2);
    fs::create_dir_all(root.join("empty/inner")).unwrap();
    root
}

#[test]
fn a_tree_is_copied_on_this_computer_and_again_changes_nothing() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let source = tree(client.scratch("source"));
    let target = client.scratch("place").join("copy");
    client.run(&[&"cp", &source, &target]).ok().says("verified");
    compare::same_tree(&source, &target);
    let again = client.run(&[&"cp", &source, &target, &"--on-conflict=different"]).ok().says("already equal");
    assert!(!again.stderr.contains("copied in"), "{again}");
    let file = client.scratch("file").join("x");
    material::random_file(&file, 3 * MIB, 3);
    client.run(&[&"cp", &file, &target]).ok();
    compare::same_file(&file, &target.join("x"));
}

#[test]
fn a_move_on_this_computer_removes_its_source_and_never_the_only_copy() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let source = tree(client.scratch("source"));
    let copy = client.scratch("kept").join("copy");
    client.run(&[&"cp", &source, &copy]).ok();
    let target = client.scratch("place").join("moved");
    client.run(&[&"mv", &source, &target]).ok();
    assert!(!source.exists(), "the emptied source is left");
    compare::same_tree(&copy, &target);
    // Onto itself, into itself, and to an alias of itself.
    client.run(&[&"mv", &target, &target]).code(2).says("is where it comes from");
    client.run(&[&"cp", &target, &target.join("empty/inner/again")]).code(2).says("is inside");
    let link = client.scratch("links").join("alias");
    symlink(&target, &link).unwrap();
    client.run(&[&"mv", &target.join("large"), &link.join("large")]).code(2);
    compare::same_tree(&copy, &target);
    let (one, other) = (link.with_file_name("one"), link.with_file_name("other"));
    fs::write(&one, "the only content").unwrap();
    fs::hard_link(&one, &other).unwrap();
    let outcome = client.run(&[&"mv", &one, &other, &"--on-conflict=different"]);
    assert!(!outcome.status.success() && one.exists() && other.exists(), "{outcome}");
}

#[test]
fn a_tree_goes_from_one_server_to_another_verified() {
    let two = Two::new();
    let source = tree(two.from.home("anna").join("tree"));
    let outcome = two.run("cp", two.client.at("tree"), two.other.at("copy"), &[]);
    outcome.ok().says("verified");
    compare::same_tree(&source, &two.to.home("anna").join("copy"));
    two.run("cp", two.client.at("tree"), two.other.at("copy"), &["--on-conflict=different"]).ok().says("already equal");
    two.run("mv", two.client.at("tree/large"), two.other.at("moved"), &[]).ok();
    assert!(!source.join("large").exists());
    compare::same_file(&two.to.home("anna").join("copy/large"), &two.to.home("anna").join("moved"));
}

#[test]
fn a_password_that_either_server_could_need_goes_to_none() {
    let two = Two::new();
    let (from, to) = (two.client.at("x"), two.other.at("x"));
    two.client.run(&[&"cp", &from, &to]).code(2).says("--from-password-file or --to-password-file");
    assert!(!two.to.log().contains("logged in"), "{}", two.to.log());
}

#[test]
fn one_account_under_two_addresses_keeps_the_file_that_is_moved_onto_itself() {
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let (client, alias) = (server.client("anna"), server.client("anna").at_address(proxy.address()));
    let file = server.home("anna").join("x");
    material::random_file(&file, 2 * MIB, 1);
    let before = fs::read(&file).unwrap();
    let (from_password, to_password) = (client.password_file(), alias.password_file());
    let (from, to) = (client.at("x"), alias.at("x"));
    let words: [&dyn AsRef<OsStr>; 9] = [
        &"mv",
        &from,
        &to,
        &"--accept-new",
        &"--from-password-file",
        &from_password,
        &"--to-password-file",
        &to_password,
        &"--on-conflict=different",
    ];
    let outcome = Running::spawn(client.bare(&words), Vec::new()).wait();
    assert!(!outcome.status.success(), "{outcome}");
    assert_eq!(fs::read(&file).unwrap(), before, "{outcome}");
}

#[test]
fn an_interrupted_copy_between_two_servers_continues_from_proven_blocks() {
    const SIZE: u64 = 24 * MIB;
    const CUT: u64 = 16 * MIB;
    let two = Two::new();
    let proxy = Proxy::new(two.to.address());
    let slow = two.other.at_address(proxy.address());
    let source = two.from.home("anna").join("large");
    material::random_file(&source, SIZE, 1);
    let (from_password, to_password) = (two.client.password_file(), slow.password_file());
    let (from, to) = (two.client.at("large"), slow.at("large"));
    let words: [&dyn AsRef<OsStr>; 8] = [
        &"cp",
        &from,
        &to,
        &"--accept-new",
        &"--from-password-file",
        &from_password,
        &"--to-password-file",
        &to_password,
    ];
    proxy.after(Direction::Up, CUT, Then::Hold);
    let running = Running::spawn(two.client.bare(&words), Vec::new());
    proxy.wait_tripped(Direction::Up);
    running.signal(Signal::INT);
    drop(running.wait().code(130));
    assert!(!two.to.home("anna").join("large").exists(), "half a file has the file's name");
    proxy.release();
    proxy.reset_counters();
    Running::spawn(two.client.bare(&words), Vec::new()).wait().ok();
    compare::same_file(&source, &two.to.home("anna").join("large"));
    let sent = proxy.counted(Direction::Up);
    assert!(sent <= SIZE - CUT + 5 * MIB, "{sent} bytes travelled again");
}
