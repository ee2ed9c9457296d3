//! An image in half blocks: two pixels in each cell, or shades of characters where there are no colours.

use ratatui::{
    layout::Rect,
    style::{Color, Style},
};

use super::super::paint::Paint;
use crate::tui::state::{appearance::Depth, preview::Picture};

/// Characters from dark to bright, for terminals without colours.
const SHADES: &[&str] = &[" ", ".", ":", "-", "=", "+", "*", "#", "%", "@"];

/// Draws an image in the middle of an area, in the terminal's own graphics if they may be used.
pub(super) fn draw(paint: &mut Paint<'_>, picture: &Picture, area: Rect, graphics: bool) {
    if let Some(cells) = picture.graphics.as_deref().filter(|_| graphics)
        && cells.area.width <= area.width
        && cells.area.height <= area.height
    {
        let (left, top) = ((area.width - cells.area.width) / 2, (area.height - cells.area.height) / 2);
        paint.cells(area.x + left, area.y + top, cells);
        return;
    }
    let (width, height) = (picture.width.min(area.width), picture.height.div_ceil(2).min(area.height));
    let (left, top) = (area.x + (area.width - width) / 2, area.y + (area.height - height) / 2);
    let (depth, plain) = (paint.appearance().depth(), paint.appearance().is_plain());
    for row in 0..height {
        for column in 0..width {
            let (upper, lower) = (picture.at(column, 2 * row), picture.at(column, 2 * row + 1));
            let (sign, style) = cell(upper, lower, depth, plain);
            paint.text(left + column, top + row, 1, sign, style);
        }
    }
}

/// The sign and the style of a cell with two pixels.
fn cell(upper: Option<[u8; 3]>, lower: Option<[u8; 3]>, depth: Depth, plain: bool) -> (&'static str, Style) {
    let colour = |[r, g, b]: [u8; 3]| Color::Rgb(r, g, b);
    let style = Style::new();
    match (upper, lower) {
        (None, None) => (" ", style),
        _ if depth == Depth::None => (shade(upper, lower), style),
        _ if plain => (" ", mean(upper, lower).map_or(style, |pixel| style.bg(colour(pixel)))),
        (Some(upper), Some(lower)) => ("▀", style.fg(colour(upper)).bg(colour(lower))),
        (Some(upper), None) => ("▀", style.fg(colour(upper))),
        (None, Some(lower)) => ("▄", style.fg(colour(lower))),
    }
}

/// The mean of the pixels that are not transparent.
fn mean(upper: Option<[u8; 3]>, lower: Option<[u8; 3]>) -> Option<[u8; 3]> {
    match (upper, lower) {
        (Some([r, g, b]), Some([x, y, z])) => Some([r.midpoint(x), g.midpoint(y), b.midpoint(z)]),
        (one, other) => one.or(other),
    }
}

fn shade(upper: Option<[u8; 3]>, lower: Option<[u8; 3]>) -> &'static str {
    let Some([r, g, b]) = mean(upper, lower) else { return " " };
    let bright = (usize::from(r) * 299 + usize::from(g) * 587 + usize::from(b) * 114) / 1000;
    SHADES[bright * (SHADES.len() - 1) / 255]
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Option<[u8; 3]> = Some([255, 0, 0]);
    const WHITE: Option<[u8; 3]> = Some([255, 255, 255]);

    #[test]
    fn a_cell_has_two_pixels_and_lets_the_background_through() {
        let (sign, style) = cell(RED, WHITE, Depth::All, false);
        assert_eq!((sign, style.fg, style.bg), ("▀", Some(Color::Rgb(255, 0, 0)), Some(Color::Rgb(255, 255, 255))));
        assert_eq!(cell(None, None, Depth::All, false), (" ", Style::new()));
        assert_eq!(cell(None, RED, Depth::All, false).1.bg, None);
    }

    #[test]
    fn without_colours_bright_pixels_are_dense_characters() {
        assert_eq!(cell(WHITE, WHITE, Depth::None, false), ("@", Style::new()));
        assert_eq!(cell(Some([0; 3]), Some([0; 3]), Depth::None, false), (" ", Style::new()));
        assert!(cell(RED, WHITE, Depth::All, true).0.is_ascii());
    }
}
