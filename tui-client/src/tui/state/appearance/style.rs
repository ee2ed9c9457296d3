//! Styles as a theme writes them: `white on blue bold`.

use ratatui_core::style::{Color, Modifier, Style};

/// The sixteen colours of every terminal's own palette, by their names here.
const NAMED: [(&str, Color); 16] = [
    ("black", Color::Black),
    ("red", Color::Red),
    ("green", Color::Green),
    ("yellow", Color::Yellow),
    ("blue", Color::Blue),
    ("magenta", Color::Magenta),
    ("cyan", Color::Cyan),
    ("white", Color::Gray),
    ("bright-black", Color::DarkGray),
    ("bright-red", Color::LightRed),
    ("bright-green", Color::LightGreen),
    ("bright-yellow", Color::LightYellow),
    ("bright-blue", Color::LightBlue),
    ("bright-magenta", Color::LightMagenta),
    ("bright-cyan", Color::LightCyan),
    ("bright-white", Color::White),
];

fn color(text: &str) -> Result<Color, String> {
    if let Some((_, color)) = NAMED.iter().find(|(name, _)| *name == text) {
        return Ok(*color);
    }
    let hex = text.strip_prefix('#').filter(|hex| hex.len() == 6 && hex.is_ascii());
    let parts = hex.and_then(|hex| {
        let part = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).ok();
        Some(Color::Rgb(part(0)?, part(2)?, part(4)?))
    });
    parts.ok_or_else(|| format!("`{text}` is no colour; write one like red, bright-red or #ff8800"))
}

/// Reads a style.
///
/// # Errors
/// A word is no colour and no attribute.
pub(crate) fn parse(text: &str) -> Result<Style, String> {
    let mut style = Style::new();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "bold" => style = style.add_modifier(Modifier::BOLD),
            "dim" => style = style.add_modifier(Modifier::DIM),
            "italic" => style = style.add_modifier(Modifier::ITALIC),
            "underline" => style = style.add_modifier(Modifier::UNDERLINED),
            "reverse" => style = style.add_modifier(Modifier::REVERSED),
            "on" => style.bg = Some(color(words.next().unwrap_or_default())?),
            "default" => {}
            word if style.fg.is_none() => style.fg = Some(color(word)?),
            word => return Err(format!("`{word}` is a second colour; one behind the text is written `on {word}`")),
        }
    }
    Ok(style)
}

/// Reads a style for terminals with many colours and, after `|`, one for those with sixteen or none.
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_both(text: &str) -> Result<(Style, Style), String> {
    match text.split_once('|') {
        Some((many, few)) => Ok((parse(many)?, parse(few)?)),
        None => parse(text).map(|style| (style, style)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_is_written_as_it_is_said() {
        let style = parse("bright-white on #102030 bold").unwrap();
        assert_eq!((style.fg, style.bg), (Some(Color::White), Some(Color::Rgb(16, 32, 48))));
        assert_eq!(style.add_modifier, Modifier::BOLD);
        assert_eq!(parse("").unwrap(), Style::default());
    }

    #[test]
    fn a_style_can_have_another_for_few_colours() {
        let (many, few) = parse_both("#102030 on #ffffff | bright-white bold").unwrap();
        assert_eq!((many.fg, few.fg), (Some(Color::Rgb(16, 32, 48)), Some(Color::White)));
        assert_eq!((few.bg, few.add_modifier), (None, Modifier::BOLD));
        let (many, few) = parse_both("red").unwrap();
        assert_eq!(many, few);
        assert!(parse_both("red | bleu").unwrap_err().contains("bleu"));
    }

    #[test]
    fn an_invalid_style_is_named_in_the_error() {
        for (text, fault) in
            [("redd", "redd"), ("red on", "``"), ("red blue", "blue"), ("#12345", "#12345"), ("#ää", "#ää")]
        {
            assert!(parse(text).unwrap_err().contains(fault), "{text}");
        }
    }
}
