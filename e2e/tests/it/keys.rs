//! Logging in with an SSH key: from a file, with a passphrase, through ssh-agent; and invalid proofs.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ferry_e2e::{
    client::{Client, Outcome, Running},
    peer::Peer,
    screen::{Screen, Setup},
    server::{self, Server},
    wait,
};
use ferry_shared::{
    binding::login_text,
    message::{Reply, Request, request::Proof},
    refusal::Code,
};

/// A key made by `ssh-keygen`; its public half is beside it.
fn make_key(folder: &Path, name: &str, passphrase: &str) -> PathBuf {
    let file = folder.join(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-C", "a comment", "-N", passphrase, "-f"])
        .arg(&file)
        .stdin(Stdio::null())
        .status();
    assert!(made.expect("ssh-keygen runs").success());
    file
}

/// A server whose user `anna` has the key in `file` besides a password.
fn server_with(file: &Path) -> Server {
    let public = file.with_extension("pub");
    let config = "[login]\nallow = [\"127.0.0.0/8\"]";
    server::Setup::new().user("anna", &["--key", public.to_str().unwrap()]).config(config).start()
}

/// `ferry ls` with a key and no password.
fn list(client: &Client, key: &Path, agent: Option<&Path>) -> Outcome {
    let mut command = client.bare(&[&"ls", &client.at("/"), &"--accept-new", &"--identity", &key]);
    command.env_remove("SSH_AUTH_SOCK");
    command.envs(agent.map(|socket| ("SSH_AUTH_SOCK", socket)));
    Running::spawn(command, Vec::new()).wait()
}

/// The browser with a key.
fn browser(client: &Client, key: &Path) -> Screen {
    let setup = Setup::new(client).word(client.address_word()).word("--accept-new");
    setup.word("--identity").word(key.as_os_str()).start()
}

#[test]
fn a_key_logs_in_and_another_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (key, other) = (make_key(folder.path(), "key", ""), make_key(folder.path(), "other", ""));
    let server = server_with(&key);
    fs::write(server.home("anna").join("there.txt"), "x").unwrap();
    let client = server.client("anna");
    assert!(list(&client, &key, None).ok().text().contains("there.txt"));
    let refused = list(&client, &other, None).code(7).says("does not have this key");
    assert!(!refused.stderr.contains("password"), "{refused}");
    let stranger = server.client("berta");
    drop(list(&stranger, &key, None).code(7));
    // The operator sees which key was used, under the name that ssh-keygen prints.
    let shown = Command::new("ssh-keygen").arg("-lf").arg(&key).output().unwrap();
    let fingerprint = String::from_utf8(shown.stdout).unwrap().split(' ').nth(1).unwrap().to_owned();
    let told = format!(r#""event":"login","method":"key","key":"{fingerprint}""#);
    let log = || fs::read_to_string(server.data().join("audit.jsonl")).unwrap();
    wait::until("the login to be told", || log().contains(&told));
    wait::until("the refusals to be told", || {
        log().contains(r#""reason":"key""#) && log().contains(r#""reason":"unknown""#)
    });
}

#[test]
fn a_locked_key_takes_its_passphrase_from_where_passwords_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let key = make_key(folder.path(), "key", "open sesame");
    let server = server_with(&key);
    let client = server.client("anna");
    drop(list(&client, &key, None).code(7).says("terminal"));
    client.set_password("open sesame");
    let words: [&dyn AsRef<std::ffi::OsStr>; 4] = [&"ls", &client.at("/"), &"--identity", &key];
    drop(client.run(&words).ok());
    client.set_password("close sesame");
    drop(client.run(&words).code(7).says("passphrase"));
}

#[test]
fn a_key_that_others_can_read_or_that_is_none_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let key = make_key(folder.path(), "key", "");
    let server = server_with(&key);
    let client = server.client("anna");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    drop(list(&client, &key, None).code(7).says("chmod 600"));
    fs::write(&key, "not a key").unwrap();
    drop(list(&client, &key, None).code(7).says("ssh-keygen"));
    drop(list(&client, &folder.path().join("missing"), None).code(7).says("No such file"));
}

/// An ssh-agent that ends with its test.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_agent_signs_for_a_locked_key_and_for_a_public_half() {
    let folder = tempfile::tempdir().unwrap();
    let key = make_key(folder.path(), "key", "");
    let server = server_with(&key);
    let client = server.client("anna");
    let socket = folder.path().join("agent");
    let started = Command::new("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).spawn();
    let _agent = Agent(started.expect("ssh-agent runs"));
    wait::until("the agent's socket", || socket.exists());
    let public = key.with_extension("pub");
    drop(list(&client, &public, Some(&socket)).code(7).says("ssh-add"));
    let add = |key: &Path| Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &socket).status().unwrap();
    wait::until("the agent to take the key", || add(&key).success());
    drop(list(&client, &public, Some(&socket)).ok());
    // From now on the private half is encrypted; the agent holds it decrypted.
    let locked = Command::new("ssh-keygen").args(["-q", "-p", "-P", "", "-N", "shut", "-f"]).arg(&key).status();
    assert!(locked.unwrap().success());
    drop(list(&client, &key, Some(&socket)).ok());
}

#[test]
fn a_key_that_is_taken_away_ends_its_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let key = make_key(folder.path(), "key", "");
    let server = server_with(&key);
    let client = server.client("anna");
    let mut screen = browser(&client, &key);
    screen.wait("free on server");
    let other = make_key(folder.path(), "other", "");
    let set = |words: &[&str]| server.ferryd(&[&["user", "set", "anna"], words].concat(), "");
    let public = other.with_extension("pub");
    let (status, said) = set(&["--add-key", public.to_str().unwrap()]);
    assert!(status.success(), "{said}");
    // Given twice, it is stored once.
    assert!(set(&["--add-key", public.to_str().unwrap()]).0.success());
    wait::until("the added key to log in", || list(&client, &other, None).status.success());
    screen.wait("free on server");
    let line = fs::read_to_string(key.with_extension("pub")).unwrap();
    let (status, said) = set(&["--remove-key", "no such key"]);
    assert!(!status.success() && said.contains("0 keys"), "{said}");
    let (status, said) = set(&["--remove-key", line.trim()]);
    assert!(status.success(), "{said}");
    list(&client, &other, None).ok();
    screen.wait_gone("free on server");
    drop(list(&client, &key, None).code(7));
}

#[test]
fn the_browser_asks_for_the_passphrase() {
    let folder = tempfile::tempdir().unwrap();
    let key = make_key(folder.path(), "key", "open sesame");
    let server = server_with(&key);
    let client = server.client("anna");
    let mut screen = browser(&client, &key);
    screen.wait("passphrase");
    screen.type_text("wrong");
    screen.keys("enter");
    screen.wait("the passphrase is wrong");
    screen.type_text("open sesame");
    screen.keys("enter");
    screen.wait("free on server");
}

#[tokio::test]
async fn a_signature_is_worth_nothing_on_another_connection_or_for_another_user() {
    let pair = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
    let public_key = public_line(&pair);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("key.pub"), &public_key).unwrap();
    let server = server_with(&folder.path().join("key"));
    server.add_user("berta", &["--key".into(), folder.path().join("key.pub").to_string_lossy().into_owned()]);
    let login = |user: &str, signature: &[u8]| Request::Login {
        user: user.into(),
        proof: Proof::Key { public_key: public_key.clone(), signature: STANDARD.encode(signature) },
    };
    let refused = |reply: Reply| matches!(reply, Reply::Refused(refusal) if refusal.code == Code::LoginFailed);
    let (mut first, _) = Peer::welcomed(server.address()).await.unwrap();
    let signature = pair.sign(&login_text("anna", &first.exported())).as_ref().to_vec();
    // Relayed: a signature that a client made for another connection.
    let (mut second, _) = Peer::welcomed(server.address()).await.unwrap();
    assert!(refused(second.ask(&login("anna", &signature)).await.unwrap()));
    // For another user who has the same key.
    let (mut third, _) = Peer::welcomed(server.address()).await.unwrap();
    assert!(refused(third.ask(&login("berta", &signature)).await.unwrap()));
    // On its own connection it is valid.
    assert!(matches!(first.ask(&login("anna", &signature)).await.unwrap(), Reply::LoggedIn(_)));
}

fn public_line(pair: &aws_lc_rs::signature::Ed25519KeyPair) -> String {
    use aws_lc_rs::signature::KeyPair as _;
    let mut blob = Vec::new();
    for part in [&b"ssh-ed25519"[..], pair.public_key().as_ref()] {
        blob.extend_from_slice(&u32::try_from(part.len()).unwrap().to_be_bytes());
        blob.extend_from_slice(part);
    }
    format!("ssh-ed25519 {}", STANDARD.encode(blob))
}
