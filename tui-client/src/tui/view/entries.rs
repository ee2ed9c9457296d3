//! The rows of a pane: a mark, a name in the colour of its kind, a size and a date.

use ferry_shared::entry::Kind;
use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr as _;

use super::{
    figures::{self, Dates},
    paint::Paint,
};
use crate::tui::state::{PATIENCE, State, appearance::Depth, item::Item, pattern::Pattern, side::Side};

/// Columns of a size.
const SIZE: u16 = 8;

/// The columns of an entry's line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    name: u16,
    dates: Dates,
}

impl Columns {
    /// The columns in a line of this width.
    pub(super) fn of(width: u16) -> Self {
        let dates = match width {
            0..30 => Dates::None,
            30..44 => Dates::Short,
            44..72 => Dates::Medium,
            _ => Dates::Long,
        };
        let date = if dates == Dates::None { 0 } else { dates.width() + 2 };
        Self { name: width.saturating_sub(3 + SIZE + 1 + date), dates }
    }
}

/// Draws the rows of a pane that are on the screen.
pub(super) fn draw(paint: &mut Paint<'_>, state: &State, side: Side, area: Rect) {
    let pane = &state.panes[side];
    let columns = Columns::of(area.width);
    let found = state.find.as_ref().filter(|_| side == state.active && state.highlight);
    for (row, y) in (pane.offset()..pane.rows()).zip(area.y..area.y + area.height) {
        line(paint, state, side, row, Rect { y, height: 1, ..area }, columns, found);
    }
    let patient = pane.loading.as_ref().is_none_or(|loading| state.now >= loading.since + PATIENCE);
    if pane.rows() == usize::from(pane.has_up()) && patient {
        let theme = &paint.appearance().theme;
        let word = match (&pane.loading, pane.listing.total()) {
            (Some(_), 0) => "reading",
            (None, 0) => "empty",
            (_, hidden) => &*format!("{hidden} not shown; . shows hidden names, Esc ends a filter"),
        };
        let y = area.y + usize_to_u16(pane.rows()) + 1;
        if y < area.y + area.height {
            paint.text(area.x + 3, y, area.width.saturating_sub(4), word, theme.dim);
        }
    }
}

fn usize_to_u16(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// Draws one row.
pub(super) fn line(
    paint: &mut Paint<'_>,
    state: &State,
    side: Side,
    row: usize,
    area: Rect,
    columns: Columns,
    found: Option<&Pattern>,
) {
    let theme = &paint.appearance().theme;
    let signs = paint.appearance().signs;
    let pane = &state.panes[side];
    let here = row == pane.cursor();
    let over = match (here, side == state.active) {
        (false, _) => None,
        (true, true) => Some(theme.cursor),
        // Two reversed lines would not tell the active pane from the other.
        (true, false) if paint.appearance().depth() == Depth::None => Some(Style::new().underlined()),
        (true, false) => Some(theme.cursor_other),
    };
    if let Some(style) = over {
        paint.fill(area, style);
    }
    // A cursor with a colour of its own has it in the whole line; else each text keeps its colour. Dim text would be hard
    // to read on it.
    let pick = |style: Style| over.map_or(style, |over| style.patch(over).not_dim());
    if here {
        paint.text(area.x, area.y, 1, signs.cursor, pick(side_style(paint, side)));
    }
    let Some(item) = pane.item(row) else {
        paint.text(area.x + 3, area.y, columns.name, "../", pick(theme.folder));
        return;
    };
    let marked = pane.is_marked(row);
    if marked {
        paint.text(area.x + 1, area.y, 1, signs.mark, pick(theme.mark));
    }
    let style = if marked { theme.mark } else { paint.appearance().kinds.style(item, theme) };
    let mut x = area.x + 3;
    let mut room = columns.name;
    if let Some(icon) = paint.appearance().kinds.icon(item) {
        paint.text(x, area.y, 2, icon, pick(style));
        (x, room) = (x + 2, room.saturating_sub(2));
    }
    let shown = format!("{}{}", item.entry.name.display(), sign(item));
    let shown = paint.shown(&shown);
    paint.text(x, area.y, room, &shown, pick(style));
    if let Some((from, to)) = found.and_then(|pattern| pattern.find(&shown)) {
        let (from, to) = (shown[..from].width(), shown[..to].width().min(usize::from(room)));
        let at = Rect { x: x + usize_to_u16(from), width: usize_to_u16(to.saturating_sub(from)), ..area };
        paint.restyle(at, theme.found);
    }
    let mut end = area.x + area.width.saturating_sub(1);
    if columns.dates != Dates::None {
        let date = columns.dates.text(item.entry.mtime, state.clock(), &state.zone);
        paint.right(end, area.y, columns.dates.width(), &date, pick(theme.dim));
        end = end.saturating_sub(columns.dates.width() + 2);
    }
    let size = match (item.entry.kind, pane.size_of(&item.entry.name)) {
        (Kind::File, _) => figures::size(item.entry.size),
        (_, Some(bytes)) => figures::size(bytes),
        _ => signs.dash.to_owned(),
    };
    paint.right(end, area.y, SIZE, &size, pick(if item.entry.kind == Kind::File { theme.text } else { theme.dim }));
}

/// The sign behind a name, so that its kind does not depend on the colour alone.
fn sign(item: &Item) -> &'static str {
    match (item.entry.kind, item.leads) {
        (Kind::Folder, _) => "/",
        (Kind::Symlink, true) => "@/",
        (Kind::Symlink, false) => "@",
        (Kind::Other, _) => "?",
        (Kind::File, _) => "",
    }
}

/// The colour of a side.
pub(super) fn side_style(paint: &Paint<'_>, side: Side) -> Style {
    match side {
        Side::Left => paint.appearance().theme.left,
        Side::Right => paint.appearance().theme.right,
    }
}
