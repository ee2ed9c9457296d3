//! Bars of progress and of usage.

use ratatui::style::Style;

use super::paint::Paint;

/// A bar's place and figures.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bar {
    /// Its first column.
    pub(super) x: u16,
    /// Its line.
    pub(super) y: u16,
    /// Its columns, the brackets included.
    pub(super) width: u16,
    /// The finished thousandths.
    pub(super) done: u64,
    /// Of these, thousandths that were there already.
    pub(super) kept: u64,
}

impl Bar {
    /// Draws it, the done part in `style`.
    pub(super) fn draw(self, paint: &mut Paint<'_>, style: Style) {
        let Self { x, y, width, done, kept } = self;
        if width < 4 {
            return;
        }
        let theme = &paint.appearance().theme;
        let signs = paint.appearance().signs;
        let (border, kept_style, rest) = (theme.border, theme.bar_kept, theme.bar_rest);
        let cells = width - 2;
        let parts = u64::try_from(signs.bar.len()).unwrap_or(1);
        let whole = u64::from(cells) * parts;
        let filled = whole * done.min(1000) / 1000;
        let kept = u64::from(cells) * kept.min(done) / 1000;
        paint.text(x, y, 1, "[", border);
        for cell in 0..cells {
            let at = u64::from(cell);
            let fill = filled.saturating_sub(at * parts).min(parts);
            let sign = |fill: u64| usize::try_from(fill).ok().and_then(|fill| signs.bar.get(fill.wrapping_sub(1)));
            let (text, style) = match sign(fill) {
                Some(_) if at < kept => (signs.bar_kept, kept_style),
                Some(sign) => (*sign, style),
                None => (signs.bar_rest, rest),
            };
            paint.text(x + 1 + cell, y, 1, text, style);
        }
        paint.text(x + width - 1, y, 1, "]", border);
    }
}
