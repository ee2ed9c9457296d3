//! Changes by operators while the server runs: who may make them, what takes effect although the disk cannot be
//! written, and what everybody is told about a shutdown.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::Command,
};

use ferry_e2e::{
    MIB, binaries, compare, material, needs,
    peer::Peer,
    proxy::{Direction, Proxy, Then},
    server::{Server, Setup},
    skipped, wait,
};
use ferry_shared::message::Reply;
use serde_json::{Value, json};

const NO_WAITS: &str = "[login]\nallow = [\"127.0.0.0/8\"]\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_disable_holds_in_the_running_server_although_the_file_cannot_be_written() {
    for words in [&["user", "set", "anna", "--disable"][..], &["user", "remove", "anna"]] {
        let server = Setup::new().user("anna", &[]).config(NO_WAITS).start();
        let client = server.client("anna");
        let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
        // A folder in place of the lock file: nobody can write the store, not even root.
        let lock = server.data().join("users.json.lock");
        fs::remove_file(&lock).unwrap();
        fs::create_dir(&lock).unwrap();
        let (status, said) = server.ferryd(words, "");
        assert!(!status.success() && said.contains("'anna' is barred in the running server"), "{words:?}: {said}");
        assert!(peer.last_words().await.unwrap().contains("account_closed"), "{words:?}");
        client.run(&[&"ls", &client.at(""), &"--retries=0"]).code(7);
        // Reading the file again, in which the account is open, changes nothing; and the server reports that.
        assert!(server.ferryd(&["reload"], "").0.success());
        client.run(&[&"ls", &client.at(""), &"--retries=0"]).code(7);
        wait::until("the difference to be told", || server.ferryd(&["status"], "").1.contains("'anna' is barred here"));
        fs::remove_dir(&lock).unwrap();
        let (status, said) = server.ferryd(&["user", "set", "anna", "--enable"], "");
        assert!(status.success(), "{said}");
        client.run(&[&"ls", &client.at("")]).ok();
        let audit = fs::read_to_string(server.data().join("audit.jsonl")).unwrap();
        assert!(audit.contains("\"event\":\"barred\"") && audit.contains("\"event\":\"allowed\""), "{audit}");
    }
}

/// Runs `ferryd` as a foreign user in this group; returns its output, and whether it succeeded.
fn as_member(server: &Server, socket: &Path, group: u32, words: &[&str]) -> (bool, String) {
    let folder = socket.parent().unwrap();
    let mut command = Command::new(needs::ferryd_for_all(folder));
    command.args(words).arg("--data").arg(server.data()).env("FERRYD_CONTROL_SOCKET", socket);
    command.uid(65534).gid(group).current_dir(folder);
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// A server whose sockets are in a folder that everybody can access, and belong to two groups.
fn for_groups() -> (Server, tempfile::TempDir, std::path::PathBuf) {
    let open = tempfile::tempdir().unwrap();
    fs::set_permissions(open.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let socket = open.path().join("control.sock");
    let control = format!("[control]\nsocket = {socket:?}\ngroup = \"54321\"\nadmin_group = \"54322\"\n");
    (Setup::new().user("anna", &["--quota", "1MiB"]).config(&control).start(), open, socket)
}

#[test]
fn members_of_the_group_look_kick_and_lift_and_change_nothing() {
    if !needs::root() {
        return;
    }
    let (server, _open, socket) = for_groups();
    let member = |words: &[&str]| as_member(&server, &socket, 54321, words);
    for (words, shown) in [
        (&["status"][..], "serving"),
        (&["user", "list"], "anna"),
        (&["user", "show", "anna"], "quota"),
        (&["quota", "explain", "anna"], "the running server"),
        (&["penalties"], "nobody has to wait"),
    ] {
        let (ok, said) = member(words);
        assert!(ok && said.contains(shown), "{words:?}: {said}");
    }
    let (_, said) = member(&["kick", "berta"]);
    assert!(said.contains("nobody is connected as 'berta'"), "{said}");
    for words in [
        &["reload"][..],
        &["drain"],
        &["broadcast", "hello"],
        &["user", "set", "anna", "--disable"],
        &["user", "remove", "anna"],
    ] {
        let (ok, said) = member(words);
        assert!(!ok && said.contains("only root"), "{words:?}: {said}");
    }
    assert!(server.ferryd(&["user", "list"], "").1.contains("open"));
}

#[test]
fn members_of_the_admin_group_change_accounts_through_the_server_and_the_log_has_who() {
    if !needs::root() {
        return;
    }
    let (server, _open, socket) = for_groups();
    let admin = |words: &[&str]| as_member(&server, &socket, 54322, words);
    let key = socket.with_file_name("id.pub");
    fs::write(&key, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me\r\n").unwrap();
    for words in [
        &["user", "add", "bert", "--quota", "1GiB", "--key", "id.pub", "--expires", "30d"][..],
        &["user", "set", "anna", "--disable"],
        &["invite", "create", "--quota", "1GiB"],
        &["user", "remove", "bert", "--purge"],
    ] {
        let (ok, said) = admin(words);
        assert!(ok, "{words:?}: {said}");
    }
    let (_, listed) = admin(&["user", "list"]);
    assert!(listed.contains("anna") && listed.contains("disabled") && !listed.contains("bert"), "{listed}");
    let (_, invites) = admin(&["invite", "list"]);
    assert!(invites.contains("1GiB"), "{invites}");
    let (ok, said) = admin(&["user", "set", "carl", "--disable"]);
    assert!(!ok && said.contains("there is no user 'carl'"), "{said}");
    let (ok, said) = admin(&["drain"]);
    assert!(!ok && said.contains("only root and the server's own user"), "{said}");
    wait::until("the log to have who did it", || {
        let audit = fs::read_to_string(server.data().join("audit.jsonl")).unwrap();
        let mine = |line: &&str| line.contains("\"uid\":65534") && line.contains("anna");
        audit.lines().any(|line| mine(&line) && line.contains("enabled"))
    });
    // Nobody else may even list, and an error is not shown as an empty list.
    for words in [&["user", "list"][..], &["invite", "list"], &["user", "add", "x", "--key", "id.pub"]] {
        let (ok, said) = as_member(&server, &socket, 54323, words);
        let told = said.contains("users.json") && said.contains("control.admin_group");
        assert!(!ok && told, "{words:?}: {said}");
    }
}

#[test]
fn a_list_of_a_store_that_is_gone_is_an_error_and_not_empty() {
    let mut server = Server::with_anna();
    server.kill();
    fs::remove_file(server.data().join("users.json")).unwrap();
    for words in [
        &["user", "list"][..],
        &["user", "show", "anna"],
        &["invite", "list"],
        &["quota", "explain", "anna"],
        &["quota", "rescan"],
    ] {
        let (status, said) = server.ferryd(words, "");
        assert!(!status.success() && said.contains("users.json is missing; restore it"), "{words:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_tells_its_message_to_sessions_and_to_new_clients_that_know_the_seal() {
    for sealed in [false, true] {
        let seal = tempfile::NamedTempFile::new().unwrap();
        fs::write(&seal, "correct horse battery staple\n").unwrap();
        let config = format!("[login]\nseal = {:?}\n", seal.path());
        let config = if sealed { config.as_str() } else { "" };
        let mut server = Setup::new().user("anna", &[]).config(config).start();
        let proxy = Proxy::new(server.address());
        let client = server.client("anna").at_address(proxy.address());
        let source = client.scratch("here").join("file");
        material::random_file(&source, 48 * MIB, 4);
        proxy.after(Direction::Up, 16 * MIB, Then::Hold);
        let seal_file = format!("--seal-file={}", seal.path().display());
        let seal_flag = if sealed { seal_file.as_str() } else { "--retry-for=1s" };
        let running = client.start(&[&"put", &source, &client.at("file"), &"--retries=0", &seal_flag]);
        proxy.wait_tripped(Direction::Up);
        let draining = std::thread::scope(|scope| {
            let draining = scope.spawn(|| server.ferryd(&["drain", "--message", "new disks until 9:00"], ""));
            wait::until("the server to drain", || server.ferryd(&["status"], "").1.contains("draining"));
            let late = server.client("anna");
            late.run(&[&"ls", &late.at(""), &"--retries=0", &seal_flag]).says("new disks until 9:00");
            if sealed {
                let stranger = late.run(&[&"ls", &late.at(""), &"--retries=0"]);
                assert!(!stranger.text().contains("new disks"), "{stranger}");
            }
            proxy.release();
            running.wait().ok().says("new disks until 9:00");
            draining.join().unwrap()
        });
        assert!(draining.0.success(), "{}", draining.1);
        assert!(server.wait_end().success());
        compare::same_file(&source, &server.home("anna").join("file"));
    }
}

#[test]
fn a_drain_as_root_stops_the_sockets_that_would_start_the_server_again_and_says_so() {
    if !rustix::process::geteuid().is_root() {
        return skipped("only root stops units");
    }
    for (is_service, stop) in [(true, 0), (true, 1), (false, 0)] {
        let mut server = Server::with_anna();
        let folder = tempfile::tempdir().unwrap();
        let calls = folder.path().join("calls");
        let pid = if is_service { server.pid() } else { 1 };
        let script = format!(
            "#!/bin/sh\necho \"$@\" >>{calls:?}\ncase $1 in\nshow) printf 'MainPID={pid}\\nTriggeredBy=ferryd.socket \
             ferryd-metrics.socket\\n';;\nis-active) [ \"$3\" = ferryd.socket ];;\nstop) echo no >&2; exit {stop};;\nesac\n"
        );
        fs::write(folder.path().join("systemctl"), script).unwrap();
        fs::set_permissions(folder.path().join("systemctl"), fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let output = Command::new(binaries::ferryd())
            .args(["drain", "--data"])
            .arg(server.data())
            .env("PATH", path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let calls = fs::read_to_string(calls).unwrap();
        let stopped = calls.contains("stop --job-mode=ignore-dependencies ferryd.socket\n");
        assert_eq!(stopped, is_service, "{calls}");
        if stop == 0 {
            assert!(output.status.success() && said.contains("ferryd.socket stopped") == is_service, "{said}");
            assert!(server.wait_end().success());
        } else {
            assert!(!output.status.success() && said.contains("cannot stop ferryd.socket"), "{said}");
            server.assert_serves("anna");
        }
    }
}

#[test]
fn unfinished_uploads_are_thrown_away_where_they_are_listed_with_and_without_a_server() {
    let mut server = Setup::new().user("anna", &["--quota", "1GiB"]).start();
    let begin = |server: &Server, name: &str| {
        let proxy = Proxy::new(server.address());
        let client = server.client("anna").at_address(proxy.address());
        let source = client.scratch("here").join(name);
        material::random_file(&source, 48 * MIB, 1);
        proxy.after(Direction::Up, 16 * MIB, Then::Hold);
        let running = client.start(&[&"put", &source, &client.at(name), &"--retries=0"]);
        proxy.wait_tripped(Direction::Up);
        drop(running.kill());
    };
    let parts = |server: &Server| -> Value {
        let (status, said) = server.ferryd(&["quota", "explain", "anna", "--json"], "");
        assert!(status.success(), "{said}");
        serde_json::from_str::<Value>(&said).unwrap()
    };
    ["a file", "b", "c"].iter().for_each(|name| begin(&server, name));
    wait::until("the uploads to wait", || {
        parts(&server)["parts"].as_array().unwrap().iter().filter(|part| part["active"] == false).count() == 3
    });
    let (status, said) = server.ferryd(&["quota", "discard", "anna", "/a file", "--json"], "");
    assert!(status.success(), "{said}");
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap(), json!([{ "path": "/a file", "outcome": "discarded" }]));
    let (status, said) = server.ferryd(&["quota", "discard", "anna", "nothing"], "");
    assert!(!status.success() && said.contains("no unfinished upload 'nothing'"), "{said}");
    assert_eq!(parts(&server)["reserved"]["bytes"], 2 * 48 * MIB);
    server.kill();
    let (status, said) = server.ferryd(&["quota", "discard", "anna", "b"], "");
    assert!(status.success() && said.contains("/b discarded"), "{said}");
    server.start_again();
    let (status, said) = server.ferryd(&["quota", "discard", "anna", "--all"], "");
    assert!(status.success() && said.contains("/c discarded"), "{said}");
    assert_eq!((&parts(&server)["reserved"]["bytes"], server.staged_parts("anna").len()), (&json!(0), 0));
}

#[tokio::test]
async fn files_with_a_byte_order_mark_and_other_line_ends_can_be_read() {
    let marked = |text: &str| format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let server = Setup::new().user("anna", &[]).config(NO_WAITS).start();
    let store = server.data().join("users.json");
    let text = fs::read_to_string(&store).unwrap();
    fs::write(&store, marked(&text)).unwrap();
    server.reconfigure(&marked(&format!("{NO_WAITS}[limits]\nconnections_per_user = 3\n")));
    let (status, said) = server.ferryd(&["reload"], "");
    assert!(status.success(), "{said}");
    let (_, welcome) = Peer::welcomed(server.address()).await.unwrap();
    assert_eq!(welcome.limits.connections, 3);
    let (_, logged_in) = Peer::logged_in(server.address(), "anna").await.unwrap();
    assert_eq!(logged_in.user, "anna");
    assert!(!matches!(Reply::LoggedIn(logged_in), Reply::Refused(_)));
    // A file in UTF-16 is identified as such.
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(&store, [&b"\xff\xfe"[..], &wide].concat()).unwrap();
    let (status, said) = server.ferryd(&["reload"], "");
    assert!(!status.success() && said.contains("UTF-16"), "{said}");
}
