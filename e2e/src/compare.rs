//! Compares files and trees with independent programs.

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::needs;

fn run(program: &str, arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let mut command = Command::new(program);
    arguments.iter().for_each(|argument| {
        command.arg(argument.as_ref());
    });
    command.output().unwrap_or_else(|error| panic!("{program} does not run: {error}"))
}

/// Fails unless `cmp` finds both files equal.
///
/// # Panics
/// If they differ.
pub fn same_file(left: &Path, right: &Path) {
    let output = run("cmp", &[&left, &right]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

/// Whether `cmp` finds both files equal.
#[must_use]
pub fn equal(left: &Path, right: &Path) -> bool {
    run("cmp", &[&"-s", &left, &right]).status.success()
}

/// Fails unless both trees have the same names, contents, dates and file permissions.
///
/// # Panics
/// If they differ, with the differences.
pub fn same_tree(left: &Path, right: &Path) {
    same(left, right, "%P %y %T@\\0");
}

/// Like [`same_tree`], but folders may have different dates.
///
/// # Panics
/// If they differ, with the differences.
pub fn same_but_for_dates_of_folders(left: &Path, right: &Path) {
    same(left, right, "%P %y\\0");
}

fn same(left: &Path, right: &Path, folders: &str) {
    let output = run("diff", &[&"-r", &"--no-dereference", &left, &right]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let (ours, theirs) = (attributes(left, folders), attributes(right, folders));
    let differing: Vec<_> = ours.iter().zip(&theirs).filter(|(a, b)| a != b).take(5).collect();
    assert!(differing.is_empty() && ours.len() == theirs.len(), "attributes differ: {differing:?}");
}

/// Path, type, permissions, size and date of each file below `root`, and for all else the fields that `folders`
/// selects.
fn attributes(root: &Path, folders: &str) -> Vec<String> {
    let output = run(
        "find",
        &[
            &root,
            &"(",
            &"-type",
            &"f",
            &"-printf",
            &"%P %y %m %s %T@\\0",
            &")",
            &"-o",
            &"-mindepth",
            &"1",
            &"-printf",
            &folders,
        ],
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let mut lines: Vec<String> = output.stdout.split(|byte| *byte == 0).map(text).collect();
    lines.sort_unstable();
    lines
}

/// The sum of the sizes of the regular files below `root`, as `du --apparent-size` counts them.
///
/// Files that disappear meanwhile are not counted.
#[must_use]
pub fn bytes_below(root: &Path) -> u64 {
    let output = run("find", &[&root, &"-type", &"f", &"-printf", &"%s\\n"]);
    text(&output.stdout).lines().map(|line| line.parse::<u64>().expect("find prints sizes")).sum()
}

/// The number of entries below `root`.
#[must_use]
pub fn count_below(root: &Path) -> u64 {
    let output = run("find", &[&root, &"-mindepth", &"1", &"-printf", &"x"]);
    output.stdout.len() as u64
}

/// The output of `b3sum` for a file; `None` if it is not installed.
#[must_use]
pub fn b3sum(path: &Path) -> Option<String> {
    needs::program("b3sum", "b3sum").then(|| text(&run("b3sum", &[&"--no-names", &path]).stdout).trim().to_owned())
}

/// The output of `sha256sum` for a file.
#[must_use]
pub fn sha256sum(path: &Path) -> String {
    let output = Command::new("sha256sum").arg("-b").arg(path).output().expect("sha256sum runs");
    text(&output.stdout)
        .split_whitespace()
        .next()
        .expect("sha256sum prints a digest")
        .trim_start_matches('\\')
        .to_owned()
}

fn text(bytes: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(bytes.as_ref()).into_owned()
}
