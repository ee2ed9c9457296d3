//! Reading a client's message, and telling apart why one cannot be read.

use std::collections::HashMap;

use serde::{Deserialize, de::IgnoredAny};

use super::request::{NAMES, Request};
use crate::{limits::BLOCK_SIZE, path::RemotePath};

/// Why a client's message could not be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// Not JSON, or not a message's shape: the connection must be closed.
    #[error("{0}")]
    Malformed(String),
    /// A request this build does not know: refuse it and go on.
    #[error("unknown request {0:?}")]
    Unknown(String),
    /// A known request with a path that is none: refuse it, skip what follows, go on.
    #[error("{message}")]
    BadPath {
        /// What is wrong with it.
        message: String,
        /// The frames that belong to the refused request and come after it.
        follows: Follows,
    },
}

/// The frames a request sends after itself without waiting for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// None.
    Nothing,
    /// Blocks up to a `Commit`.
    UpToCommit,
    /// Have-frames up to an empty one.
    UpToEmptyHave,
}

impl Request {
    /// Reads one JSON message.
    ///
    /// # Errors
    /// [`Undecodable`] says whether the connection can go on.
    pub fn decode(json: &[u8]) -> Result<Self, Undecodable> {
        serde_json::from_slice(json).map_err(|error| why(json, &error))
    }
}

/// The requests that carry a path: the ones that can be refused with `bad_path`.
const WITH_PATH: [&str; 13] = [
    "list",
    "walk",
    "find",
    "stat",
    "make_dir",
    "rename",
    "copy",
    "remove",
    "set_attributes",
    "hash",
    "discard",
    "get",
    "put",
];

/// Tells why a message did not decode, by reading it again as its outer shape only.
fn why(json: &[u8], error: &serde_json::Error) -> Undecodable {
    let malformed = || Undecodable::Malformed(error.to_string());
    let name = match outer_name(json) {
        Some(name) if error.is_data() => name,
        _ => return malformed(),
    };
    if !NAMES.contains(&name.as_str()) {
        return Undecodable::Unknown(name);
    }
    let shape = serde_json::from_slice::<HashMap<String, Shape>>(json).ok().and_then(|map| map.into_values().next());
    match shape {
        Some(shape) if WITH_PATH.contains(&name.as_str()) && shape.has_bad_path() => {
            Undecodable::BadPath { message: error.to_string(), follows: shape.follows(&name) }
        }
        _ => malformed(),
    }
}

/// The message's name: its only key, or the string it is.
fn outer_name(json: &[u8]) -> Option<String> {
    if let Ok(name) = serde_json::from_slice::<String>(json) {
        return Some(name);
    }
    let map = serde_json::from_slice::<HashMap<String, IgnoredAny>>(json).ok()?;
    if map.len() == 1 { map.into_keys().next() } else { None }
}

/// The fields that tell a bad path from any other fault.
#[derive(Deserialize)]
struct Shape {
    path: Option<serde_json::Value>,
    from: Option<serde_json::Value>,
    to: Option<serde_json::Value>,
    size: Option<u64>,
}

impl Shape {
    fn has_bad_path(&self) -> bool {
        [&self.path, &self.from, &self.to]
            .into_iter()
            .flatten()
            .any(|value| (value.is_string() || value.is_object()) && RemotePath::deserialize(value).is_err())
    }

    fn follows(&self, name: &str) -> Follows {
        match name {
            "put" if self.size.is_some_and(|size| size <= BLOCK_SIZE) => Follows::UpToCommit,
            "get" => Follows::UpToEmptyHave,
            _ => Follows::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(json: &str) -> Result<Request, Undecodable> {
        Request::decode(json.as_bytes())
    }

    #[test]
    fn an_unknown_request_is_told_from_bad_json() {
        assert_eq!(decode(r#"{"dance":{}}"#), Err(Undecodable::Unknown("dance".into())));
        assert_eq!(decode(r#""dance""#), Err(Undecodable::Unknown("dance".into())));
        for bad in [r#"{"list":"#, r#"{"list":{"path":7}}"#, "[]", r#"{"list":{"path":""},"walk":{"path":""}}"#] {
            assert!(matches!(decode(bad), Err(Undecodable::Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn a_bad_path_says_what_to_skip() {
        let follows = |json: &str| match decode(json) {
            Err(Undecodable::BadPath { follows, .. }) => follows,
            other => panic!("{other:?}"),
        };
        assert_eq!(follows(r#"{"list":{"path":"a/../b"}}"#), Follows::Nothing);
        assert_eq!(follows(r#"{"rename":{"from":"a","to":"/etc","replace":true}}"#), Follows::Nothing);
        assert_eq!(follows(r#"{"get":{"path":".."}}"#), Follows::UpToEmptyHave);
        assert_eq!(follows(r#"{"put":{"path":"..","size":3,"if_exists":"refuse"}}"#), Follows::UpToCommit);
        assert_eq!(follows(r#"{"put":{"path":"..","size":3000000,"if_exists":"refuse"}}"#), Follows::Nothing);
        assert_eq!(follows(r#"{"get":{"path":{"bytes":"Li4="}}}"#), Follows::UpToEmptyHave);
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let stat = Request::Stat { path: RemotePath::from_wire(b"a").unwrap() };
        assert_eq!(decode(r#"{"stat":{"path":"a","colour":"red"}}"#), Ok(stat));
    }
}
