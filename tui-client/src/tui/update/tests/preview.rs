//! The preview follows the cursor, reads only where that rests, and gives up what it has left.

use ferry_shared::entry::Kind;

use crate::tui::{
    effect::Effect,
    event::{Answer, Event},
    fixture::{Fixture, entry, server},
    state::{
        place::Place,
        preview::{Body, Content, Ink, Palette, Picture, Span, Step, Wanted},
        problem::Problem,
        ticket::Ticket,
    },
};

/// A wide screen; the cursor is on the first row, `..`.
fn wide() -> Fixture {
    let mut fixture = Fixture::connected();
    fixture.size(160, 40);
    let _ = fixture.take();
    fixture
}

fn text(line: &str) -> Content {
    let span = Span { text: line.to_owned(), ink: Ink::Plain, bold: false, dim: false };
    Content { facts: "text".to_owned(), body: Body::Text(vec![vec![span]]) }
}

/// The previews that were asked for.
fn asked(effects: &[Effect]) -> Vec<(Ticket, &Wanted)> {
    let asked = effects.iter().filter_map(|effect| match effect {
        Effect::Preview(ticket, asked) => Some((*ticket, &**asked)),
        _ => None,
    });
    asked.collect()
}

fn names(fixture: &Fixture) -> Vec<String> {
    let name = |asked: &Wanted| asked.subject.place.name().unwrap().display().to_string();
    asked(&fixture.effects).into_iter().map(|(_, asked)| name(asked)).collect()
}

fn answer(fixture: &mut Fixture, content: Content) {
    let (ticket, _) = *asked(&fixture.effects).last().unwrap();
    fixture.event(Event::Answer(ticket, Answer::Preview(Box::new(content))));
}

fn is_shown(fixture: &Fixture) -> bool {
    matches!(fixture.state.preview.step, Step::Shown(_))
}

#[test]
fn it_follows_the_cursor_of_the_active_pane() {
    let mut fixture = wide();
    fixture.keys("j j j");
    fixture.wait(200);
    fixture.keys("tab j j j");
    fixture.wait(200);
    assert_eq!(names(&fixture), ["holiday.raw", "holiday.raw"]);
    let places: Vec<&Place> = asked(&fixture.effects).iter().map(|(_, asked)| &asked.subject.place).collect();
    assert!(places[0].is_local() && places[1].target() == Some(&server().target));
}

#[test]
fn nothing_is_read_while_the_cursor_keeps_moving() {
    let mut fixture = wide();
    for _ in 0..20 {
        fixture.keys("j");
        fixture.wait(100);
        fixture.keys("k");
        fixture.wait(100);
    }
    assert!(names(&fixture).is_empty());
    fixture.keys("j");
    fixture.wait(119);
    assert!(names(&fixture).is_empty());
    fixture.wait(1);
    assert_eq!(names(&fixture), ["2024"]);
    // It is asked for once.
    fixture.wait(500);
    assert_eq!(names(&fixture).len(), 1);
}

#[test]
fn it_says_when_it_wants_to_be_woken() {
    let mut fixture = wide();
    fixture.keys("j");
    let now = fixture.state.now;
    assert_eq!(fixture.state.next_redraw(), Some(now + crate::tui::state::preview::REST));
}

#[test]
fn a_preview_under_way_is_dropped_when_the_cursor_moves_on_and_its_answer_is_stale() {
    let mut fixture = wide();
    fixture.keys("j j j");
    fixture.wait(200);
    let (ticket, _) = asked(&fixture.effects)[0];
    let _ = fixture.take();
    fixture.keys("j");
    assert_eq!(fixture.effects, [Effect::Drop(ticket)]);
    fixture.event(Event::Answer(ticket, Answer::Preview(Box::new(text("late")))));
    assert!(!is_shown(&fixture));
    fixture.event(Event::Answer(ticket, Answer::Failed(Problem::new("late"))));
    assert!(!matches!(fixture.state.preview.step, Step::Failed(_)));
}

#[test]
fn hidden_or_on_a_narrow_screen_nothing_is_asked_for() {
    for (width, keys) in [(160, "p"), (139, ""), (120, ""), (80, ""), (60, ""), (60, "p"), (100, "p p")] {
        let mut fixture = Fixture::connected();
        fixture.size(width, 40);
        if !keys.is_empty() {
            fixture.keys(keys);
        }
        fixture.keys("j j j");
        fixture.wait(1000);
        assert!(names(&fixture).is_empty(), "{width} {keys}");
    }
    for (width, keys) in [(140, ""), (160, "p p"), (139, "p"), (80, "p")] {
        let mut fixture = Fixture::connected();
        fixture.size(width, 40);
        if !keys.is_empty() {
            fixture.keys(keys);
        }
        fixture.keys("j j j");
        fixture.wait(1000);
        assert_eq!(names(&fixture), ["holiday.raw"], "{width} {keys}");
    }
}

#[test]
fn a_dialog_over_the_whole_screen_hides_it_too() {
    let mut fixture = wide();
    fixture.keys("j j j");
    fixture.wait(200);
    let (ticket, _) = asked(&fixture.effects)[0];
    let _ = fixture.take();
    fixture.keys("w");
    assert!(fixture.effects.contains(&Effect::Drop(ticket)));
    fixture.wait(500);
    assert!(names(&fixture).is_empty());
    fixture.keys("esc");
    fixture.wait(500);
    assert_eq!(names(&fixture), ["holiday.raw"]);
}

#[test]
fn it_takes_the_place_of_the_other_pane_on_a_narrower_screen() {
    let mut fixture = Fixture::connected();
    fixture.size(100, 30);
    fixture.keys("j j j p");
    fixture.wait(200);
    answer(&mut fixture, text("what the file says"));
    let screen = fixture.text();
    assert!(screen.contains("what the file says") && screen.contains("iso.img"), "{screen}");
    assert!(!screen.contains("thesis.tex"), "{screen}");
    assert!(fixture.keys("p").text().contains("thesis.tex"));
    // The other pane is the one that is not active.
    fixture.keys("tab j p");
    let screen = fixture.text();
    assert!(screen.contains("thesis.tex") && !screen.contains("iso.img"), "{screen}");
}

#[test]
fn what_was_shown_a_moment_ago_is_shown_at_once_unless_it_changed() {
    let mut fixture = wide();
    fixture.keys("j j j");
    fixture.wait(200);
    answer(&mut fixture, text("first"));
    fixture.keys("j");
    assert!(!is_shown(&fixture));
    let _ = fixture.take();
    fixture.keys("k");
    assert!(is_shown(&fixture) && fixture.text().contains("first"));
    fixture.wait(1000);
    assert!(names(&fixture).is_empty());
    // The folder is read again, and the file has another size now.
    fixture.keys("ctrl-r");
    let items = vec![entry("holiday.raw", 5, 19)];
    let lists: Vec<_> = fixture.take();
    for effect in lists {
        if let Effect::List(ticket, _) = effect {
            fixture.event(Event::Answer(ticket, Answer::Page { items: items.clone(), more: false }));
        }
    }
    // What was shown stays until the new content is there.
    assert!(!is_shown(&fixture) && fixture.text().contains("first"));
    fixture.wait(1000);
    assert_eq!(names(&fixture), ["holiday.raw"]);
    assert!(fixture.text().contains("first"));
    answer(&mut fixture, text("second"));
    assert!(fixture.text().contains("second") && !fixture.text().contains("first"));
}

#[test]
fn a_picture_is_made_again_for_another_size() {
    let mut fixture = wide();
    fixture.keys("j j j");
    fixture.wait(200);
    let room = asked(&fixture.effects)[0].1.room;
    let pixels = vec![Some([255, 0, 0]); 4];
    let picture = Picture { room, width: 2, height: 2, pixels, graphics: None };
    answer(&mut fixture, Content { facts: "PNG".to_owned(), body: Body::Picture(picture) });
    assert!(fixture.text().contains('▀'));
    let _ = fixture.take();
    fixture.size(170, 40);
    fixture.wait(200);
    assert_eq!(names(&fixture), ["holiday.raw"]);
    assert_ne!(asked(&fixture.effects)[0].1.room, room);
}

#[test]
fn special_files_and_links_of_servers_are_described_without_being_read() {
    let mut fixture = wide();
    let mut fifo = entry("pipe", 0, 1);
    fifo.entry.kind = Kind::Other;
    fixture.keys("tab enter");
    let _ = fixture.take();
    fixture.keys("ctrl-r");
    fixture.answer_lists(vec![fifo, entry("link@", 0, 1)]);
    fixture.keys("g g");
    fixture.wait(1000);
    assert!(fixture.text().contains("symbolic link"), "{}", fixture.text());
    fixture.keys("j");
    fixture.wait(1000);
    assert!(fixture.text().contains("a FIFO, a socket or a device"), "{}", fixture.text());
    assert!(names(&fixture).is_empty());
}

#[test]
fn a_failure_is_shown_and_a_lost_connection_asks_nothing() {
    let mut fixture = wide();
    fixture.keys("tab j j j");
    fixture.wait(200);
    let (ticket, _) = asked(&fixture.effects)[0];
    fixture.event(Event::Answer(ticket, Answer::Failed(Problem::new("permission denied"))));
    assert!(fixture.text().contains("permission denied"), "{}", fixture.text());
    assert!(fixture.state.toast.is_none(), "a preview that fails warns nobody");
    let _ = fixture.take();
    let problem = Problem::new("the server closed it").of(crate::fault::Kind::Offline);
    let retry_in = std::time::Duration::from_secs(9);
    fixture.event(Event::Lost { server: server().target, problem, retry_in });
    fixture.keys("j");
    fixture.wait(1000);
    assert!(names(&fixture).is_empty() && fixture.text().contains("not connected"), "{}", fixture.text());
}

#[test]
fn colours_are_those_that_the_screen_can_show() {
    use crate::tui::state::appearance::{Appearance, Depth, UNICODE};
    let palette = |theme: &str, depth| {
        let mut appearance = Appearance::new(UNICODE, depth);
        assert!(appearance.choose(theme));
        Palette::of(&appearance)
    };
    assert_eq!(palette("dark", Depth::None), Palette::None);
    assert_eq!(palette("dark", Depth::Sixteen), Palette::Sixteen);
    assert_eq!(palette("light", Depth::Sixteen), Palette::Sixteen);
    assert_eq!(palette("dark", Depth::Many), Palette::Dark);
    assert_eq!(palette("light", Depth::All), Palette::Light);
    assert_eq!(palette("plain", Depth::All), Palette::None);
}

#[test]
fn the_wheel_scrolls_a_text_to_its_last_line() {
    use crate::tui::event::{Mouse, MouseAct};
    use ratatui_core::layout::Position;
    let mut fixture = wide();
    fixture.keys("j j j");
    fixture.wait(200);
    let lines = (0..100).map(|n| Span { text: format!("line {n}."), ink: Ink::Plain, bold: false, dim: false });
    let body = Body::Text(lines.map(|span| vec![span]).collect());
    answer(&mut fixture, Content { facts: String::new(), body });
    let cursor = fixture.state.pane().cursor();
    for _ in 0..60 {
        fixture.event(Event::Mouse(Mouse { did: MouseAct::WheelDown, at: Position { x: 150, y: 10 } }));
    }
    let text = fixture.text();
    assert!(text.contains("line 99.") && !text.contains("line 0.") && text.contains("line 70."), "{text}");
    assert_eq!(fixture.state.pane().cursor(), cursor);
}
