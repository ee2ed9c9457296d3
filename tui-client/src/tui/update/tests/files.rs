//! New folders, names, deletions, details and the viewer.

use ferry_shared::name::Name;

use crate::{
    fault::Kind,
    tui::{
        effect::Effect,
        event::{Answer, Event},
        fixture::{Fixture, entry, local_items},
        state::{dialog::Dialog, listing::Amount, place::Place, problem::Problem},
    },
};

fn name(text: &str) -> Name {
    Name::try_from(text).unwrap()
}

#[test]
fn a_new_folder_is_made_and_landed_on() {
    let mut fixture = Fixture::connected();
    fixture.keys("f7").type_text("trip").keys("enter");
    let ticket = fixture.ticket();
    assert!(
        matches!(&fixture.take()[..], [Effect::MakeFolder(_, place)] if *place == Place::local("/home/al/data/trip"))
    );
    fixture.event(Event::Answer(ticket, Answer::Done));
    let mut items = local_items();
    items.push(entry("trip/", 0, 0));
    fixture.wait(2000);
    fixture.answer_lists(items);
    assert_eq!(fixture.state.pane().current().unwrap().name(), b"trip");
}

#[test]
fn a_folder_that_is_there_already_is_told() {
    let mut fixture = Fixture::connected();
    fixture.keys("f7").type_text("2024").keys("enter");
    let ticket = fixture.ticket();
    fixture.event(Event::Answer(ticket, Answer::Failed(Problem::new("it exists").of(Kind::Exists))));
    assert!(fixture.state.toast.as_ref().is_some_and(|toast| toast.is_bad() && toast.text.contains("exists")));
}

#[test]
fn renaming_one_begins_before_the_extension() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j f2").type_text("s").keys("enter");
    let expected = |effect: &Effect| matches!(effect, Effect::Rename(_, all) if all[0].1 == Place::local("/home/al/data/holidays.raw"));
    assert!(fixture.effects.iter().any(expected), "{:?}", fixture.effects);
}

#[test]
fn renaming_many_goes_through_the_editor() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j space space r");
    let ticket = fixture.ticket();
    assert!(matches!(&fixture.take()[..], [Effect::EditText(_, text)] if text == "holiday.raw\niso.img\n"));
    fixture.event(Event::Answer(ticket, Answer::Edited { text: "iso.img\nholiday.raw\n".into(), changed: true }));
    assert!(
        fixture.take().iter().any(|effect| matches!(effect, Effect::Rename(_, steps) if steps.len() == 3)),
        "they change places"
    );
}

#[test]
fn names_that_would_lose_a_file_rename_nothing() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j space space r");
    let ticket = fixture.ticket();
    let _ = fixture.take();
    fixture.event(Event::Answer(ticket, Answer::Edited { text: "x\nnotes.txt\n".into(), changed: true }));
    assert!(!fixture.take().iter().any(|effect| matches!(effect, Effect::Rename(..))));
    assert!(fixture.state.toast.as_ref().is_some_and(|toast| toast.text.contains("notes.txt is there already")));
}

#[test]
fn deleting_counts_first_and_needs_a_yes() {
    let mut fixture = Fixture::connected();
    fixture.keys("j space f8");
    let count = fixture.ticket();
    assert!(matches!(&fixture.take()[..], [Effect::Count(..)]));
    let amount = Amount { files: 12, folders: 3, bytes: 1 << 20 };
    fixture.event(Event::Answer(count, Answer::Counted { amount, unreadable: 1, left_out: 0, more: false }));
    assert!(fixture.text().contains("12 files, 3 folders, 1.0 MiB, 1 folder cannot be read"));
    fixture.keys("esc");
    assert!(fixture.take().is_empty() && fixture.state.dialogs.is_empty());
    fixture.keys("f8 y");
    let removed = fixture.take();
    assert!(
        matches!(&removed[..], [Effect::Count(..), Effect::Drop(_), Effect::Remove(_, _, what)] if what == &[(name("2024").into(), true)])
    );
    let Effect::Remove(ticket, ..) = removed[2] else { panic!() };
    fixture.event(Event::Answer(ticket, Answer::Gone(name("2024").into())));
    assert!(!fixture.text().split('│').next().unwrap().contains("2024/"));
    fixture.event(Event::Answer(ticket, Answer::Removed(amount)));
    assert!(fixture.state.toast.as_ref().unwrap().text.contains("12 files, 3 folders"));
}

#[test]
fn a_symlink_to_a_folder_is_removed_as_a_link() {
    let mut fixture = Fixture::connected();
    let mut connection = entry("way@", 0, 1);
    connection.leads = true;
    fixture.keys("ctrl-r");
    fixture.answer_lists(vec![connection]);
    fixture.keys("g g j f8 y");
    assert!(
        fixture
            .take()
            .iter()
            .any(|effect| matches!(effect, Effect::Remove(_, _, what) if what == &[(name("way").into(), false)]))
    );
}

#[test]
fn details_ask_for_the_digest_and_call_it_off_when_closed() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j i");
    let ticket = fixture.ticket();
    let _ = fixture.take();
    fixture.keys("esc");
    assert_eq!(fixture.take(), [Effect::Drop(ticket)]);
    fixture.event(Event::Answer(ticket, Answer::Digest("00".into())));
    fixture.keys("j j j i");
    let ticket = fixture.ticket();
    fixture.event(Event::Answer(ticket, Answer::Digest("abcdef".into())));
    assert!(fixture.text().contains("abcdef"));
}

#[test]
fn a_file_is_read_block_by_block_as_it_is_viewed() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j j o");
    let ticket = fixture.ticket();
    assert!(matches!(&fixture.take()[..], [Effect::Read(_, _, 0)]));
    fixture.event(Event::Answer(ticket, Answer::Block { index: 0, bytes: vec![b'a'; 1 << 20], size: 4 << 30 }));
    assert!(fixture.take().is_empty(), "no more than is on the screen");
    fixture.keys("G");
    assert!(matches!(&fixture.take()[..], [Effect::Read(_, _, 4095)]));
    fixture.keys("q");
    assert!(fixture.state.dialogs.is_empty());
}

#[test]
fn only_files_are_opened_in_the_viewer() {
    let mut fixture = Fixture::connected();
    fixture.keys("j f3");
    assert!(fixture.state.dialogs.is_empty() && fixture.state.toast.as_ref().is_some_and(|toast| toast.is_bad()));
}

#[test]
fn within_the_server_nothing_travels() {
    let mut fixture = Fixture::connected();
    fixture.keys("g o");
    fixture.answer_lists(vec![entry("albums/", 0, 1)]);
    fixture.keys("tab g r");
    fixture.answer_lists(vec![entry("photos/", 0, 1), entry("b.txt", 5, 1)]);
    let _ = fixture.take();
    fixture.keys("g g j j f5 y");
    assert!(matches!(&fixture.take()[..], [Effect::CopyThere(_, all)] if all[0].1.path.to_string() == "/photos/b.txt"));
    fixture.keys("f6 y");
    assert!(
        fixture
            .take()
            .iter()
            .any(|effect| matches!(effect, Effect::Rename(_, all) if all[0].0.name() == Some(name("b.txt"))))
    );
    fixture.keys("k f5");
    assert!(matches!(fixture.state.dialogs[..], []), "{:?}", fixture.state.toast);
    let refused = fixture.state.toast.as_ref().map(|toast| toast.text.as_str());
    assert_eq!(refused, Some("/photos/photos is inside /photos"));
    let _ = Dialog::Quit;
}

#[test]
fn a_new_folder_may_have_others_above_it() {
    let mut fixture = Fixture::connected();
    fixture.keys("f7").type_text("a/b/c").keys("enter");
    let effects = fixture.take();
    let [Effect::MakeFolder(ticket, place)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(*place, Place::local("/home/al/data/a/b/c"));
    fixture.event(Event::Answer(*ticket, Answer::Done));
    fixture.wait(2000);
    fixture.answer_lists(vec![entry("a/", 0, 0), entry("z", 1, 1)]);
    assert_eq!(fixture.state.pane().current().unwrap().name(), b"a");
    for bad in ["a//b", "/a", "a/../b", "/"] {
        fixture.keys("f7").type_text(bad).keys("enter");
        assert!(fixture.take().is_empty(), "{bad}");
        fixture.keys("esc");
    }
}

#[test]
fn what_has_only_begun_is_not_told_as_done() {
    let mut fixture = Fixture::connected();
    fixture.keys("j f8 y");
    let text = fixture.text();
    assert!(text.contains("deleting") && !text.contains("✓ deleting"), "{text}");
}
