//! The command palette and the help.

use ratatui::layout::Rect;

use crate::tui::{
    action::Action,
    state::{
        State,
        dialog::{HELP_WIDEST, HelpLine, HelpView, Palette},
        field::Field,
    },
    view::{
        list::{self, Line},
        paint::{Paint, columns},
        popup,
    },
};

/// A box that takes nearly all of the room, for lines of `width` columns, with a line to type in.
fn open(
    paint: &mut Paint<'_>,
    state: &State,
    room: Rect,
    (title, width): (&str, u16),
    field: &Field,
    without: &[Action],
) -> Rect {
    let theme = &paint.appearance().theme;
    let area = popup::open_wide(paint, state, room, title, (width.max(80), room.height.saturating_sub(4)), without);
    let sign = paint.appearance().signs.cursor;
    paint.text(area.x, area.y, 1, sign, theme.key);
    let line = Rect { x: area.x + 2, y: area.y, width: area.width.saturating_sub(2), height: 1 };
    paint.fill(line, theme.field_active);
    let taken = paint.tail(line.x, line.y, line.width, &field.shown(), theme.field_active);
    let column = columns(&paint.shown(&field.shown_before())).min(taken);
    paint.put_cursor(line.x + column, line.y);
    Rect { y: area.y + 2, height: area.height.saturating_sub(2), ..area }
}

pub(super) fn palette(paint: &mut Paint<'_>, state: &State, palette: &Palette, room: Rect) {
    let theme = &paint.appearance().theme;
    let line = |row: &&crate::tui::action::Row| {
        let keys = state.keymap.label(palette.place, row.action).unwrap_or_default();
        (format!("{keys:<10} {}", row.name), row.help.to_owned())
    };
    let lines: Vec<Line> = palette.found.iter().map(line).collect();
    let first = lines.iter().map(|(first, _)| columns(first)).max().unwrap_or(0);
    let second = lines.iter().map(|(_, second)| columns(second)).max().unwrap_or(0);
    let area = open(paint, state, room, ("Commands", first + second + 4), &palette.field, &[]);
    if lines.is_empty() {
        paint.text(area.x + 2, area.y, area.width, "no command has these letters", theme.dim);
    }
    list::draw(paint, area, palette.view, &lines, theme.text);
}

pub(super) fn help(paint: &mut Paint<'_>, state: &State, help: &HelpView, room: Rect) {
    let theme = &paint.appearance().theme;
    let area = open(paint, state, room, ("Keys: type to search", HELP_WIDEST), &help.field, &[Action::Accept]);
    if help.lines.is_empty() {
        paint.text(area.x + 2, area.y, area.width, "nothing in the help has these words", theme.dim);
    }
    let (keys_width, words_width) = HelpView::columns(area.width);
    let bottom = area.y + area.height;
    // The line of the screen the next one belongs on, were nothing scrolled away.
    let mut next = 0;
    for line in &help.lines {
        let words = line.words(words_width);
        let place_of = |at: usize| Some(area.y + u16::try_from((next + at).checked_sub(help.offset)?).ok()?);
        let seen = |at: usize| place_of(at).filter(|y| *y < bottom);
        match (line, seen(0)) {
            (HelpLine::Heading(place), Some(y)) => {
                let here = if *place == help.place { " (here)" } else { "" };
                paint.text(area.x, y, area.width, &format!("{}{here}", place.title()), theme.dialog_title);
            }
            (HelpLine::Command(place, row), Some(y)) => {
                let keys = state.keymap.all_labels(*place, row.action);
                let keys = if keys.is_empty() { format!(": {}", row.name) } else { keys };
                paint.text(area.x + 2, y, keys_width, &keys, theme.key);
            }
            (_, None) => {}
        }
        for (at, text) in words.iter().enumerate() {
            if let Some(y) = seen(at) {
                paint.text(area.x + 4 + keys_width, y, words_width, text, theme.hint);
            }
        }
        next += words.len().max(1);
    }
}
