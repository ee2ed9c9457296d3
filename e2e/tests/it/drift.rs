//! Differences between what is in force and what is on disk are reported until they are resolved.

use std::fs;

use ferry_e2e::{
    server::{Server, Setup},
    wait,
};
use serde_json::Value;

/// The present differences and their reasons.
fn differs(server: &Server) -> Vec<(String, String)> {
    let (status, said) = server.ferryd(&["status", "--json"], "");
    assert!(status.success(), "{said}");
    let status: Value = serde_json::from_str(&said).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    status["differs"].as_array().unwrap().iter().map(|one| (text(&one["what"]), text(&one["why"]))).collect()
}

/// Waits for exactly one difference, reported by status, metrics and log; returns the reason.
fn only(server: &Server, what: &str) -> String {
    let found = wait::some(what, || {
        let found = differs(server);
        (found.len() == 1 && found[0].0 == what).then(|| found[0].1.clone())
    });
    let (_, text) = server.ferryd(&["status"], "");
    assert!(text.contains(&format!("the disk differs from what is in force: {what}")), "{text}");
    let said = format!("the files on disk differ from what is in force what=\"{what}\"");
    wait::until("the log to tell", || server.log().contains(&said));
    found
}

fn nothing(server: &Server) {
    wait::until("nothing to differ", || differs(server).is_empty());
}

#[test]
fn a_user_store_that_is_broken_or_gone_is_told_until_it_is_right_again() {
    let server = Server::with_anna();
    nothing(&server);
    let store = server.data().join("users.json");
    let good = fs::read_to_string(&store).unwrap();
    fs::write(&store, good.replacen('{', "{,", 1)).unwrap();
    assert!(only(&server, "users").contains("users.json:1:"));
    fs::remove_file(&store).unwrap();
    wait::until("that it is gone", || differs(&server).iter().any(|(_, why)| why.contains("users.json is missing")));
    for words in [&["user", "list"][..], &["user", "list", "--json"], &["user", "show", "anna"]] {
        let (status, said) = server.ferryd(words, "");
        assert!(status.code() == Some(1) && said.contains("users.json is missing"), "{words:?}: {said}");
    }
    fs::write(&store, good).unwrap();
    nothing(&server);
    // The log arrives through a pipe of its own.
    wait::until("the log to tell it", || server.log().contains("match what is in force again"));
}

#[test]
fn a_configuration_that_was_not_read_or_waits_for_a_start_is_told() {
    let server = Setup::new().user("anna", &[]).config("[limits]\nidle_seconds = 90").start();
    nothing(&server);
    server.reconfigure("[limits]\nidle_seconds = 91\nbacklog = 7");
    assert!(only(&server, "configuration").contains("limits.idle_seconds, limits.backlog changed"));
    assert!(server.ferryd(&["reload"], "").0.success());
    wait::until("what is reloaded to be in force", || {
        differs(&server).iter().all(|(_, why)| !why.contains("idle_seconds"))
    });
    assert!(only(&server, "configuration").contains("limits.backlog changed"));
    server.reconfigure("[limits]\nidle_seconds = never");
    wait::until("the fault", || differs(&server).iter().any(|(_, why)| why.contains("idle_seconds")));
    server.reconfigure("[limits]\nidle_seconds = 91");
    nothing(&server);
}

#[test]
fn a_certificate_that_was_renewed_or_damaged_and_not_read_is_told() {
    let server = Server::with_anna();
    let other = Server::with_anna();
    let file = |server: &Server, name: &str| server.data().join("identity").join(name);
    let good = fs::read(file(&server, "cert.pem")).unwrap();
    fs::write(file(&server, "cert.pem"), "damaged").unwrap();
    assert!(only(&server, "certificate").contains("cert.pem"));
    fs::write(file(&server, "cert.pem"), &good).unwrap();
    nothing(&server);
    for name in ["cert.pem", "key.pem"] {
        fs::copy(file(&other, name), file(&server, name)).unwrap();
    }
    wait::until("the other pair", || differs(&server).iter().any(|(_, why)| why.contains("is another one")));
    assert!(server.ferryd(&["reload"], "").0.success());
    nothing(&server);
}
