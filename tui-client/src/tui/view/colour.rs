//! A theme's styles as the terminal can show them: all colours, 256, sixteen or none.

use ratatui::style::{Color, Modifier, Style};

use crate::tui::state::appearance::Depth;

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
pub(super) fn style(style: Style, depth: Depth) -> Style {
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
        (Color::Rgb(r, g, b), Depth::Many) => Color::Indexed(cube(r, g, b)),
        (Color::Rgb(r, g, b), Depth::Sixteen) => nearest((r, g, b)),
        _ => color,
    }
}

/// A near colour in the 6 × 6 × 6 cube of the palette of 256 colours; the cube begins at index 16.
fn cube(r: u8, g: u8, b: u8) -> u8 {
    let step = |part: u8| part / 43;
    16 + 36 * step(r) + 6 * step(g) + step(b)
}

fn nearest(to: (u8, u8, u8)) -> Color {
    let far = |(r, g, b): (u8, u8, u8)| {
        let part = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
        part(r, to.0) + part(g, to.1) + part(b, to.2)
    };
    SIXTEEN.iter().min_by_key(|(_, exact)| far(*exact)).map_or(Color::Gray, |(color, _)| *color)
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
        assert_eq!(of("#f00808", Depth::Sixteen).fg, Some(Color::LightRed));
        assert_eq!(of("#ff0000", Depth::None).fg, None);
    }

    #[test]
    fn without_colours_what_had_a_back_is_reversed() {
        let cursor = of("black on cyan bold", Depth::None);
        assert_eq!((cursor.fg, cursor.bg), (None, None));
        assert!(cursor.add_modifier.contains(Modifier::REVERSED | Modifier::BOLD));
    }
}
