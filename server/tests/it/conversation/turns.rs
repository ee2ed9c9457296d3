//! When the work answers, and when it gives its thread back.

use ferry_server::command::{Input, Need};
use ferry_shared::frame::{self, Frame, Phase};
use tokio::sync::mpsc;

use super::harness::{World, small};

/// What arrives of `bytes`.
fn frames(bytes: Vec<u8>) -> Vec<Frame> {
    let mut bytes = bytes::Bytes::from(bytes);
    std::iter::from_fn(|| frame::decode(&mut bytes, Phase::LoggedIn).unwrap()).collect()
}

#[test]
fn refused_uploads_without_end_are_answered_while_more_come() {
    let world = World::new(1000);
    world.make_read_only();
    let mut conversation = world.conversation();
    let many = || Input::Frames((0..20_000).flat_map(|_| frames(small("a", b"one"))).collect());
    conversation.push(many());
    let (sender, mut input) = mpsc::channel(1);
    sender.try_send(many()).unwrap();
    let (output, _unread) = mpsc::channel(1);
    assert_eq!(conversation.run(&mut input, &output), Need::Room, "answers wait for the peer");
    assert!(input.try_recv().is_ok(), "and nothing more was taken before they could go");
}
