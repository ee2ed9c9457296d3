//! Requirements that some tests have of the machine; a test prints a message if one is missing.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::binaries;

/// Prints why a test does not run here.
///
/// # Panics
/// If everything has to run: with `FERRY_REQUIRE_ALL=1`.
pub fn skipped(why: &str) {
    assert!(env::var_os("FERRY_REQUIRE_ALL").is_none_or(|all| all != "1"), "cannot run: {why}");
    eprintln!("skipped: {why}");
}

/// Whether this is root, which is needed to switch users and create devices.
pub fn root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skipped("needs root");
    }
    root
}

/// Whether a program in a mount namespace may mount a filesystem.
pub fn mounts() -> bool {
    let works = runs(Command::new("unshare").args(["-rm", "sh", "-c", "mount -t tmpfs none /tmp"]));
    if !works {
        skipped("this system lets nobody mount a small disk");
    }
    works
}

/// Whether this program is installed, which is in this Debian package.
pub fn program(name: &str, package: &str) -> bool {
    let there = runs(Command::new("sh").args(["-c", "command -v \"$0\"", name]));
    if !there {
        skipped(&format!("{name} is missing (Debian package {package})"));
    }
    there
}

/// The Python of the system, which has the modules of its packages.
pub const PYTHON: &str = "/usr/bin/python3";

/// Whether this module is installed for [`PYTHON`], which is in this Debian package.
pub fn python_module(name: &str, package: &str) -> bool {
    let there = runs(Command::new(PYTHON).args(["-c", &format!("import {name}")]));
    if !there {
        skipped(&format!("the Python module {name} is missing (Debian package {package})"));
    }
    there
}

/// Whether folders can be mounted with FUSE. Many containers do not permit it, so this is never a failure.
pub fn fuse() -> bool {
    let works = fs::File::options().read(true).write(true).open("/dev/fuse").is_ok();
    if !works {
        eprintln!("skipped: this system has no FUSE");
    }
    works
}

/// The words before a command that make it run without rights; `None` if root cannot switch users.
#[must_use]
pub fn as_nobody(id: u32) -> Option<Vec<String>> {
    let words = ["setpriv".into(), format!("--reuid={id}"), format!("--regid={id}"), "--clear-groups".into()];
    let may = runs(Command::new(&words[0]).args(&words[1..]).arg("true"));
    if !may {
        skipped("setpriv (Debian package util-linux) cannot become another user");
    }
    may.then(|| words.into())
}

/// A copy of the server's program in `folder` that everybody can run: not everybody may see the folder in which it
/// was built.
///
/// # Panics
/// If it cannot be copied.
#[must_use]
pub fn ferryd_for_all(folder: &Path) -> PathBuf {
    let copy = folder.join("ferryd");
    if !copy.exists() {
        // Copy by another process: a program that is open for writing cannot be run, and a descriptor of this
        // process is also open in children that other tests are starting.
        assert!(runs(Command::new("cp").arg(binaries::ferryd()).arg(&copy)), "the server's program can be copied");
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("a folder of this test");
    }
    copy
}

fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
