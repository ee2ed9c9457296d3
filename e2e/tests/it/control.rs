//! The operator's verbs on a running server: their output, the sessions they end, and who may use them.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream, process::CommandExt as _},
    path::Path,
    process::Command,
};

use ferry_e2e::{
    MIB, compare, material, needs,
    peer::Peer,
    proxy::{Direction, Proxy, Then},
    server::{Server, Setup},
    wait,
};
use serde_json::Value;

/// Large enough that the rest after the cut fits into no buffer on the way.
const SIZE: u64 = 48 * MIB;
const CUT: u64 = 16 * MIB;

/// The output of a verb with `--json`.
fn asked(server: &Server, words: &[&str]) -> Value {
    let (status, said) = server.ferryd(&[words, &["--json"]].concat(), "");
    assert!(status.success(), "{words:?}: {said}");
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{words:?}: {error}: {said}"))
}

/// Sends one line to the socket and returns the answer.
fn line(stream: &UnixStream, text: &[u8]) -> String {
    (&*stream).write_all(text).unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    answer
}

#[test]
fn status_and_sessions_show_an_upload_under_way() {
    let server = Setup::new().user("anna", &["--quota", "1GiB"]).start();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let source = client.scratch("here").join("a file");
    material::random_file(&source, SIZE, 1);
    proxy.after(Direction::Up, CUT, Then::Hold);
    let running = client.start(&[&"put", &source, &client.at("a file"), &"--retries=0"]);
    proxy.wait_tripped(Direction::Up);
    let (session, transfer) = wait::some("the upload to be shown", || {
        let session = asked(&server, &["sessions"])[0].clone();
        let transfer = session["transfers"].get(0)?.clone();
        (transfer["done"].as_u64()? > 2 * MIB).then_some((session, transfer))
    });
    assert_eq!((&session["user"], &session["door"]), (&Value::from("anna"), &Value::from("ferry")));
    assert!(session["received"].as_u64().unwrap() > 2 * MIB, "{session}");
    assert_eq!(
        (&transfer["direction"], &transfer["path"], &transfer["size"]),
        (&Value::from("up"), &Value::from("/a file"), &Value::from(SIZE))
    );
    assert!(transfer["done"].as_u64().unwrap() <= CUT, "{transfer}");
    let status = asked(&server, &["status"]);
    assert_eq!((&status["sessions"], &status["transfers"]), (&Value::from(1), &Value::from(1)), "{status}");
    assert_eq!(status["users"][0]["reserved"], SIZE);
    assert_eq!(status["doors"]["ferry"]["sessions"], 1);
    let (_, table) = server.ferryd(&["sessions"], "");
    assert!(table.contains("anna  ferry") && table.contains("up /a file"), "{table}");
    proxy.release();
    running.wait().ok();
    wait::until("the session to end", || asked(&server, &["sessions"]).as_array().unwrap().is_empty());
    let status = asked(&server, &["status"]);
    assert_eq!((&status["logins"], &status["uploads"]), (&Value::from(1), &Value::from(1)), "{status}");
    assert!(status["flushes"].as_u64().unwrap() >= 1, "{status}");
    assert!(status["received"].as_u64().unwrap() >= SIZE, "{status}");
    assert_eq!(status["users"][0]["used"], SIZE);
}

#[test]
fn a_kicked_transfer_is_told_why_and_goes_on_where_it_was() {
    for direction in [Direction::Up, Direction::Down] {
        let server = Server::with_anna();
        let proxy = Proxy::new(server.address());
        let client = server.client("anna").at_address(proxy.address());
        let (local, remote) = (client.scratch("here").join("file"), server.home("anna").join("file"));
        let at = client.at("file");
        let (words, source, target): ([&dyn AsRef<std::ffi::OsStr>; 4], _, _) = match direction {
            Direction::Up => ([&"put", &local, &at, &"--retries=20"], &local, &remote),
            Direction::Down => ([&"get", &at, &local, &"--retries=20"], &remote, &local),
        };
        material::random_file(source, SIZE, 2);
        proxy.after(direction, CUT, Then::Hold);
        let running = client.start(&words);
        proxy.wait_tripped(direction);
        let kicked = asked(&server, &["kick", "anna"]);
        assert_eq!(kicked["sessions"].as_array().unwrap().len(), 1, "{kicked}");
        wait::until("the session to be gone", || asked(&server, &["sessions"]).as_array().unwrap().is_empty());
        proxy.release();
        running.wait().ok();
        compare::same_file(source, target);
        assert!(
            proxy.counted(direction) <= SIZE + 12 * MIB,
            "{direction:?}: {} bytes travelled",
            proxy.counted(direction)
        );
        assert_eq!(asked(&server, &["status"])["logins"], 2, "{direction:?}: the old session was joined again");
    }
}

#[test]
fn a_broadcast_reaches_a_client_at_work() {
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let source = client.scratch("here").join("file");
    material::random_file(&source, SIZE, 3);
    proxy.after(Direction::Up, CUT, Then::Hold);
    let running = client.start(&[&"put", &source, &client.at("file"), &"--retries=0"]);
    proxy.wait_tripped(Direction::Up);
    assert_eq!(asked(&server, &["broadcast", "disks change at 3:00"])["sessions"], 1);
    proxy.release();
    let outcome = running.wait().ok();
    assert_eq!(outcome.stderr.matches("disks change at 3:00").count(), 1, "{outcome}");
}

#[test]
fn a_drain_lets_the_upload_finish_and_ends_the_server() {
    let mut server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let source = client.scratch("here").join("file");
    material::random_file(&source, SIZE, 4);
    proxy.after(Direction::Up, CUT, Then::Hold);
    let running = client.start(&[&"put", &source, &client.at("file"), &"--retries=0"]);
    proxy.wait_tripped(Direction::Up);
    let draining = std::thread::scope(|scope| {
        let draining = scope.spawn(|| server.ferryd(&["drain"], ""));
        wait::until("the server to drain", || asked(&server, &["status"])["draining"] == true);
        let late = server.client("anna");
        late.run(&[&"ls", &late.at(""), &"--retries=0"]).code(5);
        proxy.release();
        running.wait().ok();
        draining.join().unwrap()
    });
    assert!(draining.0.success() && draining.1.contains("1 transfer under way"), "{}", draining.1);
    assert!(server.wait_end().success());
    compare::same_file(&source, &server.home("anna").join("file"));
    assert!(!server.data().join("control.sock").exists(), "the socket's file stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_puts_changed_limits_in_force_and_says_what_waits_for_a_start() {
    let server = Setup::new().user("anna", &[]).config("[limits]\nconnections_per_user = 8").start();
    let limit = async || Peer::welcomed(server.address()).await.unwrap().1.limits.connections;
    assert_eq!(limit().await, 8);
    server.reconfigure("[limits]\nconnections_per_user = 3\nbacklog = 77\n");
    server.signal(rustix::process::Signal::HUP);
    wait::until("the configuration to be read again", || server.log().contains("limits.backlog changed"));
    assert!(!server.log().contains("connections_per_user changed"));
    assert_eq!(limit().await, 3);
    // A broken file changes nothing.
    server.reconfigure("[limits]\nconnections_per_usr = 5\n");
    let (status, said) = server.ferryd(&["reload"], "");
    assert!(!status.success() && said.contains("connections_per_usr"), "{said}");
    assert_eq!(limit().await, 3);
}

#[test]
fn a_reload_prints_what_waits_for_a_start_until_there_was_one() {
    let mut server = Server::with_anna();
    let pair = server.data().join("identity");
    let tls = format!("[tls]\ncertificate = \"{0}/cert.pem\"\nkey = \"{0}/../identity/key.pem\"\n", pair.display());
    for _ in 0..2 {
        let (status, said) = server.ferryd_with(&["reload"], &tls);
        assert!(status.success() && said.starts_with("reloaded; nothing changed\n"), "{said}");
        assert!(said.contains("note: tls.certificate changed and takes effect at the next start"), "{said}");
    }
    server.kill();
    server.start_again();
    assert_eq!(server.ferryd(&["reload"], "").1, "reloaded; nothing changed\n");
}

#[test]
fn a_reload_says_what_is_wrong_and_keeps_what_was_good() {
    let mut server = Server::with_anna();
    assert!(server.ferryd(&["reload"], "").0.success());
    let store = server.data().join("users.json");
    let good = fs::read_to_string(&store).unwrap();
    fs::write(&store, "{ not json").unwrap();
    let (status, said) = server.ferryd(&["reload"], "");
    assert!(!status.success() && said.contains("users.json:1:"), "{said}");
    server.assert_serves("anna");
    fs::write(&store, good).unwrap();
    assert!(server.ferryd(&["reload"], "").0.success());
}

#[test]
fn without_a_server_and_for_nobody_the_verbs_say_so() {
    let mut server = Server::with_anna();
    let (status, said) = server.ferryd(&["kick", "berta"], "");
    assert!(status.code() == Some(1) && said.contains("nobody is connected as 'berta'"), "{said}");
    server.kill();
    for verb in ["status", "sessions", "reload", "drain"] {
        let (status, said) = server.ferryd(&[verb], "");
        assert!(status.code() == Some(1) && said.contains("no server answers at"), "{verb}: {said}");
    }
    // The socket of the dead server does not prevent a start.
    server.start_again();
    assert!(server.ferryd(&["status"], "").0.success());
}

#[test]
fn malformed_requests_are_answered_and_end_nothing() {
    let mut server = Server::with_anna();
    let path = server.data().join("control.sock");
    let stream = UnixStream::connect(&path).unwrap();
    for bad in [&b"\n"[..], b"status\n", b"{\"do\":\"explode\"}\n", b"\xff\xfe\n", b"[[[[\n", b"{\"do\":\"kick\"}\n"] {
        let answer = line(&stream, bad);
        assert!(answer.starts_with(r#"{"failed":{"message":"no such request"#), "{bad:?}: {answer}");
    }
    assert!(line(&stream, b"{\"do\":\"status\"}\n").starts_with(r#"{"status":{"#));
    // A line without an end is not buffered without limit.
    let long = UnixStream::connect(&path).unwrap();
    let answer = line(&long, &vec![b' '; 64 << 10]);
    assert!(answer.contains("not longer than 64 KiB"), "{answer}");
    server.assert_serves("anna");
}

/// Asks for the status as a foreign user in this group; `None` if that cannot be tried here.
fn as_stranger(socket: &Path, group: u32) -> Option<String> {
    if !needs::root() {
        return None;
    }
    let folder = socket.parent().unwrap();
    let mut command = Command::new(needs::ferryd_for_all(folder));
    command.args(["status", "--json", "--data"]).arg(folder).env("FERRYD_CONTROL_SOCKET", socket);
    command.uid(65534).gid(group).current_dir(folder);
    let output = command.output().unwrap();
    Some(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// A server whose socket is in a folder that everybody can access.
fn in_the_open(config: &str) -> (Server, tempfile::TempDir, std::path::PathBuf) {
    let open = tempfile::tempdir().unwrap();
    fs::set_permissions(open.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = open.path().join("control.sock");
    let config = format!("[control]\nsocket = {:?}\n{config}", path.to_str().unwrap());
    (Setup::new().user("anna", &[]).config(&config).start(), open, path)
}

#[test]
fn another_user_is_refused_by_the_mode_and_by_the_credentials() {
    let (server, _open, path) = in_the_open("");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let Some(refused) = as_stranger(&path, 65534) else { return };
    assert!(refused.contains("you may not use this socket"), "{refused}");
    // Even with a wrong mode of the file, the credentials are checked.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let refused = as_stranger(&path, 65534).unwrap();
    assert!(refused.contains("only root, the server's own user"), "{refused}");
    wait::until("the log to have it", || server.log().contains("refused on the control socket"));
}

#[test]
fn members_of_the_configured_group_are_let_in_and_others_not() {
    let (server, _open, path) = in_the_open("group = \"54321\"");
    let Some(member) = as_stranger(&path, 54321) else { return };
    assert!(member.contains("\"uptime_seconds\""), "{member}\n{}", server.log());
    let other = as_stranger(&path, 54322).unwrap();
    assert!(other.contains("you may not use this socket"), "{other}");
}

/// The whole response to one HTTP request.
fn http(address: &str, request: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    answer
}

#[test]
fn the_metrics_tell_what_happened_and_bad_requests_end_nothing() {
    let server = Setup::new().user("anna", &["--quota", "1MiB"]).config("[metrics]\nlisten = \"127.0.0.1:0\"").start();
    let address = wait::some("the address of the metrics", || {
        let log = server.log();
        let line = log.lines().find(|line| line.contains("metrics address="))?;
        Some(line.split("address=").nth(1)?.trim().to_owned())
    });
    let client = server.client("anna");
    let file = client.scratch("here").join("file");
    material::random_file(&file, 1000, 1);
    client.run(&[&"put", &file, &client.at("file")]).ok();
    material::random_file(&file, 2 * MIB, 1);
    drop(client.run(&[&"put", &file, &client.at("file"), &"--on-conflict=replace"]));
    for bad in ["\u{1}\r\n\r\n", "BREW /metrics HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
        let answer = http(&address, bad);
        assert!(answer.starts_with("HTTP/1.1 40"), "{bad:?}: {answer}");
    }
    let text = http(&address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    let wanted = [
        "ferryd_logins_total 2\n",
        "ferryd_uploads_total 1\n",
        "ferryd_refusals_total{code=\"over_quota\"} 1\n",
        "ferryd_user_used_bytes{user=\"anna\"} 1000\n",
        "ferryd_user_quota_bytes{user=\"anna\"} 1048576\n",
        "ferryd_users 1\n",
    ];
    for line in wanted {
        assert!(text.contains(line), "no {line:?} in {text}");
    }
}
