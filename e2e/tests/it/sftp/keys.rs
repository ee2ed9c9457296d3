//! Keys of hosts, and logins.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use ferry_e2e::{client::Running, needs, ssh::make_key, sshd::Sshd};

use super::{Door, Far};

/// The exit code of a refused login or key.
const DENIED: i32 = 7;

impl Far {
    /// Writes OpenSSH's known hosts of the person.
    fn know(&self, lines: &str) {
        let folder = self.client.scratch("person/.ssh");
        fs::write(folder.join("known_hosts"), lines).unwrap();
    }

    /// The name of the server in known hosts.
    fn host(&self) -> String {
        format!("[{}]:{}", self.sshd.address().ip(), self.sshd.address().port())
    }

    /// Lists the folder without accepting new keys.
    fn list(&self) -> ferry_e2e::client::Outcome {
        let mut command = self.bare(&[&"ls", &self.url("")]);
        command.arg("--identity").arg(self.sshd.key());
        Running::spawn(command, Vec::new()).wait()
    }
}

#[test]
fn an_unknown_key_is_refused_and_an_accepted_one_remembered() {
    let Some(far) = Far::new() else { return };
    far.list().code(DENIED).says("is not known");
    far.run(&[&"ls", &far.url("")]).ok();
    far.list().ok();
    let known = fs::read_to_string(far.client.home().join("known_servers")).unwrap();
    assert!(known.contains("sftp://127.0.0.1") && known.contains("ssh-ed25519"), "{known}");
}

#[test]
fn a_changed_key_stops_whoever_knows_the_old_one() {
    let Some(far) = Far::new() else { return };
    far.run(&[&"ls", &far.url("")]).ok();
    far.sshd.change_host_key("ed25519");
    far.run(&[&"ls", &far.url("")]).code(DENIED).says("has changed").says("known_servers");
    // In OpenSSH's file alone, whose names are hashed.
    fs::remove_file(far.client.home().join("known_servers")).unwrap();
    far.know(&format!("{} {}", far.host(), far.sshd.host_key("ed25519")));
    let file = far.client.scratch("person/.ssh").join("known_hosts");
    assert!(Command::new("ssh-keygen").arg("-Hf").arg(&file).output().unwrap().status.success());
    assert!(fs::read_to_string(&file).unwrap().starts_with("|1|"));
    far.list().ok();
    far.sshd.change_host_key("ed25519");
    far.run(&[&"ls", &far.url("")]).code(DENIED).says("has changed").says("known_hosts");
    assert!(!far.client.home().join("known_servers").exists(), "a changed key was accepted as a new one");
}

#[test]
fn the_key_that_is_known_is_asked_for_and_a_revoked_one_refused() {
    let Some(far) = Far::new() else { return };
    far.sshd.change_host_key("ecdsa");
    let known = format!("{} {}", far.host(), far.sshd.host_key("ecdsa"));
    far.sshd.add_host_key("ed25519");
    far.know(&known);
    far.list().ok();
    far.know(&format!("{known}@revoked * {}", far.sshd.host_key("ecdsa")));
    far.run(&[&"ls", &far.url("")]).code(DENIED).says("revoked");
}

#[test]
fn a_certificate_of_a_known_authority_is_accepted_for_its_host_only() {
    let Some(far) = Far::new() else { return };
    let authority = make_key(&far.client.scratch("authority"), "ed25519", "");
    let public = fs::read_to_string(authority.with_extension("pub")).unwrap();
    far.know(&format!("@cert-authority {} {public}", far.host()));
    far.sshd.certify(&authority, "another.example.org");
    far.list().code(1).says("another host");
    far.sshd.certify(&authority, "127.0.0.1");
    far.list().ok();
}

#[test]
fn a_wrong_password_is_refused_and_a_right_one_is_not_asked_for_twice() {
    let door = Door::new();
    door.run(&[&"ls", &door.url("")]).ok();
    door.client.set_password("wrong");
    door.run(&[&"ls", &door.url("")]).code(DENIED).says("wrong user name or password");
    assert!(!door.server.log().contains("wrong"), "a password is in the log");
}

/// An ssh-agent that ends with its test.
struct Agent(Child, String);

impl Agent {
    fn start(folder: &std::path::Path) -> Self {
        let socket = folder.join("agent");
        let mut agent = Command::new("ssh-agent");
        agent.arg("-D").arg("-a").arg(&socket);
        Self::running(agent, &socket).0
    }

    /// Starts an agent with the key of a token; returns the public half.
    fn with_token(folder: &std::path::Path, kind: &str) -> (Self, String) {
        let socket = folder.join("agent");
        let mut agent = Command::new(needs::PYTHON);
        agent.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/sftp/token_agent.py")).arg(&socket).arg(kind);
        Self::running(agent, &socket)
    }

    /// The first line says that the socket is there.
    fn running(mut agent: Command, socket: &std::path::Path) -> (Self, String) {
        let mut agent = agent.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(agent.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (Self(agent, socket.to_str().unwrap().to_owned()), line)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn keys_of_each_type_log_in_from_a_file_and_from_an_agent() {
    let Some(far) = Far::new() else { return };
    if !needs::program("ssh-agent", "openssh-client") {
        return;
    }
    let folder = far.client.scratch("keys");
    for (kind, bits) in [("ed25519", ""), ("ecdsa", "256"), ("rsa", "3072")] {
        let key = make_key(&folder, kind, bits);
        let public = std::path::PathBuf::from(format!("{}.pub", key.display()));
        far.sshd.allow(&public);
        let mut command = far.bare(&[&"ls", &far.url(""), &"--accept-new"]);
        command.arg("--identity").arg(&key);
        Running::spawn(command, Vec::new()).wait().ok();
        let agent = Agent::start(&far.client.scratch(&format!("agent-{kind}")));
        let added = Command::new("ssh-add").arg(&key).env("SSH_AUTH_SOCK", &agent.1).output().unwrap();
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        let mut command = far.bare(&[&"ls", &far.url(""), &"--accept-new"]);
        command.env("SSH_AUTH_SOCK", &agent.1);
        Running::spawn(command, Vec::new()).wait().ok();
    }
    // Without a key and without a password.
    let command = far.bare(&[&"ls", &far.url(""), &"--accept-new"]);
    Running::spawn(command, Vec::new()).wait().code(DENIED).says("none of its keys");
}

#[test]
fn the_key_of_a_hardware_token_logs_in_through_the_agent_that_has_it() {
    let Some(far) = Far::new() else { return };
    if !needs::python_module("cryptography", "python3-cryptography") {
        return;
    }
    for kind in ["ed25519", "ecdsa"] {
        let folder = far.client.scratch(&format!("token-{kind}"));
        let (agent, public) = Agent::with_token(&folder, kind);
        let list = || {
            let mut command = far.bare(&[&"ls", &far.url(""), &"--accept-new"]);
            command.env("SSH_AUTH_SOCK", &agent.1);
            Running::spawn(command, Vec::new()).wait()
        };
        list().code(DENIED);
        fs::write(folder.join("public"), public).unwrap();
        far.sshd.allow(&folder.join("public"));
        list().ok();
    }
}

#[test]
fn a_name_of_the_configuration_leads_over_a_jump_host_and_unknown_lines_are_reported() {
    let (Some(far), Some(jump)) = (Far::new(), Sshd::start("")) else { return };
    fs::write(far.folder.join("x"), "behind").unwrap();
    let folder = far.client.scratch("person/.ssh");
    let (there, way) = (far.sshd.address(), jump.address());
    let config = format!(
        "Host inner\n  HostName {}\n  Port {}\n  User {}\n  IdentityFile {}\n  ProxyJump outer\n  HostKeyAlias other\n\
         Host outer\n  HostName {}\n  Port {}\n  User {}\n  IdentityFile {}\n",
        there.ip(),
        there.port(),
        Sshd::user(),
        far.sshd.key().display(),
        way.ip(),
        way.port(),
        Sshd::user(),
        jump.key().display(),
    );
    fs::write(folder.join("config"), config).unwrap();
    let url = format!("sftp://inner{}/x", far.folder.display());
    let command = far.bare(&[&"cat", &url, &"--accept-new"]);
    let shown = Running::spawn(command, Vec::new()).wait().ok().says("HostKeyAlias other");
    assert_eq!(shown.text(), "behind");
    assert!(jump.connections() > 0);
}
