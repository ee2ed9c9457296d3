//! The protocol page alone: the small client in `e2e/page` was written from it and nothing else.

use std::process::Command;

use ferry_e2e::{
    PASSWORD,
    binaries::repository,
    server::{Server, Setup},
    skipped,
};

fn server() -> Server {
    // One trial deliberately uses a wrong password.
    Setup::new().user("anna", &[]).config("[login]\nallow = [\"127.0.0.0/8\"]").start()
}

/// Runs one of the trials in `e2e/page/trial.py`.
fn trial(name: &str) -> Option<Server> {
    let works = Command::new("python3").args(["-c", "import ssl; assert ssl.HAS_TLSv1_3"]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        skipped("the page's client needs python3 with TLS 1.3");
        return None;
    }
    let mut server = server();
    let (script, address) = (repository().join("e2e/page/trial.py"), server.address().to_string());
    let mut command = Command::new("python3");
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(script);
    let output = command.args([&address, server.fingerprint(), "anna", PASSWORD, name]).output().expect("python3 runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}");
    server.assert_serves("anna");
    Some(server)
}

#[test]
fn the_pages_digests_are_blake3() {
    drop(trial("digests"));
}

#[test]
fn the_page_tells_how_to_log_in() {
    drop(trial("login"));
}

#[test]
fn the_page_tells_how_to_list_and_what_is_masked_and_cut() {
    drop(trial("listing"));
}

#[test]
fn the_page_tells_how_to_put_a_small_file() {
    drop(trial("small"));
}

#[test]
fn the_page_tells_how_to_put_a_large_file_and_a_stream() {
    drop(trial("large"));
}

#[test]
fn the_page_tells_how_to_go_on_with_an_upload() {
    drop(trial("resume"));
}

#[test]
fn the_page_tells_how_to_get_what_is_missing() {
    drop(trial("have"));
}

#[test]
fn the_page_tells_what_follows_a_refused_put() {
    drop(trial("refused_put"));
}

#[test]
fn the_page_tells_what_giving_an_upload_up_is_answered_with() {
    drop(trial("giving_up"));
}

#[test]
fn the_page_tells_what_a_mismatch_keeps() {
    drop(trial("mismatch"));
}

#[test]
fn the_page_tells_what_becomes_of_more_digests_than_the_file_has() {
    drop(trial("more_digests"));
}

#[test]
fn the_page_tells_what_unknown_values_are_answered_with() {
    drop(trial("unknown"));
}

#[test]
fn the_page_tells_how_uploads_come_in_pages() {
    let Some(server) = trial("pages") else { return };
    let client = server.client("anna");
    let listed = client.run(&[&"uploads", &"--json", &client.at("")]).ok().json();
    assert_eq!(listed.len(), 1200, "ferry shows all that the trial left");
}

#[test]
fn the_page_tells_how_to_run_commands() {
    drop(trial("commands"));
}
