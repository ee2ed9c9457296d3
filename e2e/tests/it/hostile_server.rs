//! A malicious server gets no secret and cannot write to any other place than the requested one.

use std::{fs, net::SocketAddr};

use ferry_e2e::{
    PASSWORD, client,
    client::Client,
    compare,
    impostor::{self, Impostor},
    server::Server,
};
use ferry_shared::{
    digest::Digest,
    message::{Reply, Request},
    refusal::{Code, Refusal},
};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
const MIB: u64 = 1 << 20;

fn assert_no_secret(impostor: &Impostor) {
    let heard = impostor.heard();
    assert!(heard.iter().all(|message| !message.contains(PASSWORD) && !message.contains("login")), "{heard:?}");
}

#[test]
fn a_server_nobody_trusts_is_told_no_secret() {
    let impostor = Impostor::start(ANY, |_| None);
    let client = Client::new(impostor.address(), "anna");
    let words = client.bare(&[&"ls", &client.at(""), &"--password-file", &client.password_file()]);
    client::Running::spawn(words, Vec::new()).wait().code(7);
    let key = "--server-key=SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let words = client.bare(&[&"ls", &client.at(""), &"--password-file", &client.password_file(), &key]);
    client::Running::spawn(words, Vec::new()).wait().code(7);
    assert_no_secret(&impostor);
}

#[test]
fn a_server_that_takes_a_known_ones_place_is_told_no_secret() {
    let mut server = Server::with_anna();
    let client = server.client("anna");
    client.run(&[&"ls", &client.at("")]).ok();
    server.kill();
    let impostor = Impostor::start(server.address(), |_| None);
    // A client that accepts any *new* key does not accept a changed one.
    for words in [&["ls"][..], &["du"], &["quota"]] {
        client.run(&[&words[0], &client.at(""), &"--retries=0"]).code(7).says("changed");
    }
    let file = client.scratch("here").join("file");
    fs::write(&file, "secret content").unwrap();
    client.run(&[&"put", &file, &client.at("file"), &"--retries=0"]).code(7);
    assert_no_secret(&impostor);
}

/// Runs `get tree` against a server that answers every listing with `page`.
fn get_from(page: &str) -> (Client, client::Outcome) {
    let page = impostor::raw_message(page);
    let impostor = Impostor::start(ANY, move |request| match request {
        Request::Walk { .. } | Request::List { .. } => Some(page.clone()),
        Request::Stat { .. } => Some(impostor::raw_message(
            r#"{"entry":{"entry":{"name":"tree","kind":"folder","size":0,"mtime":[0,0],"mode":493}}}"#,
        )),
        Request::Get { .. } => Some(
            [
                impostor::raw_message(r#"{"opened":{"size":4,"mtime":[0,0],"mode":493,"version":"1"}}"#),
                impostor::block(0, b"evil"),
                impostor::raw_message(&format!(r#"{{"sent":{{"root":"{}","version":"1"}}}}"#, Digest::of(b"evil"))),
            ]
            .concat(),
        ),
        _ => None,
    });
    let client = Client::new(impostor.address(), "anna");
    let here = client.scratch("a/b/here");
    let outcome = client.run(&[&"get", &client.at("tree"), &here.join(""), &"--retries=0"]);
    (client, outcome)
}

#[test]
fn names_that_lead_out_of_the_chosen_folder_are_not_followed() {
    let entry = |name: &str| format!(r#"{{"name":{name},"kind":"file","size":4,"mtime":[0,0],"mode":493}}"#);
    let page =
        |under: &str, entry: &str| format!(r#"{{"entries":{{"under":"{under}","entries":[{entry}],"more":false}}}}"#);
    let names =
        [r#""..""#, r#""../evil""#, r#""/tmp/evil""#, r#""a/../../evil""#, r#"{"bytes":"Li4vZXZpbA=="}"#, r#""""#];
    let mut pages: Vec<_> = names.iter().map(|name| page("", &entry(name))).collect();
    pages.extend(["..", "/tmp", "a/../.."].map(|under| page(under, &entry(r#""evil""#))));
    for bad in pages {
        let (client, outcome) = get_from(&bad);
        assert_ne!(outcome.status.code(), Some(0), "{bad}: {outcome}");
        let below = compare::count_below(&client.scratch("a"));
        let here = compare::count_below(&client.scratch("a/b/here"));
        // `a` contains `b` and `b/here`; everything else must be below `here`, and no file of that name exists
        // anywhere.
        assert_eq!(below, here + 2, "{bad} wrote beside the chosen folder");
        assert_eq!(compare::bytes_below(&client.scratch("a")), 0, "{bad} was written");
    }
    // The same server with a good name, to show that the test above could fail.
    let (client, outcome) = get_from(&page("", &entry(r#""fine""#)));
    let outcome = outcome.ok();
    assert_eq!(fs::read(client.scratch("a/b/here/tree").join("fine")).unwrap(), b"evil", "{outcome}");
}

#[test]
fn set_user_id_bits_of_a_server_are_not_taken_over() {
    let entry = r#"{"name":"fine","kind":"file","size":4,"mtime":[0,0],"mode":2541}"#;
    let (client, _) = get_from(&format!(r#"{{"entries":{{"entries":[{entry}],"more":false}}}}"#));
    if let Ok(meta) = fs::metadata(client.scratch("a/b/here/tree").join("fine")) {
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&meta) & 0o7000, 0);
    }
}

/// Downloads `file` over an old one from a server that answers `get` with `frames`.
fn assert_old_file_stays(what: &str, codes: &[i32], frames: Vec<Vec<u8>>) {
    let bytes = frames.concat();
    let impostor = Impostor::start(ANY, move |request| match request {
        Request::Get { .. } => Some(bytes.clone()),
        Request::Walk { .. } | Request::List { .. } => {
            Some(impostor::message(&Reply::Refused(Refusal::new(Code::NotDirectory, "a file"))))
        }
        Request::Stat { .. } => Some(impostor::raw_message(
            r#"{"entry":{"entry":{"name":"file","kind":"file","size":3145728,"mtime":[5,0],"mode":420},"version":"1"}}"#,
        )),
        _ => None,
    });
    let client = Client::new(impostor.address(), "anna");
    let target = client.scratch("here").join("file");
    fs::write(&target, "old").unwrap();
    let words: [&dyn AsRef<std::ffi::OsStr>; 5] =
        [&"get", &client.at("file"), &target, &"--on-conflict=replace", &"--retries=1"];
    let outcome = client.run(&words);
    assert!(outcome.status.code().is_some_and(|code| codes.contains(&code)), "{what}: {outcome}");
    assert_eq!(fs::read(&target).unwrap(), b"old", "{what}");
}

fn opened(size: u64) -> Vec<u8> {
    impostor::raw_message(&format!(r#"{{"opened":{{"size":{size},"mtime":[0,0],"mode":420,"version":"1"}}}}"#))
}

fn sent(root: Digest) -> Vec<u8> {
    impostor::raw_message(&format!(r#"{{"sent":{{"root":"{root}","version":"1"}}}}"#))
}

#[test]
fn content_that_is_not_what_was_declared_never_gets_the_files_name() {
    let mib = vec![7; 1 << 20];
    let wrong = sent(Digest::of(b"another file"));
    let three = |tail: Vec<u8>| {
        vec![opened(3 * MIB), impostor::block(0, &mib), impostor::block(1, &mib), impostor::block(2, &mib), tail]
    };
    assert_old_file_stays("a wrong root", &[11], three(wrong.clone()));
    assert_old_file_stays("a wrong small root", &[11], vec![opened(4), impostor::block(0, b"evil"), wrong.clone()]);
    let others: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("a block missing", vec![opened(3 * MIB), impostor::block(0, &mib), wrong.clone()]),
        ("a block past the end", vec![opened(3 * MIB), impostor::block(9, &mib), wrong.clone()]),
        ("a block at the end of numbers", vec![opened(3 * MIB), impostor::block(u64::MAX, &mib), wrong.clone()]),
        ("a block too short", vec![opened(3 * MIB), impostor::block(0, &mib[..9]), wrong.clone()]),
        ("a size that cannot be", vec![opened(u64::MAX), impostor::block(0, &mib), wrong.clone()]),
        ("blocks without a word", vec![impostor::block(0, &mib)]),
        ("no JSON", vec![impostor::raw_message("hello")]),
        ("another answer", vec![impostor::raw_message("\"pong\"")]),
        ("a frame over its size", vec![vec![2, 255, 255, 255, 0]]),
        ("an unknown frame", vec![vec![9, 0, 0, 1, 0]]),
    ];
    for (what, frames) in others {
        assert_old_file_stays(what, &[1, 5, 8, 11], frames);
    }
}

#[test]
fn text_from_a_server_cannot_forge_the_screen() {
    let impostor = Impostor::start(ANY, |request| match request {
        Request::Login { user, .. } => {
            Some(impostor::message(&impostor::logged_in(user, Some("\u{1b}[2J\u{7}motd".to_owned()))))
        }
        Request::List { .. } | Request::Walk { .. } | Request::Usage | Request::Stat { .. } => {
            Some(impostor::message(&Reply::Refused(Refusal::new(Code::NotFound, "\u{1b}]0;owned\u{7}\u{202e}gone"))))
        }
        _ => None,
    });
    let client = Client::new(impostor.address(), "anna");
    for verb in ["ls", "quota", "stat", "du"] {
        let outcome = client.run(&[&verb, &client.at("x"), &"--retries=0", &"-v"]);
        assert_ne!(outcome.status.code(), Some(0), "{outcome}");
        for hostile in ['\u{1b}', '\u{7}', '\u{202e}'] {
            assert!(!outcome.stderr.contains(hostile) && !outcome.text().contains(hostile), "{verb}: {outcome}");
        }
    }
}

#[test]
fn malformed_messages_cannot_forge_the_screen_either() {
    // serde repeats a word that it does not know; the escapes are JSON's, so the frame itself is clean.
    let hostile = |word: &str| impostor::raw_message(&format!(r#"{{"{word}\u001b]0;owned\u0007\u202eword":1}}"#));
    let impostor = Impostor::start(ANY, move |request| match request {
        Request::Login { user, .. } => Some(impostor::message(&impostor::logged_in(user, None))),
        Request::List { .. } | Request::Walk { .. } | Request::Usage | Request::Stat { .. } => Some(hostile("a")),
        Request::Attach { .. } | Request::MakeDir { .. } | Request::Put { .. } => Some(hostile("b")),
        _ => None,
    });
    let client = Client::new(impostor.address(), "anna");
    let (here, at) = (client.scratch("here"), client.at("x"));
    let lines: [&[&dyn AsRef<std::ffi::OsStr>]; 5] =
        [&[&"ls", &at], &[&"quota", &at], &[&"du", &at], &[&"get", &at, &"got"], &[&"put", &here, &at]];
    for line in lines {
        let words: Vec<_> = line.iter().copied().chain([&"--retries=0" as _, &"-v" as _]).collect();
        let outcome = client.run(&words).says("does not follow the protocol");
        for hostile in ['\u{1b}', '\u{7}', '\u{202e}'] {
            assert!(!outcome.stderr.contains(hostile) && !outcome.text().contains(hostile), "{outcome}");
        }
    }
}
