//! Help, completions and manual pages, all made from one definition.

use std::fs;

use super::program::{Ferry, stdout};

const VERBS: [&str; 25] = [
    "batch",
    "get",
    "put",
    "ls",
    "tree",
    "stat",
    "cat",
    "du",
    "find",
    "mkdir",
    "touch",
    "mv",
    "cp",
    "sync",
    "watch",
    "rm",
    "hash",
    "check",
    "run",
    "uploads",
    "quota",
    "passwd",
    "site",
    "completion",
    "man",
];

#[test]
fn every_verb_has_help() {
    let ferry = Ferry::new();
    let help = stdout(&ferry.run("--help").success());
    for verb in VERBS {
        let line = help.lines().find_map(|line| line.strip_prefix(&format!("  {verb} ")));
        let about = line.unwrap_or_else(|| panic!("{verb}")).trim();
        let help = stdout(&ferry.run(&format!("{verb} --help")).success());
        assert!(help.contains("Usage: ferry ") && help.starts_with(about), "{verb}: {help}");
        let connects = !["site", "completion", "man"].contains(&verb);
        assert_eq!(help.contains("--password-file"), connects, "{verb}");
        assert_eq!(help.contains("--bwlimit"), ["get", "put", "cp", "mv", "sync", "watch"].contains(&verb), "{verb}");
    }
}

#[test]
fn help_lists_every_exit_code() {
    let help = stdout(&Ferry::new().run("--help").success());
    let codes = help.split("Exit codes:").nth(1).unwrap();
    for code in ["0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "7 ", "8 ", "11 ", "12 ", "130 ", "141 ", "143"] {
        assert!(codes.contains(&format!(" {code}")) || codes.contains(&format!("\n{code}")), "{code}");
    }
}

#[test]
fn completion_scripts_ask_ferry_itself() {
    let ferry = Ferry::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&ferry.run(&format!("completion {shell}")).success());
        assert!(script.contains("FERRY_COMPLETE=") && script.contains("ferry -- "), "{shell}: {script}");
    }
    ferry.run("completion cobol").code(2);
}

#[test]
fn manual_pages_are_written_for_every_verb() {
    let ferry = Ferry::new();
    ferry.run("man pages/man1").success();
    let pages = ferry.path().join("pages/man1");
    assert!(fs::read_to_string(pages.join("ferry.1")).unwrap().contains("ferry"));
    for verb in VERBS {
        assert!(pages.join(format!("ferry-{verb}.1")).exists(), "{verb}");
    }
}
