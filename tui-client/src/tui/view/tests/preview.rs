//! The preview on the screen: each kind of content, in a column of its own and in the place of the other pane.

use ferry_shared::entry::Kind;
use ratatui::{buffer::Buffer, layout::Rect};

use super::picture;
use crate::tui::{
    effect::Effect,
    event::{Answer, Event},
    fixture::Fixture,
    state::{
        appearance::{self, Appearance, Depth},
        preview::{Body, Content, Ink, List, Picture, Row, Span},
    },
};

/// The cursor rests on a file, and its preview is this.
fn showing(width: u16, height: u16, content: Content) -> Fixture {
    let mut fixture = Fixture::connected();
    fixture.size(width, height);
    fixture.keys("j j j j j j");
    if width < 140 {
        fixture.keys("p");
    }
    fixture.wait(200);
    let ticket = fixture.effects.iter().find_map(|effect| match effect {
        Effect::Preview(ticket, _) => Some(*ticket),
        _ => None,
    });
    fixture.event(Event::Answer(ticket.unwrap(), Answer::Preview(Box::new(content))));
    fixture
}

fn keep(name: &str, content: &Content) {
    for (width, height) in [(160, 40), (80, 24)] {
        let fixture = showing(width, height, content.clone());
        let shown = picture(&fixture.text(), &fixture.buffer());
        insta::assert_snapshot!(format!("preview-{name}-{width}x{height}"), shown);
    }
}

fn code() -> Content {
    let span = |text: &str, ink, bold, dim| Span { text: text.to_owned(), ink, bold, dim };
    let long = "a line that is so long that it does not fit into the preview, whatever the width of the screen is";
    let lines = vec![
        vec![span("// A comment", Ink::Plain, false, true)],
        vec![span("fn", Ink::Own(5), true, false), span(" main() {", Ink::Plain, false, false)],
        vec![
            span("    let x = ", Ink::Plain, false, false),
            span("\"日本語\"", Ink::Exact(152, 195, 121), false, false),
        ],
        vec![],
        vec![span(long, Ink::Plain, false, false), span(long, Ink::Own(2), false, false)],
    ];
    Content { facts: "Rust".to_owned(), body: Body::Text(lines) }
}

fn image(width: u16, height: u16) -> Content {
    let pixel = |at: u16| {
        let (x, y) = (at % width, at / width);
        (x > 2).then(|| [u8::try_from(x * 20 % 256).unwrap(), u8::try_from(y * 16 % 256).unwrap(), 64])
    };
    // Made for both sizes of the screen, it would not be shown in the other one.
    let room = if width == 12 { (47, 37) } else { (36, 21) };
    let picture = Picture { room, width, height, pixels: (0..width * height).map(pixel).collect(), graphics: None };
    Content { facts: "PNG, 1920 × 1080".to_owned(), body: Body::Picture(picture) }
}

#[test]
fn texts() {
    keep("text", &code());
}

#[test]
fn bytes() {
    let bytes = (0..=255).collect();
    keep("hex", &Content { facts: "binary".to_owned(), body: Body::Hex(bytes) });
}

#[test]
fn folders_and_archives() {
    let row = |name: &str, kind, size| Row { name: name.to_owned(), kind, size };
    let rows = vec![
        row("docs", Kind::Folder, None),
        row("docs/a rather long name of a text that is cut.txt", Kind::File, Some(1234)),
        row("latest", Kind::Symlink, None),
        row("iso.img", Kind::File, Some(5 << 32)),
    ];
    let list = List { rows, rest: Some("and 999000 more".to_owned()) };
    keep("archive", &Content { facts: "zip, 1000004 entries".to_owned(), body: Body::List(list) });
    let none = List { rows: Vec::new(), rest: None };
    keep("empty-folder", &Content { facts: "0 entries".to_owned(), body: Body::List(none) });
}

#[test]
fn images() {
    for (width, height, pixels) in [(160, 40, 12), (80, 24, 10)] {
        let mut fixture = showing(width, height, image(pixels, pixels + 1));
        fixture.state.appearance = Appearance::new(appearance::UNICODE, Depth::All);
        let shown = picture(&fixture.text(), &fixture.buffer());
        insta::assert_snapshot!(format!("preview-image-{width}x{height}"), shown);
        fixture.state.appearance = Appearance::new(appearance::UNICODE, Depth::None);
        assert!(!fixture.text().contains('▀') && fixture.text().contains('+'), "{}", fixture.text());
    }
}

#[test]
fn graphics_are_copied_as_they_are_and_give_way_to_a_box() {
    let mut content = image(12, 13);
    let Body::Picture(picture) = &mut content.body else { panic!() };
    let mut cells = Buffer::empty(Rect { x: 0, y: 0, width: 4, height: 2 });
    cells[(0, 0)].set_symbol("\u{1b}_Gsequence\u{1b}\\");
    picture.graphics = Some(Box::new(cells));
    let mut fixture = showing(160, 40, content);
    let sequences = |fixture: &Fixture| {
        let buffer = fixture.buffer();
        buffer.content.iter().filter(|cell| cell.symbol().contains("sequence")).count()
    };
    assert_eq!(sequences(&fixture), 1);
    assert!(!fixture.text().contains('▀'));
    fixture.keys("f7");
    assert_eq!(sequences(&fixture), 0);
    assert!(fixture.text().contains('▀'));
    fixture.keys("esc");
    assert_eq!(sequences(&fixture), 1);
}

#[test]
fn without_colours_and_unicode_a_preview_is_readable() {
    let mut fixture = showing(160, 40, code());
    fixture.state.appearance = Appearance::new(appearance::ASCII, Depth::None);
    fixture.state.keymap.set_plain(true);
    let (text, buffer) = (fixture.text(), fixture.buffer());
    assert!(text.is_ascii() && text.contains("// A comment"), "{text}");
    for y in 0..buffer.area.height {
        for x in 110..buffer.area.width {
            let style = buffer[(x, y)].style();
            let plain = |colour: Option<ratatui::style::Color>| {
                colour.is_none_or(|colour| colour == ratatui::style::Color::Reset)
            };
            assert!(plain(style.fg) && plain(style.bg), "{x}, {y}: {style:?}");
        }
    }
}

#[test]
fn waiting_and_nothing() {
    let mut fixture = Fixture::connected();
    fixture.size(160, 40);
    fixture.keys("g g");
    assert!(fixture.text().contains("nothing under the cursor; p hides the preview"), "{}", fixture.text());
    fixture.keys("j j j");
    fixture.wait(130);
    assert!(!fixture.text().contains("reading"));
    fixture.wait(200);
    let text = fixture.text();
    assert!(text.contains("reading") && text.lines().next().is_some_and(|line| line.contains("holiday.raw")), "{text}");
}

#[test]
fn no_size_is_too_odd_for_a_preview() {
    for content in [code(), image(200, 90), Content::words("", "words that are broken into several lines")] {
        for (width, height) in [(140, 12), (141, 13), (500, 12), (80, 12), (139, 200), (160, 200)] {
            let mut fixture = showing(160, 40, content.clone());
            fixture.size(width, height);
            fixture.state.preview.instead = true;
            let _ = fixture.buffer();
        }
    }
}
