//! "Verified" and "equal" are said only of contents that were compared, and a growing file can be sent.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    thread,
    time::Duration,
};

use ferry_e2e::{client::Client, material, server::Server};

/// A `file` on the client and on the server: the same size and date, different contents.
fn alike(server: &Server, client: &Client) -> (std::path::PathBuf, std::path::PathBuf) {
    let (here, there) = (client.scratch("here").join("file"), server.home("anna").join("file"));
    for (path, content) in [(&here, "AAAA"), (&there, "BBBB")] {
        fs::write(path, content).unwrap();
        material::set_mtime(path, 1_500_000_000, 0);
    }
    (here, there)
}

#[test]
fn the_rule_different_compares_what_has_the_same_size_and_date() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (here, there) = alike(&server, &client);
    client.run(&[&"put", &here, &client.at("file"), &"--on-conflict=different"]).ok().says("verified");
    assert_eq!(fs::read_to_string(&there).unwrap(), "AAAA");
    fs::write(&there, "CCCC").unwrap();
    material::set_mtime(&there, 1_500_000_000, 0);
    client.run(&[&"get", &client.at("file"), &here, &"--on-conflict=different"]).ok().says("verified");
    assert_eq!(fs::read_to_string(&here).unwrap(), "CCCC");
    client.run(&[&"get", &client.at("file"), &here, &"--on-conflict=different"]).ok().says("already equal");
}

#[test]
fn the_rule_changed_says_same_size_and_date_and_nothing_of_verified_or_equal() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (here, there) = alike(&server, &client);
    let rule = "--on-conflict=changed";
    let at = client.at("file");
    for more in ["-v", "--color=never"] {
        for outcome in
            [client.run(&[&"put", &here, &at, &rule, &more]), client.run(&[&"get", &at, &here, &rule, &more])]
        {
            let outcome = outcome.ok().says("same size and date");
            assert!(!outcome.stderr.contains("verified") && !outcome.stderr.contains("equal"), "{}", outcome.stderr);
        }
    }
    assert_eq!(
        (fs::read_to_string(&here).unwrap().as_str(), fs::read_to_string(&there).unwrap().as_str()),
        ("AAAA", "BBBB")
    );
    let told = client.run(&[&"put", &here, &client.at("file"), &rule, &"--json"]).ok().json();
    assert_eq!(told[0]["outcome"], "unchanged");
    assert_eq!(told[1]["summary"]["unchanged"], 1);
    assert_eq!(told[1]["summary"]["files"], 0);
    material::set_mtime(&here, 1_500_000_001, 0);
    client.run(&[&"put", &here, &client.at("file"), &rule]).ok().says("verified");
    assert_eq!(fs::read_to_string(&there).unwrap(), "AAAA");
}

/// Sends a file that grows all the time, with these arguments; returns the output.
fn sent_while_it_grows(server: &Server, words: &[&str]) -> String {
    let client = server.client("anna");
    let log = client.scratch("here").join("log");
    material::random_file(&log, 8 << 20, 1);
    let at = client.at("log");
    let mut all: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"put", &log, &at, &"--bwlimit=8MiB"];
    all.extend(words.iter().map(|word| word as &dyn AsRef<std::ffi::OsStr>));
    let mut running = client.start(&all);
    let mut file = OpenOptions::new().append(true).open(&log).unwrap();
    while !running.ended() {
        file.write_all(b"one more line\n").unwrap();
        thread::sleep(Duration::from_millis(5));
    }
    let outcome = running.wait().ok();
    let (sent, stored) = (fs::read(&log).unwrap(), fs::read(server.home("anna").join("log")).unwrap());
    assert!(stored.len() >= 8 << 20 && sent.starts_with(&stored), "it is not the beginning of the file");
    format!("{}{}", outcome.stderr, outcome.text())
}

#[test]
fn a_log_that_is_being_written_is_stored_as_it_was() {
    let text = sent_while_it_grows(&Server::with_anna(), &[]);
    assert!(text.contains("as of 20") && text.contains("verified") && !text.contains("not proven"), "{text}");
}

#[test]
fn a_growing_file_that_is_read_only_once_is_called_not_proven() {
    let text = sent_while_it_grows(&Server::with_anna(), &["--growing"]);
    assert!(text.contains("as of 20") && text.contains("not proven") && !text.contains("verified"), "{text}");
    let text = sent_while_it_grows(&Server::with_anna(), &["--growing", "--json"]);
    assert!(text.contains(r#""outcome":"unproven""#) && text.contains(r#""unproven":1"#), "{text}");
}

#[test]
fn a_file_of_the_system_without_a_true_size_is_sent_whole() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let source = Path::new("/sys/class/net/lo/mtu");
    client.put(source, "mtu").ok();
    assert_eq!(fs::read(server.home("anna").join("mtu")).unwrap(), fs::read(source).unwrap());
    client.put(source, "mtu").ok().says("already equal");
}
