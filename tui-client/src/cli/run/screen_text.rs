//! Makes the output of a command harmless for a terminal, piece by piece.

use ferry_shared::name::Escaped;

/// Text from a server for the screen: everything but line ends and tabs that could control the terminal is escaped.
#[derive(Debug, Default)]
pub(super) struct ScreenText {
    /// The beginning of a character whose other bytes have not arrived yet.
    rest: Vec<u8>,
}

impl ScreenText {
    /// Adds bytes; returns the text that is complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> String {
        self.rest.extend_from_slice(bytes);
        let whole = self.rest.len() - unfinished(&self.rest);
        let rest = self.rest.split_off(whole);
        escaped(&std::mem::replace(&mut self.rest, rest))
    }

    /// Returns what is left at the end.
    pub(super) fn rest(&mut self) -> String {
        escaped(&std::mem::take(&mut self.rest))
    }
}

/// The number of bytes at the end that may become a character.
fn unfinished(bytes: &[u8]) -> usize {
    let last = bytes.utf8_chunks().last().map(|chunk| chunk.invalid()).unwrap_or_default();
    match std::str::from_utf8(last) {
        Err(error) if error.error_len().is_none() => last.len(),
        _ => 0,
    }
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for piece in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\t')) {
        let end = piece.last().copied().filter(|byte| matches!(byte, b'\n' | b'\t'));
        let line = if end.is_some() { &piece[..piece.len() - 1] } else { piece };
        text += &Escaped(line).to_string();
        text.extend(end.map(char::from));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_control_a_terminal_is_escaped_and_text_is_not() {
        let mut screen = ScreenText::default();
        assert_eq!(screen.push(b"a\tb\n\x1b[2J\r\xff\n"), "a\tb\n\\u{1b}[2J\\u{d}\\xff\n");
        assert_eq!(screen.rest(), "");
    }

    #[test]
    fn a_character_cut_between_two_pieces_is_shown_whole() {
        let text = "gr\u{fc}\u{df}e \u{1f980}\n";
        for cut in 0..text.len() {
            let mut screen = ScreenText::default();
            let (first, second) = text.as_bytes().split_at(cut);
            assert_eq!(screen.push(first) + &screen.push(second) + &screen.rest(), text, "{cut}");
        }
        let mut screen = ScreenText::default();
        assert_eq!((screen.push(b"a\xf0\x9f"), screen.rest()), ("a".to_owned(), "\\xf0\\x9f".to_owned()));
    }
}
