//! Remote files that are edited: they come, and go back verified, or not at all.

use std::path::Path;

use ferry_client::transfer::JobId;
use ferry_shared::entry::Version;

use crate::tui::{
    effect::{Effect, TransferEffect},
    event::{Answer, Event},
    fixture::{Fixture, done},
    state::{
        dialog::Dialog,
        transfers::{Key, Order},
    },
};

fn version(text: &str) -> Option<(Version, u32)> {
    Some((Version(text.to_owned()), 0o775))
}

/// `notes.txt` of the server is in the editor.
fn in_editor() -> Fixture {
    let mut fixture = Fixture::connected();
    fixture.keys("tab g g j j j j f4");
    let ticket = fixture.ticket();
    assert!(matches!(&fixture.take()[..], [Effect::Version(..)]));
    fixture.event(Event::Answer(ticket, Answer::Version(version("1"))));
    arrive(&mut fixture, 1);
    assert!(
        fixture.effects.iter().any(|effect| matches!(effect, Effect::EditFile(_, path) if path.ends_with("notes.txt")))
    );
    fixture
}

/// The transfer that was begun.
fn begun(fixture: &mut Fixture) -> (Key, Order) {
    let begun = fixture.take().into_iter().find_map(|effect| match effect {
        Effect::Transfer(TransferEffect::Begin(key, order)) => Some((key, order)),
        _ => None,
    });
    begun.unwrap()
}

/// The transfer that was begun goes through.
fn arrive(fixture: &mut Fixture, job: u64) -> Key {
    let (key, _) = begun(fixture);
    fixture.event(Event::Started(key, JobId(job)));
    fixture.event(Event::Transfer(done(job, 0)));
    key
}

fn editor_ends(fixture: &mut Fixture, changed: bool) {
    let ticket = fixture
        .effects
        .iter()
        .rev()
        .find_map(|effect| if let Effect::EditFile(ticket, _) = effect { Some(*ticket) } else { None });
    fixture.event(Event::Answer(ticket.unwrap(), Answer::Edited { text: String::new(), changed }));
}

#[test]
fn an_edited_file_goes_back_and_its_copy_is_removed() {
    let mut fixture = in_editor();
    editor_ends(&mut fixture, true);
    let ticket = fixture.ticket();
    fixture.event(Event::Answer(ticket, Answer::Version(version("1"))));
    arrive(&mut fixture, 2);
    assert!(fixture.state.toast.as_ref().unwrap().text.contains("verified"));
    assert!(fixture.effects.iter().any(
        |effect| matches!(effect, Effect::RemoveCopy(path) if path.starts_with(Path::new("/home/al/.ferry/edit")))
    ));
    assert!(fixture.state.edits.is_empty());
}

#[test]
fn an_edited_file_keeps_the_permission_bits_it_has_on_the_server_by_then() {
    let mut fixture = Fixture::connected();
    fixture.keys("tab g g j j j j f4");
    let ticket = fixture.ticket();
    let _ = fixture.take();
    fixture.event(Event::Answer(ticket, Answer::Version(Some((Version("1".to_owned()), 0o444)))));
    let (key, order) = begun(&mut fixture);
    assert_eq!(order.mode, Some(0o600), "the copy can be read and changed here");
    fixture.event(Event::Started(key, JobId(1)));
    fixture.event(Event::Transfer(done(1, 0)));
    editor_ends(&mut fixture, true);
    let ticket = fixture.ticket();
    let _ = fixture.take();
    fixture.event(Event::Answer(ticket, Answer::Version(Some((Version("2".to_owned()), 0o640)))));
    fixture.keys("y");
    assert_eq!(begun(&mut fixture).1.mode, Some(0o640));
}

#[test]
fn an_edited_file_that_was_removed_meanwhile_gets_the_permission_bits_it_had() {
    let mut fixture = in_editor();
    editor_ends(&mut fixture, true);
    let ticket = fixture.ticket();
    let _ = fixture.take();
    fixture.event(Event::Answer(ticket, Answer::Version(None)));
    fixture.keys("y");
    assert_eq!(begun(&mut fixture).1.mode, Some(0o775));
}

#[test]
fn an_unchanged_file_does_not_go_back() {
    let mut fixture = in_editor();
    let _ = fixture.effects.iter().rev();
    editor_ends(&mut fixture, false);
    assert!(fixture.state.edits.is_empty());
    assert!(!fixture.effects.iter().any(|effect| matches!(effect, Effect::Version(..))));
}

#[test]
fn a_file_that_changed_meanwhile_is_not_replaced_without_a_yes() {
    let mut fixture = in_editor();
    editor_ends(&mut fixture, true);
    let ticket = fixture.ticket();
    fixture.event(Event::Answer(ticket, Answer::Version(version("2"))));
    assert!(matches!(fixture.state.dialogs.last(), Some(Dialog::Question(_))));
    let _ = fixture.take();
    fixture.keys("n");
    assert!(fixture.take().is_empty(), "nothing goes back, and the copy stays");
    assert!(fixture.state.toast.as_ref().unwrap().text.contains("notes.txt"));
}

#[test]
fn a_copy_that_did_not_arrive_back_is_named_and_kept() {
    let mut fixture = in_editor();
    editor_ends(&mut fixture, true);
    let ticket = fixture.ticket();
    fixture.event(Event::Answer(ticket, Answer::Version(version("1"))));
    let key = fixture.state.transfers.all().last().unwrap().key;
    let _ = fixture.take();
    fixture.event(Event::Started(key, JobId(3)));
    fixture.event(Event::Transfer(done(3, 1)));
    assert!(fixture.state.toast.as_ref().is_some_and(|toast| toast.is_bad() && toast.text.contains("your version is")));
    assert!(!fixture.take().iter().any(|effect| matches!(effect, Effect::RemoveCopy(_))));
}

#[test]
fn a_local_file_is_edited_where_it_is() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j f4");
    assert!(
        matches!(&fixture.take()[..], [Effect::EditFile(_, path)] if path == Path::new("/home/al/data/holiday.raw"))
    );
}
