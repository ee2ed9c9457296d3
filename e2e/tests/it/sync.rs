//! `ferry sync`: a folder becomes like another, nothing is lost, and an interrupted run continues.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{fs::symlink, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use ferry_e2e::{
    client::{Client, Outcome, Running},
    compare, material,
    proxy::{Direction, Proxy, Then},
    server::Server,
};

/// A tree that is not at the target yet.
pub(crate) fn source(client: &Client) -> PathBuf {
    let source = client.scratch("source");
    material::many_files(&source.join("many"), 60, 3000, 1);
    material::random_file(&source.join("large"), 3 << 20, 2);
    fs::create_dir_all(source.join("empty/inner")).unwrap();
    fs::write(source.join("folder-now-file"), "file").unwrap();
    fs::create_dir(source.join("file-now-folder")).unwrap();
    fs::write(source.join("file-now-folder/in"), "in").unwrap();
    source
}

/// The same tree before, at `target`.
pub(crate) fn old(target: &Path) {
    fs::create_dir_all(target.join("old/deep")).unwrap();
    fs::create_dir_all(target.join("many")).unwrap();
    fs::create_dir_all(target.join("folder-now-file")).unwrap();
    material::many_files(&target.join("old"), 20, 300, 5);
    for path in ["old/deep/y", "folder-now-file/in", "file-now-folder", "large"] {
        fs::write(target.join(path), "old").unwrap();
    }
}

fn sync(client: &Client, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>, more: &[&str]) -> Outcome {
    let mut words: Vec<&dyn AsRef<OsStr>> = vec![&"sync", &from, &to];
    words.extend(more.iter().map(|word| word as &dyn AsRef<OsStr>));
    client.run(&words)
}

#[test]
fn a_folder_becomes_like_another_on_this_computer_and_on_a_server() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let source = source(&client);
    let (local, remote) = (client.scratch("place").join("copy"), server.home("anna").join("copy"));
    for target in [&local, &remote] {
        old(target);
    }
    sync(&client, &source, &local, &["--delete", "--max-delete", "100"]).ok().says("deleted");
    sync(&client, &source, client.at("copy"), &["--delete", "--max-delete", "100"]).ok().says("deleted");
    compare::same_tree(&source, &local);
    compare::same_tree(&source, &remote);
    // Back from the server, and again: there is nothing to do.
    let back = client.scratch("back").join("copy");
    sync(&client, client.at("copy"), &back, &[]).ok();
    compare::same_tree(&source, &back);
    for (from, to) in [(source.into_os_string(), local.into_os_string()), (client.at("copy"), back.into())] {
        sync(&client, from, to, &["--delete"]).ok().says("nothing to do");
    }
}

#[test]
fn a_dry_run_names_every_change_and_makes_none() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (source, target) = (client.scratch("source"), server.home("anna").join("copy"));
    fs::write(source.join("new"), "new").unwrap();
    fs::write(source.join("longer"), "longer").unwrap();
    fs::create_dir(source.join("folder")).unwrap();
    fs::create_dir(&target).unwrap();
    fs::write(target.join("longer"), "short").unwrap();
    fs::write(target.join("gone"), "gone").unwrap();
    let text = sync(&client, &source, client.at("copy"), &["--delete", "-n"]).ok().says("nothing was changed").text();
    let lines: Vec<&str> = text.lines().collect();
    let expected = [
        "would make folder (new)",
        "would copy longer (6 B, size differs)",
        "would copy new (3 B, new)",
        "would delete gone",
    ];
    assert_eq!(lines, expected);
    let objects = sync(&client, &source, client.at("copy"), &["--delete", "-n", "--json"]).ok().json();
    let of = |path: &str| objects.iter().find(|object| object["path"] == path).unwrap();
    assert_eq!((&of("new")["outcome"], &of("new")["why"]), (&"would".into(), &"new".into()));
    assert_eq!((&of("longer")["why"], &of("longer")["replaces"]), (&"size".into(), &true.into()));
    assert_eq!(of("gone")["outcome"], "would_delete");
    assert_eq!(objects.last().unwrap()["summary"]["deleted"], 1);
    assert_eq!(fs::read_dir(&target).unwrap().count(), 2);
    let objects = sync(&client, &source, client.at("copy"), &["--delete", "--json"]).ok().json();
    let deleted = objects.iter().find(|object| object["path"] == "gone").unwrap();
    assert_eq!(deleted["outcome"], "deleted");
    compare::same_tree(&source, &target);
}

#[test]
fn surprisingly_many_deletions_and_an_empty_source_fail_without_a_terminal() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (source, target) = (client.scratch("source"), server.home("anna").join("copy"));
    material::many_files(&target, 10, 10, 1);
    let before = compare::count_below(&target);
    sync(&client, &source, client.at("copy"), &["--delete", "--max-delete", "1000"])
        .code(1)
        .says("there is no file at the source");
    fs::write(source.join("x"), "x").unwrap();
    sync(&client, &source, client.at("copy"), &["--delete"]).code(1).says("--max-delete 1");
    assert_eq!(compare::count_below(&target), before, "something was changed");
    sync(&client, &source, client.at("copy"), &["--delete", "--max-delete", "1000"]).ok();
    compare::same_tree(&source, &target);
}

#[test]
fn an_unreadable_folder_keeps_its_counterpart_and_ends_with_6() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (source, target) = (client.scratch("source"), server.home("anna").join("copy"));
    for path in ["locked/in/x", "open/y", "k"] {
        for top in [&source, &target] {
            fs::create_dir_all(top.join(path).parent().unwrap()).unwrap();
            fs::write(top.join(path), "same").unwrap();
        }
    }
    fs::write(target.join("open/old"), "old").unwrap();
    material::set_mode(&source.join("locked"), 0o000);
    let program = client.scratch("program").join("ferry");
    fs::copy(client.program(), &program).unwrap();
    let client = client.with_program(program);
    let mut command = client.command(&[&"sync", &source, &client.at("copy"), &"--delete"]);
    if rustix::process::geteuid().is_root() {
        // Root reads everything: run the client as somebody else.
        let folder = client.password_file().parent().unwrap().to_owned();
        assert!(Command::new("chown").arg("-R").arg("12345").arg(folder).status().unwrap().success());
        command.uid(12345);
    }
    let outcome = Running::spawn(command, Vec::new()).wait();
    material::set_mode(&source.join("locked"), 0o755);
    outcome.code(6).says("nothing is removed there");
    assert!(target.join("locked/in/x").exists() && !target.join("open/old").exists());
}

#[test]
fn links_at_the_target_are_removed_and_never_followed() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (source, outside) = (client.scratch("source"), client.scratch("outside"));
    fs::write(outside.join("precious"), "precious").unwrap();
    fs::create_dir(source.join("d")).unwrap();
    for path in ["d/x", "k", "f"] {
        fs::write(source.join(path), "new").unwrap();
    }
    let place = server.home("anna").join("precious");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("precious"), "precious").unwrap();
    let (local, remote) = (client.scratch("place").join("copy"), server.home("anna").join("copy"));
    for (target, to) in [(&local, &outside), (&remote, &place)] {
        fs::create_dir_all(target).unwrap();
        symlink(to, target.join("d")).unwrap();
        symlink(to.join("precious"), target.join("f")).unwrap();
        symlink(to, target.join("old")).unwrap();
    }
    sync(&client, &source, &local, &["--delete", "--max-delete", "9"]).ok();
    sync(&client, &source, client.at("copy"), &["--delete", "--max-delete", "9"]).ok();
    for (target, to) in [(&local, &outside), (&remote, &place)] {
        compare::same_tree(&source, target);
        assert_eq!(fs::read_to_string(to.join("precious")).unwrap(), "precious");
        assert_eq!(fs::read_dir(to).unwrap().count(), 1);
    }
}

#[test]
fn filters_choose_what_is_copied_and_protect_the_rest() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (source, target) = (client.scratch("source"), server.home("anna").join("copy"));
    for (path, text) in
        [("a.txt", "a"), ("b.tmp", "b"), ("big", "0123456789"), ("d/c.log", "c"), (".ferryignore", "*.log\n")]
    {
        fs::create_dir_all(source.join(path).parent().unwrap()).unwrap();
        fs::write(source.join(path), text).unwrap();
    }
    fs::create_dir_all(target.join("d")).unwrap();
    for path in ["old.tmp", "d/old.log", "old"] {
        fs::write(target.join(path), "1").unwrap();
    }
    let patterns = client.scratch("lists").join("patterns");
    fs::write(&patterns, "# a comment\n*.tmp\n").unwrap();
    let more = ["--delete", "--exclude-from", patterns.to_str().unwrap(), "--max-size", "8"];
    sync(&client, &source, client.at("copy"), &more).ok();
    let there = |path: &str| target.join(path).exists();
    assert!(there("a.txt") && there(".ferryignore") && there("old.tmp") && there("d/old.log"));
    assert!(!there("b.tmp") && !there("big") && !there("d/c.log") && !there("old"));
    fs::write(&patterns, "big\n").unwrap();
    sync(&client, &source, client.at("copy"), &["--files-from", patterns.to_str().unwrap()]).ok();
    assert!(there("big") && !there("b.tmp"));
    material::set_mtime(&source.join("a.txt"), 1_000_000_000, 0);
    sync(&client, &source, client.at("copy"), &["--newer-than", "1d", "-n"]).ok().says("nothing was changed");
    fs::write(&patterns, "[z-a]").unwrap();
    sync(&client, &source, client.at("copy"), &["--exclude-from", patterns.to_str().unwrap()]).code(2);
}

#[test]
fn contents_are_compared_on_request_and_replaced_files_are_kept() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (source, target) = (client.scratch("source"), server.home("anna").join("copy"));
    fs::create_dir(&target).unwrap();
    fs::write(source.join("x"), "abc").unwrap();
    fs::write(target.join("x"), "xyz").unwrap();
    fs::write(target.join("gone"), "gone").unwrap();
    for top in [&source, &target] {
        material::set_mtime(&top.join("x"), 1_700_000_000, 0);
    }
    sync(&client, &source, client.at("copy"), &[]).ok().says("nothing to do");
    sync(&client, &source, client.at("copy"), &["--backup-dir", "/somewhere"]).code(2).says("site of TO");
    let (inside, kept) = (client.at("copy/kept"), client.at("kept"));
    sync(&client, &source, client.at("copy"), &["--backup-dir", inside.to_str().unwrap()]).code(2).says("inside");
    let more = ["--checksum", "--delete", "--backup-dir", kept.to_str().unwrap()];
    sync(&client, &source, client.at("copy"), &more).ok();
    compare::same_tree(&source, &target);
    let kept = server.home("anna").join("kept");
    assert_eq!(fs::read_to_string(kept.join("x")).unwrap(), "xyz");
    assert_eq!(fs::read_to_string(kept.join("gone")).unwrap(), "gone");
}

#[test]
fn a_sync_that_cannot_be_meant_is_refused() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let source = client.scratch("source");
    fs::create_dir(source.join("d")).unwrap();
    fs::write(source.join("x"), "x").unwrap();
    sync(&client, &source, source.join("d"), &["--delete"]).code(2).says("is inside");
    sync(&client, source.join("d"), &source, &["--delete"]).code(2).says("is inside");
    sync(&client, source.join("missing"), client.at("copy"), &["--delete"]).code(3);
    sync(&client, client.at("missing"), source.join("d"), &["--delete"]).code(3);
    sync(&client, source.join("x"), client.at("copy"), &[]).code(3);
    assert!(source.join("x").exists() && source.join("d").exists());
}

#[test]
fn only_one_of_two_locked_syncs_works_at_a_time() {
    let server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let source = source(&client);
    proxy.after(Direction::Up, 1 << 20, Then::Hold);
    let first = client.start(&[&"sync", &source, &client.at("copy"), &"--lock"]);
    proxy.wait_tripped(Direction::Up);
    client.run(&[&"sync", &source, &client.at("copy"), &"--lock"]).code(5).says("another run");
    proxy.release();
    first.wait().ok();
    client.run(&[&"sync", &source, &client.at("copy"), &"--lock"]).ok().says("nothing to do");
}

#[test]
fn a_sync_killed_at_any_step_and_given_again_ends_in_the_same_state() {
    const STEPS: u64 = 10;
    for direction in [Direction::Up, Direction::Down] {
        let server = Server::with_anna();
        let proxy = Proxy::new(server.address());
        let client = server.client("anna").at_address(proxy.address());
        let source = source(&client);
        let run = |target: &str| -> [Box<dyn AsRef<OsStr>>; 6] {
            let to = client.at(target);
            [
                Box::new("sync"),
                Box::new(source.clone()),
                Box::new(to),
                Box::new("--delete"),
                Box::new("--max-delete"),
                Box::new("99"),
            ]
        };
        let words = |target: &str| run(target);
        old(&server.home("anna").join("whole"));
        proxy.reset_counters();
        let whole = words("whole");
        client.run(&whole.iter().map(|word| &**word).collect::<Vec<_>>()).ok();
        let all = proxy.counted(direction);
        for step in 0..STEPS {
            let name = format!("copy{step}");
            let target = server.home("anna").join(&name);
            old(&target);
            proxy.after(direction, all * step / STEPS + 1, Then::Hold);
            let words = words(&name);
            let words: Vec<&dyn AsRef<OsStr>> = words.iter().map(|word| &**word).collect();
            let running = client.start(&words);
            proxy.wait_tripped(direction);
            let _ = running.kill();
            proxy.cut();
            proxy.release();
            client.run(&words).ok();
            compare::same_tree(&source, &target);
        }
    }
}

#[test]
fn a_server_killed_during_a_sync_loses_nothing_and_the_sync_goes_on() {
    let mut server = Server::with_anna();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let source = source(&client);
    let target = server.home("anna").join("copy");
    old(&target);
    proxy.after(Direction::Up, 2 << 20, Then::Hold);
    let running = client.start(&[&"sync", &source, &client.at("copy"), &"--delete", &"--max-delete", &"99"]);
    proxy.wait_tripped(Direction::Up);
    server.kill();
    assert!(target.join("old/deep/y").exists(), "something was removed before everything was copied");
    server.start_again();
    proxy.release();
    let first = running.wait();
    if !first.status.success() {
        client.run(&[&"sync", &source, &client.at("copy"), &"--delete", &"--max-delete", &"99"]).ok();
    }
    compare::same_tree(&source, &target);
}
