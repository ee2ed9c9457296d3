//! Renders a terminal's screen as an SVG picture, for the documents.

use std::fmt::Write as _;

use vt100::{Cell, Color, Screen};

/// A cell's width and height, in SVG units.
const CELL: (u16, u16) = (8, 17);
/// Space around the screen.
const MARGIN: u16 = 10;
const BACKGROUND: &str = "#14171e";
const FOREGROUND: &str = "#c8d0dc";
/// The first sixteen colours of xterm, slightly softened.
const SIXTEEN: [&str; 16] = [
    "#14171e", "#e06c75", "#8fbf6f", "#d9b25f", "#61a0e0", "#c07fd0", "#56b6c2", "#c8ccd4", "#5c6370", "#ff7b86",
    "#a5d685", "#f0cc7a", "#7fb8f5", "#d69be5", "#6fd0dc", "#ffffff",
];

/// The style of a run of cells.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Style {
    ink: String,
    paper: String,
    bold: bool,
    italic: bool,
    underline: bool,
}

/// The picture of a screen, with `title` for people who cannot see it.
#[must_use]
pub fn svg(screen: &Screen, title: &str) -> String {
    let (lines, _) = screen.size();
    let body: String = (0..lines.get()).map(|at| line(screen, at)).collect();
    whole(screen, title, &body)
}

/// One line of a screen, at its place in a picture.
#[must_use]
pub fn line(screen: &Screen, line: u16) -> String {
    let mut out = String::new();
    draw_line(&mut out, screen, line, screen.size().1.get());
    out
}

/// A picture of the size of a screen, with what is drawn in it.
#[must_use]
pub fn whole(screen: &Screen, title: &str, body: &str) -> String {
    let (lines, columns) = screen.size();
    let (width, height) =
        (columns.get() * CELL.0 + 2 * MARGIN, lines.get().saturating_mul(CELL.1).saturating_add(2 * MARGIN));
    // A theme with a background of its own has it around the screen, too.
    let paper = screen.cell(0, 0).map_or(BACKGROUND.to_owned(), |corner| colour(corner.bgcolor(), BACKGROUND));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" font-family=\"monospace\" font-size=\"13\" xml:space=\"preserve\">\n\
         <title>{}</title>\n<rect width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"{paper}\"/>\n{body}</svg>\n",
        escaped(title)
    )
}

fn draw_line(out: &mut String, screen: &Screen, line: u16, columns: u16) {
    let mut column = 0;
    while column < columns {
        let Some(first) = screen.cell(line, column) else { break };
        let style = style_of(first);
        let start = column;
        let mut text = String::new();
        while let Some(cell) = screen.cell(line, column).filter(|cell| style_of(cell) == style) {
            if !cell.is_wide_continuation() {
                text.push_str(if cell.has_contents() { cell.contents() } else { " " });
            }
            column += 1;
        }
        draw_run(out, (start, column - start), line, &text, &style);
    }
}

/// The lines of characters for boxes, so that they meet whatever the font: the directions in which each leaves the
/// middle of its cell (left, right, up, down).
const BOXES: [(char, [bool; 4]); 6] = [
    ('─', [true, true, false, false]),
    ('│', [false, false, true, true]),
    ('╭', [false, true, false, true]),
    ('╮', [true, false, false, true]),
    ('╰', [false, true, true, false]),
    ('╯', [true, false, true, false]),
];

/// Draws the box characters of a run that begins at `x` and `y`; returns the text without them.
fn draw_boxes(out: &mut String, (x, y): (u16, u16), text: &str, ink: &str) -> String {
    let (mut path, mut rest) = (String::new(), String::new());
    let (half, middle) = (CELL.0 / 2, y + CELL.1 / 2);
    for (at, c) in (0u16..).zip(text.chars()) {
        let Some(&(_, [left, right, up, down])) = BOXES.iter().find(|(known, _)| *known == c) else {
            rest.push(c);
            continue;
        };
        rest.push(' ');
        let centre = x + at * CELL.0 + half;
        let ends = [
            (left, centre - half, middle),
            (right, centre + half, middle),
            (up, centre, y),
            (down, centre, y + CELL.1),
        ];
        let drawn: Vec<_> = ends.into_iter().filter(|(drawn, ..)| *drawn).collect();
        match drawn[..] {
            // The corner of a frame is round.
            [(_, x, _), (_, _, y)] if left != right => {
                let _ = write!(path, "M{x} {middle}Q{centre} {middle} {centre} {y}");
            }
            _ => {
                for (_, x, y) in drawn {
                    let _ = write!(path, "M{centre} {middle}L{x} {y}");
                }
            }
        }
    }
    if !path.is_empty() {
        let _ = writeln!(out, "<path d=\"{path}\" stroke=\"{ink}\" fill=\"none\"/>");
    }
    rest
}

fn draw_run(out: &mut String, (start, count): (u16, u16), line: u16, text: &str, style: &Style) {
    let (x, y, width) = (MARGIN + start * CELL.0, MARGIN + line * CELL.1, count * CELL.0);
    if style.paper != BACKGROUND {
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{}\" fill=\"{}\"/>",
            CELL.1, style.paper
        );
    }
    let text = &draw_boxes(out, (x, y), text, &style.ink);
    if text.trim().is_empty() {
        return;
    }
    let weight = if style.bold { " font-weight=\"bold\"" } else { "" };
    let slant = if style.italic { " font-style=\"italic\"" } else { "" };
    let line = if style.underline { " text-decoration=\"underline\"" } else { "" };
    let _ = writeln!(
        out,
        "<text x=\"{x}\" y=\"{}\" textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{}\"{weight}{slant}{line}>{}</text>",
        y + CELL.1 - 4,
        style.ink,
        escaped(text)
    );
}

fn style_of(cell: &Cell) -> Style {
    let (mut ink, mut paper) = (colour(cell.fgcolor(), FOREGROUND), colour(cell.bgcolor(), BACKGROUND));
    if cell.inverse() {
        std::mem::swap(&mut ink, &mut paper);
    }
    if cell.dim() {
        ink = "#8b919c".to_owned();
    }
    Style { ink, paper, bold: cell.bold(), italic: cell.italic(), underline: cell.underline() }
}

fn colour(colour: Color, otherwise: &str) -> String {
    match colour {
        Color::Default => otherwise.to_owned(),
        Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
        Color::Idx(index) => indexed(index),
    }
}

/// A colour of xterm's 256-colour palette: sixteen colours, a cube of 6 × 6 × 6, and a ramp of greys.
fn indexed(index: u8) -> String {
    let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
    match index {
        0..16 => SIXTEEN[usize::from(index)].to_owned(),
        16..232 => {
            let cube = index - 16;
            format!("#{:02x}{:02x}{:02x}", level(cube / 36), level(cube / 6 % 6), level(cube % 6))
        }
        grey => format!("#{0:02x}{0:02x}{0:02x}", 8 + 10 * (grey - 232)),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
