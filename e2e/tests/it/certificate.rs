//! Certificates: the operator is warned of their end in time, a renewal needs no restart, and a damaged certificate
//! of the server's own is remade.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ferry_e2e::{
    needs,
    server::{Server, Setup},
    wait,
};
use rustix::process::Signal;

const DAY: u64 = 24 * 60 * 60;

/// Writes a pair that expires this many days after 1970 to `folder`; returns the configuration that names it.
fn pair(folder: &Path, ends: u64) -> String {
    let mut params = rcgen::CertificateParams::new(vec!["ferry.example".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(ends * DAY);
    let key = rcgen::KeyPair::generate().unwrap();
    let (certificate, secret) = (folder.join("cert.pem"), folder.join("key.pem"));
    for (path, pem) in [(&certificate, params.self_signed(&key).unwrap().pem()), (&secret, key.serialize_pem())] {
        // Like tools that renew certificates: another file of the same name.
        let new = path.with_extension("new");
        fs::write(&new, pem).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(new, path).unwrap();
    }
    format!("[tls]\ncertificate = {certificate:?}\nkey = {secret:?}\n")
}

fn today() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / DAY
}

#[test]
fn the_end_of_a_certificate_is_told_by_check_start_reload_and_status() {
    let folder = tempfile::tempdir().unwrap();
    for (ends, said, is_fault) in [(today() - 30, "ended on ", true), (today() + 10, "ends in ", false)] {
        let server = Setup::new().user("anna", &[]).config(&pair(folder.path(), ends)).start();
        wait::until("the log to tell", || server.log().contains(&format!("cert.pem {said}")));
        let (status, check) = server.ferryd(&["check"], "");
        assert!(status.success() != is_fault && check.contains(&format!("the certificate {said}")), "{check}");
        assert!(check.contains("is for ferry.example, until "), "{check}");
        let (status, reload) = server.ferryd(&["reload"], "");
        assert!(status.success() && reload.contains(&format!("cert.pem {said}")), "{reload}");
        assert!(server.ferryd(&["status"], "").1.contains(&format!("the certificate {said}")));
        let status: serde_json::Value = serde_json::from_str(&server.ferryd(&["status", "--json"], "").1).unwrap();
        assert!(status["certificate"]["warning"].as_str().unwrap().starts_with(said), "{status}");
        pair(folder.path(), today() + 90);
        let (_, reload) = server.ferryd(&["reload"], "");
        assert!(reload.contains("changed: the certificate") && !reload.contains("note:"), "{reload}");
        let (_, text) = server.ferryd(&["status"], "");
        assert!(!text.contains("the certificate ") && text.contains("for ferry.example"), "{text}");
    }
}

#[test]
fn root_hands_a_renewed_certificate_to_a_server_that_may_not_read_it() {
    let Some(become_user) = needs::as_nobody(65534) else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let config = pair(folder.path(), today() + 10);
    for name in ["cert.pem", "key.pem"] {
        chown(folder.path().join(name), Some(65534), None).unwrap();
    }
    let own = format!(r#"chown -R 65534:65534 "$0/.." && exec {} "$@""#, become_user.join(" "));
    let setup = Setup::new().user("anna", &[]).config(&config).wrapper(&["sh", "-c", &own, "{data}"]);
    let mut server = setup.program(needs::ferryd_for_all(folder.path())).start();
    let first = server.fingerprint().to_owned();
    // Renewed, and readable by root only.
    pair(folder.path(), today() + 90);
    let second = server.ferryd(&["identity"], "").1.trim().to_owned();
    assert_ne!(first, second);
    let (status, said) = server.ferryd(&["reload"], "");
    assert!(status.success() && said.contains("changed: the certificate"), "{said}");
    wait::until("the new one to be in use", || server.log().contains(&format!("read again fingerprint={second}")));
    // A pair that the server cannot read itself neither replaces the one in use nor counts as a difference.
    server.signal(Signal::HUP);
    wait::until("another reading", || server.log().matches(&format!("fingerprint={second}")).count() == 2);
    let status: serde_json::Value = serde_json::from_str(&server.ferryd(&["status", "--json"], "").1).unwrap();
    assert_eq!(status["differs"], serde_json::json!([]));
    server.assert_serves("anna");
}

#[test]
fn a_server_starts_with_a_damaged_certificate_of_its_own_and_the_same_fingerprint() {
    let mut server = Server::with_anna();
    let (first, path) = (server.fingerprint().to_owned(), server.data().join("identity/cert.pem"));
    let good = fs::read(&path).unwrap();
    for damage in [&b""[..], &good[..200]] {
        server.kill();
        fs::write(&path, damage).unwrap();
        server.start_again();
        assert_eq!(server.fingerprint(), first);
    }
    assert_eq!(server.log().matches("certificate is remade").count(), 2, "{}", server.log());
    server.kill();
    fs::write(server.data().join("identity/key.pem"), "").unwrap();
    assert!(!server.can_start_again());
    wait::until("the reason", || server.log().contains("key.pem is damaged (it is empty): restore it from a backup"));
}

#[test]
fn a_reload_says_what_changed_and_puts_log_level_audit_and_metrics_in_force() {
    let server = Setup::new().user("anna", &[]).start();
    let reload = |toml: &str| {
        let (status, said) = server.ferryd_with(&["reload"], toml);
        assert!(status.success(), "{said}");
        said
    };
    assert_eq!(reload(""), "reloaded; nothing changed\n");
    let said = reload(
        "[log]\nlevel = 'debug'\nformat = 'json'\n[metrics]\nlisten = '127.0.0.1:0'\n[audit]\nmax_size = '1KiB'\n",
    );
    for line in [
        "changed: log.level = \"debug\", was \"info\"",
        "changed: metrics.listen = \"127.0.0.1:0\", was none",
        "changed: audit.max_size = \"1KiB\", was \"64MiB\"",
        "note: log.format changed and takes effect at the next start",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    let address = wait::some("the metrics", || {
        let log = server.log();
        Some(log.lines().find(|line| line.contains("metrics address="))?.split("address=").nth(1)?.trim().to_owned())
    });
    assert!(std::net::TcpStream::connect(&address).is_ok());
    let client = server.client("anna");
    client.run(&[&"ls", &client.at("")]).ok();
    wait::until("lines of the debug level", || server.log().contains("DEBUG"));
    wait::until("another file of the audit log", || {
        drop(client.run(&[&"ls", &client.at("")]));
        server.data().join("audit.jsonl.1").exists()
    });
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let wrong = format!("[metrics]\nlisten = '{}'\n[limits]\nidle_seconds = 7", taken.local_addr().unwrap());
    let (status, said) = server.ferryd_with(&["reload"], &wrong);
    assert!(!status.success() && said.contains("metrics.listen: cannot listen on") && !said.contains("idle"), "{said}");
    assert!(std::net::TcpStream::connect(&address).is_ok(), "they stay where they were");
    reload("");
    assert!(std::net::TcpStream::connect(&address).is_err(), "they are still served");
}
