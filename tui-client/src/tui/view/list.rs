//! A list in a box: its lines, and the bar of the cursor.

use ratatui::{layout::Rect, style::Style};

use super::{
    paint::{Paint, columns},
    popup,
};
use crate::tui::state::{dialog::ListView, hits::Target};

/// The two texts of a line: the name and the description.
pub(super) type Line = (String, String);

/// The most lines below a list for its truncated texts.
const BELOW: u16 = 3;

/// Draws the lines that are on the screen; the second words begin in one column. Where words are cut
/// off, those of the line with the cursor stand whole below.
pub(super) fn draw(paint: &mut Paint<'_>, area: Rect, view: ListView, lines: &[Line], style: Style) {
    let theme = &paint.appearance().theme;
    let signs = paint.appearance().signs;
    let widest = |of: fn(&Line) -> &String| lines.iter().map(|line| columns(of(line))).max().unwrap_or(0);
    let (wished, second) = (widest(|line| &line.0), widest(|line| &line.1));
    let rest = |first: u16| area.width.saturating_sub(4 + first);
    let first = if second <= rest(wished) { wished } else { wished.min(area.width.saturating_mul(3) / 5) };
    let second_room = rest(first);
    let cut = if wished > first { wished } else { 0 }.max(if second > second_room { second } else { 0 });
    let below = if cut == 0 { 0 } else { (cut / area.width.max(1) + 1).min(BELOW).min(area.height / 2) };
    let list = Rect { height: area.height - below, ..area };
    let offset = view.offset.min(view.cursor).max((view.cursor + 1).saturating_sub(usize::from(list.height)));
    for ((at, line), y) in lines.iter().enumerate().skip(offset).zip(list.y..list.y + list.height) {
        let here = at == view.cursor;
        let row = Rect { y, height: 1, ..area };
        paint.hit(row, Target::Line(at));
        if here {
            paint.fill(row, theme.cursor);
            paint.text(area.x, y, 1, signs.cursor, theme.cursor);
        }
        let pick = |style: Style| if here { theme.cursor } else { style };
        paint.text(area.x + 2, y, first, &line.0, pick(style));
        let x = area.x + 4 + first;
        paint.text(x, y, (area.x + area.width).saturating_sub(x), &line.1, pick(theme.dim));
    }
    if let Some(line) = lines.get(view.cursor) {
        let parts = [(&line.0, first), (&line.1, second_room)];
        let cut: Vec<&str> =
            parts.iter().filter(|(text, room)| columns(text) > *room).map(|(text, _)| text.trim()).collect();
        let whole = popup::wrapped(&cut.join(" "), usize::from(area.width));
        popup::write(paint, Rect { y: list.y + list.height, height: below, ..area }, &whole, theme.text);
    }
}
