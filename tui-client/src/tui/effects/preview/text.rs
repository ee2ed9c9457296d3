//! The preview of a text: its first lines, highlighted by the grammar that its name or first line calls for.
//!
//! The grammars are read when the first text is shown, on the thread that shows it.

mod themes;

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use ferry_shared::name::Escaped;
use syntect::{
    easy::HighlightLines,
    highlighting::{Color, FontStyle, Style},
    parsing::{SyntaxReference, SyntaxSet},
};
use tokio_util::sync::CancellationToken;
use unicode_width::UnicodeWidthStr as _;

use crate::tui::state::preview::{Body, Content, Ink, Palette, Span};

/// Bytes of a text that are shown.
const BYTES: usize = 256 << 10;
/// Lines of a text that are shown.
const LINES: usize = 500;
/// Bytes of a line that are shown; longer ones make expressions slow.
const LINE_BYTES: usize = 1 << 10;
/// How long a text is highlighted; its other lines are plain. The first line of a grammar takes by far the longest,
/// because its expressions are compiled.
const TIME: Duration = Duration::from_secs(2);
/// Columns of a tab.
const TAB: usize = 4;

/// The preview of a text that begins with these bytes; `None` if it is not wanted any more.
pub(super) fn content(name: &[u8], head: &[u8], palette: Palette, stop: &CancellationToken) -> Option<Content> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text = String::from_utf8_lossy(&head[..head.len().min(BYTES)]);
    let lines: Vec<&str> = text.lines().take(LINES).map(|line| cut(line, LINE_BYTES)).collect();
    let grammars = grammars();
    let grammar = grammar(grammars, name, lines.first().copied().unwrap_or_default());
    let theme = themes::of(palette);
    let mut highlighter = grammar.map(|grammar| HighlightLines::new(grammar, theme));
    let begun = Instant::now();
    let mut shown = Vec::with_capacity(lines.len());
    for line in lines {
        if stop.is_cancelled() {
            return None;
        }
        if begun.elapsed() > TIME {
            highlighter = None;
        }
        shown.push(match &mut highlighter {
            Some(highlighter) => highlighted(highlighter, grammars, line, theme.settings.foreground),
            None => plain(line),
        });
    }
    let facts = grammar.map_or_else(|| "text".to_owned(), |grammar| grammar.name.clone());
    Some(Content { facts, body: Body::Text(shown) })
}

/// The first bytes of a line, at most `most`, and whole characters.
fn cut(line: &str, most: usize) -> &str {
    &line[..line.floor_char_boundary(most)]
}

/// All grammars, read once.
fn grammars() -> &'static SyntaxSet {
    static GRAMMARS: OnceLock<SyntaxSet> = OnceLock::new();
    GRAMMARS.get_or_init(two_face::syntax::extra_newlines)
}

/// The grammar for a file of this name that begins with this line.
fn grammar<'g>(grammars: &'g SyntaxSet, name: &[u8], first: &str) -> Option<&'g SyntaxReference> {
    let name = String::from_utf8_lossy(name);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let found = grammars.find_syntax_by_extension(&name).or_else(|| grammars.find_syntax_by_extension(extension));
    let found = found.or_else(|| grammars.find_syntax_by_extension(&extension.to_ascii_lowercase()));
    let found = found.or_else(|| grammars.find_syntax_by_first_line(first));
    found.filter(|grammar| grammar.name != "Plain Text")
}

fn highlighted(
    highlighter: &mut HighlightLines<'_>,
    grammars: &SyntaxSet,
    line: &str,
    usual: Option<Color>,
) -> Vec<Span> {
    let whole = format!("{line}\n");
    let Ok(pieces) = highlighter.highlight_line(&whole, grammars) else { return plain(line) };
    let mut column = 0;
    let pieces = pieces.into_iter().map(|(style, piece)| {
        let text = shown(piece.trim_end_matches(['\n', '\r']), &mut column);
        span(text, style, usual)
    });
    joined(pieces)
}

fn plain(line: &str) -> Vec<Span> {
    let text = shown(line, &mut 0);
    joined(std::iter::once(Span { text, ink: Ink::Plain, bold: false, dim: false }))
}

/// The pieces without empty ones, and those of one style as one.
fn joined(pieces: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for piece in pieces.filter(|piece| !piece.text.is_empty()) {
        match spans.last_mut() {
            Some(last) if (last.ink, last.bold, last.dim) == (piece.ink, piece.bold, piece.dim) => {
                last.text += &piece.text;
            }
            _ => spans.push(piece),
        }
    }
    spans
}

fn span(text: String, style: Style, usual: Option<Color>) -> Span {
    let ink = if Some(style.foreground) == usual { Ink::Plain } else { ink(style.foreground) };
    let bold = style.font_style.contains(FontStyle::BOLD);
    // Only the theme without colours has italics in this sense.
    let dim = ink == Ink::Plain && style.font_style.contains(FontStyle::ITALIC);
    Span { text, ink, bold, dim }
}

/// The colour of a theme. Themes of the terminal's own colours write the number of one as its red part with an alpha
/// of 0, and the default colour with an alpha of 1 (a convention of bat).
fn ink(colour: Color) -> Ink {
    match (colour.a, colour.r) {
        // Black and white are invisible on one background or the other.
        (0, 0 | 7 | 8 | 15..) | (1, _) => Ink::Plain,
        (0, number) => Ink::Own(number),
        _ => Ink::Exact(colour.r, colour.g, colour.b),
    }
}

/// A piece of a line as it can be shown: tabs as spaces, control characters escaped.
fn shown(piece: &str, column: &mut usize) -> String {
    let mut text = String::with_capacity(piece.len());
    for (at, part) in piece.split('\t').enumerate() {
        if at > 0 {
            let spaces = TAB - *column % TAB;
            text.extend(std::iter::repeat_n(' ', spaces));
            *column += spaces;
        }
        let part = Escaped(part.as_bytes()).to_string();
        *column += part.width();
        text += &part;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(name: &str, text: &[u8], palette: Palette) -> Vec<Vec<Span>> {
        match content(name.as_bytes(), text, palette, &CancellationToken::new()).unwrap().body {
            Body::Text(lines) => lines,
            other => panic!("{other:?}"),
        }
    }

    fn texts(lines: &[Vec<Span>]) -> Vec<String> {
        lines.iter().map(|spans| spans.iter().map(|span| span.text.as_str()).collect()).collect()
    }

    const RUST: &[u8] = b"// A comment\nfn main() {\n\tlet x = \"text\";\n}\n";

    #[test]
    fn code_is_coloured_and_its_text_is_unchanged() {
        for palette in [Palette::None, Palette::Sixteen, Palette::Dark, Palette::Light] {
            let lines = lines("main.rs", RUST, palette);
            assert_eq!(texts(&lines), ["// A comment", "fn main() {", "    let x = \"text\";", "}"]);
            let spans: Vec<&Span> = lines.iter().flatten().collect();
            let coloured = spans.iter().filter(|span| span.ink != Ink::Plain).count();
            match palette {
                Palette::None => assert!(coloured == 0 && spans[0].dim && spans.iter().any(|span| span.bold)),
                Palette::Sixteen => assert!(spans.iter().all(|span| !matches!(span.ink, Ink::Exact(..)))),
                Palette::Dark | Palette::Light => assert!(spans.iter().all(|span| !matches!(span.ink, Ink::Own(_)))),
            }
            assert!(palette == Palette::None || coloured > 3, "{palette:?}: {spans:?}");
        }
    }

    #[test]
    fn dark_and_light_differ() {
        assert_ne!(lines("a.rs", RUST, Palette::Dark), lines("a.rs", RUST, Palette::Light));
    }

    #[test]
    fn a_hostile_text_has_no_control_characters() {
        let text = b"\x1b[2Jclear\rback\n\x1b]0;title\x07\xe2\x80\xaeright to left\n\xff\xfe\tx\x08y\n";
        for name in ["a.txt", "a.rs", "a.sh"] {
            for line in texts(&lines(name, text, Palette::Dark)) {
                assert!(!line.chars().any(char::is_control) && !line.contains('\u{202e}'), "{line:?}");
            }
        }
        assert!(texts(&lines("a.txt", text, Palette::Dark))[0].starts_with(r"\u{1b}[2Jclear"));
    }

    #[test]
    fn the_name_or_the_first_line_says_the_language() {
        let facts = |name: &str, text: &[u8]| {
            content(name.as_bytes(), text, Palette::None, &CancellationToken::new()).unwrap().facts
        };
        assert_eq!(facts("main.rs", b"x"), "Rust");
        assert_eq!(facts("MAIN.RS", b"x"), "Rust");
        assert_eq!(facts("Makefile", b"x"), "Makefile");
        assert_eq!(facts("run", b"#!/bin/sh\n"), facts("run.sh", b""));
        assert_eq!(facts("notes", b"words"), "text");
    }

    #[test]
    fn long_texts_and_lines_are_cut() {
        let shown = lines("a.txt", "line\n".repeat(100_000).as_bytes(), Palette::Dark);
        assert_eq!(shown.len(), LINES);
        let shown = lines("a.json", "ä".repeat(200 << 10).as_bytes(), Palette::Dark);
        assert!(texts(&shown)[0].len() <= LINE_BYTES);
    }

    #[test]
    fn a_text_that_is_not_wanted_any_more_is_given_up() {
        let stop = CancellationToken::new();
        stop.cancel();
        assert_eq!(content(b"a.rs", RUST, Palette::Dark, &stop), None);
    }
}
