//! The door of SFTP as OpenSSH's clients see it: logins, refusals, and the end of sessions.

use std::{fs, path::Path};

use ferry_e2e::{
    needs,
    server::{Server, Setup},
    ssh::{HOST, Ssh, make_key},
};

/// The status of a command that the server does not have.
const NO_COMMAND: i32 = 127;

/// A server with SFTP and a user anna, who has these keys besides a password.
fn server_with(keys: &[&Path]) -> Server {
    let public: Vec<String> = keys.iter().map(|key| format!("{}.pub", key.display())).collect();
    let words: Vec<&str> = public.iter().flat_map(|key| ["--key", key.as_str()]).collect();
    Setup::new().user("anna", &words).sftp().start()
}

/// Whether OpenSSH is installed.
fn has_openssh() -> bool {
    needs::program("ssh", "openssh-client")
}

#[test]
fn a_password_logs_in_and_another_does_not() {
    if !has_openssh() {
        return;
    }
    let server = server_with(&[]);
    let ssh = Ssh::new(server.sftp().0, "anna");
    drop(ssh.exec(&[], "no-such-command").code(NO_COMMAND));
    drop(ssh.exec_with_password("wrong", "no-such-command").code(255).says("permission denied"));
}

#[test]
fn keys_of_each_type_log_in_and_another_does_not() {
    if !has_openssh() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let kinds = [("ed25519", ""), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("rsa", "3072")];
    let keys = kinds.map(|(kind, bits)| make_key(folder.path(), kind, bits));
    let server = server_with(&keys.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    let ssh = Ssh::new(server.sftp().0, "anna");
    let words = |key: &Path| format!("-oIdentityFile={}", key.display());
    for key in &keys {
        let identity = words(key);
        drop(ssh.exec(&[&"-oPreferredAuthentications=publickey", &identity], "no-such-command").code(NO_COMMAND));
    }
    // The same key with SHA-1 is refused.
    let identity = words(&keys[4]);
    let weak = ["-oPreferredAuthentications=publickey", "-oPubkeyAcceptedAlgorithms=ssh-rsa"];
    drop(ssh.exec(&[&weak[0], &weak[1], &identity], "no-such-command").code(255).says("permission denied"));
    let other = words(&make_key(folder.path(), "ed25519", "256"));
    drop(ssh.exec(&[&weak[0], &other], "no-such-command").code(255).says("permission denied"));
}

#[test]
fn the_host_key_is_the_one_that_is_printed_and_stays_the_same() {
    if !has_openssh() {
        return;
    }
    let mut server = server_with(&[]);
    let key = server.sftp().1.to_owned();
    let ssh = Ssh::new(server.sftp().0, "anna");
    drop(ssh.exec(&[], "x").code(NO_COMMAND));
    let known = fs::read_to_string(ssh.known_hosts()).unwrap();
    let shown = std::process::Command::new("ssh-keygen").arg("-lf").arg(ssh.known_hosts()).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(&key), "{shown} has no {key}");
    server.kill();
    server.start_again();
    assert_eq!(server.sftp().1, key);
    drop(ssh.exec(&[&"-oStrictHostKeyChecking=yes"], "x").code(NO_COMMAND));
    assert_eq!(fs::read_to_string(ssh.known_hosts()).unwrap(), known);
}

#[test]
fn a_shell_a_terminal_and_forwarding_are_refused() {
    if !has_openssh() {
        return;
    }
    let server = server_with(&[]);
    let ssh = Ssh::new(server.sftp().0, "anna");
    drop(ssh.run("ssh", &[&HOST]).code(255).says("shell request failed"));
    drop(ssh.run("ssh", &[&"-tt", &HOST, &"x"]).code(255).says("pty allocation request failed"));
    drop(ssh.run("ssh", &[&"-s", &HOST, &"netconf"]).code(255).says("subsystem request failed"));
    drop(ssh.run("ssh", &[&"-W", &"127.0.0.1:9", &HOST]).code(255).says("administratively prohibited"));
    let listen = ["-oExitOnForwardFailure=yes", "-N", "-R", "0:127.0.0.1:9"];
    let words: Vec<&dyn AsRef<std::ffi::OsStr>> = listen.iter().map(|word| word as _).chain([&HOST as _]).collect();
    drop(ssh.run("ssh", &words).code(255).says("forwarding failed"));
}
