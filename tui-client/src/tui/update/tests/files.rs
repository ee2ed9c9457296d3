//! New folders, names, deletions, details and files looked at.

use ferry_shared::name::Name;

use crate::{
    fault::Kind,
    tui::{
        effect::Effect,
        event::{Answer, Event},
        scene::{Scene, entry, local_items},
        state::{dialog::Dialog, listing::Amount, place::Place, problem::Problem},
    },
};

fn name(text: &str) -> Name {
    Name::try_from(text).unwrap()
}

#[test]
fn a_new_folder_is_made_and_landed_on() {
    let mut scene = Scene::connected();
    scene.keys("f7").type_text("trip").keys("enter");
    let ticket = scene.ticket();
    assert!(matches!(&scene.take()[..], [Effect::MakeFolder(_, Place::Local(path))] if path.ends_with("data/trip")));
    scene.event(Event::Answer(ticket, Answer::Done));
    let mut items = local_items();
    items.push(entry("trip/", 0, 0));
    scene.wait(2000);
    scene.answer_lists(items);
    assert_eq!(scene.state.pane().current().unwrap().name(), b"trip");
}

#[test]
fn a_folder_that_is_there_already_is_told() {
    let mut scene = Scene::connected();
    scene.keys("f7").type_text("2024").keys("enter");
    let ticket = scene.ticket();
    scene.event(Event::Answer(ticket, Answer::Failed(Problem::new("it exists").of(Kind::Exists))));
    assert!(scene.state.toast.as_ref().is_some_and(|toast| toast.bad && toast.text.contains("exists")));
}

#[test]
fn renaming_one_begins_before_the_extension() {
    let mut scene = Scene::connected();
    scene.keys("j j j f2").type_text("s").keys("enter");
    let expected = |effect: &Effect| matches!(effect, Effect::Rename(_, all) if all[0].1 == Place::Local("/home/al/data/holidays.raw".into()));
    assert!(scene.effects.iter().any(expected), "{:?}", scene.effects);
}

#[test]
fn renaming_many_goes_through_the_editor() {
    let mut scene = Scene::connected();
    scene.keys("j j j space space r");
    let ticket = scene.ticket();
    assert!(matches!(&scene.take()[..], [Effect::EditText(_, text)] if text == "holiday.raw\niso.img\n"));
    scene.event(Event::Answer(ticket, Answer::Edited { text: "iso.img\nholiday.raw\n".into(), changed: true }));
    assert!(
        scene.take().iter().any(|effect| matches!(effect, Effect::Rename(_, steps) if steps.len() == 3)),
        "they change places"
    );
}

#[test]
fn names_that_would_lose_a_file_rename_nothing() {
    let mut scene = Scene::connected();
    scene.keys("j j j space space r");
    let ticket = scene.ticket();
    let _ = scene.take();
    scene.event(Event::Answer(ticket, Answer::Edited { text: "x\nnotes.txt\n".into(), changed: true }));
    assert!(!scene.take().iter().any(|effect| matches!(effect, Effect::Rename(..))));
    assert!(scene.state.toast.as_ref().is_some_and(|toast| toast.text.contains("notes.txt is there already")));
}

#[test]
fn deleting_counts_first_and_needs_a_yes() {
    let mut scene = Scene::connected();
    scene.keys("j space f8");
    let count = scene.ticket();
    assert!(matches!(&scene.take()[..], [Effect::Count(..)]));
    let amount = Amount { files: 12, folders: 3, bytes: 1 << 20 };
    scene.event(Event::Answer(count, Answer::Counted { amount, unreadable: 1, left_out: 0, more: false }));
    assert!(scene.text().contains("12 files, 3 folders, 1.0 MiB, 1 folder cannot be read"));
    scene.keys("esc");
    assert!(scene.take().is_empty() && scene.state.dialogs.is_empty());
    scene.keys("f8 y");
    let removed = scene.take();
    assert!(
        matches!(&removed[..], [Effect::Count(..), Effect::Drop(_), Effect::Remove(_, _, what)] if what == &[(name("2024"), true)])
    );
    let Effect::Remove(ticket, ..) = removed[2] else { panic!() };
    scene.event(Event::Answer(ticket, Answer::Gone(name("2024"))));
    assert!(!scene.text().split('│').next().unwrap().contains("2024/"));
    scene.event(Event::Answer(ticket, Answer::Removed(amount)));
    assert!(scene.state.toast.as_ref().unwrap().text.contains("12 files, 3 folders"));
}

#[test]
fn a_symlink_to_a_folder_is_removed_as_a_link() {
    let mut scene = Scene::connected();
    let mut link = entry("way@", 0, 1);
    link.leads = true;
    scene.keys("ctrl-r");
    scene.answer_lists(vec![link]);
    scene.keys("g g j f8 y");
    assert!(
        scene
            .take()
            .iter()
            .any(|effect| matches!(effect, Effect::Remove(_, _, what) if what == &[(name("way"), false)]))
    );
}

#[test]
fn details_ask_for_the_digest_and_call_it_off_when_closed() {
    let mut scene = Scene::connected();
    scene.keys("j j j i");
    let ticket = scene.ticket();
    let _ = scene.take();
    scene.keys("esc");
    assert_eq!(scene.take(), [Effect::Drop(ticket)]);
    scene.event(Event::Answer(ticket, Answer::Digest("00".into())));
    scene.keys("j j j i");
    let ticket = scene.ticket();
    scene.event(Event::Answer(ticket, Answer::Digest("abcdef".into())));
    assert!(scene.text().contains("abcdef"));
}

#[test]
fn a_file_is_read_block_by_block_as_it_is_looked_at() {
    let mut scene = Scene::connected();
    scene.keys("j j j j o");
    let ticket = scene.ticket();
    assert!(matches!(&scene.take()[..], [Effect::Read(_, _, 0)]));
    scene.event(Event::Answer(ticket, Answer::Block { index: 0, bytes: vec![b'a'; 1 << 20], size: 4 << 30 }));
    assert!(scene.take().is_empty(), "no more than is on the screen");
    scene.keys("G");
    assert!(matches!(&scene.take()[..], [Effect::Read(_, _, 4095)]));
    scene.keys("q");
    assert!(scene.state.dialogs.is_empty());
}

#[test]
fn what_is_no_file_is_not_looked_at() {
    let mut scene = Scene::connected();
    scene.keys("j f3");
    assert!(scene.state.dialogs.is_empty() && scene.state.toast.as_ref().is_some_and(|toast| toast.bad));
}

#[test]
fn within_the_server_nothing_travels() {
    let mut scene = Scene::connected();
    scene.keys("g o");
    scene.answer_lists(vec![entry("albums/", 0, 1)]);
    scene.keys("tab g r");
    scene.answer_lists(vec![entry("photos/", 0, 1), entry("b.txt", 5, 1)]);
    let _ = scene.take();
    scene.keys("g g j j f5 y");
    assert!(matches!(&scene.take()[..], [Effect::CopyThere(_, all)] if all[0].1.as_bytes() == b"photos/b.txt"));
    scene.keys("f6 y");
    assert!(
        scene
            .take()
            .iter()
            .any(|effect| matches!(effect, Effect::Rename(_, all) if all[0].0.name() == Some(name("b.txt"))))
    );
    scene.keys("k f5");
    assert!(matches!(scene.state.dialogs[..], []), "a folder cannot go into itself: {:?}", scene.state.toast);
    let _ = Dialog::Quit;
}
