//! Reads text as editors save it: UTF-8, with or without a byte order mark, with any line endings.

use std::{fs, io, path::Path};

/// U+FEFF in UTF-8. Some editors write it at the start of a file; it is not part of the text.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// `bytes` without a leading byte order mark.
#[must_use]
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}

/// A description of the encoding if `bytes` are evidently not UTF-8.
#[must_use]
pub fn foreign(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("it is UTF-16, as PowerShell's > writes it"),
        _ if bytes.contains(&0) => Some("there is a zero byte in it, as in UTF-16"),
        _ if std::str::from_utf8(bytes).is_err() => Some("it is not UTF-8"),
        _ => None,
    }
}

/// The text of `bytes`, without a byte order mark.
///
/// # Errors
/// `InvalidData`, with the probable encoding if the bytes are not UTF-8.
pub fn decode(mut bytes: Vec<u8>) -> io::Result<String> {
    if let Some(why) = foreign(&bytes) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{why}; save it as UTF-8")));
    }
    let mark = bytes.len() - without_mark(&bytes).len();
    bytes.drain(..mark);
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The text of the file at `path`, without a byte order mark.
///
/// # Errors
/// Errors of the disk, and those of [`decode`].
pub fn read(path: &Path) -> io::Result<String> {
    decode(fs::read(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_text() {
        assert_eq!(decode(b"\xef\xbb\xbfa\r\n".to_vec()).unwrap(), "a\r\n");
        assert_eq!(decode(b"a\xef\xbb\xbf".to_vec()).unwrap(), "a\u{feff}");
        assert_eq!(without_mark(b"\xef\xbb\xbf"), b"");
    }

    #[test]
    fn text_that_is_not_utf_8_is_reported_with_its_encoding() {
        for (bytes, named) in [(&b"\xff\xfea\0"[..], "UTF-16"), (b"a\0b\0", "zero byte"), (b"\xe9", "not UTF-8")] {
            let said = decode(bytes.to_vec()).unwrap_err().to_string();
            assert!(said.contains(named) && said.contains("save it as UTF-8"), "{said}");
        }
    }
}
