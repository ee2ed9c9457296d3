//! Tabs: other pairs of panes, on other servers, with the transfers of all of them.

use std::path::PathBuf;

use super::links;
use crate::tui::{
    effect::{ConnectionEffect, Effect},
    event::{Event, Mouse, MouseAct},
    fixture::{Fixture, done, local_items, remote_items, second, server},
    state::{layout::Layout, place::Place, problem::Problem, side::Side},
};

fn leaves(effects: &[Effect]) -> Vec<&ConnectionEffect> {
    links(effects).into_iter().filter(|effect| matches!(effect, ConnectionEffect::Leave(_))).collect()
}

fn lists(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::List(..))).count()
}

/// The first tab shows the sample server, the second one another server and this computer.
fn on_two_servers() -> Fixture {
    let mut fixture = Fixture::connected();
    fixture.keys("t tab");
    fixture.connect_second();
    fixture
}

#[test]
fn a_new_tab_shows_the_same_folders_and_the_first_one_comes_back_as_it_was() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j space");
    let before = fixture.text();
    let _ = fixture.take();
    fixture.keys("t");
    assert_eq!(lists(&fixture.effects), 2, "both folders are read");
    fixture.answer_lists(local_items());
    assert_eq!(fixture.state.panes[Side::Left].listing.marked().entries(), 0);
    let line = fixture.text().lines().next().unwrap().to_owned();
    assert!(line.contains("1 data") && line.contains("[2 data"), "{line}");
    fixture.keys("[");
    assert_eq!(lists(&fixture.effects), 2, "what changed meanwhile is seen");
    fixture.keys("] ctrl-w");
    fixture.answer_lists(local_items());
    assert_eq!(fixture.text().lines().nth(1), before.lines().nth(1), "one tab alone is not named");
    assert_eq!(fixture.state.panes[Side::Left].listing.marked().entries(), 1, "marks stay");
    fixture.keys("ctrl-w");
    assert!(fixture.state.toast.as_ref().unwrap().is_bad());
}

#[test]
fn servers_stay_connected_as_long_as_a_tab_shows_them() {
    let mut fixture = on_two_servers();
    assert_eq!(fixture.state.connections.len(), 2);
    assert!(leaves(&fixture.take()).is_empty());
    fixture.keys("[");
    assert_eq!(fixture.state.connections.len(), 2);
    fixture.keys("] ctrl-w");
    let effects = fixture.take();
    assert_eq!(leaves(&effects), [&ConnectionEffect::Leave(second())]);
    assert!(fixture.state.connections.contains_key(&server().target));
}

#[test]
fn transfers_of_every_tab_run_and_are_listed_in_each() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j");
    let first = fixture.copy(1);
    fixture.keys("t tab");
    fixture.connect_second();
    fixture.keys("tab");
    fixture.answer_lists(local_items());
    fixture.keys("j j j");
    let other = fixture.copy(2);
    let servers = |fixture: &Fixture, key| fixture.state.transfers.get(key).unwrap().order.servers();
    assert_eq!(servers(&fixture, first), [server().target]);
    assert_eq!(servers(&fixture, other), [second()]);
    for keys in ["w", "esc [ w"] {
        let text = fixture.keys(keys).text();
        assert!(text.contains("alice@files.example.org") && text.contains("bob@second.example.org"), "{text}");
    }
    fixture.keys("esc");
    // The server of a transfer stays connected after its tab was closed, until the transfer is through.
    fixture.keys("] ctrl-w");
    assert!(leaves(&fixture.take()).is_empty());
    fixture.event(Event::Transfer(done(2, 0)));
    assert_eq!(leaves(&fixture.take()), [&ConnectionEffect::Leave(second())]);
}

#[test]
fn a_session_that_ended_in_a_hidden_tab_is_logged_in_again_there() {
    let mut fixture = on_two_servers();
    fixture.keys("[");
    fixture.answer_lists(remote_items());
    fixture.event(Event::Ended(second(), Problem::new("the account is disabled")));
    assert!(fixture.text().contains("bob@second.example.org ended the session"), "{}", fixture.text());
    let places = [Side::Left, Side::Right].map(|side| fixture.state.panes[side].place.clone());
    fixture.keys("ctrl-r");
    assert_eq!(fixture.state.tabs.shown(), 1, "its tab is shown");
    assert_eq!(fixture.state.attempt.as_ref().unwrap().server.target, second());
    fixture.keys("esc [");
    let now = [Side::Left, Side::Right].map(|side| fixture.state.panes[side].place.clone());
    assert_eq!(now, places, "the other tab shows what it showed");
}

#[test]
fn the_folders_on_the_screen_are_watched_whichever_tab_they_are_in() {
    let mut fixture = Fixture::connected();
    fixture.watched.clear();
    fixture.keys("t");
    assert_eq!(fixture.watched, [], "it is the same folder");
    fixture.keys("g h");
    let home = Some(PathBuf::from("/home/al"));
    assert_eq!(fixture.watched, [(Side::Left, home.clone())]);
    fixture.keys("[");
    assert_eq!(fixture.watched[1..], [(Side::Left, Some("/home/al/data".into()))]);
    fixture.keys("] tab");
    assert_eq!(fixture.watched[2..], [(Side::Left, home)]);
    fixture.keys("g o");
    assert_eq!(fixture.watched[3..], [(Side::Right, Some("/home/al".into()))]);
    fixture.keys("[");
    let left = (Side::Left, Some(PathBuf::from("/home/al/data")));
    assert_eq!(fixture.watched[4..], [left, (Side::Right, None)], "a server's folder is not watched");
}

#[test]
fn a_click_on_its_name_shows_a_tab() {
    let mut fixture = Fixture::connected();
    fixture.keys("t t");
    let line = Layout::of(&fixture.state).unwrap().tabs.unwrap();
    for index in [0, 2, 1] {
        let x = fixture.state.tabs.width(line.width) * u16::try_from(index).unwrap() + 1;
        fixture.event(Event::Mouse(Mouse { did: MouseAct::Press, at: (x, line.y).into() }));
        assert_eq!(fixture.state.tabs.shown(), index);
    }
    fixture.event(Event::Mouse(Mouse { did: MouseAct::Press, at: (line.width - 1, line.y).into() }));
    assert_eq!(fixture.state.tabs.shown(), 1, "there is no tab");
}

#[test]
fn answers_to_what_a_hidden_tab_asked_for_change_nothing() {
    let mut fixture = Fixture::connected();
    fixture.keys("t [");
    let ticket = fixture.ticket();
    assert!(fixture.state.panes[Side::Left].place == Place::local("/home/al/data"));
    fixture.keys("]");
    // The answer to the hidden tab's request comes too late.
    fixture.event(Event::Answer(ticket, crate::tui::event::Answer::Page { items: remote_items(), more: false }));
    assert!(fixture.effects.iter().any(|effect| matches!(effect, Effect::Drop(dropped) if *dropped == ticket)));
    assert!(fixture.state.panes[Side::Left].loading.is_some(), "its own request is still waited for");
}
