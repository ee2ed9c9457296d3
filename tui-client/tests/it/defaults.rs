//! Defaults of flags from the environment and from `config.toml`.

use std::fs;

use super::program::{Ferry, stderr, stdout};

#[test]
fn the_environment_and_the_file_set_defaults_of_verbs_and_the_help_says_so() {
    let ferry = Ferry::new();
    fs::write(ferry.path().join("config.toml"), "[verbs]\ntransfers = 7\nquiet = true\n").unwrap();
    // -q is in force: the word of success is missing.
    assert_eq!(stderr(&ferry.run("site add work al@host").success()), "");
    let said = stderr(&ferry.command("site add home al@host").env("FERRY_QUIET", "false").assert().success());
    assert!(said.contains("saved"), "{said}");
    let help = stdout(&ferry.run("put --help").success());
    assert!(help.contains("config.toml, line 2: 7]"), "{help}");
}

#[test]
fn a_default_that_deletes_replaces_or_trusts_is_an_error_of_every_verb() {
    let ferry = Ferry::new();
    for (name, value) in [
        ("FERRY_DELETE", "1"),
        ("FERRY_MAX_DELETE", "0"),
        ("FERRY_REPLACE", "1"),
        ("FERRY_ACCEPT_NEW", "1"),
        ("FERRY_YES", "1"),
        ("FERRY_PASSWORD", "secret"),
        ("FERRY_PASSWORD_FILE", "secret"),
        ("FERRY_ON_CONFLICT", "replace"),
    ] {
        for line in ["site list", "sync --json x al@host:"] {
            let assert = ferry.command(line).env(name, value).assert().code(2);
            let said = stderr(&assert);
            assert!(said.contains(name) && said.contains("only on the command line"), "{said}");
            assert!(!said.contains("secret\n") && !said.contains("'secret'"), "{said}");
            assert_eq!(stdout(&assert).contains(r#"{"error":{"code":"usage""#), line.contains("--json"), "{name}");
        }
        // The help stays available.
        ferry.command("sync --help").env(name, value).assert().success();
    }
    fs::write(ferry.path().join("config.toml"), "\n[verbs]\ndelete = true\n").unwrap();
    let said = stderr(&ferry.run("site list").code(2));
    assert!(said.contains("config.toml, line 3: --delete can delete files"), "{said}");
}

#[test]
fn a_colon_alone_is_the_default_site() {
    let ferry = Ferry::new();
    let said = stderr(&ferry.run("ls :docs").code(2));
    assert!(said.contains("FERRY_SITE") && said.contains("./:docs"), "{said}");
    let site = |value: &str, line: &str| ferry.command(line).env("FERRY_SITE", value).assert().code(2);
    assert!(stderr(&site("work", "ls :docs")).contains("there is no site named work"));
    // An address that names its site is never at the default one.
    assert!(stderr(&site("work", "ls other:docs")).contains("there is no site named other"));
    assert!(stderr(&site("al:pw@host:", "ls :docs")).contains("a password cannot be part"));
}
