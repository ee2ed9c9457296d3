//! The results of a search: marked, copied and deleted like the entries of a pane.

use ferry_shared::path::RemotePath;

use crate::tui::{
    effect::{Effect, TransferEffect},
    event::{Answer, Event},
    fixture::{Fixture, entry, server},
    state::{
        dialog::{Dialog, FoundItem},
        place::Place,
        side::Side,
        transfers::Order,
    },
};

fn path(text: &str) -> RemotePath {
    RemotePath::from_typed(text.as_bytes()).unwrap()
}

/// A search on the server, in the right pane, has found these paths.
fn found(paths: &[&str]) -> Fixture {
    let mut fixture = Fixture::connected();
    fixture.keys("tab F").type_text("raw").keys("enter");
    let ticket = fixture.ticket();
    let item = |text: &&str| {
        let (under, name) = text.trim_end_matches('/').rsplit_once('/').unwrap_or(("", text.trim_end_matches('/')));
        let name = if text.ends_with('/') { format!("{name}/") } else { name.to_owned() };
        FoundItem { under: path(under), item: entry(&name, 10, 1) }
    };
    let items = paths.iter().map(item).collect();
    fixture.event(Event::Answer(ticket, Answer::Found { items, more: false }));
    let _ = fixture.take();
    fixture
}

fn order(fixture: &mut Fixture) -> Order {
    let added = fixture.take().into_iter().find_map(|effect| match effect {
        Effect::Transfer(TransferEffect::Add(_, order)) => Some(order),
        _ => None,
    });
    added.unwrap()
}

fn pieces(order: &Order) -> Vec<String> {
    order.what.iter().map(|piece| format!("{} {}", piece.shown(), piece.becomes.display())).collect()
}

#[test]
fn all_that_was_found_is_copied_with_two_keys_and_keeps_its_folders() {
    let mut fixture = found(&["b.raw", "deep/er/a.raw", "deep/c.raw"]);
    fixture.keys("f5");
    let text = fixture.text();
    assert!(text.contains("Copy 3 entries") && text.contains("deep/er/a.raw") && text.contains("30 B"), "{text}");
    fixture.keys("enter");
    let order = order(&mut fixture);
    assert_eq!(pieces(&order), ["b.raw /b.raw", "deep/c.raw /deep/c.raw", "deep/er/a.raw /deep/er/a.raw"]);
    assert_eq!((order.from, order.to), (Place::remote(server().target, path("photos")), Place::local("/home/al/data")));
    assert!(fixture.state.dialogs.is_empty(), "the results are through");
}

#[test]
fn only_what_is_marked_is_taken_where_something_is() {
    let mut fixture = found(&["a.raw", "b.raw", "c.raw"]);
    fixture.keys("space j space");
    assert!(fixture.text().contains("2 marked, 3 found"), "{}", fixture.text());
    fixture.keys("f6 enter");
    let moved = order(&mut fixture);
    assert_eq!((pieces(&moved), moved.moves), (vec!["a.raw /a.raw".to_owned(), "c.raw /c.raw".to_owned()], true));
    let mut fixture = found(&["a.raw", "b.raw", "c.raw"]);
    fixture.keys("ctrl-a space u j space f5 enter");
    assert_eq!(pieces(&order(&mut fixture)), ["c.raw /c.raw"]);
}

#[test]
fn what_lies_in_a_folder_that_is_taken_is_not_taken_twice() {
    let mut fixture = found(&["raw/", "raw/a.raw", "raw2/b.raw"]);
    fixture.keys("f5 enter enter");
    assert_eq!(pieces(&order(&mut fixture)), ["raw/ /raw", "raw2/b.raw /raw2/b.raw"]);
}

#[test]
fn a_deletion_takes_what_is_marked_or_only_the_entry_under_the_cursor() {
    let removed = |keys: &str| {
        let mut fixture = found(&["a.raw", "deep/b.raw", "deep/c.raw"]);
        fixture.keys(keys);
        assert!(fixture.text().contains("It cannot be brought back"), "{}", fixture.text());
        fixture.keys("y");
        assert!(!fixture.state.dialogs.iter().any(|dialog| matches!(dialog, Dialog::Found(_))));
        fixture.take().into_iter().find_map(|effect| match effect {
            Effect::Remove(_, _, what) => {
                Some(what.iter().map(|(path, _)| path.display().to_string()).collect::<Vec<_>>())
            }
            _ => None,
        })
    };
    assert_eq!(removed("j f8"), Some(vec!["/deep/b.raw".to_owned()]));
    assert_eq!(removed("ctrl-a d"), Some(vec!["/a.raw".into(), "/deep/b.raw".into(), "/deep/c.raw".into()]));
}

#[test]
fn a_search_takes_sizes_and_times_and_tells_which_field_is_wrong() {
    let mut fixture = Fixture::connected();
    fixture.keys("F enter");
    assert!(fixture.text().contains("what is sought is missing"), "{}", fixture.text());
    fixture.keys("tab").type_text(">10M").keys("tab").type_text("soon").keys("enter");
    assert!(fixture.text().contains("`soon` is not a time"), "{}", fixture.text());
    let _ = fixture.take();
    fixture.keys("ctrl-u").type_text("7d").keys("enter");
    let effects = fixture.take();
    let Some(Effect::Search(_, _, sought)) = effects.first() else { panic!("{effects:?}") };
    assert_eq!((sought.name.as_str(), &sought.size), ("*", &Some(10_000_001..=u64::MAX)));
    assert_eq!(sought.changed, Some(fixture.state.clock() - 7 * 86_400..=i64::MAX));
    assert!(fixture.text().contains("Found for >10M, 7d below ~/data"), "{}", fixture.text());
}

#[test]
fn an_entry_is_copied_under_another_name_also_in_its_own_folder() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j f5 a").keys("ctrl-u").type_text("winter.raw").keys("enter");
    let text = fixture.text();
    assert!(text.contains("as     winter.raw") && text.contains("holiday.raw"), "{text}");
    fixture.keys("enter");
    assert_eq!(pieces(&order(&mut fixture)), ["holiday.raw /winter.raw"]);
    // Both panes show the same folder: the name is asked for at once, and must be another one.
    let mut fixture = Fixture::connected();
    let place = fixture.state.panes[Side::Left].place.clone();
    fixture.state.panes[Side::Right].place = place;
    fixture.keys("j f5");
    assert!(fixture.text().contains("Copy as"), "{}", fixture.text());
    fixture.keys("esc enter");
    assert!(fixture.text().contains("that is where it is already; a gives it another name"), "{}", fixture.text());
    fixture.keys("a").type_text(" again").keys("enter");
    // It is still being counted.
    fixture.keys("enter enter");
    assert_eq!(pieces(&order(&mut fixture)), ["2024/ /2024 again"]);
}
