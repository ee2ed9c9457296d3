//! Faulty disks below a real server: read-only, without inodes, nearly full, or mounted inside a home.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use ferry_e2e::{
    MIB,
    client::{Client, Words},
    compare, material,
    proxy::{Direction, Proxy},
    server::{Server, Setup},
    skipped, wait,
};
use rustix::process::Signal;

use crate::disk_full::SMALL_DISK;

/// The data folder becomes read-only once there is a file `….ro` beside it; without that file it is a separate
/// disk, which has no free inode once there is a file `….none`.
const DISK: &str = r#"
if [ -e "$0.none" ]; then
    rm -rf "$0.seed" && cp -a "$0" "$0.seed" && mount -t tmpfs -o nr_inodes=400 none "$0" && cp -a "$0.seed/." "$0" || exit 9
    mkdir "$0/fill" && i=0
    while true 2>/dev/null >"$0/fill/$i"; do i=$((i + 1)); done
    exec "$@"
fi
mount --bind "$0" "$0" || exit 9
if [ -e "$0.ro" ]; then
    mount -o remount,bind,ro "$0" || exit 9
else
    (until [ -e "$0.ro" ]; do kill -0 $$ || exit; sleep 0.05; done
    until mount -o remount,bind,ro "$0"; do kill -0 $$ || exit; sleep 0.05; done) >/dev/null 2>&1 &
fi
exec "$@"
"#;

/// Mounts another filesystem, with a file, on a folder in the home and on one further down.
const MOUNTS: &str = r#"
for folder in disk top/disk; do
    mkdir -p "$0/users/anna/home/$folder" && mount -t tmpfs none "$0/users/anna/home/$folder" || exit 9
    echo there >"$0/users/anna/home/$folder/seen"
done
chmod 700 "$0/users/anna"
exec "$@"
"#;

/// A server in a mount namespace of its own, so that neither root nor a real disk is needed.
fn setup(script: &str) -> Option<Setup> {
    let try_out =
        r#"mount -t tmpfs none /tmp && mkdir /tmp/a && mount --bind /tmp/a /tmp/a && mount -o remount,bind,ro /tmp/a"#;
    let tried = Command::new("unshare").args(["-rm", "sh", "-c", try_out]).output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        skipped("this system lets nobody mount a disk");
        return None;
    }
    Some(Setup::new().user("anna", &[]).wrapper(&["unshare", "-rm", "sh", "-c", script, "{data}"]))
}

/// A path below the data folder as the server sees it.
fn seen(server: &Server, path: &str) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", server.pid()));
    root.join(server.data().strip_prefix("/").unwrap()).join(path)
}

fn beside(server: &Server, end: &str) -> PathBuf {
    let mut path = server.data().into_os_string();
    path.push(end);
    path.into()
}

/// A file of this computer.
fn at(client: &Client, name: &str) -> PathBuf {
    client.scratch("here").join(name)
}

fn restart(server: &mut Server) {
    server.signal(Signal::TERM);
    assert!(server.wait_end().success(), "{}", server.log());
    server.start_again();
}

/// Checks that every kind of change is refused, with files `f` and `g` present.
fn is_refused_whatever_changes(client: &Client, small: &Path, large: &Path, words: &str) {
    let changes: [Words; 8] = [
        &[&"put", &small, &client.at("small")],
        &[&"put", &large, &client.at("large")],
        &[&"put", &large, &client.at("g"), &"--on-conflict=replace"],
        &[&"rm", &client.at("f")],
        &[&"mkdir", &client.at("folder")],
        &[&"mkdir", &"-p", &client.at("some/folder")],
        &[&"mv", &client.at("f"), &client.at("moved")],
        &[&"cp", &client.at("f"), &client.at("copied")],
    ];
    for change in changes {
        client.run(change).code(1).says(words);
    }
    client.run_with_input(&[&"put", &"-", &client.at("piped")], vec![7; 2 << 20]).code(1).says(words);
}

#[test]
fn on_a_read_only_disk_every_change_is_refused_alike_and_downloads_go_on() {
    let Some(setup) = setup(DISK) else { return };
    // A log that is being written prevents its disk from being remounted read-only.
    let mut server = setup.environment("FERRYD_AUDIT_FOLDER", "{data}.audit").start();
    let client = server.client("anna");
    let (small, large) = (at(&client, "small"), at(&client, "large"));
    material::random_file(&small, 1000, 1);
    material::random_file(&large, 3 * MIB, 2);
    client.put(&large, "f").ok();
    client.put(&small, "g").ok();
    fs::write(beside(&server, ".ro"), "").unwrap();
    let probe = seen(&server, "probe");
    wait::until("the disk to be read-only", || fs::File::create(&probe).is_err());
    let words = "the server's disk is read-only";
    is_refused_whatever_changes(&client, &small, &large, words);
    client.get("f", &at(&client, "got")).ok();
    compare::same_file(&large, &at(&client, "got"));
    let log = server.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("read-only: nothing")).collect();
    assert!(told.len() == 1 && told[0].contains("ERROR") && told[0].contains("os error 30"), "{told:?}\n{log}");
    assert!(!log.contains("internal fault"), "{log}");
    // The server also starts in this state, and a user who logs in only now can read the files.
    restart(&mut server);
    client.get("f", &at(&client, "again")).ok();
    compare::same_file(&large, &at(&client, "again"));
    is_refused_whatever_changes(&client, &small, &large, words);
    fs::remove_file(beside(&server, ".ro")).unwrap();
    restart(&mut server);
    client.put(&large, "large").ok();
    let config = format!("[audit]\nfolder = {:?}\n", beside(&server, ".audit"));
    let (status, said) = server.ferryd_with(&["audit", "verify"], &config);
    assert!(status.success() && !server.data().join("audit.jsonl").exists(), "{said}");
}

#[test]
fn a_server_starts_and_serves_downloads_on_a_disk_that_takes_nothing() {
    let Some(setup) = setup(DISK) else { return };
    let mut server = setup.start();
    let client = server.client("anna");
    let file = at(&client, "file");
    material::random_file(&file, 3 * MIB, 1);
    client.put(&file, "f").ok();
    for (flag, words) in [(".none", "no inodes left"), (".ro", "the server's disk is read-only")] {
        fs::write(beside(&server, flag), "").unwrap();
        restart(&mut server);
        client.get("f", &at(&client, "got")).ok();
        compare::same_file(&file, &at(&client, "got"));
        fs::remove_file(at(&client, "got")).unwrap();
        // A part has two files; a single folder may get the space of the ledger, which is removed before the first
        // change.
        client.run(&[&"put", &file, &client.at("new")]).code(if flag == ".ro" { 1 } else { 8 }).says(words);
        if flag == ".ro" {
            client.run(&[&"mkdir", &client.at("new")]).code(1).says(words);
        }
        assert!(server.log().contains(words) && server.log().contains("no control socket"), "{}", server.log());
        fs::remove_file(beside(&server, flag)).unwrap();
    }
    // The missing lines are reported, and the chain is valid.
    restart(&mut server);
    client.put(&file, "g").ok();
    let (status, said) = server.ferryd(&["audit", "verify"], "");
    assert!(status.success(), "{said}");
}

#[test]
fn a_disk_mounted_inside_a_home_can_be_downloaded_and_is_not_changed() {
    let Some(setup) = setup(MOUNTS) else { return };
    let server = setup.start();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let (small, large) = (at(&client, "small"), at(&client, "large"));
    material::random_file(&small, 1000, 1);
    material::random_file(&large, 20 * MIB, 2);
    client.put(&small, "file").ok();
    let words = "another filesystem of the server";
    let changes: [Words; 11] = [
        &[&"put", &small, &client.at("disk/new")],
        &[&"put", &large, &client.at("disk/new")],
        &[&"put", &large, &client.at("disk/deep/new")],
        &[&"mkdir", &client.at("disk/new")],
        &[&"mkdir", &"-p", &client.at("disk/new/folder")],
        &[&"mv", &client.at("file"), &client.at("disk/moved")],
        &[&"mv", &client.at("disk"), &client.at("other")],
        &[&"cp", &client.at("file"), &client.at("disk/copied")],
        &[&"rm", &client.at("disk/seen")],
        &[&"rm", &"-r", &client.at("disk")],
        &[&"rm", &"-r", &client.at("top")],
    ];
    for change in changes {
        client.run(change).code(1).says(words);
    }
    client.run_with_input(&[&"put", &"-", &client.at("disk/piped")], vec![7; 2 << 20]).code(1).says(words);
    client.run(&[&"rm", &"-r", &client.at("top")]).says("/top/disk");
    assert!(proxy.counted(Direction::Up) < 3 * MIB, "{} bytes travelled in vain", proxy.counted(Direction::Up));
    assert!(!server.log().contains("internal fault"), "{}", server.log());
    // Nothing of it is left, neither there nor in the quota.
    assert_eq!(fs::read_dir(seen(&server, "users/anna/staging")).unwrap().count(), 0);
    assert_eq!(client.run(&[&"uploads", &client.at(""), &"--json"]).ok().json().len(), 0);
    let usage = client.run(&[&"quota", &client.at(""), &"--json"]).ok().json().remove(0);
    assert_eq!(usage["reserved"].as_u64(), Some(0), "{usage}");
    // Existing files can be downloaded.
    for folder in ["disk", "top/disk"] {
        let got = at(&client, "got");
        client.run(&[&"get", &client.at(format!("{folder}/seen")), &got, &"--on-conflict=replace"]).ok();
        assert_eq!(fs::read_to_string(&got).unwrap(), "there\n");
    }
    client.run(&[&"cp", &client.at("disk/seen"), &client.at("copied")]).ok();
}

#[test]
fn the_reserve_stays_free_and_is_not_reported_as_free() {
    let Some(setup) = setup(SMALL_DISK) else { return };
    let server = setup.config("[limits]\nmin_free = \"8MiB\"").start();
    let client = server.client("anna");
    let free = || {
        let volume = rustix::fs::statvfs(seen(&server, "users")).unwrap();
        volume.f_bavail * volume.f_frsize
    };
    let told = || client.run(&[&"quota", &client.at(""), &"--json"]).ok().json()[0]["volume_free"].as_u64().unwrap();
    assert!(told() <= 16 * MIB && told() + 8 * MIB <= free(), "{} of {}", told(), free());
    let file = at(&client, "file");
    material::random_file(&file, 18 * MIB, 1);
    client.run(&[&"put", &file, &client.at("file")]).code(8).says("disk is full");
    assert!(free() > 20 * MIB, "refused after it came");
    // The size of a pipe is not known beforehand, nor is that of a tree of small files as a whole.
    client.run_with_input(&[&"put", &"-", &client.at("piped")], fs::read(&file).unwrap()).code(8).says("disk is full");
    assert!(free() > 20 * MIB, "the piped part stays");
    let tree = client.scratch("tree");
    material::many_files(&tree, 300, 200_000, 3);
    client.run(&[&"put", &tree, &client.at("/"), &"--fill"]).code(8);
    // The server's own files are small, but may use some of it.
    assert!(free() > 7 * MIB && free() < 9 * MIB, "{} bytes are left", free());
    assert!(told() < MIB, "{}", told());
    server.reconfigure("[limits]\nmin_free = \"1MiB\"");
    server.signal(Signal::HUP);
    wait::until("the configuration to be read", || server.log().contains("configuration read again"));
    let more = at(&client, "more");
    material::random_file(&more, 4 * MIB, 4);
    client.put(&more, "more").ok();
}
