//! When the conversation answers, and when it gives its thread back.

use std::{fs, sync::Arc, time::Duration};

use ferry_shared::message::{Request, request::Algorithm};
use tokio::sync::mpsc;

use super::harness::{World, asking, frames, next_need, path, small};
use crate::command::{Input, Need};

/// Requests for work that takes seconds and needs no frame: on one file, and on a folder that contains it.
fn long_work(world: &World) -> Vec<Request> {
    fs::create_dir(world.home_made().join("folder")).unwrap();
    for name in ["file", "folder/file"] {
        fs::File::create(world.home().join(name)).unwrap().set_len(8 << 30).unwrap();
    }
    let copy = |from, to| Request::Copy { from: path(from), to: path(to), replace: true };
    let hash = |algorithm| Request::Hash { path: path("file"), algorithm };
    vec![hash(Algorithm::Blake3), hash(Algorithm::Sha256), copy("file", "copy"), copy("folder", "other")]
}

#[test]
fn long_work_gives_its_thread_back_and_ends_when_the_client_left() {
    let world = World::new(1 << 40);
    for long in long_work(&world) {
        let mut conversation = world.conversation();
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
fn long_work_ends_with_the_server_or_the_account() {
    let world = World::new(1 << 40);
    let mut begun: Vec<_> = long_work(&world)
        .into_iter()
        .map(|long| {
            let mut conversation = world.conversation();
            conversation.push(asking(&long));
            let (sender, mut input) = mpsc::channel(1);
            let (output, answers) = mpsc::channel(4);
            assert_eq!(next_need(&mut conversation, &mut input, &output), Need::Turn);
            conversation.give_turn();
            (conversation, (sender, input), (output, answers))
        })
        .collect();
    let (mut conversation, (_sender, mut input), (output, mut answers)) = begun.pop().unwrap();
    world.remove_user();
    assert_eq!(next_need(&mut conversation, &mut input, &output), Need::End);
    let answer = String::from_utf8_lossy(&answers.try_recv().unwrap()).into_owned();
    assert!(answer.contains("account_closed"), "{answer}");
    world.context.stop.cancel();
    for (mut conversation, (_sender, mut input), (output, mut answers)) in begun {
        assert_eq!(next_need(&mut conversation, &mut input, &output), Need::End);
        assert!(answers.try_recv().is_err());
    }
}

#[test]
fn refused_uploads_without_end_are_answered_while_more_come() {
    let world = World::new(1000);
    world.make_read_only();
    let mut conversation = world.conversation();
    let many = || Input::Frames((0..20_000).flat_map(|_| frames(&small("a", b"one"))).collect());
    conversation.push(many());
    let (sender, mut input) = mpsc::channel(1);
    sender.try_send(many()).unwrap();
    let (output, _unread) = mpsc::channel(1);
    assert_eq!(next_need(&mut conversation, &mut input, &output), Need::Room, "answers wait for the peer");
    assert!(input.try_recv().is_ok(), "and nothing more was taken before they could go");
}

#[test]
fn a_delayed_request_waits_longer_when_more_is_thrown_away_meanwhile() {
    const MIB: u64 = 1 << 20;
    let world = World::new(1 << 40);
    fs::write(world.home_made().join("file"), b"content").unwrap();
    let mut conversation = world.conversation();
    // A delay of a second, then of a minute.
    let user = Arc::clone(&conversation.session().user);
    user.waste.replaced((128 + 16) * MIB);
    conversation.push(asking(&Request::Copy { from: path("file"), to: path("copy"), replace: false }));
    let (_sender, mut input) = mpsc::channel(1);
    let (output, _answers) = mpsc::channel(4);
    assert!(matches!(next_need(&mut conversation, &mut input, &output), Need::Later(_)));
    user.waste.replaced(16 * 60 * MIB);
    let need = next_need(&mut conversation, &mut input, &output);
    assert!(matches!(need, Need::Later(wait) if wait > Duration::from_secs(30)), "{need:?}");
    assert!(!world.home().join("copy").exists());
}
