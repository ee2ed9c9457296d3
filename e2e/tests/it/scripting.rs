//! The interfaces for scripts and shells: an object for every result and failure, completions, and names and
//! passwords with several spellings.

use std::{fs, process::Command};

use ferry_e2e::{PASSWORD, binaries, client::Client, server::Server};
use serde_json::Value;

fn field<'a>(objects: &'a [Value], name: &str) -> &'a Value {
    objects.last().map_or(&Value::Null, |object| &object[name])
}

#[test]
fn every_verb_of_ferry_tells_what_became_of_its_paths_as_objects() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let file = client.scratch("here").join("f");
    fs::write(&file, "text").unwrap();
    client.put(&file, "/f").ok();
    let outcome = |words: &[&dyn AsRef<std::ffi::OsStr>]| {
        let objects = client.run(&[words, &[&"--json"]].concat()).ok().json();
        field(&objects, "outcome").as_str().unwrap_or_default().to_owned()
    };
    let at = |path: &str| client.at(path);
    assert_eq!(outcome(&[&"mkdir", &at("/d")]), "made");
    assert_eq!(outcome(&[&"touch", &at("/t")]), "touched");
    assert_eq!(outcome(&[&"touch", &at("/u"), &"-n"]), "would");
    assert_eq!(outcome(&[&"cp", &at("/f"), &at("/d/")]), "copied");
    assert_eq!(outcome(&[&"mv", &at("/f"), &at("/g")]), "moved");
    assert_eq!(outcome(&[&"rm", &at("/g"), &"-n"]), "would");
    assert_eq!(outcome(&[&"rm", &at("/g")]), "removed");
    assert_eq!(outcome(&[&"site", &"add", &"work", &at("")]), "saved");
    assert_eq!(outcome(&[&"site", &"remove", &"work"]), "forgotten");
    assert_eq!(outcome(&[&"man", &client.scratch("man")]), "written");
    let removed = client.run(&[&"rm", &"-r", &at("/d"), &"--json"]).ok().json();
    assert_eq!((&removed[0]["path"], &removed[0]["files"], &removed[0]["bytes"]), (&"d".into(), &1.into(), &4.into()));
}

#[test]
fn every_failure_of_ferry_is_an_object_with_its_exit_code() {
    let server = Server::with_anna();
    let client = server.client("anna");
    for (code, verb) in [(4, "rm"), (4, "stat"), (3, "ls"), (4, "hash"), (3, "du"), (3, "find"), (4, "mv")] {
        let (from, to) = (client.at("/missing"), client.at("/to"));
        let outcome = match verb {
            "mv" => client.run(&[&verb, &from, &to, &"--json"]),
            "find" => client.run(&[&verb, &from, &"x", &"--json"]),
            _ => client.run(&[&verb, &from, &"--json"]),
        };
        let outcome = outcome.code(code);
        let objects = outcome.json();
        let error = field(&objects, "error");
        assert_eq!((&error["code"], &error["exit"]), (&"not_found".into(), &code.into()), "{outcome}");
        assert_eq!(error["path"], "missing", "{outcome}");
    }
    for words in [&["ls", "--json"][..], &["site", "remove", "nobody", "--json"], &["ls", "nobody:", "--json"]] {
        let words: Vec<&dyn AsRef<std::ffi::OsStr>> = words.iter().map(|word| word as _).collect();
        let objects = client.run(&words).code(2).json();
        assert_eq!(field(&objects, "error")["exit"], 2);
    }
}

#[test]
fn every_verb_of_ferryd_prints_one_line_of_json_also_where_it_fails() {
    let server = Server::with_anna();
    let run = |words: &[&str], stdin: &str| {
        let (status, said) = server.ferryd(&[words, &["--json"]].concat(), stdin);
        let first = said.lines().next().unwrap_or_default();
        let value: Value = serde_json::from_str(first).unwrap_or_else(|error| panic!("{words:?}: {error}: {said}"));
        (status.code(), value)
    };
    let outcome = |words: &[&str], stdin: &str| run(words, stdin).1["outcome"].clone();
    assert_eq!(outcome(&["user", "add", "bob", "--password-stdin"], PASSWORD), "added");
    assert_eq!(outcome(&["user", "set", "bob", "--quota", "1MiB"], ""), "changed");
    assert_eq!(outcome(&["user", "passwd", "bob", "--password-stdin"], PASSWORD), "changed");
    assert_eq!(outcome(&["user", "remove", "bob"], ""), "removed");
    let invite = run(&["invite", "create"], "").1;
    assert!(invite["token"].as_str().is_some_and(|token| token.len() > 20), "{invite}");
    assert_eq!(outcome(&["invite", "revoke", invite["id"].as_str().unwrap()], ""), "revoked");
    assert_eq!(run(&["identity"], "").1["fingerprint"], server.fingerprint());
    assert_eq!(run(&["check"], "").1["users"], 1);
    assert_eq!(run(&["config", "show"], "").1["log"]["format"]["origin"], "default");
    for words in [&["config", "default"][..], &["completion", "bash"], &["status"], &["sessions"], &["user", "list"]] {
        assert_eq!(run(words, "").0, Some(0), "{words:?}");
    }
    for (words, code, exit) in [
        (&["user", "remove", "nobody"][..], "not_found", 1),
        (&["user", "add", "anna", "--password-stdin"], "exists", 1),
        (&["invite", "revoke", "nothing"], "not_found", 1),
        (&["kick", "nobody"], "control", 1),
        (&["audit", "verify", "/no/such/file"], "audit", 1),
        (&["user", "set"], "usage", 2),
    ] {
        let (status, value) = run(words, "");
        let error = &value["error"];
        assert_eq!((status, &error["code"], &error["exit"]), (Some(exit), &code.into(), &exit.into()), "{words:?}");
    }
}

/// The completions of `ferry` in bash for a line with the cursor at its end; `words` are split as bash does.
pub(crate) fn bash(client: &Client, words: &[&str], line: &str) -> String {
    let script = r#". <("$FERRY" completion bash); ferry() { "$FERRY" "$@"; }
        COMP_LINE=$1 COMP_POINT=${#1}; shift; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_WORDBREAKS=$' :='
        _ferry ferry "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"; printf '%s\n' "${COMPREPLY[@]}""#;
    let mut command = Command::new("bash");
    command.args(["--norc", "-c", script, "bash", line]).args(words).current_dir(client.scratch("here"));
    let output = command.env("FERRY", binaries::ferry()).env("FERRY_HOME", client.home()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn bash_is_offered_verbs_saved_servers_and_local_files() {
    let server = Server::with_anna();
    let client = server.client("anna");
    fs::write(client.scratch("here").join("my report.odt"), "").unwrap();
    client.run(&[&"site", &"add", &"work", &client.at("")]).ok();
    assert_eq!(bash(&client, &["ferry", "ge"], "ferry ge"), "get\n");
    let put = bash(&client, &["ferry", "put", ""], "ferry put ");
    assert!(put.contains("my\\ report.odt\n") && put.contains("work:\n") && !put.contains("--"), "{put}");
    assert_eq!(bash(&client, &["ferry", "put", "my\\ r"], "ferry put my\\ r"), "my\\ report.odt\n");
    assert_eq!(bash(&client, &["ferry", "ls", "w"], "ferry ls w"), "work:\n");
    assert_eq!(bash(&client, &["ferry", "site", "remove", ""], "ferry site remove "), "work\n");
    // Bash splits words at the colon; no local file is offered after it.
    assert_eq!(bash(&client, &["ferry", "get", "work", ":"], "ferry get work:"), "\n");
    assert_eq!(bash(&client, &["ferry", "get", "work", ":", "my"], "ferry get work:my"), "\n");
    assert!(bash(&client, &["ferry", "ls", "--js"], "ferry ls --js").contains("--json"));
}

#[test]
fn a_server_is_known_under_every_spelling_of_its_address() {
    let server = Server::with_anna();
    let client = server.client("anna");
    client.run(&[&"ls", &client.at("")]).ok();
    let (port, file) = (server.address().port(), client.password_file());
    for host in ["127.1", "0x7f000001", "0177.0.0.1"] {
        let place = format!("anna@{host}:{port}:/");
        let words: [&dyn AsRef<std::ffi::OsStr>; 4] = [&"ls", &place, &"--password-file", &file];
        ferry_e2e::client::Running::spawn(client.bare(&words), Vec::new()).wait().ok();
    }
    client.run(&[&"ls", &"anna@::1:/"]).code(2).says("anna@[::1]:/");
}

#[test]
fn a_name_with_capitals_is_told_before_it_counts_as_a_failed_login() {
    let server = Server::with_anna();
    let place = format!("Anna@{}:{}:/", server.address().ip(), server.address().port());
    let client = server.client("anna");
    for _ in 0..20 {
        client.run(&[&"ls", &place]).code(2).says("do you mean anna?");
    }
    client.run(&[&"ls", &client.at("")]).ok();
    let (_, status) = server.ferryd(&["status", "--json"], "");
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["refusals"], serde_json::json!({}), "{status}");
}

#[test]
fn a_password_with_accents_is_right_however_a_system_spells_it() {
    let server = Server::with_anna();
    let (composed, decomposed) = ("caf\u{e9} au lait", "cafe\u{301} au lait");
    let client = server.client("anna");
    for (set, typed) in [(composed, decomposed), (decomposed, composed), (decomposed, decomposed)] {
        assert!(server.ferryd(&["user", "passwd", "anna", "--password-stdin"], set).0.success());
        client.set_password(typed);
        client.run(&[&"ls", &client.at("")]).ok();
        client.set_password(&format!("\u{feff}{typed}\r"));
        client.run(&[&"ls", &client.at("")]).ok();
    }
}

#[test]
fn a_password_file_that_everybody_may_read_is_told_and_one_in_utf_16_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = Server::with_anna();
    let client = server.client("anna");
    let file = client.password_file();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    client.run(&[&"ls", &client.at("")]).ok().says("other users can read it");
    fs::write(&file, b"\xff\xfep\0w\0\n\0").unwrap();
    client.run(&[&"ls", &client.at("")]).code(7).says("UTF-16");
}

#[test]
fn a_home_that_cannot_be_written_is_told_with_what_helps() {
    let server = Server::with_anna();
    let client = server.client("anna");
    // Nobody can create a folder below a file, not even root.
    let nowhere = client.password_file().join("home");
    let run = |words: &[&dyn AsRef<std::ffi::OsStr>]| {
        let mut command = client.command(words);
        command.env("FERRY_HOME", &nowhere);
        ferry_e2e::client::Running::spawn(command, Vec::new()).wait()
    };
    run(&[&"ls", &client.at("")]).says("FERRY_HOME").says(&format!("--server-key {}", server.fingerprint()));
    let (place, key, file) = (client.at(""), server.fingerprint(), client.password_file());
    let words: [&dyn AsRef<std::ffi::OsStr>; 6] = [&"ls", &place, &"--server-key", &key, &"--password-file", &file];
    let mut command = client.bare(&words);
    command.env("FERRY_HOME", &nowhere);
    ferry_e2e::client::Running::spawn(command, Vec::new()).wait().ok();
}
