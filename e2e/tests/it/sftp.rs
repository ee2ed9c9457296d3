//! SFTP sites: the real client with OpenSSH's server and with ferryd's own door.

mod bounds;
mod browser;
mod keys;
mod questions;
mod sync;
mod sync_rules;
mod trouble;

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use ferry_e2e::{
    MIB,
    client::{Client, Outcome, Running, Words},
    compare, material,
    server::{Server, Setup},
    sshd::Sshd,
};

/// A client of an SSH server, with a home folder of its own.
struct Far {
    sshd: Sshd,
    client: Client,
    /// The folder of the server that the test uses.
    folder: PathBuf,
}

impl Far {
    /// `None` where there is no OpenSSH.
    fn new() -> Option<Self> {
        Self::with("")
    }

    /// With further lines in the configuration of the server.
    fn with(config: &str) -> Option<Self> {
        let sshd = Sshd::start(config)?;
        let client = Client::new(sshd.address(), &Sshd::user());
        let folder = client.scratch("far");
        Some(Self { sshd, client, folder })
    }

    fn url(&self, below: &str) -> String {
        self.sshd.url(&self.folder.join(below))
    }

    /// A command line without a way to log in.
    fn bare(&self, words: Words) -> Command {
        let mut command = self.client.bare(words);
        command.env("HOME", self.client.scratch("person")).env_remove("SSH_AUTH_SOCK");
        command
    }

    fn command(&self, words: Words) -> Command {
        let mut command = self.bare(words);
        command.arg("--accept-new").arg("--identity").arg(self.sshd.key());
        command
    }

    fn run(&self, words: Words) -> Outcome {
        Running::spawn(self.command(words), Vec::new()).wait()
    }

    fn start(&self, words: Words) -> Running {
        Running::spawn(self.command(words), Vec::new())
    }
}

/// A ferryd with its door, and a client that knows the password.
struct Door {
    server: Server,
    client: Client,
}

impl Door {
    fn new() -> Self {
        let server = Setup::new().user("anna", &[]).sftp().start();
        let client = server.client("anna");
        Self { server, client }
    }

    fn url(&self, path: &str) -> String {
        format!("sftp://anna@{}/{path}", self.server.sftp().0)
    }

    fn run(&self, words: Words) -> Outcome {
        let mut command = self.client.command(words);
        command.env("HOME", self.client.scratch("person")).env_remove("SSH_AUTH_SOCK");
        Running::spawn(command, Vec::new()).wait()
    }
}

fn tree(root: &Path) {
    material::many_files(root, 150, 3000, 1);
    material::random_file(&root.join("large"), 5 * MIB + 17, 2);
    material::hostile_tree(&root.join("names"));
    fs::create_dir_all(root.join("empty/inner")).unwrap();
    material::set_mtime(&root.join("large"), 1_500_000_000, 0);
}

/// Fails unless both have the same names and contents. SFTP cuts dates to whole seconds.
fn same(left: &Path, right: &Path) {
    let diff = Command::new("diff").args(["-r", "--no-dereference"]).args([left, right]).output().unwrap();
    assert!(
        diff.status.success(),
        "{}{}",
        String::from_utf8_lossy(&diff.stdout),
        String::from_utf8_lossy(&diff.stderr)
    );
}

#[test]
fn a_tree_goes_to_openssh_and_back_with_its_names_and_contents() {
    let Some(far) = Far::new() else { return };
    let (source, back) = (far.client.scratch("source"), far.client.scratch("back"));
    tree(&source);
    far.run(&[&"put", &source, &far.url("copy")]).ok();
    same(&source, &far.folder.join("copy"));
    let mtime = |path: &Path| fs::metadata(path).unwrap().mtime();
    assert_eq!(mtime(&far.folder.join("copy/large")), 1_500_000_000);
    far.run(&[&"get", &far.url("copy"), &back]).ok();
    same(&source, &back);
    far.run(&[&"put", &source, &far.url("copy"), &"--on-conflict=changed"]).ok();
    assert_eq!(leftovers(&far.folder), Vec::<PathBuf>::new());
}

#[test]
fn a_tree_goes_to_the_door_of_ferryd_and_back() {
    let door = Door::new();
    let (source, back) = (door.client.scratch("source"), door.client.scratch("back"));
    tree(&source);
    door.run(&[&"put", &source, &door.url("copy")]).ok();
    same(&source, &door.server.home("anna").join("copy"));
    door.run(&[&"get", &door.url("copy"), &back]).ok();
    same(&source, &back);
}

/// Hidden files that uploads leave.
fn leftovers(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(".ferry-")).collect()
}

#[test]
fn every_verb_takes_an_address_of_sftp() {
    let Some(far) = Far::new() else { return };
    let url = |below: &str| far.url(below);
    far.run(&[&"mkdir", &"-p", &url("a/b")]).ok();
    far.run(&[&"mkdir", &url("a")]).code(1).says("there already");
    far.run(&[&"touch", &url("a/b/new")]).ok();
    fs::write(far.folder.join("a/x.txt"), "content").unwrap();
    assert_eq!(far.run(&[&"ls", &url("a")]).ok().text(), "b\nx.txt\n");
    assert!(far.run(&[&"ls", &"-R", &"--json", &url("a")]).ok().json().len() >= 3);
    assert_eq!(far.run(&[&"cat", &url("a/x.txt")]).ok().text(), "content");
    assert!(far.run(&[&"stat", &url("a/x.txt")]).ok().text().contains("size: 7"));
    assert!(far.run(&[&"tree", &url("a")]).ok().text().contains("new"));
    assert!(far.run(&[&"find", &url(""), &"X.t*"]).ok().text().is_empty(), "capitals make a difference");
    assert!(far.run(&[&"find", &url(""), &"x.t*"]).ok().text().contains("a/x.txt"));
    far.run(&[&"du", &url("a")]).ok();
    let hashed = far.run(&[&"hash", &url("a/x.txt"), &"--sha256"]).ok().text();
    assert!(hashed.starts_with(&compare::sha256sum(&far.folder.join("a/x.txt"))[..64]), "{hashed}");
    far.run(&[&"mv", &url("a/x.txt"), &url("a/b/y.txt")]).ok();
    far.run(&[&"cp", &url("a/b/y.txt"), &url("z.txt")]).ok();
    assert_eq!(fs::read_to_string(far.folder.join("z.txt")).unwrap(), "content");
    far.run(&[&"get", &url("a/b/*.txt"), &far.client.scratch("got")]).ok();
    assert!(far.client.scratch("got").join("y.txt").exists());
    far.run(&[&"rm", &url("a")]).code(1).says("not empty");
    far.run(&[&"rm", &"-r", &url("a")]).ok();
    assert!(!far.folder.join("a").exists());
    far.run(&[&"ls", &url("a")]).code(3);
    far.run(&[&"get", &url("a"), &"x"]).code(4);
    for verb in ["quota", "uploads"] {
        far.run(&[&verb, &url("")]).says("cannot");
    }
    // The home is not a name to remove.
    far.run(&[&"rm", &"-r", &format!("sftp://{}@{}", Sshd::user(), far.sshd.address())]).code(2);
}

#[test]
fn a_tree_goes_from_an_ssh_server_to_a_ferry_server() {
    let Some(far) = Far::new() else { return };
    let server = Server::with_anna();
    let client = server.client("anna");
    let source = far.folder.join("tree");
    tree(&source);
    let (to, password) = (client.at("copy"), client.password_file());
    let words: [&dyn AsRef<OsStr>; 5] = [&"cp", &far.url("tree"), &to, &"--to-password-file", &password];
    let mut command = far.bare(&words);
    command.args(["--accept-new", "--from-identity"]).arg(far.sshd.key());
    Running::spawn(command, Vec::new()).wait().ok().says("verified");
    same(&source, &server.home("anna").join("copy"));
}

#[test]
fn a_replaced_file_keeps_its_mode_and_a_link_is_written_through() {
    let Some(far) = Far::new() else { return };
    let local = far.client.scratch("local").join("new");
    for (size, at) in [(100, "small"), (3 * MIB, "large")] {
        material::random_file(&local, size, size);
        let target = far.folder.join(at);
        fs::write(&target, "old").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o604)).unwrap();
        let link = far.folder.join(format!("link-to-{at}"));
        symlink(at, &link).unwrap();
        far.run(&[&"put", &local, &far.url(&format!("link-to-{at}")), &"--on-conflict=replace"]).ok();
        assert!(link.is_symlink());
        compare::same_file(&local, &target);
        assert_eq!(fs::metadata(&target).unwrap().mode() & 0o777, 0o604);
    }
    assert_eq!(leftovers(&far.folder), Vec::<PathBuf>::new());
}

#[test]
fn a_file_of_another_owner_is_written_in_place() {
    if !ferry_e2e::needs::root() {
        return;
    }
    let Some(far) = Far::new() else { return };
    let local = far.client.scratch("local").join("new");
    material::random_file(&local, 2 * MIB, 1);
    let target = far.folder.join("theirs");
    fs::write(&target, "old").unwrap();
    std::os::unix::fs::chown(&target, Some(12_345), Some(12_345)).unwrap();
    let inode = fs::metadata(&target).unwrap().ino();
    far.run(&[&"put", &local, &far.url("theirs"), &"--on-conflict=replace"]).ok();
    compare::same_file(&local, &target);
    let now = fs::metadata(&target).unwrap();
    assert_eq!((now.uid(), now.ino()), (12_345, inode));
}

#[test]
fn a_sparse_file_stays_sparse_on_the_server() {
    let Some(far) = Far::new() else { return };
    let local = far.client.scratch("local").join("sparse");
    material::sparse_file(&local, 64 * MIB, &[0, 17 * MIB, 40 * MIB + 5]);
    far.run(&[&"put", &local, &far.url("sparse")]).ok();
    let there = far.folder.join("sparse");
    compare::same_file(&local, &there);
    assert!(material::allocated(&there) < 8 * MIB, "{}", material::allocated(&there));
    let back = far.client.scratch("back").join("sparse");
    far.run(&[&"get", &far.url("sparse"), &back]).ok();
    compare::same_file(&local, &back);
}

#[test]
fn a_move_removes_its_source_only_when_the_copy_was_read_back() {
    let Some(far) = Far::new() else { return };
    let source = far.client.scratch("source");
    let keep = far.client.scratch("keep").join("tree");
    tree(&source);
    far.run(&[&"cp", &source, &keep]).ok();
    far.run(&[&"mv", &source, &far.url("moved")]).says("--verify");
    same(&keep, &source);
    far.run(&[&"mv", &source, &far.url("moved"), &"--verify"]).ok();
    assert!(!source.exists(), "the emptied source is left");
    same(&keep, &far.folder.join("moved"));
    let back = far.client.scratch("place").join("back");
    far.run(&[&"mv", &far.url("moved"), &back]).ok();
    assert!(!far.folder.join("moved").exists());
    same(&keep, &back);
}

#[test]
fn a_large_file_is_proven_by_the_servers_own_digest() {
    let Some(far) = Far::new() else { return };
    if !ferry_e2e::needs::program("sha256sum", "coreutils") {
        return;
    }
    let local = far.client.scratch("local").join("it's large");
    material::random_file(&local, 3 * MIB + 9, 1);
    let outcome = |name: &str, more: &[&str]| {
        let mut command = far.command(&[&"put", &local, &far.url(name), &"--json"]);
        command.args(more);
        let lines = Running::spawn(command, Vec::new()).wait().ok().json();
        lines[0]["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(outcome("not%20proven", &[]), "stored");
    assert_eq!(outcome("it's%20proven", &["--verify"]), "verified");
    compare::same_file(&local, &far.folder.join("it's proven"));
    let door = Door::new();
    door.run(&[&"put", &local, &door.url("copy"), &"--verify"]).ok().says(" verified");
    compare::same_file(&local, &door.server.home("anna").join("copy"));
}

#[test]
fn a_saved_site_of_sftp_is_used_by_its_name() {
    let Some(far) = Far::new() else { return };
    fs::write(far.folder.join("x"), "here").unwrap();
    let mut add = far.bare(&[&"site", &"add", &"box", &far.url("")]);
    add.arg("--identity").arg(far.sshd.key());
    Running::spawn(add, Vec::new()).wait().ok();
    let listed = Running::spawn(far.bare(&[&"site", &"list"]), Vec::new()).wait().ok();
    assert!(listed.text().contains("sftp://"), "{listed}");
    let shown = Running::spawn(far.bare(&[&"cat", &"box:x", &"--accept-new"]), Vec::new()).wait().ok();
    assert_eq!(shown.text(), "here");
}
