//! `ferry sync` with SSH servers: what it removes, and what it leaves alone.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use ferry_e2e::{compare, material};

use super::{Far, same, sync::Ends};

/// Makes files with their own paths as content.
fn write(top: &Path, paths: &[&str]) {
    for path in paths {
        let file = top.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, path).unwrap();
    }
}

impl Far {
    /// Logs in as somebody who may not read everything: root lets another user do that.
    fn without_rights(&self, ends: Ends) -> Ends {
        if !rustix::process::geteuid().is_root() {
            return ends;
        }
        for file in [self.client.password_file(), self.sshd.key().to_owned()] {
            material::set_mode(file.parent().unwrap(), 0o755);
        }
        let owned = Command::new("chown").arg("-R").arg("nobody").arg(&self.folder).status().unwrap();
        assert!(owned.success());
        ends.with("sftp://root@", "sftp://nobody@")
    }
}

#[test]
fn an_unreadable_folder_of_an_ssh_server_keeps_its_counterpart_and_ends_with_6() {
    let Some(far) = Far::new() else { return };
    let here = far.client.scratch("here");
    // As the source: its counterpart and everything below stays.
    let tree = far.folder.join("tree");
    for top in [&tree, &here] {
        write(top, &["locked/in/x", "open/y", "k"]);
    }
    write(&here, &["locked/more", "open/old"]);
    material::set_mode(&tree.join("locked"), 0o000);
    let ends = far.without_rights(far.down("tree", &here));
    let outcome = far.sync(&ends, &["--delete", "--max-delete", "9"]);
    material::set_mode(&tree.join("locked"), 0o755);
    outcome.code(6).says("nothing is removed there");
    assert!(here.join("locked/in/x").exists() && here.join("locked/more").exists());
    assert!(!here.join("open/old").exists());
    // As the target: it is not entered and stays, also where the source has nothing of the kind.
    let target = far.folder.join("target");
    write(&target, &["locked/in/x", "above/locked/in/x", "above/y", "old"]);
    let locked = [target.join("locked"), target.join("above/locked")];
    locked.iter().for_each(|folder| material::set_mode(folder, 0o000));
    let ends = far.without_rights(far.up(&far.client.scratch("other"), "target"));
    write(&far.client.scratch("other"), &["k"]);
    let outcome = far.sync(&ends, &["--delete", "--max-delete", "9"]);
    locked.iter().for_each(|folder| material::set_mode(folder, 0o755));
    outcome.code(6).says("nothing is removed there");
    assert!(target.join("locked/in/x").exists() && target.join("above/locked/in/x").exists());
    assert!(target.join("k").exists() && !target.join("above/y").exists() && !target.join("old").exists());
}

#[test]
fn links_at_an_ssh_server_are_removed_by_a_sync_and_never_followed() {
    let Some(far) = Far::new() else { return };
    let (source, outside, target) = (far.client.scratch("source"), far.folder.join("outside"), far.folder.join("copy"));
    write(&source, &["d/x", "k", "f"]);
    write(&outside, &["precious"]);
    fs::create_dir(&target).unwrap();
    symlink(&outside, target.join("d")).unwrap();
    symlink(outside.join("precious"), target.join("f")).unwrap();
    symlink(&outside, target.join("old")).unwrap();
    far.sync(&far.up(&source, "copy"), &["--delete", "--max-delete", "9"]).ok();
    same(&source, &target);
    assert!(!target.join("d").is_symlink() && !target.join("f").is_symlink());
    assert_eq!(fs::read_to_string(outside.join("precious")).unwrap(), "precious");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn a_path_that_an_ssh_server_cannot_hold_lets_a_sync_remove_nothing_there() {
    let Some(far) = Far::new() else { return };
    let (source, long) = (far.client.scratch("source"), "n".repeat(200));
    let deep = vec![long.as_str(); 18].join("/");
    write(&source, &["k", &format!("{deep}/x")]);
    // The same path is longer here than a path can be.
    let copy = format!("{long}/{long}/{long}/copy");
    let target = far.folder.join(&copy);
    write(&target, &["old", &format!("{long}/old")]);
    far.sync(&far.up(&source, &copy), &["--delete", "--max-delete", "9"]).code(6).says("nothing was removed");
    assert!(target.join("k").exists() && target.join("old").exists() && target.join(&long).join("old").exists());
}

#[test]
fn surprisingly_many_deletions_at_an_ssh_server_and_an_empty_source_fail_without_a_terminal() {
    let Some(far) = Far::new() else { return };
    let (source, target) = (far.client.scratch("source"), far.folder.join("copy"));
    material::many_files(&target, 10, 10, 1);
    let before = compare::count_below(&target);
    let ends = far.up(&source, "copy");
    far.sync(&ends, &["--delete", "--max-delete", "1000"]).code(1).says("there is no file at the source");
    write(&source, &["x"]);
    far.sync(&ends, &["--delete"]).code(1).says("--max-delete 1");
    assert_eq!(compare::count_below(&target), before, "something was changed");
    far.sync(&ends, &["--delete", "--max-delete", "1000"]).ok();
    same(&source, &target);
}

#[test]
fn files_that_a_sync_takes_away_at_an_ssh_server_are_kept_on_request() {
    let Some(far) = Far::new() else { return };
    let (source, target) = (far.client.scratch("source"), far.folder.join("copy"));
    write(&source, &["d/x", "same"]);
    write(&target, &["d/gone", "same"]);
    fs::write(target.join("d/x"), "replaced").unwrap();
    for top in [&source, &target] {
        material::set_mtime(&top.join("same"), 1_700_000_000, 0);
    }
    let ends = far.up(&source, "copy");
    far.sync(&ends, &["--delete", "--backup-dir", &far.url("copy/kept")]).code(2).says("inside");
    far.sync(&ends, &["--delete", "--backup-dir", "/somewhere"]).code(2).says("site of TO");
    far.sync(&ends, &["--checksum"]).code(1).says("digests");
    far.sync(&ends, &["--delete", "--backup-dir", &far.url("kept")]).ok();
    same(&source, &target);
    let kept = |path: &str| fs::read_to_string(far.folder.join("kept").join(path)).unwrap();
    assert_eq!((kept("d/x").as_str(), kept("d/gone").as_str()), ("replaced", "d/gone"));
    assert!(!far.folder.join("kept/same").exists());
}

/// A sync to an SSH server with one filter: copies the files that it takes, and removes none that it leaves out.
fn only_these(filter: &[&str], taken: &[&str], left: &[&str]) {
    let Some(far) = Far::new() else { return };
    let (source, target) = (far.client.scratch("source"), far.folder.join("copy"));
    for (path, size, date) in [("small", 1, 3), ("middle", 2000, 2), ("d/large", 5000, 1)] {
        for file in [source.join(path), target.join(format!("{path}-gone"))] {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            material::random_file(&file, size, 1);
            material::set_mtime(&file, date * 1_000_000_000 / 2, 0);
        }
    }
    let more = [filter, &["--delete", "--max-delete", "9"]].concat();
    far.sync(&far.up(&source, "copy"), &more).ok();
    for (paths, is_taken) in [(taken, true), (left, false)] {
        for path in paths {
            assert_eq!(target.join(path).exists(), is_taken, "{filter:?} and {path}");
            assert_eq!(target.join(format!("{path}-gone")).exists(), !is_taken, "{filter:?} and {path}-gone");
        }
    }
    far.sync(&far.up(&source, "copy"), &more).ok().says("nothing to do");
}

#[test]
fn a_sync_with_a_min_size_leaves_smaller_files_alone() {
    only_these(&["--min-size", "2000"], &["middle", "d/large"], &["small"]);
}

#[test]
fn a_sync_with_a_max_size_leaves_larger_files_alone() {
    only_these(&["--max-size", "2000"], &["small", "middle"], &["d/large"]);
}

#[test]
fn a_sync_of_newer_files_leaves_older_ones_alone() {
    only_these(&["--newer-than", "1990-01-01"], &["small", "middle"], &["d/large"]);
}
