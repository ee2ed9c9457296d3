//! A style as a theme writes it: `white on blue bold`.

use std::str::FromStr;

/// A colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    /// One of the sixteen, by the terminal's own palette.
    Named(u8),
    /// Red, green, blue.
    Exact(u8, u8, u8),
}

/// How some text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Style {
    /// The colour of the text; the terminal's own if absent.
    pub(crate) fore: Option<Colour>,
    /// The colour behind it; what is there already if absent.
    pub(crate) back: Option<Colour>,
    /// Bold.
    pub(crate) bold: bool,
    /// Dim.
    pub(crate) dim: bool,
    /// Italic.
    pub(crate) italic: bool,
    /// Underlined.
    pub(crate) underline: bool,
    /// Fore and back changed.
    pub(crate) reverse: bool,
}

/// The sixteen colours by their names.
const NAMES: [&str; 16] = [
    "black",
    "red",
    "green",
    "yellow",
    "blue",
    "magenta",
    "cyan",
    "white",
    "bright-black",
    "bright-red",
    "bright-green",
    "bright-yellow",
    "bright-blue",
    "bright-magenta",
    "bright-cyan",
    "bright-white",
];

impl FromStr for Colour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(at) = NAMES.iter().position(|name| *name == text).and_then(|at| u8::try_from(at).ok()) {
            return Ok(Self::Named(at));
        }
        let hex = text.strip_prefix('#').filter(|hex| hex.len() == 6 && hex.is_ascii());
        let parts = hex.and_then(|hex| {
            let part = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).ok();
            Some(Self::Exact(part(0)?, part(2)?, part(4)?))
        });
        parts.ok_or_else(|| format!("`{text}` is no colour; write one like red, bright-red or #ff8800"))
    }
}

impl FromStr for Style {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut style = Self::default();
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            match word {
                "bold" => style.bold = true,
                "dim" => style.dim = true,
                "italic" => style.italic = true,
                "underline" => style.underline = true,
                "reverse" => style.reverse = true,
                "on" => style.back = Some(words.next().unwrap_or_default().parse()?),
                "default" => {}
                word if style.fore.is_none() => style.fore = Some(word.parse()?),
                word => return Err(format!("`{word}` is a second colour; one behind the text is written `on {word}`")),
            }
        }
        Ok(style)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_is_written_as_it_is_said() {
        let style: Style = "bright-white on #102030 bold".parse().unwrap();
        assert_eq!(style.fore, Some(Colour::Named(15)));
        assert_eq!(style.back, Some(Colour::Exact(16, 32, 48)));
        assert!(style.bold && !style.dim);
        assert_eq!("".parse::<Style>().unwrap(), Style::default());
    }

    #[test]
    fn what_is_no_style_is_named() {
        for (text, fault) in
            [("redd", "redd"), ("red on", "``"), ("red blue", "blue"), ("#12345", "#12345"), ("#ää", "#ää")]
        {
            assert!(text.parse::<Style>().unwrap_err().contains(fault), "{text}");
        }
    }
}
