//! A line being typed: its text and the cursor in it, which moves by grapheme clusters.

use ferry_shared::name::Escaped;
use unicode_segmentation::UnicodeSegmentation as _;

use crate::tui::keymap::{Code, Key};

/// The most bytes a line takes; a path has no more.
const LONGEST: usize = 4096;

/// A line being typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Field {
    text: String,
    /// Byte of the cursor, at the border of a character.
    at: usize,
}

impl Field {
    /// A line that begins with `text`, the cursor behind it.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { at: text.len(), text }
    }

    /// A line for a secret: with all the room it may need, so that no copies are left behind as it grows.
    pub(crate) fn secret() -> Self {
        Self { text: String::with_capacity(LONGEST), at: 0 }
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The text as it is shown, with invisible characters escaped.
    pub(crate) fn shown(&self) -> String {
        shown(&self.text)
    }

    /// The text before the cursor.
    pub(crate) fn before_cursor(&self) -> &str {
        &self.text[..self.at]
    }

    /// The text before the cursor as it is shown.
    pub(crate) fn shown_before(&self) -> String {
        shown(&self.text[..self.at])
    }

    /// Columns before the cursor.
    #[cfg(test)]
    fn column(&self) -> usize {
        unicode_width::UnicodeWidthStr::width(self.shown_before().as_str())
    }

    /// Whether nothing is typed.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Puts the cursor after `bytes` bytes, or at the next border before.
    pub(crate) fn put_cursor(&mut self, bytes: usize) {
        self.at = (0..=bytes.min(self.text.len())).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0);
    }

    /// Takes the key if it types or edits.
    pub(crate) fn take(&mut self, key: Key) -> bool {
        if let Some(c) = key.typed() {
            self.insert(c.encode_utf8(&mut [0; 4]));
            return true;
        }
        match (key.code, key.ctrl, key.alt) {
            (Code::Left, false, false) => self.at = self.before(),
            (Code::Right, false, false) => self.at = self.after(),
            (Code::Home, ..) | (Code::Char('a'), true, false) => self.at = 0,
            (Code::End, ..) | (Code::Char('e'), true, false) => self.at = self.text.len(),
            (Code::Backspace, false, false) | (Code::Char('h'), true, false) => self.cut(self.before(), self.at),
            (Code::Delete, ..) | (Code::Char('d'), true, false) => self.cut(self.at, self.after()),
            (Code::Char('w'), true, false) | (Code::Backspace, _, true) => self.cut(self.word_before(), self.at),
            (Code::Char('u'), true, false) => self.cut(0, self.at),
            (Code::Char('k'), true, false) => self.cut(self.at, self.text.len()),
            (Code::Char('b'), false, true) | (Code::Left, true, _) => self.at = self.word_before(),
            (Code::Char('f'), false, true) | (Code::Right, true, _) => self.at = self.word_after(),
            _ => return false,
        }
        true
    }

    /// Types the visible characters of `text`.
    pub(crate) fn insert(&mut self, text: &str) {
        let clean: String = text.chars().filter(|c| !c.is_control()).collect();
        if self.text.len() + clean.len() <= LONGEST {
            self.text.insert_str(self.at, &clean);
            self.at += clean.len();
        }
    }

    /// Takes the text out.
    pub(crate) fn wipe(&mut self) -> String {
        self.at = 0;
        std::mem::take(&mut self.text)
    }

    fn cut(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.at = from;
    }

    fn before(&self) -> usize {
        self.text[..self.at].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn after(&self) -> usize {
        self.at + self.text[self.at..].graphemes(true).next().map_or(0, str::len)
    }

    fn word_before(&self) -> usize {
        let head = self.text[..self.at].trim_end_matches(|c: char| !c.is_alphanumeric());
        head.char_indices().rev().find(|(_, c)| !c.is_alphanumeric()).map_or(0, |(at, c)| at + c.len_utf8())
    }

    fn word_after(&self) -> usize {
        let rest = &self.text[self.at..];
        let start = rest.find(char::is_alphanumeric).unwrap_or(rest.len());
        let length = rest[start..].find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len() - start);
        self.at + start + length
    }
}

fn shown(text: &str) -> String {
    Escaped(text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(field: &mut Field, keys: &str) {
        for key in Key::sequence(keys).unwrap() {
            field.take(key);
        }
    }

    #[test]
    fn characters_are_what_people_see() {
        let mut field = Field::new("a👩‍👩‍👧e\u{301}");
        press(&mut field, "backspace");
        assert_eq!(field.text(), "a👩‍👩‍👧");
        press(&mut field, "left x");
        assert_eq!(field.text(), "ax👩‍👩‍👧");
        press(&mut field, "delete");
        assert_eq!((field.text(), field.column()), ("ax", 2));
    }

    #[test]
    fn words_go_as_in_a_shell() {
        let mut field = Field::new("/srv/photos/2024.raw");
        press(&mut field, "ctrl-w ctrl-w");
        assert_eq!(field.text(), "/srv/photos/");
        press(&mut field, "alt-b alt-b x alt-f y");
        assert_eq!(field.text(), "/xsrvy/photos/");
        press(&mut field, "ctrl-u");
        assert_eq!(field.text(), "/photos/");
        press(&mut field, "ctrl-k");
        assert!(field.is_empty());
    }

    #[test]
    fn pasted_text_becomes_one_line() {
        let mut field = Field::default();
        field.insert("a\nb\x1b[2J");
        assert_eq!(field.text(), "ab[2J");
        field.insert(&"x".repeat(LONGEST));
        assert_eq!(field.text(), "ab[2J");
    }

    #[test]
    fn invisible_characters_are_escaped_and_are_one_step() {
        let mut field = Field::new("a\u{1b}b\u{202e}c");
        assert_eq!(field.shown(), r"a\u{1b}b\u{202e}c");
        press(&mut field, "left left");
        assert_eq!((field.shown_before().as_str(), field.column()), (r"a\u{1b}b", 8));
        press(&mut field, "left backspace");
        assert_eq!(field.text(), "ab\u{202e}c");
    }

    #[test]
    fn keys_that_do_not_edit_are_left_to_others() {
        let mut field = Field::new("a");
        assert!(!field.take("f5".parse().unwrap()) && !field.take("enter".parse().unwrap()));
    }
}
