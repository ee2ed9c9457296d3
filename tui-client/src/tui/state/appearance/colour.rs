//! A theme's styles as the terminal can show them: all colours, 256, sixteen or none.

use ratatui_core::style::{Color, Modifier, Style};

use super::Depth;

/// The sixteen as most terminals have them, to find the nearest to an exact colour.
const SIXTEEN: [(Color, (u8, u8, u8)); 16] = [
    (Color::Black, (0, 0, 0)),
    (Color::Red, (205, 0, 0)),
    (Color::Green, (0, 205, 0)),
    (Color::Yellow, (205, 205, 0)),
    (Color::Blue, (0, 0, 238)),
    (Color::Magenta, (205, 0, 205)),
    (Color::Cyan, (0, 205, 205)),
    (Color::Gray, (229, 229, 229)),
    (Color::DarkGray, (127, 127, 127)),
    (Color::LightRed, (255, 0, 0)),
    (Color::LightGreen, (0, 255, 0)),
    (Color::LightYellow, (255, 255, 0)),
    (Color::LightBlue, (92, 92, 255)),
    (Color::LightMagenta, (255, 0, 255)),
    (Color::LightCyan, (0, 255, 255)),
    (Color::White, (255, 255, 255)),
];

/// A theme's style as a terminal of `depth` can show it.
pub(crate) fn style(style: Style, depth: Depth) -> Style {
    if depth == Depth::None {
        return without_colours(style);
    }
    Style { fg: style.fg.map(|color| shown(color, depth)), bg: style.bg.map(|color| shown(color, depth)), ..style }
}

/// Without colours a background would be lost: reversed text stands out instead.
fn without_colours(style: Style) -> Style {
    let mut made = Style { fg: None, bg: None, ..style };
    if style.bg.is_some() {
        made = made.add_modifier(Modifier::REVERSED);
    }
    if style.fg == Some(Color::DarkGray) {
        made = made.add_modifier(Modifier::DIM);
    }
    made
}

fn shown(color: Color, depth: Depth) -> Color {
    match (color, depth) {
        (Color::Rgb(r, g, b), Depth::Many) => Color::Indexed(indexed((r, g, b))),
        (Color::Rgb(r, g, b), Depth::Sixteen) => nearest((r, g, b)),
        (Color::Indexed(index), Depth::Sixteen) if index >= CUBE => nearest(exact(index)),
        _ => color,
    }
}

/// The first of the 6 × 6 × 6 colours in the palette of 256.
const CUBE: u8 = 16;
/// The first of its 24 greys.
const GREYS: u8 = 232;
/// The parts of a colour in the cube.
const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The exact colour of an index of the cube or the greys, as xterm has them.
fn exact(index: u8) -> (u8, u8, u8) {
    if index >= GREYS {
        let grey = 8 + 10 * (index - GREYS);
        return (grey, grey, grey);
    }
    let at = index.saturating_sub(CUBE);
    let step = |digit: u8| STEPS[usize::from(digit % 6)];
    (step(at / 36), step(at / 6), step(at))
}

/// The nearest of the cube and the greys.
fn indexed(to: (u8, u8, u8)) -> u8 {
    (CUBE..=u8::MAX).min_by_key(|index| distance(exact(*index), to)).unwrap_or(CUBE)
}

fn distance(one: (u8, u8, u8), other: (u8, u8, u8)) -> u32 {
    let part = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
    part(one.0, other.0) + part(one.1, other.1) + part(one.2, other.2)
}

/// Whether a colour is bright; `None` where that depends on the terminal.
pub(crate) fn is_bright(colour: Color) -> Option<bool> {
    let of = |(r, g, b): (u8, u8, u8)| u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114 > 127_500;
    match colour {
        Color::Rgb(r, g, b) => Some(of((r, g, b))),
        Color::Indexed(index) if index >= CUBE => Some(of(exact(index))),
        Color::White | Color::Gray => Some(true),
        Color::Black | Color::DarkGray => Some(false),
        _ => None,
    }
}

/// One of the terminal's own sixteen by its number, 0 to 15.
pub(crate) fn own(number: u8) -> Color {
    SIXTEEN.get(usize::from(number)).map_or(Color::Reset, |(color, _)| *color)
}

/// The nearest of the sixteen.
fn nearest(to: (u8, u8, u8)) -> Color {
    SIXTEEN.iter().min_by_key(|(_, exact)| distance(*exact, to)).map_or(Color::Gray, |(color, _)| *color)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::state::appearance::style::parse;

    fn of(text: &str, depth: Depth) -> Style {
        style(parse(text).unwrap(), depth)
    }

    #[test]
    fn exact_colours_become_what_the_terminal_has() {
        assert_eq!(of("#ff0000", Depth::All).fg, Some(Color::Rgb(255, 0, 0)));
        assert_eq!(of("#ff0000", Depth::Many).fg, Some(Color::Indexed(196)));
        assert_eq!(of("#14171e", Depth::Many).fg, Some(Color::Indexed(234)), "greys are finer than the cube");
        assert_eq!(of("#f00808", Depth::Sixteen).fg, Some(Color::LightRed));
        assert_eq!(of("#ff0000", Depth::None).fg, None);
    }

    #[test]
    fn colours_of_the_large_palette_become_the_nearest_of_sixteen() {
        let style = |index| style(Style::new().fg(Color::Indexed(index)), Depth::Sixteen).fg;
        assert_eq!((style(208), style(21), style(255)), (Some(Color::Yellow), Some(Color::Blue), Some(Color::Gray)));
        assert_eq!(style(3), Some(Color::Indexed(3)));
    }

    #[test]
    fn without_colours_what_had_a_back_is_reversed() {
        let cursor = of("black on cyan bold", Depth::None);
        assert_eq!((cursor.fg, cursor.bg), (None, None));
        assert!(cursor.add_modifier.contains(Modifier::REVERSED | Modifier::BOLD));
    }
}
