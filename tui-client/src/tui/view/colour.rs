//! A theme's styles as the terminal can show them: all colours, 256, sixteen or none.

use ratatui::style::{Color, Modifier, Style};

use crate::tui::state::look::{self, Colour, Depth};

/// The sixteen as most terminals have them, to find the nearest to an exact colour.
const SIXTEEN: [(u8, u8, u8); 16] = [
    (0, 0, 0),
    (205, 0, 0),
    (0, 205, 0),
    (205, 205, 0),
    (0, 0, 238),
    (205, 0, 205),
    (0, 205, 205),
    (229, 229, 229),
    (127, 127, 127),
    (255, 0, 0),
    (0, 255, 0),
    (255, 255, 0),
    (92, 92, 255),
    (255, 0, 255),
    (0, 255, 255),
    (255, 255, 255),
];

/// A style for the terminal.
pub(super) fn style(style: look::Style, depth: Depth) -> Style {
    let mut made = Style::new();
    // Without colours a back would be lost: reversing keeps it seen.
    let reverse = style.reverse || depth == Depth::None && style.back.is_some();
    made.fg = style.fore.and_then(|colour| shown(colour, depth));
    made.bg = style.back.and_then(|colour| shown(colour, depth));
    let modifiers = [
        (style.bold, Modifier::BOLD),
        (style.dim || depth == Depth::None && style.fore == Some(Colour::Named(8)), Modifier::DIM),
        (style.italic, Modifier::ITALIC),
        (style.underline, Modifier::UNDERLINED),
        (reverse, Modifier::REVERSED),
    ];
    for (set, modifier) in modifiers {
        if set {
            made = made.add_modifier(modifier);
        }
    }
    made
}

fn shown(colour: Colour, depth: Depth) -> Option<Color> {
    match (colour, depth) {
        (_, Depth::None) => None,
        (Colour::Named(at), _) => Some(named(at)),
        (Colour::Exact(r, g, b), Depth::All) => Some(Color::Rgb(r, g, b)),
        (Colour::Exact(r, g, b), Depth::Many) => Some(Color::Indexed(cube(r, g, b))),
        (Colour::Exact(r, g, b), Depth::Sixteen) => Some(named(nearest((r, g, b)))),
    }
}

/// A colour of the 6 × 6 × 6 cube the 256 begin their second part with.
fn cube(r: u8, g: u8, b: u8) -> u8 {
    let step = |part: u8| part / 43;
    16 + 36 * step(r) + 6 * step(g) + step(b)
}

fn nearest(to: (u8, u8, u8)) -> u8 {
    let far = |(r, g, b): (u8, u8, u8)| {
        let part = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
        part(r, to.0) + part(g, to.1) + part(b, to.2)
    };
    let found = SIXTEEN.iter().enumerate().min_by_key(|(_, colour)| far(**colour));
    found.and_then(|(at, _)| u8::try_from(at).ok()).unwrap_or(7)
}

fn named(at: u8) -> Color {
    const COLORS: [Color; 16] = [
        Color::Black,
        Color::Red,
        Color::Green,
        Color::Yellow,
        Color::Blue,
        Color::Magenta,
        Color::Cyan,
        Color::Gray,
        Color::DarkGray,
        Color::LightRed,
        Color::LightGreen,
        Color::LightYellow,
        Color::LightBlue,
        Color::LightMagenta,
        Color::LightCyan,
        Color::White,
    ];
    COLORS[usize::from(at % 16)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, depth: Depth) -> Style {
        style(text.parse().unwrap(), depth)
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
