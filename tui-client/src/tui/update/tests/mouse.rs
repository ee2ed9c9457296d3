//! Clicks on what looks clickable: keys that are shown, lines of lists, fields and choices.

use ferry_shared::path::RemotePath;

use super::links;
use crate::tui::{
    action::{Action, Where, table},
    effect::{ConnectionEffect, Effect, SyncEffect},
    event::{Answer, Event, MouseAct},
    fixture::{Fixture, entry, plan},
    state::{
        dialog::{Dialog, Form, FoundItem, Purpose},
        hits::Target,
        place::Place,
    },
};

fn started(fixture: &Fixture) -> bool {
    !super::transfers(&fixture.effects).is_empty()
}

fn reaches(fixture: &Fixture) -> bool {
    links(&fixture.effects).iter().any(|effect| matches!(effect, ConnectionEffect::Reach(..)))
}

fn focus(fixture: &Fixture) -> usize {
    let Some(Dialog::Form(form)) = fixture.state.dialogs.last() else { panic!("{}", fixture.text()) };
    form.focus
}

/// One browser for each of many places, and the place.
fn places() -> Vec<(Where, Fixture)> {
    let of = |keys: &str, mut fixture: Fixture| {
        fixture.keys(keys);
        (fixture.state.place(), fixture)
    };
    let mut compared = Fixture::connected();
    compared.keys("=");
    compared.compared(plan());
    vec![
        of("j", Fixture::connected()),
        of("j j j f5", Fixture::connected()),
        of("j j j f8", Fixture::connected()),
        of("f9", Fixture::connected().with_sites()),
        of("f9 n", Fixture::connected().with_sites()),
        of(":", Fixture::connected()),
        of("j j j i", Fixture::connected()),
        of("j j j f3", Fixture::connected()),
        of("w", Fixture::busy()),
        of("A", Fixture::busy()),
        of("q", Fixture::busy()),
        of("l", compared),
    ]
}

#[test]
fn every_key_that_is_shown_can_be_clicked_and_means_that_key() {
    for (place, fixture) in places() {
        let (hits, text) = fixture.drawn();
        let mut clickable = 0;
        for row in table().filter(|row| row.places.contains(&place) && !row.hint.is_empty()) {
            let Some(label) = fixture.state.keymap.label(place, row.action) else { continue };
            let Some(at) = Fixture::find(&text, &format!(" {label} {}", row.hint)) else { continue };
            let cell = (at.x + 1, at.y).into();
            let hit = hits.at(cell, place, fixture.state.dialogs.len());
            assert_eq!(hit, Some(Target::Key(row.action)), "{} in {place:?}", row.hint);
            clickable += 1;
        }
        assert!(clickable > 0, "{place:?} shows no key:\n{}", fixture.text());
    }
}

#[test]
fn a_click_on_a_key_of_the_last_line_does_what_the_key_does() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j").click("F5 copy");
    assert!(matches!(fixture.state.dialogs.last(), Some(Dialog::Copy(_))));
    fixture.click("Enter start");
    assert!(started(&fixture), "{:?}", fixture.effects);
}

#[test]
fn nothing_is_deleted_before_the_click_on_yes() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j f8");
    let removes = |fixture: &Fixture| fixture.effects.iter().any(|effect| matches!(effect, Effect::Remove(..)));
    for text in ["Delete 1 entry?", "holiday.raw", "It cannot be brought back.", "in     "] {
        fixture.click(text).click(text);
        assert!(!removes(&fixture) && fixture.state.place() == Where::Confirm, "{text}");
    }
    fixture.click("y yes");
    assert!(removes(&fixture));
    fixture.keys("f8").click("Esc no");
    assert_eq!(fixture.state.place(), Where::Browse);
}

#[test]
fn the_first_click_on_a_line_puts_the_cursor_there_and_the_second_does_what_enter_does() {
    let mut fixture = Fixture::fresh().with_sites();
    fixture.keys("esc f9").click("work");
    assert!(matches!(fixture.state.dialogs.last(), Some(Dialog::Sites(view)) if view.cursor == 1));
    assert!(!reaches(&fixture), "one click chooses nothing");
    // A key between the clicks moves the cursor away.
    fixture.keys("up").click("work");
    assert!(!reaches(&fixture));
    fixture.click("work");
    assert!(reaches(&fixture));
    let server = &fixture.state.attempt.as_ref().unwrap().server;
    assert_eq!(server.site.as_deref(), Some("work"));
}

#[test]
fn a_command_of_the_palette_is_done_by_its_second_click() {
    let mut fixture = Fixture::connected();
    fixture.keys(":").type_text("new-tab").click("a new tab");
    assert_eq!((fixture.state.tabs.count(), fixture.state.place()), (1, Where::Type));
    fixture.click("a new tab");
    assert_eq!((fixture.state.tabs.count(), fixture.state.place()), (2, Where::Browse));
}

#[test]
fn the_second_click_on_a_transfer_shows_its_details() {
    let mut fixture = Fixture::busy();
    fixture.keys("w").click("notes.txt");
    assert_eq!(fixture.state.place(), Where::Transfers);
    fixture.click("notes.txt");
    assert_eq!(fixture.state.place(), Where::Notice, "{}", fixture.text());
    assert!(fixture.text().contains("notes.txt"));
    // What is behind the box cannot be clicked.
    let before = fixture.text();
    fixture.click("iso.img");
    assert_eq!(fixture.text(), before);
    fixture.keys("esc :");
    let (hits, _) = fixture.drawn();
    let first_line = (0, 1).into();
    assert_eq!(hits.at(first_line, Where::Type, 2), None, "a line behind the palette is none of its lines");
}

#[test]
fn a_key_that_a_line_names_is_for_that_line() {
    let mut fixture = Fixture::busy();
    fixture.keys("w g g").click("already there: Enter answers");
    assert_eq!(fixture.state.place(), Where::Conflict);
    assert!(fixture.text().contains("photo 2.jpg"), "{}", fixture.text());
}

#[test]
fn clicks_in_a_comparison_never_start_the_sync() {
    let mut fixture = Fixture::connected();
    fixture.keys("=");
    fixture.compared(plan());
    let _ = fixture.take();
    fixture.click("+ new").click("~ size").click("~ size").click("~ size");
    assert_eq!(fixture.take(), []);
    let left_out = |fixture: &Fixture| {
        let Some(Dialog::Comparison(comparison)) = fixture.state.dialogs.last() else { panic!() };
        comparison.left_out.len()
    };
    fixture.mouse(MouseAct::Mark, "~ size");
    assert_eq!(left_out(&fixture), 1, "the right button leaves out");
    fixture.click("sync");
    assert!(matches!(fixture.take()[..], [Effect::Sync(_, SyncEffect::Copy(..))]), "its key does");
}

#[test]
fn a_click_on_a_field_puts_the_cursor_there() {
    let mut fixture = Fixture::connected();
    let form = Form::new(Purpose::Connect, "Connect").text("address", "").text("user", "");
    fixture.state.dialogs.push(Dialog::Form(Box::new(form)));
    fixture.click("user");
    assert_eq!(focus(&fixture), 1);
    fixture.type_text("bob").click("address");
    assert_eq!(focus(&fixture), 0);
}

#[test]
fn a_click_on_a_choice_changes_it() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j f5");
    let rule = |fixture: &Fixture| match fixture.state.dialogs.last() {
        Some(Dialog::Copy(plan)) => plan.order.rule,
        _ => panic!("{}", fixture.text()),
    };
    let before = rule(&fixture);
    fixture.click("on conflict: ");
    assert_ne!(rule(&fixture), before);
    fixture.click("to     ");
    assert_eq!(fixture.state.place(), Where::Form);
}

#[test]
fn what_may_follow_a_begun_sequence_can_be_clicked() {
    let mut fixture = Fixture::connected();
    fixture.keys("g").click("go to the home folder");
    assert_eq!(fixture.state.pane().place, Place::local("/home/al"));
    assert!(fixture.state.pending.is_empty());
}

#[test]
fn a_mode_that_is_shown_ends_with_a_click() {
    let mut fixture = Fixture::connected();
    // The click before takes away the message, which covers the line.
    fixture.keys(".").click("hidden names are shown").click("hidden shown");
    assert!(!fixture.state.pane().viewing.hidden);
}

#[test]
fn only_a_line_of_a_search_that_is_clicked_with_the_right_button_is_marked() {
    let mut fixture = Fixture::connected();
    fixture.keys("F").type_text("no").keys("enter");
    let ticket = fixture.ticket();
    let found = |name: &str| FoundItem { under: RemotePath::default(), item: entry(name, 7, 1) };
    let items = vec![found("nobody"), found("north")];
    fixture.event(Event::Answer(ticket, Answer::Found { items, more: false }));
    fixture.mouse(MouseAct::Mark, "north");
    let Some(Dialog::Found(found)) = fixture.state.dialogs.last() else { panic!() };
    assert_eq!(found.items.iter().map(|found| found.item.marked).collect::<Vec<_>>(), [false, true]);
    let hint = fixture.state.keymap.label(Where::Found, Action::Copy).unwrap();
    fixture.click(&format!("{hint} copy"));
    assert!(matches!(fixture.state.dialogs.last(), Some(Dialog::Copy(plan)) if plan.chosen.len() == 1));
}
