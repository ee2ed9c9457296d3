//! Passwords: never asked for without a terminal, never taken from the command line.

use super::program::{Ferry, stderr};

#[test]
fn without_a_terminal_nothing_is_asked() {
    let ferry = Ferry::new();
    for line in ["ls al@127.0.0.1:1:", "get al@127.0.0.1:1:x ./", "put . al@127.0.0.1:1:", "passwd al@127.0.0.1:1"] {
        let assert = ferry.run(line).code(7);
        assert!(stderr(&assert).contains("--password-file"), "{line}");
    }
}

#[test]
fn there_is_no_flag_for_the_password_itself() {
    Ferry::new().run("ls al@host: --password secret").code(2);
}

#[test]
fn two_sources_of_the_password_are_refused() {
    Ferry::new().run("ls al@host: --password-stdin --password-file f").code(2);
}

#[test]
fn a_missing_or_empty_password_file_is_told_before_anything_is_sent() {
    let ferry = Ferry::new();
    let assert = ferry.run("ls al@127.0.0.1:1: --password-file nowhere").code(4);
    assert!(stderr(&assert).contains("nowhere"));
    std::fs::write(ferry.path().join("empty"), "\n").unwrap();
    ferry.run("ls al@127.0.0.1:1: --password-file empty").code(7);
    ferry.command("ls al@127.0.0.1:1: --password-stdin").write_stdin("").assert().code(7);
}
