//! The door of SFTP as OpenSSH's clients see it: logins, refusals, and the end of sessions.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use ferry_e2e::{
    MIB,
    client::Running,
    compare, material, needs,
    proxy::{Direction, Proxy, Then},
    server::{Server, Setup},
    ssh::{HOST, Ssh, make_key},
    wait,
};
use rustix::process::Signal;

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
    let shown = Command::new("ssh-keygen").arg("-lf").arg(ssh.known_hosts()).output().unwrap();
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

/// A connection without a channel, which stays until the server ends it.
fn idle(server: &Server, ssh: &Ssh) -> Running {
    let sessions = |server: &Server| server.ferryd(&["sessions"], "").1.matches(" sftp ").count();
    let before = sessions(server);
    let running = Running::spawn(ssh.command("ssh", &[&"-N", &HOST]), Vec::new());
    wait::until("the session to be open", || sessions(server) > before);
    running
}

#[test]
fn a_session_ends_at_once_when_its_account_may_no_longer_use_it() {
    if !has_openssh() {
        return;
    }
    let server = server_with(&[]);
    let ssh = Ssh::new(server.sftp().0, "anna");
    let ferryd = |words: &[&str]| {
        let (status, said) = server.ferryd(words, "");
        assert!(status.success(), "{said}");
    };
    let running = idle(&server, &ssh);
    ferryd(&["user", "set", "anna", "--disable"]);
    drop(running.wait().code(255).says("the account was closed"));
    drop(ssh.exec(&[], "x").code(255).says("permission denied"));
    ferryd(&["user", "set", "anna", "--enable"]);
    ferryd(&["penalties", "lift", "127.0.0.1"]);
    let running = idle(&server, &ssh);
    ferryd(&["user", "set", "anna", "--doors", "ferry"]);
    drop(running.wait().code(255).says("the account was closed"));
    // Through this door it is as if the password were wrong.
    drop(ssh.exec(&[], "x").code(255).says("permission denied"));
    ferryd(&["penalties", "lift", "127.0.0.1"]);
    let client = server.client("anna");
    drop(client.run(&[&"ls", &client.at("")]).ok());
    ferryd(&["user", "set", "anna", "--doors", "sftp"]);
    drop(client.run(&[&"ls", &client.at("")]).code(7));
    ferryd(&["penalties", "lift", "127.0.0.1"]);
    drop(ssh.exec(&[], "x").code(NO_COMMAND));
    let audit = || fs::read_to_string(server.data().join("audit.jsonl")).unwrap();
    for told in [r#""reason":"door""#, r#""field":"doors","from":"ferry","to":"sftp""#] {
        wait::until("the audit log to tell", || audit().contains(told));
    }
}

#[test]
fn an_operator_ends_a_session_with_a_word_and_so_does_a_stop() {
    if !has_openssh() {
        return;
    }
    let mut server = server_with(&[]);
    let ssh = Ssh::new(server.sftp().0, "anna");
    let running = idle(&server, &ssh);
    let (status, said) = server.ferryd(&["kick", "anna"], "");
    assert!(status.success(), "{said}");
    drop(running.wait().code(255).says("ended"));
    let running = idle(&server, &ssh);
    server.signal(Signal::TERM);
    drop(running.wait().code(255).says("the server is stopping"));
    assert!(server.wait_end().success());
}

#[test]
fn wrong_passwords_at_both_doors_add_up() {
    if !has_openssh() {
        return;
    }
    let server = server_with(&[]);
    let client = server.client("anna");
    client.set_password("wrong");
    drop(client.run(&[&"ls", &client.at("")]).code(7));
    let ssh = Ssh::new(server.sftp().0, "anna");
    let failures = || {
        let (_, said) = server.ferryd(&["penalties", "--json"], "");
        let waits: Vec<serde_json::Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        assert!(!waits.is_empty(), "{said}");
        said
    };
    assert!(failures().contains(r#""failures":1"#), "{}", failures());
    wait::until("the second guess to be counted", || {
        // One that comes too early is told to wait, and is not a guess.
        drop(ssh.exec_with_password("wrong too", "x").code(255));
        failures().contains(r#""failures":2"#)
    });
}

#[test]
fn with_a_seal_the_door_must_be_allowed_by_name() {
    if !has_openssh() {
        return;
    }
    let mut server = Setup::new().user("anna", &[]).sftp().start();
    let seal = server.outside().join("seal");
    fs::write(&seal, "a secret of more than sixteen bytes").unwrap();
    fs::set_permissions(&seal, fs::Permissions::from_mode(0o600)).unwrap();
    server.kill();
    let sealed = format!("[login]\nseal = {seal:?}\n[sftp]\nlisten = [\"127.0.0.1:0\"]\n");
    let (status, said) = server.ferryd_with(&["check"], &sealed);
    assert!(!status.success() && said.contains("seal_allows = [\"sftp\"]"), "{said}");
    assert!(!server.can_start_again(), "it starts");
    let allowed = sealed.replace("[sftp]", "seal_allows = [\"sftp\"]\n[sftp]");
    let (status, said) = server.ferryd_with(&["check"], &allowed);
    assert!(status.success(), "{said}");
    server.start_again();
    drop(Ssh::new(server.sftp().0, "anna").exec(&[], "x").code(NO_COMMAND));
}

#[test]
fn commands_run_on_the_server_and_say_everything() {
    if !has_openssh() {
        return;
    }
    let server = server_with(&[]);
    let home = server.home("anna");
    material::random_file(&home.join("a file"), 3 * MIB, 1);
    let ssh = Ssh::new(server.sftp().0, "anna");
    let said = ssh.exec(&[], "sha256sum 'a file'").ok();
    let local = Command::new("sha256sum").arg("a file").current_dir(&home).output().unwrap();
    assert_eq!(said.text(), String::from_utf8(local.stdout).unwrap());
    let said = ssh.exec(&[], &format!("head -c {} 'a file'", 3 * MIB)).ok();
    assert!(said.stdout == fs::read(home.join("a file")).unwrap(), "{} bytes arrived", said.stdout.len());
    drop(ssh.exec(&[], "sha256sum missing").code(1).says("missing"));
    drop(ssh.exec(&[], "sha256sum a; rm a").code(NO_COMMAND).says("without a shell"));
    // A client that leaves ends its command.
    let reading = ssh.command("ssh", &[&HOST, &"tail -c 1G 'a file'"]);
    drop(Running::spawn(reading, Vec::new()).kill());
    wait::until("its session to end", || !server.ferryd(&["sessions"], "").1.contains(" sftp "));
}

#[test]
fn keys_are_exchanged_again_in_the_middle_of_a_transfer() {
    if !has_openssh() {
        return;
    }
    let server = server_with(&[]);
    let ssh = Ssh::new(server.sftp().0, "anna");
    let folder = tempfile::tempdir().unwrap();
    let (local, back) = (folder.path().join("file"), folder.path().join("back"));
    material::random_file(&local, 8 * MIB, 1);
    let remote = format!("{HOST}:file");
    let often = "-oRekeyLimit=1M";
    let exchanges = |said: &str| said.matches("SSH2_MSG_NEWKEYS received").count();
    let up = ssh.run("scp", &[&"-v", &often, &local, &remote]).ok();
    compare::same_file(&local, &server.home("anna").join("file"));
    let down = ssh.run("scp", &[&"-v", &often, &remote, &back]).ok();
    compare::same_file(&local, &back);
    for outcome in [up, down] {
        assert!(exchanges(&outcome.stderr) > 4, "{outcome}");
    }
}

#[test]
fn a_client_that_vanished_is_dropped_and_one_that_is_silent_stays() {
    if !has_openssh() {
        return;
    }
    let server = Setup::new().user("anna", &[]).config("[limits]\nidle_seconds = 4").sftp().start();
    let silent = Ssh::new(server.sftp().0, "anna");
    let mut silent = idle(&server, &silent);
    let proxy = Proxy::new(server.sftp().0);
    let vanished = idle(&server, &Ssh::new(proxy.address(), "anna"));
    for direction in [Direction::Up, Direction::Down] {
        proxy.after(direction, 0, Then::Hold);
    }
    let sessions = || server.ferryd(&["sessions"], "").1.matches(" sftp ").count();
    assert_eq!(sessions(), 2);
    wait::until("the one that vanished to be dropped", || sessions() == 1);
    assert!(!silent.ended());
    drop(vanished.kill());
}

/// Memory of an idle session, in KiB.
const IDLE_MOST: u64 = 256;
const IDLE_SESSIONS: u64 = 30;

#[test]
fn an_idle_session_takes_little_memory() {
    if !has_openssh() {
        return;
    }
    let server = server_with(&[]);
    let ssh = Ssh::new(server.sftp().0, "anna");
    // The first one makes everything that is made once.
    let mut running = vec![idle(&server, &ssh)];
    let before = server.memory().now;
    running.extend((0..IDLE_SESSIONS).map(|_| idle(&server, &ssh)));
    let each = server.memory().now.saturating_sub(before) / IDLE_SESSIONS;
    println!("{each} KiB for each idle session");
    assert!(each <= IDLE_MOST, "{each} KiB");
}
