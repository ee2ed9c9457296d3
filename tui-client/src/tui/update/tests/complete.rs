//! Completion of paths in forms.

use ferry_shared::path::RemotePath;

use crate::tui::{
    effect::Effect,
    event::{Answer, Event},
    fixture::{Fixture, entry, remote_items, server},
    state::{item::Item, place::Place, problem::Problem, ticket::Ticket},
};

/// The folder that the last completion lists.
fn listed(fixture: &mut Fixture) -> (Ticket, Place) {
    let effects = fixture.take();
    let lists = effects.into_iter().filter_map(|effect| match effect {
        Effect::List(ticket, place) => Some((ticket, place)),
        _ => None,
    });
    lists.last().expect("nothing is listed")
}

fn answer(fixture: &mut Fixture, ticket: Ticket, items: Vec<Item>) {
    fixture.event(Event::Answer(ticket, Answer::Page { items, more: false }));
}

fn asks(keys: &str) -> Fixture {
    let mut fixture = Fixture::connected();
    fixture.keys(keys);
    let _ = fixture.take();
    fixture
}

#[test]
fn tab_completes_the_only_folder_and_goes_on_below_it() {
    let mut fixture = asks("g /");
    fixture.type_text("ho").keys("tab");
    let (ticket, place) = listed(&mut fixture);
    assert_eq!(place, fixture.state.pane().place);
    answer(&mut fixture, ticket, vec![entry("homes/", 0, 1), entry("holiday.raw", 1, 1), entry("x/", 0, 1)]);
    assert!(fixture.text().contains("homes/ "), "{}", fixture.text());
    fixture.type_text("a").keys("tab");
    let (ticket, below) = listed(&mut fixture);
    assert_eq!(below, place.typed("homes", &fixture.state.home).unwrap());
    answer(&mut fixture, ticket, vec![entry("al/", 0, 1)]);
    fixture.keys("enter");
    assert_eq!(fixture.state.pane().place, place.typed("homes/al", &fixture.state.home).unwrap());
}

#[test]
fn several_names_are_completed_as_far_as_they_agree_and_then_shown() {
    let mut fixture = asks("tab g /");
    fixture.type_text("/a").keys("tab");
    let (ticket, place) = listed(&mut fixture);
    assert_eq!(place, Place::remote(server().target, RemotePath::home()));
    let folders = || ["album 1/", "album 2/", ".attic/"].map(|name| entry(name, 0, 1)).to_vec();
    answer(&mut fixture, ticket, folders());
    assert!(fixture.text().contains("/album ") && !fixture.text().contains("album 2/"), "{}", fixture.text());
    fixture.keys("tab");
    let (ticket, _) = listed(&mut fixture);
    answer(&mut fixture, ticket, folders());
    assert!(fixture.text().contains("album 1/  album 2/") && !fixture.text().contains(".attic"), "{}", fixture.text());
    // The names go with the next key.
    assert!(!fixture.type_text("3").text().contains("album 2/"));
    fixture.keys("tab");
    let (ticket, _) = listed(&mut fixture);
    answer(&mut fixture, ticket, folders());
    assert!(fixture.text().contains("no name there begins like this"));
}

#[test]
fn an_answer_that_comes_after_the_next_key_changes_nothing() {
    let mut fixture = asks("g /");
    fixture.type_text("al").keys("tab");
    let (ticket, _) = listed(&mut fixture);
    fixture.type_text("x");
    answer(&mut fixture, ticket, remote_items());
    assert!(fixture.text().contains("path  alx "), "{}", fixture.text());
}

#[test]
fn a_folder_that_cannot_be_listed_is_told_in_the_form() {
    let mut fixture = asks("g /");
    fixture.type_text("secret/").keys("tab");
    let (ticket, _) = listed(&mut fixture);
    fixture.event(Event::Answer(ticket, Answer::Failed(Problem::new("permission denied"))));
    assert!(fixture.text().contains("permission denied") && fixture.text().contains("Go to"), "{}", fixture.text());
    fixture.type_text("x").keys("tab");
    assert!(fixture.take().iter().any(|effect| matches!(effect, Effect::List(..))), "it can be tried again");
}

#[test]
fn tab_goes_to_the_next_field_where_no_path_is_begun() {
    let mut fixture = asks("ctrl-s");
    let list = |fixture: &mut Fixture| fixture.take().iter().any(|effect| matches!(effect, Effect::List(..)));
    // server, user, folder, save as, key file
    fixture.keys("tab tab tab tab tab");
    assert!(!list(&mut fixture));
    fixture.keys("backtab").type_text("~/.ssh/id").keys("tab");
    let (ticket, place) = listed(&mut fixture);
    assert_eq!(place, Place::local(fixture.state.home.join(".ssh")));
    answer(&mut fixture, ticket, vec![entry("id_work", 1, 1)]);
    assert!(fixture.text().contains("~/.ssh/id_work"), "{}", fixture.text());
}
