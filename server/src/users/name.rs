//! A user's name: checked once, then always safe as the name of a folder.

use std::{borrow::Borrow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text;

/// Characters in a name.
const LENGTH_MAX: usize = 64;

/// Names with another meaning: words of commands, and device names on systems where a backup may be restored.
const RESERVED: [&str; 26] = [
    "all",
    "none",
    "anonymous",
    "default",
    "con",
    "prn",
    "aux",
    "nul",
    "com1",
    "com2",
    "com3",
    "com4",
    "com5",
    "com6",
    "com7",
    "com8",
    "com9",
    "lpt1",
    "lpt2",
    "lpt3",
    "lpt4",
    "lpt5",
    "lpt6",
    "lpt7",
    "lpt8",
    "lpt9",
];

/// The reason why a text is not a [`UserName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserNameError {
    /// Not of the allowed form.
    #[error(
        "a user name is 1 to {LENGTH_MAX} of a-z, 0-9, '.', '_' and '-', and starts with a letter or digit: \"{}\"",
        .0.escape_debug()
    )]
    Form(String),
    /// One of the reserved names.
    #[error("the user name '{0}' is reserved")]
    Reserved(String),
}

/// A user name: `[a-z0-9][a-z0-9._-]{0,63}`, not reserved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(Box<str>);

impl UserName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = UserNameError;

    fn from_str(text: &str) -> Result<Self, UserNameError> {
        let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = text.as_bytes();
        let fits = bytes.len() <= LENGTH_MAX
            && bytes.first().is_some_and(plain)
            && bytes.iter().all(|b| plain(b) || b"._-".contains(b));
        if !fits {
            return Err(UserNameError::Form(text.chars().take(2 * LENGTH_MAX).collect()));
        }
        // `con.txt` refers to the device too.
        let stem = text.split('.').next().unwrap_or(text);
        if RESERVED.contains(&stem) {
            return Err(UserNameError::Reserved(text.to_owned()));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for UserName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for UserName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Serialize for UserName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for UserName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_plain_names() {
        for name in ["a", "0", "alice", "alice.b_c-d", "a..b", &"x".repeat(64)] {
            assert_eq!(name.parse::<UserName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_names_that_could_lead_elsewhere_or_look_alike() {
        for name in ["", ".", "..", ".a", "-a", "_a", "A", "alicé", "a/b", "a\0", "a b", "a\n", &"x".repeat(65)] {
            assert!(matches!(name.parse::<UserName>(), Err(UserNameError::Form(_))), "{name:?}");
        }
    }

    #[test]
    fn refuses_reserved_names() {
        for name in ["all", "none", "con", "nul", "com1", "con.txt"] {
            assert!(matches!(name.parse::<UserName>(), Err(UserNameError::Reserved(_))), "{name}");
        }
        assert!("console".parse::<UserName>().is_ok());
    }
}
