//! Drawing primitives: text fitted to columns, lines, boxes and bars, in the theme's styles.

use std::borrow::Cow;

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::{Modifier, Style},
};
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::tui::state::{
    appearance::{Appearance, colour},
    hits::{Hits, Target},
};

/// Draws on the screen.
pub(super) struct Paint<'s> {
    buffer: &'s mut Buffer,
    appearance: &'s Appearance,
    cursor: Option<Position>,
    hits: Hits,
    /// Whether the part being drawn takes the keys and clicks, and so shows its keys.
    pub(super) topmost: bool,
}

impl<'s> Paint<'s> {
    pub(super) fn new(buffer: &'s mut Buffer, appearance: &'s Appearance, hits: Hits) -> Self {
        Self { buffer, appearance, cursor: None, hits, topmost: true }
    }

    /// The theme and the signs.
    pub(super) fn appearance(&self) -> &'s Appearance {
        self.appearance
    }

    /// Where the terminal's own cursor is to be.
    pub(super) fn cursor(&self) -> Option<Position> {
        self.cursor
    }

    /// Records what a click on an area means, if this part takes clicks.
    pub(super) fn hit(&mut self, area: Rect, target: Target) {
        if self.topmost {
            self.hits.add(area, target);
        }
    }

    /// What can be clicked on.
    pub(super) fn into_hits(self) -> Hits {
        self.hits
    }

    /// Puts the terminal's own cursor somewhere.
    pub(super) fn put_cursor(&mut self, x: u16, y: u16) {
        self.cursor = Some(Position { x, y });
    }

    /// Empties an area, and gives it a style.
    pub(super) fn fill(&mut self, area: Rect, style: Style) {
        let style = self.appearance.ground.patch(colour::style(style, self.appearance.depth()));
        for y in area.y..area.y.saturating_add(area.height) {
            // A wide character that begins just left of the area would hide its first column.
            if let Some(left) = area.x.checked_sub(1).and_then(|x| self.buffer.cell_mut((x, y)))
                && left.symbol().width() > 1
            {
                left.set_symbol(" ");
            }
            for x in area.x..area.x.saturating_add(area.width) {
                if let Some(cell) = self.buffer.cell_mut((x, y)) {
                    cell.reset();
                    cell.set_style(style);
                }
            }
        }
    }

    /// Empties an area.
    pub(super) fn clear(&mut self, area: Rect) {
        self.fill(area, Style::new());
    }

    /// Changes the style of an area and keeps its text.
    pub(super) fn restyle(&mut self, area: Rect, style: Style) {
        let style = colour::style(style, self.appearance.depth());
        self.buffer.set_style(area, style);
    }

    /// A text as the terminal can show it: where that shows ASCII only, other characters are written out.
    pub(super) fn shown<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.appearance.is_plain() || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let mut plain = String::new();
        for c in text.chars() {
            match c {
                '×' => plain.push('x'),
                '–' | '—' => plain.push('-'),
                c if c.is_ascii() => plain.push(c),
                c => plain.extend(c.escape_unicode()),
            }
        }
        Cow::Owned(plain)
    }

    /// Writes text into at most `width` columns, cut at its end. Returns the columns it took.
    pub(super) fn text(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let text = &self.shown(text);
        let fitted = fit(text, usize::from(width), self.appearance.signs.more);
        self.put(x, y, width, &fitted, style)
    }

    /// Writes text into at most `width` columns, cut at its begin.
    pub(super) fn tail(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let text = &self.shown(text);
        let fitted = fit_tail(text, usize::from(width), self.appearance.signs.more);
        self.put(x, y, width, &fitted, style)
    }

    /// Writes text so that it ends before column `end`. Returns the columns it took.
    pub(super) fn right(&mut self, end: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let text = &self.shown(text);
        let fitted = fit(text, usize::from(width), self.appearance.signs.more);
        let taken = columns(&fitted);
        self.put(end.saturating_sub(taken), y, taken, &fitted, style)
    }

    /// Writes text in the middle of an area's first line.
    pub(super) fn centre(&mut self, area: Rect, text: &str, style: Style) {
        let text = &self.shown(text);
        let taken = columns(text).min(area.width);
        self.text(area.x + (area.width - taken) / 2, area.y, taken, text, style);
    }

    /// Copies cells as they are. They may hold escape sequences of ours, never anything from a file.
    pub(super) fn cells(&mut self, x: u16, y: u16, cells: &Buffer) {
        for row in 0..cells.area.height {
            for column in 0..cells.area.width {
                if let Some(cell) = self.buffer.cell_mut((x.saturating_add(column), y.saturating_add(row))) {
                    *cell = cells[(cells.area.x + column, cells.area.y + row)].clone();
                }
            }
        }
    }

    fn put(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let style = colour::style(style, self.appearance.depth());
        // Outside of the buffer there is nothing to write on.
        if !self.buffer.area.contains(Position { x, y }) {
            return 0;
        }
        let (end, _) = self.buffer.set_stringn(x, y, text, usize::from(width), style);
        end.saturating_sub(x)
    }

    /// A line across.
    pub(super) fn across(&mut self, x: u16, y: u16, width: u16, style: Style) {
        let sign = self.appearance.signs.across;
        for x in x..x.saturating_add(width) {
            self.put(x, y, 1, sign, style);
        }
    }

    /// A line down.
    pub(super) fn down(&mut self, area: Rect, style: Style) {
        let sign = self.appearance.signs.along;
        for y in area.y..area.y.saturating_add(area.height) {
            self.put(area.x, y, 1, sign, style);
        }
    }

    /// A box around an area, emptied inside.
    pub(super) fn frame(&mut self, area: Rect, style: Style, inside: Style) {
        self.fill(area, inside);
        self.border(area, style);
    }

    /// A line around an area.
    pub(super) fn border(&mut self, area: Rect, style: Style) {
        let (right, bottom) = (area.x + area.width.saturating_sub(1), area.y + area.height.saturating_sub(1));
        for y in [area.y, bottom] {
            self.across(area.x, y, area.width, style);
        }
        for x in [area.x, right] {
            self.down(Rect { x, width: 1, ..area }, style);
        }
        let [above_left, above_right, below_left, below_right] = self.appearance.signs.corners;
        let corners = [
            (area.x, area.y, above_left),
            (right, area.y, above_right),
            (area.x, bottom, below_left),
            (right, bottom, below_right),
        ];
        for (x, y, sign) in corners {
            self.put(x, y, 1, sign, style);
        }
    }

    /// Lets what was drawn in an area step back behind a box.
    pub(super) fn step_back(&mut self, area: Rect) {
        let style = colour::style(self.appearance.theme.behind, self.appearance.depth());
        for position in area.positions() {
            if let Some(cell) = self.buffer.cell_mut(position) {
                cell.modifier = Modifier::empty();
                cell.set_style(style);
            }
        }
    }

    /// Text on a coloured ground, with a space before and after it. Returns the columns it took.
    pub(super) fn chip(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        if width < 3 {
            return 0;
        }
        let taken = self.text(x + 1, y, width - 2, text, style) + 2;
        for x in [x, x + taken - 1] {
            self.put(x, y, 1, " ", style);
        }
        taken
    }
}

/// Columns a text takes.
pub(super) fn columns(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

/// A text in at most `width` columns; `more` replaces the part cut off its end.
pub(super) fn fit<'t>(text: &'t str, width: usize, more: &str) -> Cow<'t, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let room = width.saturating_sub(more.width());
    let mut taken = 0;
    let mut end = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        taken += grapheme.width();
        if taken > room {
            break;
        }
        end = at + grapheme.len();
    }
    let mut cut = text[..end].to_owned();
    if width >= more.width() {
        cut += more;
    }
    Cow::Owned(cut)
}

/// A text in at most `width` columns; `more` replaces the part cut off its beginning.
pub(super) fn fit_tail<'t>(text: &'t str, width: usize, more: &str) -> Cow<'t, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let room = width.saturating_sub(more.width());
    let mut taken = 0;
    let mut start = text.len();
    for (at, grapheme) in text.grapheme_indices(true).rev() {
        taken += grapheme.width();
        if taken > room {
            break;
        }
        start = at;
    }
    Cow::Owned(format!("{}{}", if width >= more.width() { more } else { "" }, &text[start..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_over_the_half_of_a_wide_character_keeps_its_border() {
        let appearance = Appearance::default();
        let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 3));
        let mut paint = Paint::new(&mut buffer, &appearance, Hits::default());
        for y in 0..3 {
            paint.text(0, y, 8, "日本語日", appearance.theme.text);
        }
        paint.frame(Rect { x: 3, y: 0, width: 4, height: 3 }, appearance.theme.border, appearance.theme.text);
        let row = |y: u16| (0..8).map(|x| buffer[(x, y)].symbol()).collect::<Vec<_>>();
        assert_eq!(row(1)[..4], ["日", " ", " ", appearance.signs.along]);
        assert_eq!(row(0)[2], " ");
    }

    #[test]
    fn text_is_cut_by_columns_and_whole_characters() {
        assert_eq!(fit("abcdef", 6, "…"), "abcdef");
        assert_eq!(fit("abcdef", 4, "…"), "abc…");
        assert_eq!(fit("日本語", 5, "…"), "日本…");
        assert_eq!(fit("日本語", 4, "…"), "日…");
        assert_eq!(fit("abc", 0, "…"), "");
        assert_eq!(fit_tail("/a/b/photos", 7, "…"), "…photos");
        assert_eq!(fit_tail("日本語", 4, "…"), "…語");
    }
}
