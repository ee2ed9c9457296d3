//! Commands that are built into the server, through the protocol.

use std::{fs, sync::Arc};

use ferry_shared::{
    feature::Features,
    message::{Reply, Request, reply::Stream, request::Word},
    refusal::Code,
};
use tokio::sync::mpsc;

use super::{
    cuts::line as audit_line,
    harness::{Peer, World, asking, next_need},
};
use crate::command::Need;

fn request(line: &str) -> Request {
    Request::Run { words: line.split_whitespace().map(|word| Word(word.as_bytes().to_vec())).collect() }
}

fn connect(world: &World) -> Peer {
    world.connect_with(Features::known())
}

/// Runs a command: what it wrote to each stream, and its status.
fn run(peer: &mut Peer, line: &str) -> (String, String, u8) {
    peer.request(&request(line));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    loop {
        match peer.reply() {
            Reply::Output { stream: Stream::Out, bytes } => out.extend(bytes),
            Reply::Output { stream: Stream::Err, bytes } => err.extend(bytes),
            Reply::Exited { status } => {
                return (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap(), status);
            }
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn a_command_is_answered_with_its_output_and_status_and_the_next_request_follows() {
    let world = World::new(1000);
    fs::write(world.home_made().join("a"), "1\n2\n").unwrap();
    let mut peer = connect(&world);
    assert_eq!(run(&mut peer, "tail -n 1 a"), ("2\n".into(), String::new(), 0));
    let (out, err, status) = run(&mut peer, "head missing a");
    assert_eq!((&*out, status), ("==> a <==\n1\n2\n", 1));
    assert!(err.starts_with("head: ") && err.contains("missing"), "{err}");
    assert_eq!(run(&mut peer, "sh -c id").2, 127);
    assert!(matches!(peer.ask(&Request::Ping), Ok(Reply::Pong)));
}

#[test]
fn commands_are_for_clients_that_know_them() {
    let world = World::new(1000);
    world.home_made();
    let mut peer = world.connect();
    assert_eq!(peer.ask(&request("df")).unwrap_err().code, Code::Unsupported);
    assert!(matches!(peer.ask(&Request::Ping), Ok(Reply::Pong)));
}

#[test]
fn the_configured_limit_cuts_the_output() {
    let world = World::new(1 << 30);
    fs::write(world.home_made().join("big"), vec![b'x'; 17 << 20]).unwrap();
    let (out, err, status) = run(&mut connect(&world), "head -c 17M big");
    assert_eq!((out.len(), status), (16 << 20, 125));
    assert!(err.contains("longer than 16MiB"), "{err}");
}

/// Commands that take seconds and say nothing meanwhile.
fn long_commands(world: &World) -> [Request; 3] {
    fs::File::create(world.home_made().join("file")).unwrap().set_len(8 << 30).unwrap();
    ["md5sum file", "wc file", "cp file copy"].map(request)
}

#[test]
fn a_long_command_gives_its_thread_back_and_ends_when_the_client_left() {
    let world = World::new(1 << 40);
    for long in long_commands(&world) {
        let mut conversation = world.conversation().with_features(Features::known());
        let (sender, mut input) = mpsc::channel(1);
        let (output, mut answers) = mpsc::channel(4);
        conversation.push(asking(&long));
        for turn in 0..3 {
            assert_eq!(next_need(&mut conversation, &mut input, &output), Need::Turn, "{long:?}, turn {turn}");
            conversation.give_turn();
        }
        drop(sender);
        assert_eq!(next_need(&mut conversation, &mut input, &output), Need::End, "{long:?}");
        assert!(answers.try_recv().is_err(), "{long:?} was done to the end");
    }
    assert!(!world.home().join("copy").exists());
}

#[test]
fn a_command_ends_with_its_account() {
    let world = World::new(1 << 40);
    let [long, ..] = long_commands(&world);
    let mut conversation = world.conversation().with_features(Features::known());
    conversation.push(asking(&long));
    let (_sender, mut input) = mpsc::channel(1);
    let (output, mut answers) = mpsc::channel(4);
    assert_eq!(next_need(&mut conversation, &mut input, &output), Need::Turn);
    conversation.give_turn();
    world.remove_user();
    assert_eq!(next_need(&mut conversation, &mut input, &output), Need::End);
    let answer = String::from_utf8_lossy(&answers.try_recv().unwrap()).into_owned();
    assert!(answer.contains("account_closed"), "{answer}");
}

#[test]
fn a_long_output_waits_for_its_reader() {
    let world = World::new(1 << 40);
    fs::write(world.home_made().join("big"), vec![b'x'; 8 << 20]).unwrap();
    let mut conversation = world.conversation().with_features(Features::known());
    conversation.push(asking(&request("head -c 8M big")));
    let (_sender, mut input) = mpsc::channel(1);
    let (output, _unread) = mpsc::channel(1);
    loop {
        match next_need(&mut conversation, &mut input, &output) {
            Need::Turn => conversation.give_turn(),
            Need::Room => break,
            need => panic!("{need:?}"),
        }
    }
}

#[test]
fn a_copy_waits_as_the_request_does_for_a_user_who_wastes_writes() {
    let world = World::new(1 << 40);
    fs::write(world.home_made().join("file"), b"content").unwrap();
    let mut conversation = world.conversation().with_features(Features::known());
    Arc::clone(&conversation.session().user).waste.replaced((128 + 16) << 20);
    conversation.push(asking(&request("cp file copy")));
    let (_sender, mut input) = mpsc::channel(1);
    let (output, _answers) = mpsc::channel(4);
    assert!(matches!(next_need(&mut conversation, &mut input, &output), Need::Later(_)));
}

#[test]
fn a_command_may_no_more_than_the_account() {
    let world = World::new(1 << 40);
    fs::write(world.home_made().join("a"), b"content").unwrap();
    let mut peer = connect(&world);
    world.make_read_only();
    peer.request(&request("cp a b"));
    while !matches!(peer.reply(), Reply::Exited { status: 1 }) {}
    let (_, err, status) = run(&mut peer, "mv a b");
    assert_eq!(status, 1);
    assert!(err.contains("read-only"), "{err}");
    assert_eq!(run(&mut peer, "head a").0, "content");
    assert!(!world.home().join("b").exists());
}

#[test]
fn the_audit_log_tells_what_commands_changed_what_they_read_and_what_was_refused() {
    let (world, log) = World::audited(10);
    fs::write(world.home_made().join("a"), b"content").unwrap();
    let mut peer = connect(&world);
    for line in ["head a", "mv a b", "cp b c"] {
        run(&mut peer, line);
    }
    let read = audit_line(&log, "download");
    assert_eq!((&read["path"], &read["size"], &read["user"]), (&"/a".into(), &7.into(), &"alice".into()));
    assert_eq!(audit_line(&log, "rename")["to"], "/b");
    assert_eq!(audit_line(&log, "refused")["code"], "over_quota");
    assert_eq!(world.context.counters.downloads.get(), 1);
}
