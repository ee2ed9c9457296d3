//! The name of an entry: bytes that are checked once and can never lead out of their folder.

use std::{borrow::Borrow, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{limits::NAME_MAX, wire_bytes};

/// The reason why bytes are not a [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No bytes at all.
    #[error("a name is empty")]
    Empty,
    /// More than [`NAME_MAX`] bytes.
    #[error("a name has {0} bytes, more than {NAME_MAX}")]
    TooLong(usize),
    /// `.` or `..`, which navigate instead of naming.
    #[error("a name is '.' or '..'")]
    Dots,
    /// Contains `/` or NUL.
    #[error("a name contains '/' or a zero byte")]
    Separator,
}

/// A file or folder name: 1 ..= 255 bytes, not `.` or `..`, without `/` and NUL.
///
/// Names are bytes. In messages, UTF-8 is encoded as a JSON string and anything else as `{"bytes":"<base64>"}`;
/// both are restored exactly.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<[u8]>);

impl Name {
    /// Checks `bytes` and creates a name.
    ///
    /// # Errors
    /// [`NameError`] tells which rule is violated.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Result<Self, NameError> {
        let bytes = bytes.into();
        check(&bytes)?;
        Ok(Self(bytes))
    }

    /// The name's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name for display: invalid UTF-8, control characters and characters that reorder text are escaped, so
    /// that a name cannot forge the contents of a screen or a log.
    #[must_use]
    pub fn display(&self) -> impl fmt::Display + '_ {
        Escaped(&self.0)
    }
}

/// Checks that `bytes` are a valid name.
///
/// # Errors
/// [`NameError`] tells which rule is violated.
pub fn check(bytes: &[u8]) -> Result<(), NameError> {
    match bytes {
        [] => Err(NameError::Empty),
        b"." | b".." => Err(NameError::Dots),
        _ if bytes.len() > NAME_MAX => Err(NameError::TooLong(bytes.len())),
        _ if bytes.iter().any(|b| matches!(b, b'/' | 0)) => Err(NameError::Separator),
        _ => Ok(()),
    }
}

/// Bytes for display: see [`Name::display`].
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for chunk in self.0.utf8_chunks() {
            let mut before = None;
            let mut chars = chunk.valid().chars().peekable();
            while let Some(c) = chars.next() {
                let joins = c == JOINER
                    && before.is_some_and(is_pictograph)
                    && chars.peek().copied().is_some_and(is_pictograph);
                before = Some(c);
                if is_hostile(c) && !joins {
                    write!(f, "{}", c.escape_unicode())?;
                } else {
                    f.write_char(c)?;
                }
            }
            for b in chunk.invalid() {
                write!(f, "\\x{b:02x}")?;
            }
        }
        Ok(())
    }
}

/// Joins the pictographs on both sides to one.
const JOINER: char = '\u{200d}';

/// Whether a character is a pictograph, or the selector that follows one: between two of them a joiner hides nothing.
fn is_pictograph(c: char) -> bool {
    matches!(c, '\u{1f000}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}' | '\u{fe0f}')
}

/// Whether a character could move the cursor, be invisible, or reorder the surrounding text (control characters,
/// and the format characters of Unicode TR 36).
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{e0000}'..='\u{e007f}')
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.display())
    }
}

impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<&str> for Name {
    type Error = NameError;
    fn try_from(text: &str) -> Result<Self, NameError> {
        Self::new(text.as_bytes())
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        wire_bytes::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(wire_bytes::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_names_that_lead_elsewhere() {
        assert_eq!(Name::try_from(""), Err(NameError::Empty));
        assert_eq!(Name::try_from("."), Err(NameError::Dots));
        assert_eq!(Name::try_from(".."), Err(NameError::Dots));
        assert_eq!(Name::try_from("a/b"), Err(NameError::Separator));
        assert_eq!(Name::new(*b"a\0b"), Err(NameError::Separator));
        assert_eq!(Name::new(vec![b'x'; 256]), Err(NameError::TooLong(256)));
        assert!(Name::new(vec![b'x'; 255]).is_ok());
        assert!(Name::try_from("...").is_ok());
    }

    #[test]
    fn any_bytes_round_trip_through_json() {
        for bytes in [&b"plain"[..], b"sp ace\n", "🦀 \u{202e}".as_bytes(), b"\xff\xfe", b"a\"\\"] {
            let name = Name::new(bytes).unwrap();
            let json = serde_json::to_string(&name).unwrap();
            assert_eq!(serde_json::from_str::<Name>(&json).unwrap(), name, "{json}");
        }
        assert_eq!(serde_json::to_string(&Name::new(*b"\xff").unwrap()).unwrap(), r#"{"bytes":"/w=="}"#);
    }

    #[test]
    fn display_escapes_what_could_forge_a_screen() {
        let name = Name::new("a\u{1b}[2J\u{202e}b\nc".as_bytes()).unwrap();
        assert_eq!(name.display().to_string(), r"a\u{1b}[2J\u{202e}b\u{a}c");
        let family = "\u{1f468}\u{200d}\u{1f469}\u{fe0f}\u{200d}\u{1f467}.jpg";
        assert_eq!(Name::try_from(family).unwrap().display().to_string(), family, "one pictograph");
        let joined = Name::try_from("a\u{200d}b\u{1f468}\u{200d}").unwrap();
        assert_eq!(joined.display().to_string(), "a\\u{200d}b\u{1f468}\\u{200d}");
        assert_eq!(Name::new(*b"\xffok").unwrap().display().to_string(), r"\xffok");
    }
}
