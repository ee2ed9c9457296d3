//! Needs that some tests have of the machine they run on; each test says so where one is missing.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::binaries;

/// Says why a test does not run here.
///
/// # Panics
/// Where everything has to run: with `FERRY_REQUIRE_ALL=1`.
pub fn skipped(why: &str) {
    assert!(env::var_os("FERRY_REQUIRE_ALL").is_none_or(|all| all != "1"), "cannot run: {why}");
    eprintln!("skipped: {why}");
}

/// Whether this is root, who alone can become others and make devices.
pub fn root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skipped("needs root");
    }
    root
}

/// Whether a program in a mount namespace of its own may mount a disk.
pub fn mounts() -> bool {
    let works = runs(Command::new("unshare").args(["-rm", "sh", "-c", "mount -t tmpfs none /tmp"]));
    if !works {
        skipped("this system lets nobody mount a small disk");
    }
    works
}

/// Whether this program is installed, in which Debian package it is.
pub fn program(name: &str, package: &str) -> bool {
    let there = runs(Command::new("sh").args(["-c", "command -v \"$0\"", name]));
    if !there {
        skipped(&format!("{name} is missing (Debian package {package})"));
    }
    there
}

/// The words before a program that make it run as somebody without rights; `None` where root cannot become others.
#[must_use]
pub fn as_nobody(id: u32) -> Option<Vec<String>> {
    let words = ["setpriv".into(), format!("--reuid={id}"), format!("--regid={id}"), "--clear-groups".into()];
    let may = runs(Command::new(&words[0]).args(&words[1..]).arg("true"));
    if !may {
        skipped("setpriv (Debian package util-linux) cannot become another user");
    }
    may.then(|| words.into())
}

/// A copy of the server's program in `folder`, where others may run it: not everybody may see where it was built.
///
/// # Panics
/// When it cannot be copied.
#[must_use]
pub fn ferryd_for_all(folder: &Path) -> PathBuf {
    let copy = folder.join("ferryd");
    if !copy.exists() {
        // By another process: a program that somebody has open for writing cannot be run, and what this process has
        // open is also open in those that other tests are starting.
        assert!(runs(Command::new("cp").arg(binaries::ferryd()).arg(&copy)), "the server's program can be copied");
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("a folder of this test");
    }
    copy
}

fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
