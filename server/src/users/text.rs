//! Deserialises a value from its text so that an error has the right position.

use std::{fmt, marker::PhantomData, str::FromStr};

use serde::{Deserializer, de};

/// Parses a string in place. Parsing it after `String::deserialize` would be shorter, but the position of the
/// string would be lost.
pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_str(Visitor(PhantomData))
}

struct Visitor<T>(PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> de::Visitor<'_> for Visitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}
