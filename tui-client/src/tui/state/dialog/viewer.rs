//! The viewer of a file: the blocks that were read, and the part on the screen.

use std::collections::BTreeMap;

use ferry_shared::{limits::BLOCK_SIZE, name::Escaped};
use unicode_width::UnicodeWidthChar as _;

use crate::tui::state::{pattern::Pattern, place::Place, problem::Problem, ticket::Ticket};

/// Blocks kept; further ones are read again.
const KEPT: usize = 8;
/// The bytes after which any line is broken.
const LINE_MAX: u64 = 8 << 10;
/// Bytes around the screen that are read ahead.
const AHEAD: u64 = 64 << 10;
/// Bytes on a line in hexadecimal.
pub(crate) const HEX_WIDTH: u64 = 16;
/// Columns of a tab.
const TAB: usize = 8;

/// The viewer of a file.
#[derive(Debug, Clone)]
pub(crate) struct Viewer {
    /// The file.
    pub(crate) place: Place,
    /// Its size, once it is known.
    pub(crate) size: Option<u64>,
    /// Bytes in hexadecimal.
    pub(crate) hex: bool,
    /// Long lines are broken.
    pub(crate) wrap: bool,
    /// Columns scrolled away.
    pub(crate) left: usize,
    /// Byte the screen begins with.
    pub(crate) top: u64,
    /// The block that is being read.
    pub(crate) reading: Option<(Ticket, u64)>,
    /// Why the file could not be read.
    pub(crate) problem: Option<Problem>,
    /// The pattern that is searched for.
    pub(crate) find: Option<Pattern>,
    /// The kind and size of an image.
    pub(crate) image: Option<String>,
    blocks: BTreeMap<u64, Vec<u8>>,
}

/// A line on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ViewLine {
    /// The byte it begins with.
    pub(crate) at: u64,
    /// The text, with tabs expanded and control characters escaped.
    pub(crate) text: String,
}

impl Viewer {
    /// A file nothing was read of.
    pub(crate) fn new(place: Place) -> Self {
        Self {
            place,
            size: None,
            hex: false,
            wrap: true,
            left: 0,
            top: 0,
            reading: None,
            problem: None,
            find: None,
            image: None,
            blocks: BTreeMap::new(),
        }
    }

    /// Takes a block of a file of `size` bytes.
    pub(crate) fn take(&mut self, block: u64, bytes: Vec<u8>, size: u64) {
        let first = self.size.is_none();
        self.size = Some(size);
        self.reading = None;
        if first && block == 0 {
            self.image = image_info(&bytes);
            self.hex = bytes.iter().take(8 << 10).any(|b| *b == 0);
        }
        self.blocks.insert(block, bytes);
        let here = self.top / BLOCK_SIZE;
        while self.blocks.len() > KEPT {
            let Some(far) = self.blocks.keys().copied().max_by_key(|block| block.abs_diff(here)) else { break };
            self.blocks.remove(&far);
        }
    }

    /// The next block to read for the screen and its surroundings.
    pub(crate) fn wanted(&self) -> Option<u64> {
        if self.reading.is_some() || self.problem.is_some() {
            return None;
        }
        let Some(size) = self.size else { return Some(self.top / BLOCK_SIZE) };
        let places = [self.top, self.top.saturating_add(AHEAD), self.top.saturating_sub(AHEAD)];
        let within = places.into_iter().filter(|at| *at < size).map(|at| at / BLOCK_SIZE);
        within.into_iter().find(|block| !self.blocks.contains_key(block))
    }

    /// The lines from the top of the screen on.
    pub(crate) fn lines(&self, width: usize, height: usize) -> Vec<ViewLine> {
        let mut lines = Vec::with_capacity(height);
        let mut at = self.top;
        while lines.len() < height {
            let Some((end, next)) = self.line_at(at, width) else { break };
            let bytes = self.bytes(at, end);
            let text = if self.hex { hex_line(at, &bytes) } else { text_line(&bytes) };
            lines.push(ViewLine { at, text });
            at = next;
        }
        lines
    }

    /// Scrolls by some lines.
    pub(crate) fn scroll(&mut self, lines: isize, width: usize, height: usize) {
        for _ in 0..lines.unsigned_abs() {
            let moved = if lines < 0 { self.line_before(self.top, width) } else { self.line_after(width, height) };
            match moved {
                Some(top) => self.top = top,
                None => break,
            }
        }
    }

    /// Shows the end of the file.
    pub(crate) fn show_end(&mut self, width: usize, height: usize) {
        let Some(size) = self.size else { return };
        self.top = size;
        self.scroll(-isize::try_from(height).unwrap_or(1), width, height);
        // The end is not read yet: show its approximate position.
        if self.top == size && size > 0 {
            self.top = size.saturating_sub(1) / BLOCK_SIZE * BLOCK_SIZE;
            if self.hex {
                self.top = self.top / HEX_WIDTH * HEX_WIDTH;
            }
        }
    }

    /// Goes to the next or previous line that matches. Returns whether there is one.
    pub(crate) fn find_from(&mut self, from: u64, forward: bool, width: usize) -> bool {
        let Some(pattern) = self.find.clone() else { return false };
        let mut at = from;
        loop {
            let Some((end, next)) = self.line_at(at, width) else { return false };
            if pattern.find(&String::from_utf8_lossy(&self.bytes(at, end))).is_some() {
                self.top = at;
                return true;
            }
            let following = if forward { Some(next) } else { self.line_before(at, width) };
            match following {
                Some(other) if other != at => at = other,
                _ => return false,
            }
        }
    }

    /// Where the line after, or before, the topmost one begins.
    pub(crate) fn neighbour(&self, forward: bool, width: usize) -> Option<u64> {
        if forward { self.line_at(self.top, width).map(|(_, next)| next) } else { self.line_before(self.top, width) }
    }

    /// How much of the file lies above the end of the screen, in percent, when these lines are on it.
    pub(crate) fn percent(&self, lines: &[ViewLine], width: usize) -> u64 {
        let end = lines.last().and_then(|line| self.line_at(line.at, width)).map_or(self.top, |(_, next)| next);
        match self.size {
            Some(size) if size > 0 => u64::try_from(u128::from(end) * 100 / u128::from(size)).unwrap_or(100),
            _ => 0,
        }
    }

    /// The next top, unless the end is on the screen already.
    fn line_after(&self, width: usize, height: usize) -> Option<u64> {
        let (_, next) = self.line_at(self.top, width)?;
        let mut at = next;
        for _ in 1..height {
            match self.line_at(at, width) {
                Some((_, after)) => at = after,
                None => break,
            }
        }
        // Bytes that are not read yet count as more to come.
        (Some(at) != self.size).then_some(next)
    }

    /// The end of the line at `at`, and the start of the next; `None` behind the end or the bytes read so far.
    fn line_at(&self, at: u64, width: usize) -> Option<(u64, u64)> {
        let size = self.size.filter(|size| at < *size)?;
        self.blocks.get(&(at / BLOCK_SIZE))?;
        if self.hex {
            let end = (at + HEX_WIDTH).min(size);
            return Some((end, end));
        }
        let bytes = self.bytes(at, at.saturating_add(LINE_MAX).min(size));
        let line = bytes.iter().position(|b| *b == b'\n');
        let length = line.unwrap_or(bytes.len());
        if self.wrap {
            let fits = fitting(&bytes[..length], width.max(1));
            if fits < length {
                let end = at + u64::try_from(fits).ok()?;
                return Some((end, end));
            }
        }
        let end = at + u64::try_from(length).ok()?;
        Some((end, end + u64::from(line.is_some())))
    }

    /// Where the line before `at` begins.
    fn line_before(&self, at: u64, width: usize) -> Option<u64> {
        if at == 0 {
            return None;
        }
        if self.hex {
            return Some(at.saturating_sub(HEX_WIDTH) / HEX_WIDTH * HEX_WIDTH);
        }
        // The newline that ends the line before is not the one that begins it.
        let from = at.saturating_sub(LINE_MAX);
        let bytes = self.bytes(from, at - 1);
        if bytes.is_empty() && at > 1 {
            return None;
        }
        let read_from = at - 1 - u64::try_from(bytes.len()).ok()?;
        let newline = bytes.iter().rposition(|b| *b == b'\n');
        let mut line = newline.and_then(|newline| u64::try_from(newline).ok()).map_or(read_from, |n| read_from + n + 1);
        while let Some((_, next)) = self.line_at(line, width).filter(|(_, next)| *next < at) {
            line = next;
        }
        Some(line)
    }

    /// The bytes of a range that were read, without a gap, up to its end (or, before `to`, from its begin).
    fn bytes(&self, from: u64, to: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut at = from;
        while at < to {
            let block = at / BLOCK_SIZE;
            let Some(held) = self.blocks.get(&block) else {
                // A gap: the bytes before it do not join those after it.
                let next = (block + 1) * BLOCK_SIZE;
                if next >= to || !bytes.is_empty() {
                    break;
                }
                at = next;
                continue;
            };
            let start = usize::try_from(at - block * BLOCK_SIZE).unwrap_or(usize::MAX);
            let most = usize::try_from(to - at).unwrap_or(usize::MAX);
            let Some(part) =
                held.get(start..held.len().min(start.saturating_add(most))).filter(|part| !part.is_empty())
            else {
                break;
            };
            bytes.extend_from_slice(part);
            at += u64::try_from(part.len()).unwrap_or(u64::MAX);
        }
        bytes
    }
}

/// How many leading bytes fit in `width` columns, at least one character.
fn fitting(bytes: &[u8], width: usize) -> usize {
    let mut columns = 0;
    let mut taken = 0;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            columns += if c == '\t' { TAB - columns % TAB } else { c.width().unwrap_or(8) };
            if columns > width && taken > 0 {
                return taken;
            }
            taken += c.len_utf8();
        }
        for _ in chunk.invalid() {
            columns += 4;
            if columns > width && taken > 0 {
                return taken;
            }
            taken += 1;
        }
    }
    taken
}

/// A line as text.
fn text_line(bytes: &[u8]) -> String {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let mut text = String::with_capacity(bytes.len());
    let mut column = 0;
    for (at, part) in bytes.split(|b| *b == b'\t').enumerate() {
        if at > 0 {
            let spaces = TAB - column % TAB;
            text.extend(std::iter::repeat_n(' ', spaces));
            column += spaces;
        }
        let shown = Escaped(part).to_string();
        column += unicode_width::UnicodeWidthStr::width(shown.as_str());
        text += &shown;
    }
    text
}

/// A line in hexadecimal: its position, its bytes, and their printable characters.
fn hex_line(at: u64, bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = format!("{at:08x} ");
    for column in 0..usize::try_from(HEX_WIDTH).unwrap_or(16) {
        if column % 8 == 0 {
            text.push(' ');
        }
        // Writing to memory cannot fail.
        let _ = match bytes.get(column) {
            Some(byte) => write!(text, "{byte:02x} "),
            None => write!(text, "   "),
        };
    }
    text.push(' ');
    text.extend(bytes.iter().map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '.' }));
    text
}

/// Reads the kind of an image and its size in pixels from its first bytes.
fn image_info(bytes: &[u8]) -> Option<String> {
    let be16 = |at: usize| bytes.get(at..at + 2).map(|b| u32::from(u16::from_be_bytes([b[0], b[1]])));
    let be32 = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let le16 = |at: usize| bytes.get(at..at + 2).map(|b| u32::from(u16::from_le_bytes([b[0], b[1]])));
    let (kind, width, height) = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        ("PNG", be32(16)?, be32(20)?)
    } else if bytes.starts_with(b"GIF8") {
        ("GIF", le16(6)?, le16(8)?)
    } else if bytes.starts_with(b"\xff\xd8") {
        let mut at = 2;
        loop {
            let (mark, length) = (be16(at)?, be16(at + 2)?);
            // The frames that say the size; 0xffc4, 0xffc8 and 0xffcc are tables.
            if matches!(mark, 0xffc0..=0xffcf) && !matches!(mark, 0xffc4 | 0xffc8 | 0xffcc) {
                break ("JPEG", be16(at + 7)?, be16(at + 5)?);
            }
            at = at.checked_add(2)?.checked_add(usize::try_from(length).ok()?)?;
        }
    } else {
        return None;
    };
    Some(format!("{kind} image, {width} × {height}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn viewer(bytes: &[u8]) -> Viewer {
        let mut viewer = Viewer::new(Place::local("/x"));
        viewer.take(0, bytes.to_vec(), u64::try_from(bytes.len()).unwrap());
        viewer
    }

    fn texts(viewer: &Viewer, width: usize, height: usize) -> Vec<String> {
        viewer.lines(width, height).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_are_broken_at_the_width_or_cut() {
        let mut viewer = viewer("abcdefghij\n\nüüüü\tx".as_bytes());
        assert_eq!(texts(&viewer, 9, 9), ["abcdefghi", "j", "", "üüüü    x"]);
        viewer.wrap = false;
        assert_eq!(texts(&viewer, 9, 9), ["abcdefghij", "", "üüüü    x"]);
    }

    #[test]
    fn scrolling_up_undoes_scrolling_down() {
        let text: String = (0..200).map(|n| format!("line {n} {}\n", "x".repeat(n % 50))).collect();
        for wrap in [true, false] {
            let mut viewer = viewer(text.as_bytes());
            viewer.wrap = wrap;
            let mut tops = vec![viewer.top];
            for _ in 0..150 {
                viewer.scroll(1, 20, 5);
                tops.push(viewer.top);
            }
            for top in tops.into_iter().rev() {
                assert_eq!(viewer.top, top);
                viewer.scroll(-1, 20, 5);
            }
        }
    }

    #[test]
    fn the_end_stays_on_the_screen() {
        let mut viewer = viewer(b"1\n2\n3\n4\n5\n");
        viewer.scroll(100, 10, 3);
        assert_eq!(texts(&viewer, 10, 3), ["3", "4", "5"]);
        viewer.top = 0;
        viewer.show_end(10, 2);
        assert_eq!(texts(&viewer, 10, 9), ["4", "5"]);
    }

    #[test]
    fn bytes_are_shown_in_hexadecimal_where_there_is_a_zero() {
        let viewer = viewer(b"\x7fELF\0\x01abc");
        assert!(viewer.hex);
        let line = "00000000  7f 45 4c 46 00 01 61 62  63                       .ELF..abc";
        assert_eq!(texts(&viewer, 80, 3), [line]);
    }

    #[test]
    fn only_what_is_on_the_screen_is_read() {
        let mut viewer = Viewer::new(Place::local("/x"));
        assert_eq!(viewer.wanted(), Some(0));
        viewer.take(0, vec![b'x'; 1 << 20], 100 * BLOCK_SIZE);
        assert_eq!(viewer.wanted(), None);
        viewer.top = 50 * BLOCK_SIZE;
        assert_eq!(viewer.wanted(), Some(50));
        viewer.reading = Some((Ticket(1), 50));
        assert_eq!(viewer.wanted(), None);
        for block in 50..70 {
            viewer.top = block * BLOCK_SIZE;
            viewer.take(block, vec![b'x'; 1 << 20], 100 * BLOCK_SIZE);
        }
        assert!(viewer.blocks.len() <= KEPT && viewer.blocks.contains_key(&69));
    }

    #[test]
    fn a_text_is_found_forward_and_back() {
        let mut viewer = viewer(b"one\ntwo\nthree two\nfour\n");
        viewer.find = Some(Pattern::part("TWO".to_lowercase().as_str()));
        assert!(viewer.find_from(0, true, 80));
        assert_eq!(viewer.top, 4);
        assert!(viewer.find_from(viewer.neighbour(true, 80).unwrap(), true, 80));
        assert_eq!(viewer.top, 8);
        assert!(viewer.find_from(viewer.neighbour(false, 80).unwrap(), false, 80));
        assert_eq!(viewer.top, 4);
        assert!(!viewer.find_from(18, true, 80));
    }

    #[test]
    fn images_say_their_size() {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        png.extend([0, 0, 7, 128, 0, 0, 4, 56]);
        assert_eq!(image_info(&png).unwrap(), "PNG image, 1920 × 1080");
        assert_eq!(image_info(b"GIF89a\x02\x00\x03\x00").unwrap(), "GIF image, 2 × 3");
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08\0\x10\0\x20";
        assert_eq!(image_info(jpeg).unwrap(), "JPEG image, 32 × 16");
        assert_eq!(image_info(b"\xff\xd8\xff\xe0"), None);
        assert_eq!(image_info(b"text"), None);
    }
}
