//! `ferry watch`: a folder on a server stays like a local one, until the command is stopped.

use std::{
    fs,
    io::Write as _,
    time::{Duration, Instant},
};

use ferry_e2e::{compare, server::Server, wait};
use rustix::process::Signal;

/// How long a watched file has to be unchanged before it is sent.
const SETTLED: Duration = Duration::from_secs(2);

#[test]
fn a_watched_folder_is_kept_alike_and_the_command_ends_cleanly() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (source, target) = (client.scratch("source"), server.home("anna").join("copy"));
    fs::write(source.join("first"), "first").unwrap();
    let running = client.start(&[&"watch", &source, &client.at("copy"), &"--delete", &"--max-delete", &"9"]);
    wait::until("the first file", || target.join("first").exists());
    fs::create_dir(source.join("d")).unwrap();
    fs::write(source.join("d/second"), "second").unwrap();
    wait::until("a new file", || target.join("d/second").exists());
    fs::write(source.join("first"), "changed").unwrap();
    wait::until("a changed file", || fs::read(target.join("first")).is_ok_and(|now| now == b"changed"));
    fs::remove_file(source.join("d/second")).unwrap();
    wait::until("a removed file", || !target.join("d/second").exists());
    compare::same_but_for_dates_of_folders(&source, &target);
    // The last comparison may not have ended yet.
    let outcome = {
        running.signal(Signal::TERM);
        running.wait()
    };
    assert!(matches!(outcome.status.code(), Some(0 | 143)), "{outcome}");
}

#[test]
fn a_watched_file_is_sent_only_once_it_is_not_written_any_more() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let (source, target) = (client.scratch("source"), server.home("anna").join("copy"));
    fs::write(source.join("other"), "other").unwrap();
    let running = client.start(&[&"watch", &source, &client.at("copy")]);
    wait::until("the first file", || target.join("other").exists());
    let mut file = fs::File::create(source.join("log")).unwrap();
    let (start, mut last, mut gap) = (Instant::now(), Instant::now(), Duration::ZERO);
    wait::until("the file to be written for long enough", || {
        file.write_all(b"a line\n").unwrap();
        gap = gap.max(last.elapsed());
        last = Instant::now();
        // On a busy machine, there may be a pause in which the file is unchanged for long enough.
        assert!(!target.join("log").exists() || gap >= SETTLED, "a file was sent while it was written");
        start.elapsed() >= 3 * SETTLED
    });
    wait::until("the whole file", || target.join("log").exists());
    compare::same_file(&source.join("log"), &target.join("log"));
    running.signal(Signal::INT);
    let outcome = running.wait();
    assert!(matches!(outcome.status.code(), Some(0 | 130)), "{outcome}");
}
