//! `ferryd` under systemd: the restrictions of the units, the notifications to the service manager, and the key
//! that it hands over.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use ferry_e2e::{
    binaries::{self, repository},
    needs,
    server::{Server, Setup},
};
use rustix::process::Signal;

/// Each service and its maximum exposure, in tenths as for `--threshold`.
const SERVICES: [(&str, u32); 2] = [("ferryd.service", 5), ("ferryd-standalone.service", 12)];

fn analyze(words: &[&str], units: &[&Path]) -> Option<Output> {
    needs::program("systemd-analyze", "systemd")
        .then(|| Command::new("systemd-analyze").args(words).args(units).output().expect("systemd-analyze runs"))
}

#[test]
fn the_services_are_kept_in_as_tightly_as_promised() {
    for (name, most) in SERVICES {
        let unit = repository().join("assets/systemd").join(name);
        let threshold = format!("--threshold={most}");
        let Some(output) = analyze(&["security", "--offline=true", "--no-pager", &threshold], &[&unit]) else { return };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let folder = tempfile::tempdir().unwrap();
    let mut units = Vec::new();
    for entry in fs::read_dir(repository().join("assets/systemd")).unwrap() {
        let unit = entry.unwrap().path();
        // The program is not installed at the path in the units.
        let text = fs::read_to_string(&unit).unwrap().replace("/usr/bin/ferryd", binaries::ferryd().to_str().unwrap());
        units.push(folder.path().join(unit.file_name().unwrap()));
        fs::write(units.last().unwrap(), text).unwrap();
    }
    assert_eq!(units.len(), 5);
    let units: Vec<_> = units.iter().map(AsRef::as_ref).collect();
    let Some(output) = analyze(&["verify", "--man=no", "--recursive-errors=no"], &units) else { return };
    let said = String::from_utf8_lossy(&output.stderr);
    // It checks the units of the machine too, and reports on them.
    let ours: Vec<_> = said.lines().filter(|line| line.contains("ferryd")).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}

/// A server that notifies a test's socket, and a function that returns its notifications.
fn told() -> (Server, impl Fn() -> String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let setup = Setup::new().user("anna", &[]).environment("NOTIFY_SOCKET", path.to_str().unwrap());
    let server = setup.environment("WATCHDOG_USEC", "300000").start();
    let next = move || {
        let _folder = &folder;
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).expect("the server says something");
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    (server, next)
}

#[test]
fn the_service_manager_hears_of_each_step_and_signs_of_life_between() {
    let (mut server, next) = told();
    let other = || loop {
        let said = next();
        if !said.starts_with("WATCHDOG=1\n") {
            return said;
        }
    };
    let said = next();
    assert!(said.starts_with("READY=1\n"), "first of all: {said}");
    assert_eq!(next(), "WATCHDOG=1\nSTATUS=0 sessions, 0 transfers\n");
    assert_eq!(next(), "WATCHDOG=1\n", "a state that did not change is told once");
    server.signal(Signal::HUP);
    let said = other();
    assert!(said.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{said}");
    let said = other();
    assert!(said.starts_with("READY=1\n"), "{said}");
    let (status, said) = server.ferryd(&["reload"], "");
    assert!(status.success(), "{said}");
    let said = other();
    assert!(said.starts_with("RELOADING=1\n"), "{said}");
    let said = other();
    assert!(said.starts_with("READY=1\n"), "{said}");
    server.signal(Signal::TERM);
    let said = other();
    // 30 seconds for transfers, 20 for the rest.
    assert!(said.starts_with("STOPPING=1\nEXTEND_TIMEOUT_USEC=50000000\n"), "{said}");
    assert!(server.wait_end().success());
}

#[test]
fn a_key_that_the_service_manager_hands_over_is_used_and_none_is_made() {
    let credentials = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(credentials.path().join("ferryd.certificate"), made.cert.pem()).unwrap();
    fs::write(credentials.path().join("ferryd.key"), made.signing_key.serialize_pem()).unwrap();
    let folder = credentials.path().to_str().unwrap();
    let mut server = Setup::new().user("anna", &[]).environment("CREDENTIALS_DIRECTORY", folder).start();
    server.assert_serves("anna");
    assert!(!server.data().join("identity").exists());
    let named = format!("[tls]\ncertificate = '{folder}/ferryd.certificate'\nkey = '{folder}/ferryd.key'\n");
    let (status, said) = server.ferryd_with(&["identity"], &named);
    assert!(status.success() && said.trim() == server.fingerprint(), "{said}");
}
