//! Bars of progress and of usage.

use ratatui::{layout::Rect, style::Style};

use super::paint::Paint;

/// A bar's place and figures.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bar {
    /// Its first column.
    pub(super) x: u16,
    /// Its line.
    pub(super) y: u16,
    /// Its columns.
    pub(super) width: u16,
    /// The finished thousandths.
    pub(super) done: u64,
    /// Of these, thousandths that were there already.
    pub(super) kept: u64,
}

impl Bar {
    /// Whether it can be shown as the ground of its line: the theme has colours for that.
    pub(super) fn is_whole_line(&self, paint: &Paint<'_>) -> bool {
        paint.appearance().theme.line_done.bg.is_some()
    }

    /// Shows it as the ground of what is written on its line.
    pub(super) fn tint(self, paint: &mut Paint<'_>) {
        let theme = &paint.appearance().theme;
        let cells = |permille: u64| {
            let cells = u64::from(self.width) * permille.min(1000) / 1000;
            u16::try_from(cells).unwrap_or(self.width)
        };
        let (done, kept) = (cells(self.done), cells(self.kept.min(self.done)));
        let area = Rect { x: self.x, y: self.y, width: done, height: 1 };
        paint.restyle(area, theme.line_done);
        paint.restyle(Rect { width: kept, ..area }, theme.line_kept);
    }

    /// Draws it, the done part in `style`.
    pub(super) fn draw(self, paint: &mut Paint<'_>, style: Style) {
        let Self { x, y, width, done, kept } = self;
        if width < 2 {
            return;
        }
        let theme = &paint.appearance().theme;
        let signs = paint.appearance().signs;
        let (kept_style, rest) = (theme.bar_kept, theme.bar_rest);
        let cells = width;
        let parts = u64::try_from(signs.bar.len()).unwrap_or(1);
        let whole = u64::from(cells) * parts;
        let filled = whole * done.min(1000) / 1000;
        let kept = u64::from(cells) * kept.min(done) / 1000;
        for cell in 0..cells {
            let at = u64::from(cell);
            let fill = filled.saturating_sub(at * parts).min(parts);
            let sign = |fill: u64| usize::try_from(fill).ok().and_then(|fill| signs.bar.get(fill.wrapping_sub(1)));
            let (text, style) = match sign(fill) {
                Some(_) if at < kept => (signs.bar_kept, kept_style),
                Some(sign) => (*sign, style),
                None => (signs.bar_rest, rest),
            };
            paint.text(x + cell, y, 1, text, style);
        }
    }
}
