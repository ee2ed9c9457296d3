//! A box over the panes: its title above, its keys below, its lines between.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use super::{
    footer,
    paint::{Paint, columns},
};
use crate::tui::{
    action::Action,
    state::{State, layout::Area, look::Style},
};

/// The widest box.
const WIDEST: u16 = 90;

/// Opens a box for `lines` lines of at most `width` columns in the middle of `room`; what is inside of it.
pub(super) fn open(paint: &mut Paint<'_>, state: &State, room: Area, title: &str, width: u16, lines: u16) -> Area {
    open_with(paint, state, room, title, (width, lines), &[])
}

/// As [`open`], and among its keys only those that are of use.
pub(super) fn open_with(
    paint: &mut Paint<'_>,
    state: &State,
    room: Area,
    title: &str,
    (width, lines): (u16, u16),
    without: &[Action],
) -> Area {
    let theme = &paint.look().theme;
    let hints = footer::hints(state, state.place(), without);
    let keys: u16 = hints.iter().map(footer::Hint::width).sum();
    let wished = width.max(columns(title) + 2).max(keys.min(WIDEST - 6)).saturating_add(6).min(WIDEST);
    let width = wished.min(room.width);
    let height = lines.saturating_add(2).min(room.height);
    let area = Area { x: room.x + (room.width - width) / 2, y: room.y + (room.height - height) / 2, width, height };
    paint.frame(area, theme.border, theme.dialog);
    let taken = paint.text(area.x + 3, area.y, width.saturating_sub(6), title, theme.dialog_title);
    for x in [area.x + 2, area.x + 3 + taken] {
        paint.text(x, area.y, 1, " ", theme.border);
    }
    if paint.topmost {
        footer::write(
            paint,
            Area { x: area.x + 2, y: area.y + height - 1, width: width.saturating_sub(4), height: 1 },
            &hints,
        );
    }
    Area { x: area.x + 3, y: area.y + 1, width: width.saturating_sub(6), height: height.saturating_sub(2) }
}

/// A text in lines of at most `width` columns, broken between words where that can be.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    // What is aligned by hand, as `key     value`, keeps its second column.
    let hang = text.find("  ").map_or(0, |at| at + text[at..].len() - text[at..].trim_start().len());
    let hang = if hang * 2 < width { hang } else { 0 };
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_inclusive(' ') {
        let shown = word.trim_end_matches(' ');
        // A word that fits on no line is broken where it stands.
        let fits_next = shown.width() + hang <= width;
        if line.width() + shown.width() > width && fits_next && !line.trim().is_empty() {
            lines.push(std::mem::replace(&mut line, " ".repeat(hang)).trim_end().to_owned());
        }
        for grapheme in shown.graphemes(true) {
            if line.width() + grapheme.width() > width {
                lines.push(std::mem::replace(&mut line, " ".repeat(hang)));
            }
            line += grapheme;
        }
        // A space at the end of a line is none.
        let room = width.saturating_sub(line.width());
        line += &" ".repeat((word.len() - shown.len()).min(room));
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// Some texts as lines of at most `width` columns.
pub(super) fn all_wrapped(texts: &[String], width: usize) -> Vec<String> {
    texts.iter().flat_map(|text| wrapped(text, width)).collect()
}

/// Columns a text in a box may have.
pub(super) fn most_columns(room: Area) -> usize {
    usize::from(room.width.min(WIDEST).saturating_sub(6)).max(1)
}

/// The widest of some lines.
pub(super) fn widest(lines: &[String]) -> u16 {
    lines.iter().map(|line| columns(line)).max().unwrap_or(0)
}

/// Writes lines one below the other.
pub(super) fn write(paint: &mut Paint<'_>, area: Area, lines: &[String], style: Style) {
    for (line, y) in lines.iter().zip(area.y..area.y + area.height) {
        paint.text(area.x, y, area.width, line, style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_long_words_anywhere() {
        assert_eq!(wrapped("the quick brown fox", 10), ["the quick", "brown fox"]);
        assert_eq!(wrapped("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrapped("", 4), [""]);
        assert_eq!(wrapped("all in one: user@server", 20), ["all in one:", "user@server"]);
        assert_eq!(wrapped("日本語日本語", 5), ["日本", "語日", "本語"]);
    }

    #[test]
    fn what_is_aligned_keeps_its_column() {
        assert_eq!(wrapped("key   some long value here", 18), ["key   some long", "      value here"]);
    }
}
