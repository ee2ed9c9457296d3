//! Paths, addresses and digests for the clipboard of the terminal.

use crate::tui::{
    effect::Effect,
    event::{Answer, Event},
    fixture::{Fixture, entry},
};

/// The text that was given to the clipboard.
fn given(fixture: &mut Fixture) -> Option<String> {
    fixture.take().into_iter().find_map(|effect| match effect {
        Effect::Clipboard(bytes) => Some(String::from_utf8(bytes).unwrap()),
        _ => None,
    })
}

#[test]
fn paths_and_addresses_of_what_is_marked_go_to_the_clipboard() {
    let mut fixture = Fixture::connected();
    fixture.keys("/").type_text("notes").keys("enter y p");
    let local = given(&mut fixture).unwrap();
    assert!(local.starts_with('/') && local.ends_with("/notes.txt"), "{local}");
    fixture.keys("y a");
    assert_eq!(given(&mut fixture).unwrap(), local, "the address of a local file is its path");
    fixture.keys("tab g g j space space y p");
    assert_eq!(given(&mut fixture).unwrap(), "/photos/2024\n/photos/albums");
    fixture.keys("y a");
    let both = "ferry://alice@files.example.org:7021/photos/2024\nferry://alice@files.example.org:7021/photos/albums";
    assert_eq!(given(&mut fixture).unwrap(), both);
    assert!(fixture.text().contains("2 addresses are on the clipboard"));
}

#[test]
fn the_digest_in_the_details_goes_to_the_clipboard_once_it_is_known() {
    let mut fixture = Fixture::connected();
    fixture.keys("/").type_text("notes").keys("enter i");
    let ticket = fixture.ticket();
    fixture.keys("y");
    assert_eq!(given(&mut fixture), None);
    assert!(fixture.state.toast.as_ref().unwrap().is_bad());
    fixture.event(Event::Answer(ticket, Answer::Digest("0f3a".into())));
    fixture.keys("y");
    assert_eq!(given(&mut fixture).unwrap(), "0f3a");
}

#[test]
fn more_than_a_clipboard_takes_is_refused_and_nothing_is_cut() {
    let mut fixture = Fixture::connected();
    let many = (0..2000).map(|n| entry(&format!("{n:030}"), 1, 1)).collect();
    fixture.keys("ctrl-r");
    fixture.answer_lists(many);
    fixture.keys("ctrl-a y p");
    assert_eq!(given(&mut fixture), None);
    assert!(fixture.text().contains("more than the 48 KiB"), "{}", fixture.text());
}
