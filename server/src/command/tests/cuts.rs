//! Interrupted work is recorded in the audit log with its progress, whatever interrupted it.

use std::{
    fs,
    time::{Duration, Instant},
};

use ferry_shared::message::Request;
use tokio::sync::mpsc;

use super::harness::{World, asking, next_need, path};
use crate::command::{Conversation, Input, Need};

/// The first line with this event, once it is there.
pub(super) fn line(log: &impl Fn() -> String, event: &str) -> serde_json::Value {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let text = log();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        if let Some(found) = lines.into_iter().find(|line| line["event"] == event) {
            return found;
        }
        assert!(Instant::now() < end, "no line '{event}': {text}");
        std::thread::yield_now();
    }
}

/// A conversation in the middle of copying `folder`, of which one folder and no file has been made.
fn copying(world: &World) -> (Conversation, mpsc::Sender<Input>, mpsc::Receiver<Input>) {
    fs::create_dir(world.home_made().join("folder")).unwrap();
    fs::File::create(world.home().join("folder/file")).unwrap().set_len(8 << 30).unwrap();
    let mut conversation = world.conversation();
    conversation.push(asking(&Request::Copy { from: path("folder"), to: path("copy"), replace: false }));
    let (sender, input) = mpsc::channel(1);
    (conversation, sender, input)
}

#[test]
fn an_interrupted_copy_is_recorded_with_its_progress() {
    for is_left in [true, false] {
        let (world, log) = World::audited(1 << 40);
        let (mut conversation, sender, mut input) = copying(&world);
        let (output, _answers) = mpsc::channel(4);
        for _ in 0..2 {
            assert_eq!(next_need(&mut conversation, &mut input, &output), Need::Turn);
            conversation.give_turn();
        }
        if is_left {
            drop(sender);
            assert_eq!(next_need(&mut conversation, &mut input, &output), Need::End);
            drop(conversation);
        } else {
            world.make_read_only();
            assert_eq!(next_need(&mut conversation, &mut input, &output), Need::Input);
            assert_eq!(line(&log, "refused")["code"], "not_allowed");
        }
        let cut = line(&log, "copy_cut");
        assert_eq!((&cut["from"], &cut["to"], &cut["user"]), (&"/folder".into(), &"/copy".into(), &"alice".into()));
        assert_eq!((&cut["folders"], &cut["files"]), (&1.into(), &0.into()), "{cut}");
    }
}

#[test]
fn complete_or_unstarted_work_is_not_recorded_as_interrupted() {
    let (world, log) = World::audited(1 << 40);
    fs::create_dir(world.home_made().join("folder")).unwrap();
    let mut peer = world.connect();
    let remove = |name: &str| Request::Remove { path: path(name), recursive: true, version: None };
    peer.ask(&Request::Copy { from: path("folder"), to: path("copy"), replace: false }).unwrap();
    peer.ask(&remove("folder")).unwrap();
    peer.ask(&remove("missing")).unwrap_err();
    peer.ask(&Request::MakeDir { path: path("a/b"), parents: false }).unwrap_err();
    peer.ask(&Request::MakeDir { path: path("last"), parents: false }).unwrap();
    line(&log, "make_dir");
    let text = log();
    assert!(!text.contains("_cut"), "{text}");
    assert_eq!((text.matches("\"copy\"").count(), text.matches("\"remove\"").count()), (1, 1), "{text}");
}
