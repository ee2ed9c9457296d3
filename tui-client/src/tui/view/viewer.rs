//! A file on the whole screen: its title, and its lines as text or in hexadecimal.

use ratatui::layout::Rect;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use super::{figures, paint::Paint};
use crate::tui::state::{State, dialog::Viewer};

/// Draws the file.
pub(super) fn draw(paint: &mut Paint<'_>, state: &State, viewer: &Viewer, area: Rect) {
    let theme = &paint.appearance().theme;
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let lines = viewer.lines(usize::from(body.width), usize::from(body.height));
    title(paint, state, viewer, area, viewer.percent(&lines, usize::from(body.width)));
    for (line, y) in lines.iter().zip(body.y..body.y + body.height) {
        let shown = skip_columns(&line.text, viewer.left);
        paint.text(body.x, y, body.width, shown, theme.text);
        if let Some((from, to)) = viewer.find.as_ref().and_then(|find| find.find(shown)) {
            let column = |at: usize| u16::try_from(shown[..at].width()).unwrap_or(u16::MAX).min(body.width);
            let at = Rect { x: body.x + column(from), y, width: column(to) - column(from), height: 1 };
            paint.restyle(at, theme.found);
        }
    }
    if !lines.is_empty() {
        return;
    }
    let (word, style) = match (&viewer.problem, viewer.size) {
        (Some(problem), _) => (problem.to_string(), theme.bad),
        (None, Some(0)) => ("the file is empty".to_owned(), theme.dim),
        _ => ("reading".to_owned(), theme.dim),
    };
    paint.centre(Rect { y: body.y + body.height / 3, height: 1, ..body }, &word, style);
}

fn title(paint: &mut Paint<'_>, state: &State, viewer: &Viewer, area: Rect, percent: u64) {
    let theme = &paint.appearance().theme;
    let mut facts = Vec::new();
    facts.extend(viewer.image.clone());
    facts.extend(viewer.size.map(figures::size));
    facts.push(format!("{percent} %"));
    facts.push(if viewer.hex {
        "hex".to_owned()
    } else if viewer.wrap {
        "text".to_owned()
    } else {
        "text, cut".to_owned()
    });
    let facts = facts.join("  ");
    let end = area.x + area.width.saturating_sub(1);
    let taken = paint.right(end, area.y, area.width / 2, &facts, theme.dim);
    let room = area.width.saturating_sub(taken + 4);
    paint.tail(area.x + 1, area.y, room, &viewer.place.display(&state.home), theme.title_active);
}

/// A text without its first `columns` columns.
fn skip_columns(text: &str, columns: usize) -> &str {
    let mut skipped = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        if skipped >= columns {
            return &text[at..];
        }
        skipped += grapheme.width();
    }
    if columns == 0 { text } else { "" }
}
