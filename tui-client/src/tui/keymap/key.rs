//! One key press, named the way `keys.toml`, the help and the docs write it.

use std::{fmt, str::FromStr};

/// The key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Code {
    /// A character; a capital is its own character.
    Char(char),
    /// F1 to F24.
    Function(u8),
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Insert,
    Delete,
    Backspace,
    Enter,
    Tab,
    /// Shift and Tab.
    BackTab,
    Escape,
}

/// A key with its modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The key.
    pub(crate) code: Code,
    /// Ctrl is held.
    pub(crate) ctrl: bool,
    /// Alt is held.
    pub(crate) alt: bool,
    /// Shift is held; never for characters, whose capital says it.
    pub(crate) shift: bool,
}

/// Words for keys that are no single character, as they are written and as they are shown.
const WORDS: [(Code, &str, &str); 16] = [
    (Code::Char(' '), "space", "Space"),
    (Code::Up, "up", "↑"),
    (Code::Down, "down", "↓"),
    (Code::Left, "left", "←"),
    (Code::Right, "right", "→"),
    (Code::PageUp, "pageup", "PgUp"),
    (Code::PageDown, "pagedown", "PgDn"),
    (Code::Home, "home", "Home"),
    (Code::End, "end", "End"),
    (Code::Insert, "insert", "Ins"),
    (Code::Delete, "delete", "Del"),
    (Code::Backspace, "backspace", "Backspace"),
    (Code::Enter, "enter", "Enter"),
    (Code::Tab, "tab", "Tab"),
    (Code::BackTab, "backtab", "Shift-Tab"),
    (Code::Escape, "esc", "Esc"),
];

/// Why a text names no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no key; keys are written like f5, c, C, ctrl-a, alt-left, space, esc, or g h for one after the other"
)]
pub(crate) struct BadKey(String);

impl Key {
    /// The key alone.
    pub(crate) const fn plain(code: Code) -> Self {
        Self { code, ctrl: false, alt: false, shift: false }
    }

    /// A character as it is typed.
    pub(crate) const fn char(c: char) -> Self {
        Self::plain(Code::Char(c))
    }

    /// The character it types, unless it is a command.
    pub(crate) fn typed(self) -> Option<char> {
        match self.code {
            Code::Char(c) if !self.ctrl && !self.alt => Some(c),
            _ => None,
        }
    }

    /// Reads one key or several, one after the other, separated by spaces.
    ///
    /// # Errors
    /// [`BadKey`] names the part that is none.
    pub(crate) fn sequence(text: &str) -> Result<Vec<Self>, BadKey> {
        let keys: Vec<Self> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(BadKey(text.to_owned())) } else { Ok(keys) }
    }

    /// The key as a person reads it; `plain` keeps to ASCII.
    pub(crate) fn label(self, plain: bool) -> String {
        let mut text = String::new();
        for (held, word) in [(self.ctrl, "Ctrl-"), (self.alt, "Alt-"), (self.shift, "Shift-")] {
            if held {
                text += word;
            }
        }
        match self.code {
            Code::Char(c) if c != ' ' => text.push(if self.ctrl { c.to_ascii_uppercase() } else { c }),
            Code::Function(n) => text += &format!("F{n}"),
            code => {
                let (_, written, shown) = WORDS[WORDS.iter().position(|(word, ..)| *word == code).unwrap_or(0)];
                match plain && !shown.is_ascii() {
                    true => text
                        .extend(written.char_indices().map(|(at, c)| if at == 0 { c.to_ascii_uppercase() } else { c })),
                    false => text += shown,
                }
            }
        }
        text
    }
}

impl FromStr for Key {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let bad = || BadKey(text.to_owned());
        let mut key = Self::char('?');
        let mut rest = text;
        // A `-` alone, or after a modifier, is the key itself.
        while let Some((held, after)) =
            rest.split_once('-').filter(|(held, after)| !held.is_empty() && !after.is_empty())
        {
            match held.to_ascii_lowercase().as_str() {
                "ctrl" => key.ctrl = true,
                "alt" => key.alt = true,
                "shift" => key.shift = true,
                _ => return Err(bad()),
            }
            rest = after;
        }
        key.code = code(rest).ok_or_else(bad)?;
        match key.code {
            Code::Tab if key.shift => key = Self { code: Code::BackTab, shift: false, ..key },
            Code::Char(c) if key.ctrl => key.code = Code::Char(c.to_ascii_lowercase()),
            Code::Char(_) if key.shift => return Err(bad()),
            _ => {}
        }
        Ok(key)
    }
}

fn code(text: &str) -> Option<Code> {
    let mut chars = text.chars();
    if let (Some(c), None) = (chars.next(), chars.next()) {
        return (!c.is_whitespace() && !c.is_control()).then_some(Code::Char(c));
    }
    let lower = text.to_ascii_lowercase();
    if let Some(number) = lower.strip_prefix('f').and_then(|number| number.parse().ok()) {
        return (1..=24).contains(&number).then_some(Code::Function(number));
    }
    WORDS.iter().find(|(_, written, _)| *written == lower).map(|(code, ..)| *code)
}

impl fmt::Display for Key {
    /// The key as `keys.toml` writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (held, word) in [(self.ctrl, "ctrl-"), (self.alt, "alt-"), (self.shift, "shift-")] {
            if held {
                f.write_str(word)?;
            }
        }
        match self.code {
            Code::Char(c) if c != ' ' => write!(f, "{c}"),
            Code::Function(n) => write!(f, "f{n}"),
            code => f.write_str(WORDS.iter().find(|(word, ..)| *word == code).map_or("?", |(_, written, _)| written)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_and_read_alike() {
        for text in ["f5", "c", "C", "ctrl-a", "alt-left", "space", "esc", "-", "ctrl--", "+", "backtab", "ctrl-alt-x"]
        {
            assert_eq!(text.parse::<Key>().unwrap().to_string(), text);
        }
        assert_eq!("Shift-Tab".parse::<Key>().unwrap().to_string(), "backtab");
        assert_eq!("CTRL-A".parse::<Key>().unwrap().to_string(), "ctrl-a");
    }

    #[test]
    fn an_invalid_key_is_named_in_the_error() {
        for text in ["f0", "f25", "hyper-x", "enterr", "", "shift-a"] {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
        assert_eq!(Key::sequence("g nope").unwrap_err(), BadKey("nope".into()));
        assert!(Key::sequence("  ").is_err());
    }

    #[test]
    fn labels_are_what_keyboards_say() {
        let label = |text: &str, plain| text.parse::<Key>().unwrap().label(plain);
        assert_eq!(label("ctrl-a", false), "Ctrl-A");
        assert_eq!(label("up", false), "↑");
        assert_eq!(label("up", true), "Up");
        assert_eq!(label("f10", true), "F10");
    }

    #[test]
    fn only_plain_characters_are_typed() {
        assert_eq!(Key::char('ä').typed(), Some('ä'));
        assert_eq!("ctrl-a".parse::<Key>().unwrap().typed(), None);
        assert_eq!("f1".parse::<Key>().unwrap().typed(), None);
    }
}
