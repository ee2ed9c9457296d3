//! Types of the `--json` output that several verbs share; `docs/scripting.md` has every shape.
//!
//! These types are a stable interface for scripts, and independent of the protocol's types: a new field in the
//! protocol must not change this output.

pub(crate) mod failure;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ferry_shared::path::RemotePath;
use serde::{Serialize, Serializer, ser::SerializeMap as _};

/// The outcome for a path.
#[derive(Debug, Serialize)]
pub(crate) struct PathObject<'a> {
    #[serde(serialize_with = "crate::json::path")]
    pub(crate) path: &'a RemotePath,
    pub(crate) outcome: &'static str,
}

/// A path that was left out, and the reason.
#[derive(Debug, Serialize)]
pub(crate) struct SkippedObject<'a> {
    #[serde(serialize_with = "crate::json::path")]
    path: &'a RemotePath,
    outcome: &'static str,
    why: &'static str,
}

impl<'a> SkippedObject<'a> {
    /// Left out for the reason `why`.
    pub(crate) fn of(path: &'a RemotePath, why: &'static str) -> Self {
        Self { path, outcome: "skipped", why }
    }

    /// Left out by `--include` or `--exclude`.
    pub(crate) fn filtered(path: &'a RemotePath) -> Self {
        Self::of(path, "filtered")
    }
}

/// The outcome for an item with a name instead of a path.
#[derive(Debug, Serialize)]
pub(crate) struct NameObject<'a> {
    pub(crate) name: &'a str,
    pub(crate) outcome: &'static str,
}

/// Serializes a path for `--json` output.
pub(crate) fn path<S: Serializer>(path: &RemotePath, serializer: S) -> Result<S::Ok, S::Error> {
    Bytes(path.as_bytes()).serialize(serializer)
}

/// Bytes that are usually text: a string if they are UTF-8, otherwise `{"bytes":"<base64>"}`, as in the protocol.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("bytes", &STANDARD.encode(self.0))?;
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ferry_shared::name::Name;

    use super::*;

    #[test]
    fn bytes_have_the_form_of_names_in_the_protocol() {
        for bytes in [&b"plain"[..], b"\xff\xfe", "ü\n".as_bytes()] {
            let ours = serde_json::to_string(&Bytes(bytes)).unwrap();
            assert_eq!(ours, serde_json::to_string(&Name::new(bytes).unwrap()).unwrap());
        }
    }
}
