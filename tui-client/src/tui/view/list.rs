//! A list in a box: its lines, and the bar of the cursor.

use super::paint::Paint;
use crate::tui::state::{dialog::ListView, layout::Area, look::Style};

/// A line's words: what it is, and what is said of it.
pub(super) type Line = (String, String);

/// Draws the lines that are on the screen; the second words begin in one column.
pub(super) fn draw(paint: &mut Paint<'_>, area: Area, view: ListView, lines: &[Line], style: Style) {
    let theme = &paint.look().theme;
    let signs = paint.look().signs;
    let first = lines.iter().map(|(first, _)| super::paint::columns(first)).max().unwrap_or(0);
    let first = first.min(area.width.saturating_mul(3) / 5);
    let offset = view.offset.min(view.cursor).max((view.cursor + 1).saturating_sub(usize::from(area.height)));
    for ((at, line), y) in lines.iter().enumerate().skip(offset).zip(area.y..area.y + area.height) {
        let here = at == view.cursor;
        let row = Area { y, height: 1, ..area };
        if here {
            paint.fill(row, theme.cursor);
            paint.text(area.x, y, 1, signs.cursor, theme.cursor);
        }
        let pick = |style: Style| if here { theme.cursor } else { style };
        paint.text(area.x + 2, y, first, &line.0, pick(style));
        let x = area.x + 4 + first;
        paint.text(x, y, (area.x + area.width).saturating_sub(x), &line.1, pick(theme.dim));
    }
}
