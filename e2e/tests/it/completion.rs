//! Completion of paths on servers: what is offered, and that nothing is asked, trusted or waited for.

use std::{
    ffi::{OsStr, OsString},
    fs,
    net::TcpListener,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

use ferry_e2e::{
    client::{Client, Outcome, Running},
    server::{Server, Setup},
    ssh::make_key,
    sshd::Sshd,
};

use crate::scripting::bash;

/// A user with a key at a server, who has connected once.
struct Known {
    server: Server,
    client: Client,
    key: PathBuf,
}

impl Known {
    fn new() -> Self {
        let key = make_key(&tempfile::tempdir().unwrap().keep(), "ed25519", "");
        let public = key.with_extension("pub");
        let server = Setup::new().user("anna", &["--key", public.to_str().unwrap()]).sftp().start();
        let client = server.client("anna");
        names(&server.home("anna"));
        Self { server, client, key }
    }

    fn trusting() -> Self {
        let known = Self::new();
        let url = known.url("/");
        for place in [known.client.at(""), url.into()] {
            let words: [&dyn AsRef<OsStr>; 5] = [&"ls", &place, &"--accept-new", &"--identity", &known.key];
            Running::spawn(alone(&known.client, &words), Vec::new()).wait().ok();
        }
        known
    }

    fn url(&self, path: &str) -> String {
        format!("sftp://anna@{}{path}", self.server.sftp().0)
    }
}

/// Names of all kinds below a folder.
fn names(root: &Path) {
    fs::create_dir_all(root.join("docs/deep")).unwrap();
    for name in [&b"docs/my file"[..], b"docs/.hidden", b"docs/caf\xe9", b"docs/esc\x1b[2J", b"docs/new\nline", b"data"]
    {
        fs::write(root.join(OsString::from_vec(name.to_vec())), "x").unwrap();
    }
}

/// A command line without an agent, and with an empty home folder.
fn alone(client: &Client, words: &[&dyn AsRef<OsStr>]) -> std::process::Command {
    let mut command = client.bare(words);
    command.env("HOME", client.scratch("person")).env_remove("SSH_AUTH_SOCK");
    command
}

/// The candidates that a shell is offered for the last of `words`.
fn offered(client: &Client, words: &[&dyn AsRef<OsStr>]) -> Vec<String> {
    let index = words.len().to_string();
    let mut command = alone(client, &[&[&"--" as &dyn AsRef<OsStr>, &"ferry"], words].concat());
    command.env("FERRY_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", index);
    let outcome: Outcome = Running::spawn(command, Vec::new()).wait().ok();
    assert_eq!(outcome.stderr, "", "completion is silent");
    outcome.text().lines().map(|line| line.trim_end_matches('\t').to_owned()).collect()
}

#[test]
fn paths_on_both_kinds_of_servers_are_offered() {
    let known = Known::trusting();
    let Known { client, key, .. } = &known;
    let saved: [&dyn AsRef<OsStr>; 6] = [&"site", &"add", &"work", &client.at(""), &"--identity", key];
    Running::spawn(alone(client, &saved), Vec::new()).wait().ok();
    assert_eq!(offered(client, &[&"ls", &"work:d"]), ["work:data", "work:docs/"]);
    // Names that a shell cannot be given, and hidden ones, are left out.
    assert_eq!(offered(client, &[&"get", &"work:docs/"]), ["work:docs/deep/", "work:docs/my file"]);
    assert_eq!(offered(client, &[&"get", &"work:docs/.h"]), ["work:docs/.hidden"]);
    assert_eq!(offered(client, &[&"get", &"work:nothing/here"]), [""; 0]);
    let at = client.at("docs/de").into_string().unwrap();
    assert_eq!(offered(client, &[&"ls", &"--identity", key, &at]), [format!("{at}ep/")]);
    let url = known.url("/docs/m");
    assert_eq!(offered(client, &[&"ls", &"--identity", key, &url]), [format!("{url}y%20file")]);
    assert_eq!(bash(client, &["ferry", "get", "work", ":", "docs/m"], "ferry get work:docs/m"), "docs/my\\ file\n");
}

#[test]
fn paths_on_openssh_are_offered() {
    let Some(sshd) = Sshd::start("") else { return };
    let client = Client::new(sshd.address(), &Sshd::user());
    let far = client.scratch("far");
    names(&far);
    let (url, key) = (sshd.url(&far.join("d")), sshd.key());
    let offered = || offered(&client, &[&"ls", &"--identity", &key, &url]);
    assert_eq!(offered(), [""; 0], "the key of the host is not known");
    let words: [&dyn AsRef<OsStr>; 5] = [&"ls", &sshd.url(&far), &"--accept-new", &"--identity", &key];
    Running::spawn(alone(&client, &words), Vec::new()).wait().ok();
    assert_eq!(offered(), [format!("{url}ata"), format!("{url}ocs/")]);
}

#[test]
fn completion_trusts_no_new_key_and_asks_for_no_password() {
    let known = Known::new();
    let Known { client, key, .. } = &known;
    for place in [client.at("d"), known.url("/d").into()] {
        assert_eq!(offered(client, &[&"ls", &"--identity", key, &place]), [""; 0]);
    }
    assert!(!client.home().join("known_servers").exists(), "a completion has accepted a key");
    let known = Known::trusting();
    let before = fs::read(known.client.home().join("known_servers")).unwrap();
    for place in [known.client.at("d"), known.url("/d").into()] {
        assert_eq!(offered(&known.client, &[&"ls", &place]), [""; 0], "there is no key to log in with");
    }
    assert_eq!(fs::read(known.client.home().join("known_servers")).unwrap(), before);
}

#[test]
fn a_server_that_never_answers_is_given_up_by_a_completion() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let client = Client::new(silent.local_addr().unwrap(), "anna");
    let folder = tempfile::tempdir().unwrap();
    let key = make_key(folder.path(), "ed25519", "");
    let url = format!("sftp://anna@{}/d", silent.local_addr().unwrap());
    for place in [client.at("d"), url.into()] {
        assert_eq!(offered(&client, &[&"ls", &"--identity", &key, &place]), [""; 0]);
    }
}
