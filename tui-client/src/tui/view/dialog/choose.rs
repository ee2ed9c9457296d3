//! The command palette and the help.

use crate::tui::{
    action::Action,
    state::{
        State,
        dialog::{HelpLine, HelpView, Palette},
        field::Field,
        layout::Area,
    },
    view::{
        list::{self, Line},
        paint::Paint,
        popup,
    },
};

/// A box that takes nearly all of the room, with a line to type in.
fn open(paint: &mut Paint<'_>, state: &State, room: Area, title: &str, field: &Field, without: &[Action]) -> Area {
    let theme = &paint.look().theme;
    let area = popup::open_with(paint, state, room, title, (80, room.height.saturating_sub(4)), without);
    let sign = paint.look().signs.cursor;
    paint.text(area.x, area.y, 1, sign, theme.key);
    let line = Area { x: area.x + 2, y: area.y, width: area.width.saturating_sub(2), height: 1 };
    paint.fill(line, theme.field_active);
    let taken = paint.tail(line.x, line.y, line.width, &field.shown(), theme.field_active);
    paint.put_cursor(line.x + u16::try_from(field.column()).unwrap_or(0).min(taken), line.y);
    Area { y: area.y + 2, height: area.height.saturating_sub(2), ..area }
}

pub(super) fn palette(paint: &mut Paint<'_>, state: &State, palette: &Palette, room: Area) {
    let theme = &paint.look().theme;
    let area = open(paint, state, room, "Commands", &palette.field, &[]);
    let line = |row: &&crate::tui::action::Row| {
        let keys = state.keymap.label(palette.place, row.action).unwrap_or_default();
        (format!("{keys:<10} {}", row.name), row.help.to_owned())
    };
    let lines: Vec<Line> = palette.found.iter().map(line).collect();
    if lines.is_empty() {
        paint.text(area.x + 2, area.y, area.width, "no command has these letters", theme.dim);
    }
    list::draw(paint, area, palette.view, &lines, theme.text);
}

pub(super) fn help(paint: &mut Paint<'_>, state: &State, help: &HelpView, room: Area) {
    let theme = &paint.look().theme;
    let area = open(paint, state, room, "Keys: type to search", &help.field, &[Action::Accept]);
    if help.lines.is_empty() {
        paint.text(area.x + 2, area.y, area.width, "nothing in the help has these words", theme.dim);
    }
    let keys_width = 22.min(area.width / 3);
    for (line, y) in help.lines.iter().skip(help.offset).zip(area.y..area.y + area.height) {
        match line {
            HelpLine::Heading(place) => {
                let here = if *place == help.place { " (here)" } else { "" };
                paint.text(area.x, y, area.width, &format!("{}{here}", place.title()), theme.dialog_title);
            }
            HelpLine::Command(place, row) => {
                let keys = state.keymap.all_labels(*place, row.action);
                let keys = if keys.is_empty() { format!(": {}", row.name) } else { keys };
                paint.text(area.x + 2, y, keys_width, &keys, theme.key);
                let x = area.x + 4 + keys_width;
                paint.text(x, y, (area.x + area.width).saturating_sub(x), row.help, theme.hint);
            }
        }
    }
}
