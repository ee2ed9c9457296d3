//! The preview of the entry under the cursor: a title, and below it lines, rows or pixels.

mod picture;

use ferry_shared::entry::Kind;
use ratatui::{
    layout::Rect,
    style::{Color, Modifier, Style},
};

use super::{
    figures,
    paint::{Paint, columns},
    pane,
};
use crate::tui::{
    action::{Action, Where},
    state::{
        PATIENCE, State,
        appearance::colour,
        layout,
        preview::{Body, Content, Ink, List, Row, Span, Step},
    },
};

/// Columns of a size.
const SIZE: u16 = 8;

/// Draws the preview: a frame with its title, its content inside with an empty column on each side.
pub(super) fn draw(paint: &mut Paint<'_>, state: &State, area: Rect) {
    let border = paint.appearance().theme.border;
    paint.border(area, border);
    let inside = layout::inside(area);
    title(paint, state, Rect { y: area.y, height: 1, ..inside });
    let body = Rect { x: inside.x + 1, width: inside.width.saturating_sub(2), ..inside };
    let theme = &paint.appearance().theme;
    match &state.preview.step {
        // What changes is not blank meanwhile.
        Step::Loading { .. } | Step::Resting(_) if state.preview.before.is_some() => {
            state.preview.before.iter().for_each(|content| shown(paint, state, content, body));
        }
        Step::Shown(content) => shown(paint, state, content, body),
        Step::Failed(problem) => words(paint, &[problem.to_string()], body, theme.bad),
        Step::Loading { since, .. } if state.now >= *since + PATIENCE => {
            let turn = pane::spinner(paint, state.now.saturating_sub(*since));
            words(paint, &[format!("{turn} reading")], body, theme.dim);
        }
        Step::Nothing => {
            let key = state.keymap.label(Where::Browse, Action::Preview);
            let hint = key.map(|key| format!("nothing under the cursor; {key} hides the preview"));
            words(paint, &[hint.unwrap_or_default()], body, theme.dim);
        }
        Step::Loading { .. } | Step::Resting(_) => {}
    }
}

fn title(paint: &mut Paint<'_>, state: &State, area: Rect) {
    let theme = &paint.appearance().theme;
    let Some(subject) = &state.preview.subject else {
        paint.text(area.x.saturating_add(1), area.y, area.width.saturating_sub(2), " preview ", theme.title);
        return;
    };
    let mut facts = match &state.preview.step {
        Step::Shown(content) => content.facts.clone(),
        _ => String::new(),
    };
    if subject.kind == Kind::File {
        let gap = if facts.is_empty() { "" } else { "  " };
        facts = format!("{facts}{gap}{}", figures::size(subject.size));
    }
    let end = area.x.saturating_add(area.width.saturating_sub(1));
    let name = subject.place.name().map(|name| name.display().to_string()).unwrap_or_default();
    let room = area.width.saturating_sub(columns(&name).min(area.width / 2) + 3);
    let facts = if facts.is_empty() { facts } else { format!(" {facts} ") };
    let taken = paint.right(end, area.y, room, &facts, theme.dim);
    let name = format!(" {name} ");
    paint.text(area.x.saturating_add(1), area.y, area.width.saturating_sub(taken + 3), &name, theme.title);
}

fn shown(paint: &mut Paint<'_>, state: &State, content: &Content, area: Rect) {
    let theme = &paint.appearance().theme;
    let top = state.preview.top;
    let ys = area.y..area.y.saturating_add(area.height);
    match &content.body {
        Body::Words(lines) => words(paint, lines, area, theme.dim),
        Body::Text(lines) => {
            for (spans, y) in lines.iter().skip(top).zip(ys) {
                line(paint, spans, Rect { y, height: 1, ..area });
            }
        }
        Body::Hex(bytes) => {
            let wide = hex_bytes(area.width);
            for (at, (part, y)) in bytes.chunks(wide).zip(ys).enumerate() {
                paint.text(area.x, y, area.width, &hex_line(at * wide, part, wide), theme.text);
            }
        }
        Body::List(list) => rows(paint, list, top, area),
        // Graphics would show through a box over them, and stay behind where it was.
        Body::Picture(picture) => picture::draw(paint, picture, area, state.dialogs.is_empty()),
    }
}

/// Sentences in the upper third, broken into lines.
fn words(paint: &mut Paint<'_>, sentences: &[String], area: Rect, style: Style) {
    let width = usize::from(area.width.max(1));
    let lines: Vec<String> = sentences.iter().flat_map(|text| crate::tui::state::lines::wrapped(text, width)).collect();
    let bottom = area.y.saturating_add(area.height);
    for (line, y) in lines.iter().zip(area.y.saturating_add(area.height / 3)..bottom) {
        paint.centre(Rect { y, height: 1, ..area }, line, style);
    }
}

fn line(paint: &mut Paint<'_>, spans: &[Span], area: Rect) {
    let end = area.x.saturating_add(area.width);
    let mut x = area.x;
    for (at, span) in spans.iter().enumerate() {
        let room = end.saturating_sub(x);
        let style = style(paint, span);
        if columns(&span.text) >= room {
            // A character more shows that something follows which is cut off.
            let follows = spans.len() > at + 1;
            let text = if follows { format!("{} ", span.text) } else { span.text.clone() };
            paint.text(x, area.y, room, &text, style);
            return;
        }
        x = x.saturating_add(paint.text(x, area.y, room, &span.text, style));
    }
}

fn style(paint: &Paint<'_>, span: &Span) -> Style {
    let theme = &paint.appearance().theme;
    let plain = if span.dim { theme.dim } else { theme.text };
    let style = match span.ink {
        Ink::Plain => plain,
        Ink::Own(number) => plain.fg(colour::own(number)),
        Ink::Exact(r, g, b) => plain.fg(Color::Rgb(r, g, b)),
    };
    if span.bold { style.add_modifier(Modifier::BOLD) } else { style }
}

/// Bytes on a line of hexadecimal that fits the width: a multiple of four, at most 16.
fn hex_bytes(width: u16) -> usize {
    [16, 12, 8].into_iter().find(|bytes| hex_width(*bytes) <= usize::from(width)).unwrap_or(4)
}

/// Columns of a line with so many bytes: position, bytes, characters.
fn hex_width(bytes: usize) -> usize {
    4 + 1 + bytes * 3 + bytes
}

fn hex_line(at: usize, bytes: &[u8], wide: usize) -> String {
    use std::fmt::Write as _;
    let mut text = format!("{at:04x} ");
    for column in 0..wide {
        // Writing to memory cannot fail.
        let _ = match bytes.get(column) {
            Some(byte) => write!(text, "{byte:02x} "),
            None => write!(text, "   "),
        };
    }
    text.extend(bytes.iter().map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '.' }));
    text
}

fn rows(paint: &mut Paint<'_>, list: &List, top: usize, area: Rect) {
    let theme = &paint.appearance().theme;
    if list.rows.is_empty() && list.rest.is_none() {
        words(paint, &["empty".to_owned()], area, theme.dim);
        return;
    }
    let mut ys = area.y..area.y.saturating_add(area.height);
    for (row, y) in list.rows.iter().skip(top).zip(ys.by_ref()) {
        entry(paint, row, Rect { y, height: 1, ..area });
    }
    if let (Some(rest), Some(y)) = (&list.rest, ys.next()) {
        paint.text(area.x, y, area.width, rest, theme.dim);
    }
}

fn entry(paint: &mut Paint<'_>, row: &Row, area: Rect) {
    let theme = &paint.appearance().theme;
    let (style, sign) = match row.kind {
        Kind::Folder => (theme.folder, "/"),
        Kind::Symlink => (theme.symlink, "@"),
        Kind::Other => (theme.special, ""),
        Kind::File => (theme.text, ""),
    };
    let size = row.size.filter(|_| area.width >= 2 * SIZE);
    let end = area.x.saturating_add(area.width);
    let taken = size.map_or(0, |size| paint.right(end, area.y, SIZE, &figures::size(size), theme.dim) + 1);
    let room = area.width.saturating_sub(taken + columns(sign));
    let x = area.x.saturating_add(paint.text(area.x, area.y, room, &row.name, style));
    paint.text(x, area.y, columns(sign), sign, style);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_hexadecimal_fits_its_width() {
        for width in [21, 36, 37, 60, 69, 200] {
            let bytes = hex_bytes(width);
            let line = hex_line(0, &vec![b'x'; bytes], bytes);
            assert!(columns(&line) <= width && line.len() == hex_width(bytes), "{width}: {line}");
        }
        assert_eq!(hex_line(8, b"a\x1b", 4), "0008 61 1b       a.");
    }
}
