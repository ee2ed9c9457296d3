//! A confined server: it can access its own files, even after they were replaced, and no others.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use ferry_e2e::{
    server::{Server, Setup},
    skipped, wait,
};
use rustix::process::Signal;
use tempfile::TempDir;

/// Creates a key and a certificate in a folder.
fn pair(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
}

/// A server whose key is in a separate folder.
fn server(confine: bool) -> (Server, TempDir, PathBuf) {
    let keys = tempfile::tempdir().unwrap();
    let path = keys.path().to_owned();
    pair(&path);
    let config = format!(
        "[server]\nconfine = {confine}\n[tls]\ncertificate = {:?}\nkey = {:?}\n",
        path.join("cert.pem"),
        path.join("key.pem")
    );
    (Setup::new().user("anna", &[]).config(&config).start(), keys, path)
}

/// Whether the kernel of this machine supports it at all.
fn is_confined(server: &Server) -> bool {
    // Every log line about it contains this word, even if confinement is not possible.
    wait::until("the server to say so", || server.log().contains("confined"));
    server.log().contains("confined write=") || server.log().contains("as far as this kernel can")
}

#[test]
fn files_outside_cannot_be_opened_and_only_because_of_the_confinement() {
    let elsewhere = tempfile::tempdir().unwrap();
    pair(elsewhere.path());
    for confine in [true, false] {
        let (mut server, _keys, keys) = server(confine);
        if confine && !is_confined(&server) {
            return skipped("this kernel has no Landlock");
        }
        for name in ["cert.pem", "key.pem"] {
            fs::remove_file(keys.join(name)).unwrap();
            symlink(elsewhere.path().join(name), keys.join(name)).unwrap();
        }
        // The server reads the files itself: 'ferryd reload' as root would hand over those that it may not open.
        server.signal(Signal::HUP);
        let outcome = if confine { "Permission denied" } else { "certificate read again" };
        wait::until("what became of it", || server.log().contains(outcome));
        assert_eq!(server.log().contains("certificate read again"), !confine, "{}", server.log());
        server.assert_serves("anna");
    }
}

#[test]
fn replaced_certificates_and_user_stores_are_read_again() {
    let (mut server, _keys, keys) = server(true);
    let fresh = tempfile::tempdir_in(&keys).unwrap();
    pair(fresh.path());
    for name in ["cert.pem", "key.pem"] {
        fs::rename(fresh.path().join(name), keys.join(name)).unwrap();
    }
    let (status, said) = server.ferryd(&["reload"], "");
    assert!(status.success(), "{said}");
    wait::until("the log to have it", || server.log().contains("certificate read again"));
    server.add_user("berta", &[]);
    assert!(server.ferryd(&["reload"], "").0.success());
    server.assert_serves("berta");
}

#[test]
fn a_confined_process_gets_no_new_privileges_and_says_what_it_kept() {
    let server = Server::with_anna();
    if !is_confined(&server) {
        assert!(server.log().contains("not confined"), "{}", server.log());
        return skipped("this kernel has no Landlock");
    }
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    assert!(server.log().contains(&format!("write=[{:?}]", server.data())), "{}", server.log());
}
