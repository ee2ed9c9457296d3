//! The history of a figure in one line.

use ratatui::style::Style;

use super::paint::Paint;

/// Draws the latest values, the last one in the last column, each as high as its part of the greatest.
pub(super) fn draw(paint: &mut Paint<'_>, x: u16, y: u16, width: u16, values: &[u64], style: Style) {
    let signs = paint.appearance().signs.spark;
    let shown = &values[values.len().saturating_sub(usize::from(width))..];
    let most = shown.iter().copied().max().unwrap_or(0).max(1);
    let first = x + width - u16::try_from(shown.len()).unwrap_or(width);
    for (value, x) in shown.iter().zip(first..) {
        let steps = u128::try_from(signs.len()).unwrap_or(1);
        // Nothing at all has no sign; the least has the lowest.
        let step = (u128::from(*value) * steps).div_ceil(u128::from(most));
        let sign = usize::try_from(step).ok().and_then(|step| signs.get(step.checked_sub(1)?));
        paint.text(x, y, 1, sign.unwrap_or(&" "), style);
    }
}
