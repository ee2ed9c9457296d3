//! Permissions, symbolic links and the sizes of folders.

use crate::tui::{
    effect::{CountFor, Effect},
    event::{Answer, Event},
    fixture::Fixture,
    state::{listing::Amount, permissions::Change, place::Place, problem::Problem, side::Side, ticket::Ticket},
};

/// The counts that were asked for: their tickets and what is counted.
fn counts(fixture: &mut Fixture) -> Vec<(Ticket, String)> {
    let effects = fixture.take();
    let counts = effects.into_iter().filter_map(|effect| match effect {
        Effect::Count(ticket, _, paths, CountFor::Delete) => Some((ticket, paths[0].display().to_string())),
        _ => None,
    });
    counts.collect()
}

fn counted(fixture: &mut Fixture, ticket: Ticket, bytes: u64, unreadable: u64, more: bool) {
    let amount = Amount { files: 3, folders: 1, bytes };
    fixture.event(Event::Answer(ticket, Answer::Counted { amount, unreadable, left_out: 0, more }));
}

#[test]
fn permissions_are_set_for_what_is_marked_and_below() {
    let mut fixture = Fixture::connected();
    // A folder with 755 and a file with 644.
    fixture.keys("j space j space M");
    let text = fixture.text();
    assert!(text.contains("Permissions of 2 entries") && text.contains("everything below"), "{text}");
    fixture.type_text("u=rwX,go=");
    fixture.keys("tab ctrl-u").type_text("perhaps").keys("enter");
    assert!(fixture.text().contains("neither yes nor no"), "{}", fixture.text());
    fixture.keys("ctrl-u").type_text("yes").keys("enter");
    let effects = fixture.take();
    let Some(Effect::SetMode(ticket, folder, paths, change, true)) =
        effects.iter().find(|effect| matches!(effect, Effect::SetMode(..)))
    else {
        panic!("{effects:?}")
    };
    assert_eq!((folder, paths.len()), (&fixture.state.pane().place, 2));
    assert_eq!(*change, Change::parse("u=rwX,go=").unwrap());
    let why = Some(Problem::new("permission denied"));
    fixture.event(Event::Answer(*ticket, Answer::ModesSet { set: 7, failed: 1, why }));
    let told = fixture.text();
    assert!(told.contains("permissions of 7 entries set, 1 failed: permission denied"), "{told}");
}

#[test]
fn the_permissions_of_one_file_begin_with_its_own() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j M");
    let text = fixture.text();
    assert!(text.contains("Permissions of holiday.raw") && text.contains("now -rw-r--r--"), "{text}");
    assert!(text.contains("mode  644") && !text.contains("everything below"), "{text}");
    fixture.keys("ctrl-u").type_text("9").keys("enter");
    assert!(fixture.text().contains("not an octal mode"), "{}", fixture.text());
}

#[test]
fn sizes_of_folders_are_added_up_one_after_the_other_and_stay_while_the_folder_is_shown() {
    let mut fixture = Fixture::connected();
    let _ = fixture.take();
    fixture.keys("j space space S");
    let [(first, name)] = &counts(&mut fixture)[..] else { panic!("not one count") };
    assert_eq!(name, "/2024");
    counted(&mut fixture, *first, 1 << 20, 0, true);
    assert!(fixture.text().contains("1.0 MiB"), "{}", fixture.text());
    assert!(counts(&mut fixture).is_empty(), "the second waits");
    counted(&mut fixture, *first, 5 << 20, 0, false);
    let [(second, name)] = &counts(&mut fixture)[..] else { panic!("not one count") };
    assert_eq!(name, "/2025");
    counted(&mut fixture, *second, 7 << 30, 2, false);
    let text = fixture.text();
    assert!(text.contains("2025: at least 7.0 GiB; 2 folders could not be read"), "{text}");
    let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap().to_owned();
    assert!(line("2024/").contains("5.0 MiB") && line("2025/").contains("7.0 GiB"), "{text}");
    fixture.keys("u j j S");
    assert!(counts(&mut fixture).is_empty() && fixture.text().contains("put the cursor on a folder"));
}

#[test]
fn a_size_is_given_up_when_its_folder_is_left() {
    let mut fixture = Fixture::connected();
    fixture.keys("j space space S");
    let [(first, _)] = counts(&mut fixture)[..] else { panic!("not one count") };
    fixture.keys("g g j enter");
    let _ = fixture.take();
    counted(&mut fixture, first, 1, 0, true);
    let effects = fixture.take();
    assert!(effects.contains(&Effect::Drop(first)), "{effects:?}");
    assert!(fixture.state.tasks.is_empty());
}

#[test]
fn a_link_is_made_beside_its_target_or_in_the_other_pane_of_the_same_site() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j s").type_text("raw").keys("enter");
    let here = fixture.state.pane().place.clone();
    let made = |fixture: &mut Fixture| {
        fixture.take().into_iter().find_map(|effect| match effect {
            Effect::MakeLink(_, place, text) => Some((place, String::from_utf8(text).unwrap())),
            _ => None,
        })
    };
    let link = here.typed("raw", &fixture.state.home).unwrap();
    assert_eq!(made(&mut fixture), Some((link, "holiday.raw".to_owned())));
    fixture.state.panes[Side::Right].place = Place::local("/srv");
    fixture.keys("s enter");
    assert_eq!(made(&mut fixture), Some((Place::local("/srv/holiday.raw"), "/home/al/data/holiday.raw".to_owned())));
    // A ferry server has no links.
    let mut fixture = Fixture::connected();
    fixture.keys("tab j s");
    assert!(fixture.text().contains("symbolic links") && fixture.state.dialogs.is_empty(), "{}", fixture.text());
}
