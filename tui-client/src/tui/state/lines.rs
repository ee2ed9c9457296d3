//! Text broken into lines.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// A text in lines of at most `width` columns, broken between words where that can be.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    // Text aligned by hand, as `key     value`, keeps its second column.
    let hang = text.find("  ").map_or(0, |at| at + text[at..].len() - text[at..].trim_start().len());
    let hang = if hang * 2 < width { hang } else { 0 };
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_inclusive(' ') {
        let shown = word.trim_end_matches(' ');
        // A word that fits on no line is broken where it stands.
        let fits_next = shown.width() + hang <= width;
        if line.width() + shown.width() > width && fits_next && !line.trim().is_empty() {
            lines.push(std::mem::replace(&mut line, " ".repeat(hang)).trim_end().to_owned());
        }
        for grapheme in shown.graphemes(true) {
            if line.width() + grapheme.width() > width {
                lines.push(std::mem::replace(&mut line, " ".repeat(hang)));
            }
            line += grapheme;
        }
        // A space at the end of a line is none.
        let room = width.saturating_sub(line.width());
        line += &" ".repeat((word.len() - shown.len()).min(room));
    }
    lines.push(line.trim_end().to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_long_words_anywhere() {
        assert_eq!(wrapped("the quick brown fox", 10), ["the quick", "brown fox"]);
        assert_eq!(wrapped("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrapped("", 4), [""]);
        assert_eq!(wrapped("all in one: user@server", 20), ["all in one:", "user@server"]);
        assert_eq!(wrapped("日本語日本語", 5), ["日本", "語日", "本語"]);
    }

    #[test]
    fn aligned_text_keeps_its_column() {
        assert_eq!(wrapped("key   some long value here", 18), ["key   some long", "      value here"]);
    }
}
