//! Files that root creates in the data folder of another user, and files that this user cannot open.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::Path,
};

use ferry_e2e::{
    needs,
    server::{Server, Setup},
    wait,
};
use rustix::process::Signal;
use tempfile::TempDir;

const USER: u32 = 65534;

/// A server run by root in a data folder of another user, as whom it is started later, and the folder of its
/// program.
fn server() -> Option<(Server, TempDir)> {
    let become_user = needs::as_nobody(USER)?;
    let start = format!(
        r#"if test -e "$0/../seen"; then exec {} "$@"; fi; chown 65534:65534 "$0" "$0/users.json" "$0/users.json.lock"
           chmod 755 "$0/.."; : >"$0/../seen"; exec "$@""#,
        become_user.join(" ")
    );
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new().user("anna", &[]).wrapper(&["sh", "-c", &start, "{data}"]);
    Some((setup.program(needs::ferryd_for_all(folder.path())).start(), folder))
}

/// The files of root below `folder`, except those in homes.
fn of_root(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let (path, there) = (entry.path(), entry.metadata().unwrap());
        if there.uid() != USER && (there.is_file() || there.is_dir()) {
            found.push(path.display().to_string());
        }
        if there.is_dir() && !path.ends_with("home") {
            found.extend(of_root(&path));
        }
    }
    found
}

#[test]
fn a_server_that_root_ran_once_leaves_nothing_the_services_user_cannot_open() {
    let Some((mut server, _program)) = server() else { return };
    let client = server.client("anna");
    let file = client.scratch("here").join("file");
    fs::write(&file, "content").unwrap();
    client.put(&file, "file").ok();
    assert_eq!(of_root(&server.data()), Vec::<String>::new());
    server.signal(Signal::TERM);
    assert!(server.wait_end().success());
    assert_eq!(of_root(&server.data()), Vec::<String>::new());
    assert_eq!(fs::metadata(server.home("anna").join("file")).unwrap().uid(), USER, "given before it had its name");
    let (status, said) = server.ferryd(&["check"], "");
    assert!(!said.contains("chown"), "{status} {said}");
    server.start_again();
    server.assert_serves("anna");
}

#[test]
fn a_file_that_the_services_user_cannot_open_is_told_by_check_and_at_the_start_with_chown() {
    let Some((mut server, _program)) = server() else { return };
    server.signal(Signal::TERM);
    assert!(server.wait_end().success());
    for name in ["users.json", "users.json.lock", "identity/key.pem", "identity/cert.pem", "audit.jsonl"] {
        let path = server.data().join(name);
        chown(&path, Some(0), Some(0)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let told = format!("{}: user ", path.display());
        let (status, said) = server.ferryd(&["check"], "");
        assert!(
            status.code() == Some(1) && said.contains(&told) && said.contains("(it belongs to root, mode 600): chown "),
            "{said}"
        );
        // A lock file that cannot be opened does not prevent a start.
        if name != "users.json.lock" {
            assert!(!server.can_start_again(), "{name}");
            let begin = format!("note: {told}");
            wait::until("what helps", || {
                let log = server.log();
                log.lines()
                    .any(|line| line.contains(&begin) && line.contains("belongs to root") && line.contains("chown "))
            });
        }
        chown(&path, Some(USER), Some(USER)).unwrap();
    }
    server.start_again();
}
