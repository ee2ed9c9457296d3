//! The cursor, the marks and the way back.

use super::*;
use crate::tui::state::listing::tests::item;

fn pane(names: &[&str]) -> Pane {
    let mut pane = Pane::new(Place::local("/a/b"));
    fill(&mut pane, names);
    pane
}

fn fill(pane: &mut Pane, names: &[&str]) {
    pane.begin(Ticket(1), Duration::ZERO);
    pane.take(names.iter().map(|name| item(name, 1)).collect());
    pane.finish();
}

fn under(pane: &Pane) -> String {
    pane.current().map_or("..".into(), |item| item.entry.name.display().to_string())
}

fn name(text: &str) -> Name {
    Name::try_from(text).unwrap()
}

#[test]
fn the_cursor_stays_on_its_entry_while_pages_arrive() {
    let mut pane = Pane::new(Place::local("/a"));
    pane.begin(Ticket(1), Duration::ZERO);
    pane.take(vec![item("m", 1), item("n", 1)]);
    pane.step(2);
    assert_eq!(under(&pane), "n");
    pane.take(vec![item("a", 1), item("z", 1)]);
    assert_eq!(under(&pane), "n");
}

#[test]
fn going_up_lands_on_where_one_came_from() {
    let mut pane = pane(&["x"]);
    pane.leave_for(Place::local("/a"));
    fill(&mut pane, &["a", "b/", "c"]);
    assert_eq!(under(&pane), "b");
}

#[test]
fn ways_lead_back_and_forward_to_the_same_entries() {
    let mut pane = pane(&["x", "y/", "z"]);
    pane.land_on(name("y"));
    pane.leave_for(Place::local("/a/b/y"));
    fill(&mut pane, &["q"]);
    assert!(pane.go_back());
    fill(&mut pane, &["x", "y/", "z"]);
    assert_eq!(under(&pane), "y");
    assert!(!pane.go_back() && pane.go_forward());
    assert_eq!(pane.place, Place::local("/a/b/y"));
}

#[test]
fn reading_again_keeps_cursor_and_marks_and_shows_nothing_half() {
    let mut pane = pane(&["a", "b", "c"]);
    pane.land_on(name("b"));
    pane.toggle_mark();
    pane.begin(Ticket(2), Duration::ZERO);
    pane.take(vec![item("b", 1)]);
    assert_eq!(pane.listing.len(), 3, "the old entries stay until all new ones are there");
    pane.take(vec![item("0", 1), item("c", 1)]);
    pane.finish();
    assert_eq!((under(&pane), pane.listing.len(), pane.marked().files), ("b".into(), 3, 1));
}

#[test]
fn a_range_counts_while_it_is_open_and_marks_when_it_closes() {
    let mut pane = pane(&["a", "b", "c", "d"]);
    pane.put_cursor(2);
    pane.toggle_range();
    pane.step(2);
    assert_eq!((pane.marked().files, pane.listing.marked().files), (3, 0));
    assert!(pane.is_marked(3) && !pane.is_marked(1));
    pane.toggle_range();
    assert_eq!(pane.listing.marked().files, 3);
    pane.toggle_range();
    pane.put_cursor(0);
    assert!(pane.drop_range() && pane.listing.marked().files == 3);
}

#[test]
fn the_cursor_is_always_on_the_screen() {
    let names: Vec<String> = (0..100).map(|n| format!("f{n}")).collect();
    let mut pane = pane(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for (row, height) in [(0, 10), (50, 10), (100, 10), (3, 1), (99, 200), (20, 2)] {
        pane.put_cursor(row);
        pane.settle(height);
        assert!((pane.offset()..pane.offset() + height).contains(&pane.cursor()), "{row} {height}");
    }
}

#[test]
fn a_command_is_about_the_marks_or_else_the_cursor() {
    let mut pane = pane(&["a", "b"]);
    assert_eq!(pane.chosen()[0].name(), b"a");
    pane.put_cursor(0);
    assert!(pane.chosen().is_empty(), "`..` is no entry");
    pane.put_cursor(1);
    assert_eq!(pane.chosen()[0].name(), b"a");
    pane.put_cursor(2);
    pane.toggle_mark();
    pane.put_cursor(1);
    assert_eq!(pane.chosen().iter().map(|item| item.name()).collect::<Vec<_>>(), [b"b"]);
}
