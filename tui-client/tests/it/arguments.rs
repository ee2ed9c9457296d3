//! Mistakes on the command line, and their messages.

use super::program::{Ferry, stderr, stdout};

#[test]
fn no_verb_says_what_to_type_and_is_a_usage_error() {
    let assert = Ferry::new().run("").code(2);
    assert!(stderr(&assert).contains("ferry ls"));
    assert_eq!(stdout(&assert), "");
}

#[test]
fn mistakes_are_usage_errors() {
    let ferry = Ferry::new();
    for line in [
        "dance",
        "ls",
        "ls al@host: more",
        "ls --no-such-flag al@host:",
        "ls not-remote/x",
        "ls al@host:0:x",
        "ls ferry://al:pw@host/",
        "ls al@host:..",
        "get al@host:x",
        "get local ./",
        "get al@host:x al@host:y",
        "get al@one:x al@two:y ./",
        "get al@host:a/x al@host:b/x ./",
        "get al@host:x al@host:y -",
        "get --json al@host:x -",
        "get --on-conflict ask al@host:x ./",
        "get --exclude a[ al@host:x ./",
        "put al@host:x al@host:y",
        "put x local",
        "put - al@host:folder/",
        "put - x al@host:y",
        "put - al@host:y --password-stdin",
        "mv al@host:x",
        "mv al@one:x al@two:y al@three:z",
        "cp x al@two:y al@three:z",
        "cp --password-file p al@one:x al@two:y",
        "mv .. al@two:y",
        "mv --on-conflict ask al@host:x al@host:y",
        "cp --on-conflict ask al@host:x al@host:y",
        "rm -r al@host:x/..",
        "rm -r al@host:x/.",
        "rm -r al@host:x/../",
        "rm -r al@host:x/./",
        "rm -r al@host:",
        "rm -r al@host:/",
        "rm -r al@host:good al@host:x/..",
        "rm -r al@host:*/..",
        "rm -r ferry://al@host/x/..",
        "mv al@host:x/.. al@host:y/",
        "mv al@host:good al@host:x/. al@host:y/",
        "get --include *.x al@host:x -",
        "put --include *.x - al@host:y",
        "check al@host:x al@host:x",
        "ls nosuchsite:",
        "ls al:pw@host:7021:",
        "site add w al@host:99999",
        "quota al@host:99999",
    ] {
        let assert = ferry.run(line).code(2);
        assert!(!stderr(&assert).is_empty(), "{line}");
        let told = stdout(&assert);
        match line.contains("--json") {
            true => assert!(told.starts_with(r#"{"error":{"code":"usage""#), "{line}: {told}"),
            false => assert_eq!(told, "", "{line}"),
        }
    }
}

#[test]
fn the_message_says_what_to_do_instead() {
    let ferry = Ferry::new();
    assert!(stderr(&ferry.run("ls plain/path")).contains("SITE:path"));
    assert!(stderr(&ferry.run("put a:b al@host:")).contains("./a:b"));
    assert!(stderr(&ferry.run("ls work:")).contains("ferry site list"));
    for line in ["lss al@host:", "lss -l al@host:"] {
        let text = stderr(&ferry.run(line).code(2));
        assert!(text.contains("'lss'") && text.contains("'ls'"), "{line}: {text}");
    }
    assert!(stderr(&ferry.run("get al@host:a al@host:b new").code(3)).contains("new/"));
    let secret = ferry.run("ls al:pw@host:7021:x");
    assert!(stderr(&secret).contains("--password-file") && !stderr(&secret).contains("pw@"));
    assert!(stderr(&ferry.run("site add w al@host:99999")).contains("from 1 to 65535"));
}

#[test]
fn an_empty_pattern_is_a_usage_error() {
    let ferry = Ferry::new();
    for verb in ["put x", "get", "cp al@host:x", "mv al@host:x", "rm", "ls", "find", "tree", "du", "check x"] {
        for flag in ["--exclude", "--include"] {
            let target = if verb == "get" { vec!["al@host:x", "y"] } else { vec!["al@host:x"] };
            let assert = ferry.command(verb).args(target).args([flag, ""]).assert().code(2);
            assert!(stderr(&assert).contains("empty"), "{verb} {flag}: {}", stderr(&assert));
        }
    }
}

#[test]
fn the_folder_a_site_begins_at_is_not_removed_by_the_sites_name() {
    let ferry = Ferry::new();
    ferry.run("site add work al@host:docs").success();
    for line in ["rm -r work:", "rm -r work:.", "rm -r work:a/../..", "mv work: work:/elsewhere"] {
        let assert = ferry.run(line).code(2);
        assert!(stderr(&assert).contains("write the name of the file or folder"), "{line}: {}", stderr(&assert));
    }
}

#[cfg(unix)]
#[test]
fn an_address_that_is_no_text_does_not_upset_it() {
    use std::os::unix::ffi::OsStrExt as _;
    let ferry = Ferry::new();
    let argument = std::ffi::OsStr::from_bytes(b"\xff/\xfe");
    ferry.command("ls").arg(argument).assert().code(2);
}

#[test]
fn nobody_listening_is_a_network_error() {
    let ferry = Ferry::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let line = format!("ls al@127.0.0.1:{port}: --accept-new --password-stdin");
    let assert = ferry.command(&line).write_stdin("pw\n").assert().code(5);
    assert!(stderr(&assert).contains("ferryd"), "{}", stderr(&assert));
}

#[test]
fn a_port_taken_for_a_path_is_told() {
    let ferry = Ferry::new();
    // Nobody listens on the usual port of this address.
    let line = "ls al@127.1.2.3:7390 --accept-new --password-stdin --retries=0";
    let assert = ferry.command(line).write_stdin("pw\n").assert().code(5);
    assert!(stderr(&assert).contains("al@127.1.2.3:7390:"), "{}", stderr(&assert));
}
