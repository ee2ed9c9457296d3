//! A full disk leads to refusals: no file is damaged and the server continues.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use ferry_e2e::{
    MIB,
    client::{Client, Outcome, Running, Words},
    compare, material, needs,
    proxy::{Direction, Proxy},
    server::{Server, Setup},
};

/// Puts the data folder on a disk of 24 MiB, in a mount namespace of the server, so that neither root nor a real
/// disk is needed.
pub(crate) const SMALL_DISK: &str =
    r#"cp -a "$0" "$0.seed" && mount -t tmpfs -o size=24m none "$0" && cp -a "$0.seed/." "$0" && exec "$@""#;

fn on_a_small_disk() -> Option<Server> {
    if !needs::mounts() {
        return None;
    }
    let wrapper = ["unshare", "-rm", "sh", "-c", SMALL_DISK, "{data}"];
    Some(Setup::new().user("anna", &[]).wrapper(&wrapper).start())
}

/// The home as the server sees it.
fn home(server: &Server) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", server.pid()));
    let data = server.data();
    root.join(data.strip_prefix("/").unwrap()).join("users/anna/home")
}

#[test]
fn a_full_disk_is_refused_with_exit_code_8_and_the_old_file_stays() {
    let Some(mut server) = on_a_small_disk() else { return };
    let client = server.client("anna");
    let (old, new) = (client.scratch("old").join("file"), client.scratch("new").join("file"));
    material::random_file(&old, 8 * MIB, 1);
    material::random_file(&new, 20 * MIB, 2);
    client.put(&old, "file").ok();
    client.run(&[&"put", &new, &client.at("file"), &"--on-conflict=replace"]).code(8).says("disk");
    compare::same_file(&old, &home(&server).join("file"));
    server.assert_serves("anna");
    // The size of a pipe is not known beforehand.
    let content = fs::read(&new).unwrap();
    client.run_with_input(&[&"put", &"-", &client.at("piped")], content).code(8).says("disk");
    assert!(!home(&server).join("piped").exists());
    compare::same_file(&old, &home(&server).join("file"));
    // Unfinished uploads keep their space; without them, small files fit until the disk is full.
    discard_all(&client);
    let tree = client.scratch("tree");
    material::many_files(&tree, 300, 200_000, 3);
    client.put(&tree, "/").code(8).says("disk");
    assert!(!home(&server).join("tree").exists() || compare::bytes_below(&home(&server).join("tree")) == 0);
    let _ = client.run(&[&"put", &tree, &client.at("/"), &"--fill"]).code(8);
    let mut compared = 0;
    for folder in fs::read_dir(home(&server).join("tree")).into_iter().flatten().flatten() {
        for file in fs::read_dir(folder.path()).unwrap().flatten() {
            compare::same_file(&tree.join(folder.file_name()).join(file.file_name()), &file.path());
            compared += 1;
        }
    }
    assert!(compared > 0, "nothing fitted");
    // The operator is told, but not once for each file.
    let log = server.log();
    let said: Vec<_> = log.lines().filter(|line| line.contains("ERROR") && line.contains("disk is full")).collect();
    assert!(!said.is_empty() && said.len() < 5 && said[0].contains("free="), "{said:?}");
    server.assert_serves("anna");
    // Freed space can be used again.
    for path in ["file", "tree"] {
        client.run(&[&"rm", &"-r", &client.at(path)]).ok();
    }
    discard_all(&client);
    client.put(&old, "again").ok();
    compare::same_file(&old, &home(&server).join("again"));
}

fn discard_all(client: &Client) {
    for upload in client.run(&[&"uploads", &client.at(""), &"--json"]).ok().json() {
        let path = upload["path"].as_str().expect("a path").trim_start_matches('/').to_owned();
        client.run(&[&"uploads", &client.at(""), &"--discard", &path]).ok();
    }
}

#[test]
fn a_full_disk_here_is_8_and_what_is_kept_is_named() {
    if !needs::mounts() {
        return;
    }
    let server = Server::with_anna();
    let client = server.client("anna");
    material::random_file(&server.home("anna").join("film"), 20 * MIB, 1);
    let small = client.scratch("small");
    let outcome = on_a_small_disk_here(&client, &small, "true", &[&"get", &client.at("film"), &small.join("")]).code(8);
    assert!(outcome.stderr.contains("8.0 MiB free"), "{outcome}");
    // Space that disappears meanwhile: the received part is kept and named.
    let slowly: Words = &[&"get", &client.at("film"), &small.join(""), &"--bwlimit=4MiB"];
    let takes =
        r#"(while [ ! -s "$0/.film.ferry-part" ]; do sleep 0.01; done; head -c 7000000 /dev/zero >"$0/other") &"#;
    fs::write(server.home("anna").join("film"), vec![7; 6 << 20]).unwrap();
    let outcome = on_a_small_disk_here(&client, &small, takes, slowly).code(8);
    assert!(outcome.stderr.contains(&small.join(".film.ferry-part").display().to_string()), "{outcome}");
}

/// Runs `ferry` with `small` as a disk of 8 MiB, after `before`.
fn on_a_small_disk_here(client: &Client, small: &Path, before: &str, words: Words) -> Outcome {
    let inner = client.command(words);
    let mut command = Command::new("unshare");
    let script = format!(
        r#"mount -t tmpfs -o size=8m none "$0" && {{ {before}
}} && "$@"; code=$?; ls -A "$0"; exit $code"#
    );
    command.args(["-rm", "sh", "-c", &script]).arg(small);
    command.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Running::spawn(command, Vec::new()).wait()
}

#[test]
fn a_tree_that_cannot_fit_here_does_not_travel() {
    if !needs::mounts() {
        return;
    }
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    material::many_files(&server.home("anna").join("tree"), 40, 1_000_000, 1);
    let small = client.scratch("small");
    let get: Words = &[&"get", &client.at("tree"), &small.join("tree"), &"-q"];
    let outcome = on_a_small_disk_here(&client, &small, "true", get).code(8).says("the disk is full");
    assert!(outcome.stderr.lines().count() <= 3, "{outcome}");
    assert!(proxy.counted(Direction::Down) < MIB, "{} bytes travelled in vain", proxy.counted(Direction::Down));
    proxy.reset_counters();
    let fill: Words = &[&"get", &client.at("tree"), &small.join("tree"), &"-q", &"--fill"];
    on_a_small_disk_here(&client, &small, "true", fill).code(8);
    let came = proxy.counted(Direction::Down);
    assert!(came > 5_000_000 && came < 9_000_000, "{came} bytes travelled");
}

#[test]
fn a_full_standard_output_is_8_for_every_command() {
    let server = Server::with_anna();
    let client = server.client("anna");
    fs::write(server.home("anna").join("file"), "content").unwrap();
    for words in [&["ls", ""][..], &["cat", "file"], &["hash", "file"], &["stat", "file"], &["get", "file", "-"]] {
        let at = client.at(words[1]);
        let mut line: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&words[0], &at];
        line.extend(words[2..].iter().map(|word| word as &dyn AsRef<std::ffi::OsStr>));
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let outcome = client.command(&line).stdin(std::process::Stdio::null()).stdout(full).output().unwrap();
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(8), "{words:?}: {stderr}");
        assert!(stderr.contains("No space left"), "{words:?}: {stderr}");
    }
}
