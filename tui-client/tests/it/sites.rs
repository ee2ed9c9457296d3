//! Saved servers, from the command line.

use std::fs;

use super::program::{Ferry, stderr, stdout};

const KEY: &str = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[test]
fn a_site_is_added_listed_used_and_removed() {
    let ferry = Ferry::new();
    assert_eq!(stdout(&ferry.run("site list").success()), "");
    ferry.run(&format!("site add work al@[::1]:9000:docs/x --server-key {KEY}")).success();
    ferry.run("site add b ferry://bo@Host.example").success();
    let list = stdout(&ferry.run("site list").success());
    assert_eq!(list, "b     bo@host.example:7021:\nwork  al@[::1]:9000:docs/x\n");
    let json = stdout(&ferry.run("site list --json").success());
    assert!(json.contains(&format!(
        r#"{{"name":"work","address":"[::1]:9000","user":"al","path":"docs/x","server_key":"{KEY}"}}"#
    )));

    // It is found: what is missing now is the password.
    ferry.run("ls work:").code(7);
    ferry.run("site remove work").success();
    ferry.run("ls work:").code(2);
    ferry.run("site remove work").code(2);
}

#[test]
fn a_name_is_taken_once_and_must_be_one() {
    let ferry = Ferry::new();
    ferry.run("site add work al@host").success();
    assert!(stderr(&ferry.run("site add work al@host").code(2)).contains("already"));
    ferry.run("site add -- -x al@host").code(2);
    ferry.run("site add a/b al@host").code(2);
    ferry.run("site add other work").code(2);
    ferry.run("site add other al@host:..").code(2);
}

#[test]
fn no_password_can_be_saved() {
    let ferry = Ferry::new();
    ferry.run("site add work ferry://al:secret@host").code(2);
    fs::write(ferry.path().join("sites.toml"), "[sites.w]\naddress = \"h\"\nuser = \"u\"\npassword = \"p\"\n").unwrap();
    let assert = ferry.run("ls w:").code(1);
    assert!(stderr(&assert).contains("password"), "{}", stderr(&assert));
}

#[test]
fn a_dry_run_saves_nothing() {
    let ferry = Ferry::new();
    ferry.run("site add work al@host --dry-run").success();
    assert!(!ferry.path().join("sites.toml").exists());
}

#[test]
fn a_broken_file_does_not_keep_full_addresses_from_working() {
    let ferry = Ferry::new();
    fs::write(ferry.path().join("sites.toml"), "[[[").unwrap();
    ferry.run("ls w:").code(1);
    ferry.run("ls al@127.0.0.1:1:").code(7);
}
