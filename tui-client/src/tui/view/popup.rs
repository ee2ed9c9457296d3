//! A box over the panes: its title above, its keys below, its lines between.

use ratatui::{layout::Rect, style::Style};

use super::{
    footer,
    paint::{Paint, columns},
};
pub(super) use crate::tui::state::lines::wrapped;
use crate::tui::{action::Action, state::State};

/// The widest box of text; a list may be wider.
const WIDEST: u16 = 90;

/// Opens a box for `lines` lines of at most `width` columns in the middle of `room`. Returns the area inside.
pub(super) fn open(paint: &mut Paint<'_>, state: &State, room: Rect, title: &str, width: u16, lines: u16) -> Rect {
    open_with(paint, state, room, title, (width, lines), &[])
}

/// As [`open`], and among its keys only those that are of use.
pub(super) fn open_with(
    paint: &mut Paint<'_>,
    state: &State,
    room: Rect,
    title: &str,
    size: (u16, u16),
    without: &[Action],
) -> Rect {
    open_within(paint, state, room, title, size, (WIDEST, without))
}

/// As [`open_with`], and as wide as its lines are where there is room.
pub(super) fn open_wide(
    paint: &mut Paint<'_>,
    state: &State,
    room: Rect,
    title: &str,
    size: (u16, u16),
    without: &[Action],
) -> Rect {
    open_within(paint, state, room, title, size, (u16::MAX, without))
}

fn open_within(
    paint: &mut Paint<'_>,
    state: &State,
    room: Rect,
    title: &str,
    (width, lines): (u16, u16),
    (widest, without): (u16, &[Action]),
) -> Rect {
    let theme = &paint.appearance().theme;
    let hints = footer::hints(state, state.place(), without);
    let keys: u16 = hints.iter().map(footer::Hint::width).sum();
    let wished = width.max(columns(title) + 2).max(keys.min(WIDEST - 6)).saturating_add(6).min(widest);
    let width = wished.min(room.width);
    let height = lines.saturating_add(2).min(room.height);
    let area = Rect { x: room.x + (room.width - width) / 2, y: room.y + (room.height - height) / 2, width, height };
    paint.frame(area, theme.dialog_border, theme.dialog);
    paint.chip(area.x + 2, area.y, width.saturating_sub(4), title, theme.dialog_title);
    if paint.topmost {
        footer::write(
            paint,
            Rect { x: area.x + 2, y: area.y + height - 1, width: width.saturating_sub(4), height: 1 },
            &hints,
        );
    }
    Rect { x: area.x + 3, y: area.y + 1, width: width.saturating_sub(6), height: height.saturating_sub(2) }
}

/// Some texts as lines of at most `width` columns.
pub(super) fn all_wrapped(texts: &[String], width: usize) -> Vec<String> {
    texts.iter().flat_map(|text| wrapped(text, width)).collect()
}

/// Columns a text in a box may have.
pub(super) fn most_columns(room: Rect) -> usize {
    usize::from(room.width.min(WIDEST).saturating_sub(6)).max(1)
}

/// The widest of some lines.
pub(super) fn widest(lines: &[String]) -> u16 {
    lines.iter().map(|line| columns(line)).max().unwrap_or(0)
}

/// Writes lines one below the other.
pub(super) fn write(paint: &mut Paint<'_>, area: Rect, lines: &[String], style: Style) {
    for (line, y) in lines.iter().zip(area.y..area.y + area.height) {
        paint.text(area.x, y, area.width, line, style);
    }
}
