//! Moving about, marking, finding, arranging.

use crate::{
    fault::Kind,
    tui::{
        effect::{ConnectionEffect, Effect},
        event::{Answer, Event, Mouse, MouseAct},
        fixture::{Fixture, begin, entry, local_items, server},
        state::{
            appearance::{Appearance, Depth, UNICODE},
            item::Item,
            problem::Problem,
            side::Side,
            ticket::Ticket,
        },
    },
};

fn under(fixture: &Fixture) -> String {
    fixture.state.pane().current().map_or("..".into(), |item| item.entry.name.display().to_string())
}

fn shown(fixture: &Fixture, side: Side) -> String {
    fixture.state.panes[side].place.display(&fixture.state.home)
}

fn lists(effects: &[Effect]) -> Vec<Ticket> {
    effects
        .iter()
        .filter_map(|effect| if let Effect::List(ticket, _) = effect { Some(*ticket) } else { None })
        .collect()
}

fn page(names: &[&str]) -> Answer {
    Answer::Page { items: names.iter().map(|name| entry(name, 1, 1)).collect::<Vec<Item>>(), more: false }
}

#[test]
fn entering_a_folder_asks_for_it_and_going_up_lands_on_it() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j enter");
    assert_eq!(shown(&fixture, Side::Left), "~/data/2025");
    fixture.answer_lists(vec![entry("x", 1, 1)]);
    fixture.keys("backspace");
    fixture.answer_lists(local_items());
    assert_eq!((shown(&fixture, Side::Left).as_str(), under(&fixture).as_str()), ("~/data", "2025"));
}

#[test]
fn the_newest_request_wins() {
    let mut fixture = Fixture::connected();
    fixture.keys("j enter h");
    let effects = fixture.take();
    let asked = lists(&effects);
    assert_eq!(asked.len(), 2);
    assert!(effects.contains(&Effect::Drop(asked[0])), "the first is called off");
    fixture.event(Event::Answer(asked[0], page(&["late"])));
    assert_eq!(fixture.state.pane().listing.total(), 0, "its pages are not taken");
    fixture.event(Event::Answer(asked[1], page(&["right"])));
    assert_eq!(fixture.state.pane().listing.total(), 1);
}

#[test]
fn pages_are_shown_as_they_arrive() {
    let mut fixture = Fixture::of(begin(None));
    fixture.keys("esc");
    let ticket = lists(&fixture.take())[0];
    fixture.event(Event::Answer(ticket, Answer::Page { items: vec![entry("b", 1, 1)], more: true }));
    assert!(fixture.text().contains(" b "));
    fixture.event(Event::Answer(ticket, Answer::Page { items: vec![entry("a", 1, 1)], more: true }));
    assert!(fixture.text().contains(" a ") && fixture.state.pane().loading.is_some());
}

#[test]
fn a_folder_that_is_gone_leads_to_the_one_above() {
    let mut fixture = Fixture::connected();
    fixture.keys("j enter");
    let ticket = lists(&fixture.take())[0];
    fixture.event(Event::Answer(ticket, Answer::Failed(Problem::new("no such folder").of(Kind::Missing))));
    assert_eq!(shown(&fixture, Side::Left), "~/data");
    assert!(fixture.state.toast.is_some());
}

#[test]
fn a_folder_that_may_not_be_read_says_so_and_stays() {
    let mut fixture = Fixture::connected();
    fixture.keys("j enter");
    let ticket = lists(&fixture.take())[0];
    fixture.event(Event::Answer(ticket, Answer::Failed(Problem::new("permission denied"))));
    assert!(fixture.text().contains("permission denied"));
    fixture.keys("h");
    assert_eq!(shown(&fixture, Side::Left), "~/data");
}

#[test]
fn panes_in_step_enter_and_leave_folders_of_the_same_name() {
    let mut fixture = Fixture::connected();
    fixture.keys("ctrl-y j enter");
    assert_eq!(
        (shown(&fixture, Side::Left).as_str(), shown(&fixture, Side::Right).as_str()),
        ("~/data/2024", "/photos/2024")
    );
    fixture.answer_lists(Vec::new());
    fixture.keys("h");
    assert_eq!((shown(&fixture, Side::Left).as_str(), shown(&fixture, Side::Right).as_str()), ("~/data", "/photos"));
    fixture.answer_lists(local_items());
    fixture.keys("j enter");
    assert!(
        fixture.state.toast.as_ref().is_some_and(|toast| toast.is_bad()) || shown(&fixture, Side::Right) != "/photos"
    );
}

#[test]
fn history_goes_back_and_forward() {
    let mut fixture = Fixture::connected();
    fixture.keys("j enter g h H H L");
    assert_eq!(shown(&fixture, Side::Left), "~/data/2024");
    fixture.keys("L");
    assert_eq!(shown(&fixture, Side::Left), "~");
    fixture.keys("L");
    assert!(fixture.state.toast.as_ref().is_some_and(|toast| toast.is_bad()));
}

#[test]
fn a_typed_path_is_gone_to_and_a_bad_one_is_told_in_the_form() {
    let mut fixture = Fixture::connected();
    fixture.keys("g /").type_text("../x").keys("enter");
    assert_eq!(shown(&fixture, Side::Left), "~/x");
    fixture.keys("tab g /").type_text("../../..").keys("enter");
    assert_eq!(shown(&fixture, Side::Right), "/photos");
    assert_eq!(fixture.state.dialogs.len(), 1, "the form is still there");
}

#[test]
fn finding_moves_while_one_types_and_escape_goes_back() {
    let mut fixture = Fixture::connected();
    fixture.keys("j /").type_text("pho");
    assert_eq!(under(&fixture), "photo 2.jpg");
    fixture.keys("down");
    assert_eq!(under(&fixture), "photo 10.jpg");
    fixture.keys("esc");
    assert_eq!(under(&fixture), "2024");
    fixture.keys("/").type_text("pho").keys("enter n n");
    assert_eq!(under(&fixture), "photo 2.jpg", "around the end");
}

#[test]
fn a_filter_given_up_while_it_is_typed_leaves_the_cursor_where_it_was() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j");
    assert_eq!(under(&fixture), "holiday.raw");
    fixture.keys("f").type_text("notes").keys("esc");
    assert_eq!(under(&fixture), "holiday.raw");
    fixture.keys("g g f").type_text("notes").keys("esc");
    assert_eq!(under(&fixture), "..");
}

#[test]
fn a_folder_that_is_gone_is_named_once() {
    for (told, said) in [("~/data/2024 is not there", "~/data/2024 is not there"), ("gone", "~/data/2024: gone")] {
        let mut fixture = Fixture::connected();
        fixture.keys("j enter");
        let ticket = fixture.ticket();
        fixture.event(Event::Answer(ticket, Answer::Failed(Problem::new(told).of(Kind::Missing))));
        assert_eq!(fixture.state.toast.as_ref().map(|toast| &*toast.text), Some(said));
    }
}

#[test]
fn the_marked_amount_counts_folders_of_unknown_size() {
    let mut fixture = Fixture::connected();
    fixture.keys("j space space");
    assert!(fixture.text().contains("2 of 10 marked, 2 folders"), "{}", fixture.text());
    fixture.keys("space");
    assert!(fixture.text().contains("3 of 10 marked, 24 MiB and 2 folders"), "{}", fixture.text());
}

#[test]
fn search_results_are_sorted_and_the_cursor_stays_on_its_entry() {
    use crate::tui::state::dialog::{Dialog, FoundItem};
    let mut fixture = Fixture::connected();
    fixture.keys("tab F").type_text("a").keys("enter");
    let ticket = fixture.ticket();
    let found = |under: &str, name: &str| FoundItem {
        under: ferry_shared::path::RemotePath::from_typed(under.as_bytes()).unwrap(),
        item: entry(name, 1, 1),
    };
    fixture.event(Event::Answer(ticket, Answer::Found { items: vec![found("b", "x"), found("a", "z")], more: true }));
    fixture.keys("j");
    fixture.event(Event::Answer(ticket, Answer::Found { items: vec![found("a", "y"), found("", "q")], more: false }));
    let Some(Dialog::Found(view)) = fixture.state.dialogs.last() else { panic!() };
    let names: Vec<String> = view.items.iter().map(|found| found.item.entry.name.display().to_string()).collect();
    assert_eq!((names.join(""), view.view.cursor), ("qyzx".to_owned(), 3));
}

#[test]
fn a_filter_stays_until_escape() {
    let mut fixture = Fixture::connected();
    fixture.keys("f").type_text("*.jpg").keys("enter");
    assert_eq!(fixture.state.pane().listing.len(), 2);
    fixture.keys("esc");
    assert_eq!(fixture.state.pane().listing.len(), 9);
}

#[test]
fn hidden_names_are_shown_when_asked_for() {
    let mut fixture = Fixture::connected();
    fixture.keys(".");
    assert_eq!(fixture.state.pane().listing.len(), 10);
}

#[test]
fn patterns_mark_files_and_leave_folders() {
    let mut fixture = Fixture::connected();
    fixture.keys("+ ctrl-u").type_text("*o*").keys("enter");
    assert_eq!(fixture.state.pane().marked().entries(), 5);
    fixture.keys("- ctrl-u").type_text("*.jpg").keys("enter");
    assert_eq!(fixture.state.pane().marked().entries(), 3);
    fixture.keys("*");
    assert_eq!(fixture.state.pane().marked().entries(), 6);
    fixture.keys("u");
    assert_eq!(fixture.state.pane().marked().entries(), 0);
}

#[test]
fn sorting_keeps_the_cursor_on_its_entry() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j , s");
    assert_eq!(under(&fixture), "holiday.raw");
    assert_eq!(fixture.state.pane().item(3).unwrap().name(), b"iso.img");
}

#[test]
fn a_key_that_means_nothing_says_so_and_ends_what_was_begun() {
    let mut fixture = Fixture::connected();
    fixture.keys("g");
    assert_eq!(fixture.state.pending.len(), 1);
    fixture.keys("z");
    assert!(fixture.state.pending.is_empty() && fixture.state.toast.is_none());
    fixture.keys("z");
    assert!(fixture.state.toast.as_ref().is_some_and(|toast| toast.is_bad()));
}

#[test]
fn escape_never_quits_or_disconnects() {
    let mut fixture = Fixture::connected();
    fixture.keys("esc esc esc esc");
    assert!(fixture.take().is_empty() && fixture.connection().is_online());
}

#[test]
fn the_palette_does_what_the_key_would() {
    let mut fixture = Fixture::connected();
    fixture.keys(":").type_text("mark-all").keys("enter");
    assert_eq!(fixture.state.pane().marked().entries(), 9);
}

#[test]
fn nothing_wakes_the_screen_when_nothing_moves() {
    let mut fixture = Fixture::connected();
    assert_eq!(fixture.state.next_redraw(), None);
    fixture.keys("n");
    let until = fixture.state.next_redraw().unwrap();
    assert!(until > fixture.state.now);
    fixture.wait(20_000);
    assert_eq!((fixture.state.next_redraw(), &fixture.state.toast), (None, &None));
}

#[test]
fn the_mouse_chooses_opens_marks_and_drags() {
    let mut fixture = Fixture::connected();
    let mouse = |did, x, y| Event::Mouse(Mouse { did, at: (x, y).into() });
    fixture.event(mouse(MouseAct::Press, 5, 3));
    fixture.event(mouse(MouseAct::Press, 70, 3));
    assert_eq!(
        (fixture.state.active, under(&fixture)),
        (Side::Right, "albums".into()),
        "each is the first in its pane"
    );
    fixture.event(mouse(MouseAct::Press, 70, 3));
    assert_eq!(shown(&fixture, Side::Right), "/photos/albums");
    fixture.event(mouse(MouseAct::Mark, 5, 4));
    assert_eq!(fixture.state.panes[Side::Left].marked().entries(), 1);
    fixture.event(mouse(MouseAct::Press, 60, 5));
    fixture.event(mouse(MouseAct::Drag, 40, 5));
    fixture.event(mouse(MouseAct::Release, 40, 5));
    assert_eq!(fixture.state.divider, 33);
    fixture.event(mouse(MouseAct::Drag, 100, 5));
    assert_eq!(fixture.state.divider, 33);
    fixture.event(mouse(MouseAct::WheelDown, 5, 5));
    assert_eq!(fixture.state.panes[Side::Left].cursor(), 6);
}

#[test]
fn a_bookmark_of_a_server_that_is_not_connected_connects_to_it() {
    let mut fixture = Fixture::connected();
    fixture.keys("tab g a");
    assert!(matches!(&fixture.take()[..], [Effect::SaveBookmarks(all)] if all.len() == 1));
    fixture.keys(": ").type_text("disconnect").keys("enter");
    fixture.keys("g b enter");
    let reach = |effect: &Effect| matches!(effect, Effect::Connection(ConnectionEffect::Reach(_, target, ..)) if *target == server().target);
    assert!(fixture.effects.iter().any(reach), "{:?}", fixture.effects);
}

#[test]
fn a_search_result_can_be_opened() {
    let mut fixture = Fixture::connected();
    fixture.keys("tab F").type_text("raw").keys("enter");
    let ticket = fixture.ticket();
    let under = ferry_shared::path::RemotePath::from_typed(b"albums/2023").unwrap();
    let item = crate::tui::state::dialog::FoundItem { under, item: entry("b.raw", 1, 1) };
    fixture.event(Event::Answer(ticket, Answer::Found { items: vec![item], more: true }));
    let _ = fixture.take();
    fixture.keys("enter");
    assert!(fixture.effects.contains(&Effect::Drop(ticket)), "the search is called off");
    fixture.answer_lists(vec![entry("a.raw", 1, 1), entry("b.raw", 1, 1)]);
    assert_eq!(
        (shown(&fixture, Side::Right).as_str(), super::super::super::fixture::Fixture::connected().state.active),
        ("/photos/albums/2023", Side::Left)
    );
    assert_eq!(fixture.state.pane().current().unwrap().name(), b"b.raw");
}

#[test]
fn an_action_that_the_site_does_not_offer_is_not_shown_and_says_why() {
    let mut fixture = Fixture::connected();
    let _ = fixture.take();
    fixture.keys("g u");
    assert!(fixture.take().is_empty());
    let told = fixture.state.toast.as_ref().map(|toast| toast.text.as_str());
    assert_eq!(told, Some("this computer has no quota"));
    let offered = |fixture: &mut Fixture| {
        fixture.keys(":").type_text("account");
        let shown = fixture.text().contains("what you use");
        fixture.keys("esc");
        shown
    };
    assert!(!offered(&mut fixture));
    fixture.keys("tab");
    assert!(offered(&mut fixture));
    fixture.keys("g u");
    assert!(fixture.take().iter().any(|effect| matches!(effect, Effect::Uploads(..))));
}

#[test]
fn places_are_remembered_by_side() {
    let mut fixture = Fixture::connected();
    fixture.keys("g o");
    assert!(!fixture.state.pane().place.is_local());
    fixture.keys("g o");
    assert!(fixture.state.pane().place.is_local());
}

#[test]
fn the_cursor_begins_on_the_first_entry_so_that_the_first_command_has_one() {
    let mut fixture = Fixture::of(begin(None));
    fixture.keys("esc");
    fixture.answer_lists(vec![entry("b", 1, 1), entry("a/", 0, 1)]);
    assert_eq!(under(&fixture), "a");
    // Entries that are put before it do not take it along, unless it was moved.
    fixture.keys("enter");
    let ticket = lists(&fixture.take())[0];
    fixture.event(Event::Answer(ticket, Answer::Page { items: vec![entry("m", 1, 1)], more: true }));
    fixture.event(Event::Answer(ticket, Answer::Page { items: vec![entry("c", 1, 1)], more: false }));
    assert_eq!(under(&fixture), "c");
    fixture.keys("up");
    assert_eq!(under(&fixture), "..");
}

#[test]
fn two_panes_are_shown_from_80_columns_on() {
    let mut fixture = Fixture::connected();
    fixture.size(80, 24);
    let text = fixture.text();
    assert!(text.contains("holiday.raw") && text.contains("thesis.tex"), "{text}");
    fixture.size(79, 24);
    let text = fixture.text();
    assert!(text.contains("holiday.raw") && !text.contains("thesis.tex"), "{text}");
}

#[test]
fn what_was_found_is_shown_until_escape_or_another_folder() {
    let shown = |fixture: &Fixture| {
        let found = fixture.state.appearance.theme.found.bg;
        fixture.buffer().content().iter().any(|cell| cell.style().bg == found)
    };
    let mut fixture = Fixture::connected();
    fixture.keys("/").type_text("photo").keys("enter k");
    assert!(shown(&fixture));
    fixture.keys("esc");
    assert!(!shown(&fixture));
    fixture.keys("n k");
    assert!(shown(&fixture), "n shows it again");
    fixture.keys("g g j enter");
    fixture.answer_lists(vec![entry("photo", 1, 1), entry("b", 1, 1)]);
    assert!(!shown(&fixture));
}

#[test]
fn going_to_the_other_site_twice_comes_back_to_the_same_folder() {
    let mut fixture = Fixture::connected();
    fixture.keys("tab j enter");
    fixture.answer_lists(vec![entry("x", 1, 1)]);
    let folder = shown(&fixture, Side::Right);
    fixture.keys("g o");
    assert_eq!(shown(&fixture, Side::Right), "~");
    fixture.keys("g o");
    assert_eq!(shown(&fixture, Side::Right), folder);
}

#[test]
fn without_colours_a_sign_tells_the_active_pane() {
    let mut fixture = Fixture::connected();
    fixture.state.appearance = Appearance::new(UNICODE, Depth::None);
    let first = |fixture: &Fixture| fixture.text().lines().next().unwrap().to_owned();
    let (left, right) = (first(&fixture), {
        fixture.keys("tab");
        first(&fixture)
    });
    assert!(left.starts_with("╭❯") && left.matches('❯').count() == 1, "{left}");
    assert!(!right.starts_with("╭❯") && right.matches('❯').count() == 1, "{right}");
    // Only the active pane's cursor is reversed.
    let reversed = ratatui::style::Modifier::REVERSED;
    let buffer = fixture.buffer();
    let cell = |x: u16| buffer[(x, 1)].modifier.contains(reversed);
    assert!(!cell(10) && cell(70));
}
