//! A fault of the server itself: only one connection ends, and the log identifies it.

use ferry_e2e::{
    MIB, compare, material,
    proxy::{Direction, Proxy, Then},
    server::Setup,
    wait,
};
use serde_json::Value;

// A server built for release has no such fault.
#[cfg(debug_assertions)]
#[test]
fn a_panic_ends_one_connection_and_is_logged_and_counted() {
    let setup = Setup::new().user("anna", &[]).user("berta", &[]).environment("FERRY_FAULT", "1").may_panic();
    let mut server = setup.start();
    let proxy = Proxy::new(server.address());
    let berta = server.client("berta").at_address(proxy.address());
    let source = berta.scratch("here").join("file");
    material::random_file(&source, 24 * MIB, 1);
    proxy.after(Direction::Up, 8 * MIB, Then::Hold);
    let running = berta.start(&[&"put", &source, &berta.at("file"), &"--retries=0"]);
    proxy.wait_tripped(Direction::Up);
    let anna = server.client("anna");
    let outcome = anna.run(&[&"stat", &anna.at("panic"), &"--retries=0"]);
    assert_eq!(outcome.status.code(), Some(5), "{outcome}");
    proxy.release();
    running.wait().ok();
    compare::same_file(&source, &server.home("berta").join("file"));
    server.assert_serves("anna");
    let (_, status) = server.ferryd(&["status", "--json"], "");
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["panics"], 1, "{status}");
    let log = wait::some("the log to have it", || {
        Some(server.log()).filter(|log| log.contains("panicked at") && log.contains("only this connection ends"))
    });
    let line = log.lines().find(|line| line.contains("panicked at")).unwrap();
    assert!(
        line.contains("on purpose") && line.contains("user=\"anna\"") && line.contains("peer=127.0.0.1:"),
        "{line}"
    );
    assert_eq!(log.matches("only this connection ends").count(), 1, "{log}");
}

#[test]
fn every_line_about_a_connection_says_session_user_and_peer_and_none_can_be_forged() {
    let config = "[log]\nformat = \"json\"\nlevel = \"ferry_server=debug\"";
    let server = Setup::new().user("anna", &[]).config(config).start();
    let client = server.client("anna");
    let file = client.scratch("here").join("file");
    material::random_file(&file, 3 * MIB, 1);
    let name = "forged\n{\"level\":\"ERROR\"}\u{1b}[2J\u{202e}";
    client.run(&[&"put", &file, &client.at(name)]).ok();
    wait::until("the connections to end", || {
        let log = server.log();
        log.matches("\"message\":\"closed\"").count() == log.matches("\"message\":\"logged in\"").count()
    });
    let log = server.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!log.contains(['\u{1b}', '\u{202e}']), "{log}");
    let stored = lines.iter().find(|line| line["message"] == "stored").expect("a line about the file");
    for line in lines.iter().filter(|line| line["message"] == "closed").chain([stored]) {
        let span = &line["span"];
        assert!(span["session"].is_u64() && span["user"] == "anna" && span["peer"].is_string(), "{line}");
        assert_eq!(span["door"], "ferry", "{line}");
    }
}
