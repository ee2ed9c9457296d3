//! Finds the programs under test, and builds them first so that they are always up to date.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The server.
#[must_use]
pub fn ferryd() -> PathBuf {
    folder().join("ferryd")
}

/// The program that `ferryd top` becomes.
#[must_use]
pub fn ferryd_top() -> PathBuf {
    folder().join("ferryd-top")
}

/// The client.
#[must_use]
pub fn ferry() -> PathBuf {
    folder().join("ferry")
}

/// The demo.
#[must_use]
pub fn demo() -> PathBuf {
    folder().join("ferry-demo")
}

/// The repository's root.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("e2e lies in the repository")
}

/// The folder of the programs: `FERRY_E2E_BIN` unchanged, else the test's own target folder after a build.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        if let Some(given) = env::var_os("FERRY_E2E_BIN") {
            return PathBuf::from(given);
        }
        let test = env::current_exe().expect("the test knows where it is");
        let folder = test.ancestors().nth(2).expect("tests lie in target/PROFILE/deps").to_owned();
        build(&folder);
        folder
    })
}

/// Builds the programs with the same profile as the tests.
fn build(folder: &Path) {
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "test",
        Some(other) => other,
    };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "-p",
            "ferry-server",
            "-p",
            "ferry-server-top",
            "-p",
            "ferry-tui-client",
            "-p",
            "ferry-demo",
            "--bins",
            "--profile",
            profile,
        ])
        .arg("--target-dir")
        .arg(folder.parent().expect("the profile's folder lies in the target folder"))
        .current_dir(repository())
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the programs under test do not build");
}
