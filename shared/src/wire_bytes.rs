//! Bytes in JSON: a string if they are UTF-8, else `{"bytes":"<base64>"}`.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{
    Deserializer, Serialize as _, Serializer,
    de::{Error, MapAccess, Visitor},
    ser::SerializeMap as _,
};

pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.serialize(serializer),
        Err(_) => {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry("bytes", &STANDARD.encode(bytes))?;
            map.end()
        }
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    deserializer.deserialize_any(BytesVisitor)
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or {\"bytes\": base64}")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<u8>, E> {
        Ok(text.as_bytes().to_vec())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<u8>, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            let text: String = map.next_value()?;
            if key == "bytes" {
                found = Some(STANDARD.decode(text).map_err(Error::custom)?);
            }
        }
        found.ok_or_else(|| Error::missing_field("bytes"))
    }
}
