//! Remote files that are edited: they come, and go back verified, or not at all.

use std::path::Path;

use ferry_client::transfer::JobId;
use ferry_shared::entry::Version;

use crate::tui::{
    effect::{Effect, TransferEffect},
    event::{Answer, Event},
    scene::{Scene, done},
    state::{
        dialog::Dialog,
        transfers::{Key, Order},
    },
};

fn version(text: &str) -> Option<(Version, u32)> {
    Some((Version(text.to_owned()), 0o775))
}

/// `notes.txt` of the server is in the editor.
fn in_editor() -> Scene {
    let mut scene = Scene::connected();
    scene.keys("tab g g j j j j f4");
    let ticket = scene.ticket();
    assert!(matches!(&scene.take()[..], [Effect::Version(..)]));
    scene.event(Event::Answer(ticket, Answer::Version(version("1"))));
    arrive(&mut scene, 1);
    assert!(
        scene.effects.iter().any(|effect| matches!(effect, Effect::EditFile(_, path) if path.ends_with("notes.txt")))
    );
    scene
}

/// The transfer that was begun.
fn begun(scene: &mut Scene) -> (Key, Order) {
    let begun = scene.take().into_iter().find_map(|effect| match effect {
        Effect::Transfer(TransferEffect::Begin(key, order)) => Some((key, order)),
        _ => None,
    });
    begun.unwrap()
}

/// The transfer that was begun goes through.
fn arrive(scene: &mut Scene, job: u64) -> Key {
    let (key, _) = begun(scene);
    scene.event(Event::Started(key, vec![JobId(job)]));
    scene.event(Event::Transfer(done(job, 0)));
    key
}

fn editor_ends(scene: &mut Scene, changed: bool) {
    let ticket = scene
        .effects
        .iter()
        .rev()
        .find_map(|effect| if let Effect::EditFile(ticket, _) = effect { Some(*ticket) } else { None });
    scene.event(Event::Answer(ticket.unwrap(), Answer::Edited { text: String::new(), changed }));
}

#[test]
fn an_edited_file_goes_back_and_its_copy_is_removed() {
    let mut scene = in_editor();
    editor_ends(&mut scene, true);
    let ticket = scene.ticket();
    scene.event(Event::Answer(ticket, Answer::Version(version("1"))));
    arrive(&mut scene, 2);
    assert!(scene.state.toast.as_ref().unwrap().text.contains("verified"));
    assert!(scene.effects.iter().any(
        |effect| matches!(effect, Effect::RemoveCopy(path) if path.starts_with(Path::new("/home/al/.ferry/edit")))
    ));
    assert!(scene.state.edits.is_empty());
}

#[test]
fn an_edited_file_keeps_the_permission_bits_it_has_on_the_server_by_then() {
    let mut scene = Scene::connected();
    scene.keys("tab g g j j j j f4");
    let ticket = scene.ticket();
    let _ = scene.take();
    scene.event(Event::Answer(ticket, Answer::Version(Some((Version("1".to_owned()), 0o444)))));
    let (key, order) = begun(&mut scene);
    assert_eq!(order.mode, Some(0o600), "the copy can be read and changed here");
    scene.event(Event::Started(key, vec![JobId(1)]));
    scene.event(Event::Transfer(done(1, 0)));
    editor_ends(&mut scene, true);
    let ticket = scene.ticket();
    let _ = scene.take();
    scene.event(Event::Answer(ticket, Answer::Version(Some((Version("2".to_owned()), 0o640)))));
    scene.keys("y");
    assert_eq!(begun(&mut scene).1.mode, Some(0o640));
}

#[test]
fn an_edited_file_that_was_removed_meanwhile_gets_the_permission_bits_it_had() {
    let mut scene = in_editor();
    editor_ends(&mut scene, true);
    let ticket = scene.ticket();
    let _ = scene.take();
    scene.event(Event::Answer(ticket, Answer::Version(None)));
    scene.keys("y");
    assert_eq!(begun(&mut scene).1.mode, Some(0o775));
}

#[test]
fn an_unchanged_file_does_not_go_back() {
    let mut scene = in_editor();
    let _ = scene.effects.iter().rev();
    editor_ends(&mut scene, false);
    assert!(scene.state.edits.is_empty());
    assert!(!scene.effects.iter().any(|effect| matches!(effect, Effect::Version(..))));
}

#[test]
fn a_file_that_changed_meanwhile_is_not_replaced_without_a_yes() {
    let mut scene = in_editor();
    editor_ends(&mut scene, true);
    let ticket = scene.ticket();
    scene.event(Event::Answer(ticket, Answer::Version(version("2"))));
    assert!(matches!(scene.state.dialogs.last(), Some(Dialog::Question(_))));
    let _ = scene.take();
    scene.keys("n");
    assert!(scene.take().is_empty(), "nothing goes back, and the copy stays");
    assert!(scene.state.toast.as_ref().unwrap().text.contains("notes.txt"));
}

#[test]
fn a_copy_that_did_not_arrive_back_is_named_and_kept() {
    let mut scene = in_editor();
    editor_ends(&mut scene, true);
    let ticket = scene.ticket();
    scene.event(Event::Answer(ticket, Answer::Version(version("1"))));
    let key = scene.state.transfers.all().last().unwrap().key;
    let _ = scene.take();
    scene.event(Event::Started(key, vec![JobId(3)]));
    scene.event(Event::Transfer(done(3, 1)));
    assert!(scene.state.toast.as_ref().is_some_and(|toast| toast.bad && toast.text.contains("your version is")));
    assert!(!scene.take().iter().any(|effect| matches!(effect, Effect::RemoveCopy(_))));
}

#[test]
fn a_local_file_is_edited_where_it_is() {
    let mut scene = Scene::connected();
    scene.keys("j j j f4");
    assert!(matches!(&scene.take()[..], [Effect::EditFile(_, path)] if path == Path::new("/home/al/data/holiday.raw")));
}
