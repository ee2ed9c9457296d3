//! The server from the view of a monitoring system: the shipped alerts, the metrics, and `/healthz`.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
};

use ferry_e2e::{
    binaries::repository,
    needs,
    peer::Peer,
    server::{Server, Setup},
    skipped, wait,
};

const LISTEN: &str = "[metrics]\nlisten = \"127.0.0.1:0\"\n";

/// The whole response of the metrics listener to one request.
fn get(server: &Server, path: &str) -> String {
    let address = wait::some("the address of the metrics", || {
        let log = server.log();
        let line = log.lines().find(|line| line.contains("metrics address="))?;
        Some(line.split("address=").nth(1)?.trim().to_owned())
    });
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Runs `promtool` with these arguments and this input, and fails if it reports a fault.
fn promtool(words: &[&str], input: &str) {
    let folder = repository().join("assets/prometheus");
    let mut command = Command::new("promtool");
    let command = command.args(words).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "promtool {words:?}: {said}");
}

#[test]
fn the_alerts_name_figures_that_are_there_from_the_start_and_hold_with_promtool() {
    let server = Setup::new().user("anna", &[]).config(LISTEN).start();
    let answer = get(&server, "/metrics");
    let (_, figures) = answer.split_once("\r\n\r\n").unwrap();
    let rules = fs::read_to_string(repository().join("assets/prometheus/ferryd.rules.yml")).unwrap();
    let mut named = 0;
    for expression in rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")) {
        let begin = expression.find("ferryd_").filter(|begin| !expression[..*begin].contains("job="));
        let Some(begin) = begin else { continue };
        let end = expression[begin..].find(|c: char| !(c.is_ascii_alphanumeric() || "_{}=\"".contains(c)));
        let series = &expression[begin..begin + end.unwrap()];
        assert!(figures.lines().any(|line| line.starts_with(series)), "{series} is not in {figures}");
        named += 1;
    }
    assert!(named >= 7, "{rules}");
    if !needs::program("promtool", "prometheus") {
        return;
    }
    promtool(&["check", "rules", "ferryd.rules.yml"], "");
    promtool(&["test", "rules", "ferryd.test.yml"], "");
    promtool(&["check", "metrics"], figures);
}

#[test]
fn a_balancer_can_query_the_servers_health_unless_there_is_a_seal() {
    let server = Setup::new().user("anna", &[]).config(LISTEN).start();
    let well = get(&server, "/healthz");
    assert!(well.starts_with("HTTP/1.1 200 OK\r\n") && well.ends_with("\r\n\r\nok\n"), "{well}");
    let seal = tempfile::NamedTempFile::new().unwrap();
    fs::write(&seal, "a secret of more than sixteen bytes\n").unwrap();
    let sealed = format!("login.seal = {:?}\n{LISTEN}", seal.path());
    let server = Setup::new().user("anna", &[]).config(&sealed).start();
    assert!(get(&server, "/healthz").starts_with("HTTP/1.1 404"));
    let server = Setup::new().user("anna", &[]).config(&format!("{sealed}healthz = true")).start();
    assert!(get(&server, "/healthz").starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_peer_of_ipv4_is_shown_as_one_on_a_socket_of_both() {
    let Ok(listener) = TcpListener::bind("[::]:0") else {
        return skipped("this machine has no IPv6");
    };
    let port = listener.local_addr().unwrap().port();
    let server = Setup::new().user("anna", &[]).inherit(listener).start();
    let _peer = Peer::logged_in(([127, 0, 0, 1], port).into(), "anna").await.unwrap();
    let (_, sessions) = server.ferryd(&["sessions"], "");
    assert!(sessions.contains("127.0.0.1:") && !sessions.contains("::ffff:"), "{sessions}");
    assert!(!server.log().contains("::ffff:"), "{}", server.log());
}
