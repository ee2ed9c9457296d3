//! Decodes a client's message, and distinguishes the reasons why one cannot be decoded.

use std::collections::HashMap;

use serde::{Deserialize, de::IgnoredAny};

pub use super::request::Follows;
use super::request::Request;
use crate::path::RemotePath;

/// The reason why a client's message could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// Not JSON, or not the form of a message: the connection must be closed.
    #[error("{0}")]
    Malformed(String),
    /// A request, or a value in it, that this build does not know: refuse it, skip the frames that follow,
    /// continue.
    #[error("{what}")]
    Unsupported {
        /// The unknown part in the peer's words, of bounded length.
        what: String,
        /// The frames after it that belong to the refused request.
        follows: Follows,
    },
    /// A known request with an invalid path: refuse it, skip the frames that follow, continue.
    #[error("{message}")]
    BadPath {
        /// A description of the fault.
        message: String,
        /// The frames after it that belong to the refused request.
        follows: Follows,
    },
}

impl Request {
    /// Decodes one JSON message.
    ///
    /// # Errors
    /// [`Undecodable`] tells whether the connection can continue.
    pub fn decode(json: &[u8]) -> Result<Self, Undecodable> {
        serde_json::from_slice(json).map_err(|error| why(json, &error))
    }
}

/// The maximum number of characters of a peer's text that a reply repeats.
const MOST_REPEATED: usize = 200;

/// Determines why a message could not be decoded, by decoding only its outer form again.
fn why(json: &[u8], error: &serde_json::Error) -> Undecodable {
    let malformed = || Undecodable::Malformed(shortened(&error.to_string()));
    let name = match outer_name(json) {
        Some(name) if error.is_data() => name,
        _ => return malformed(),
    };
    if !Request::NAMES.contains(&name.as_str()) {
        return Undecodable::Unsupported { what: shortened(&name), follows: Follows::Nothing };
    }
    let text = error.to_string();
    // A later version may know more values, or omit a field. serde distinguishes these from other faults by their
    // texts only; the tests below notice if the texts change.
    if text.starts_with("unknown variant ") || text.starts_with("missing field ") {
        return Undecodable::Unsupported { what: shortened(&format!("'{name}' with {text}")), follows: follows(&name) };
    }
    let shape = serde_json::from_slice::<HashMap<String, Shape>>(json).ok().and_then(|map| map.into_values().next());
    match shape {
        Some(shape) if shape.has_bad_path() => Undecodable::BadPath { message: text, follows: follows(&name) },
        _ => malformed(),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(MOST_REPEATED).collect()
}

/// The frames that a client may have sent after a request with this name.
fn follows(name: &str) -> Follows {
    match name {
        "put" => Follows::UpToCommit,
        "get" => Follows::UpToEmptyHave,
        _ => Follows::Nothing,
    }
}

/// The name of the message: its only key, or the string itself.
fn outer_name(json: &[u8]) -> Option<String> {
    if let Ok(name) = serde_json::from_slice::<String>(json) {
        return Some(name);
    }
    let map = serde_json::from_slice::<HashMap<String, IgnoredAny>>(json).ok()?;
    if map.len() == 1 { map.into_keys().next() } else { None }
}

/// The fields that distinguish an invalid path from any other fault.
#[derive(Deserialize)]
struct Shape {
    path: Option<serde_json::Value>,
    from: Option<serde_json::Value>,
    to: Option<serde_json::Value>,
}

impl Shape {
    fn has_bad_path(&self) -> bool {
        [&self.path, &self.from, &self.to]
            .into_iter()
            .flatten()
            .any(|value| (value.is_string() || value.is_object()) && RemotePath::deserialize(value).is_err())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        feature::Features,
        message::request::{Basis, Hello, IfExists, Put},
    };

    fn decode(json: &str) -> Result<Request, Undecodable> {
        Request::decode(json.as_bytes())
    }

    #[test]
    fn an_unknown_request_is_distinguished_from_bad_json() {
        let dance = Undecodable::Unsupported { what: "dance".into(), follows: Follows::Nothing };
        assert_eq!(decode(r#"{"dance":{}}"#), Err(dance.clone()));
        assert_eq!(decode(r#""dance""#), Err(dance));
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
        assert_eq!(follows(r#"{"put":{"path":"..","size":3000000,"if_exists":"refuse"}}"#), Follows::UpToCommit);
        assert_eq!(follows(r#"{"get":{"path":{"bytes":"Li4="}}}"#), Follows::UpToEmptyHave);
    }

    #[test]
    fn unknown_values_and_missing_fields_say_what_to_skip() {
        let put = |fields: &str| format!(r#"{{"put":{{"path":"a","size":3,{fields}}}}}"#);
        for (json, word, skip) in [
            (r#"{"hash":{"path":"a","algorithm":"md5"}}"#.to_owned(), "`md5`", Follows::Nothing),
            (r#"{"login":{"user":"a","proof":{"smile":{}}}}"#.to_owned(), "`smile`", Follows::Nothing),
            (put(r#""if_exists":"rename""#), "`rename`", Follows::UpToCommit),
            (put(r#""if_exists":{"replace_older":"v"}"#), "`replace_older`", Follows::UpToCommit),
            (put(r#""basis":"guessed""#), "`guessed`", Follows::UpToCommit),
            (r#"{"get":{"path":"a","blocks":{"first":1}}}"#.to_owned(), "`count`", Follows::UpToEmptyHave),
            (r#"{"list":{}}"#.to_owned(), "`path`", Follows::Nothing),
            (r#"{"rename":{"from":"a"}}"#.to_owned(), "`to`", Follows::Nothing),
            (r#"{"put":{"size":3}}"#.to_owned(), "`path`", Follows::UpToCommit),
        ] {
            match decode(&json) {
                Err(Undecodable::Unsupported { what, follows }) => {
                    assert!(what.contains(word) && follows == skip, "{json}: {what}, {follows:?}");
                }
                other => panic!("{json}: {other:?}"),
            }
        }
    }

    #[test]
    fn text_of_a_peer_is_repeated_to_a_bounded_length() {
        let long = "x".repeat(1 << 19);
        for json in [
            format!("\"{long}\""),
            format!(r#"{{"hash":{{"path":"a","algorithm":"{long}"}}}}"#),
            format!(r#"{{"find":{{"path":"a","pattern":"a","limit":"{long}"}}}}"#),
        ] {
            let said = decode(&json).unwrap_err().to_string();
            assert!(said.len() <= MOST_REPEATED, "{} bytes", said.len());
        }
    }

    #[test]
    fn fields_with_a_plain_meaning_may_be_left_out() {
        let path = || RemotePath::from_wire(b"a").unwrap();
        for (json, request) in [
            (r#"{"make_dir":{"path":"a"}}"#, Request::MakeDir { path: path(), parents: false }),
            (r#"{"rename":{"from":"a","to":"a"}}"#, Request::Rename { from: path(), to: path(), replace: false }),
            (r#"{"copy":{"from":"a","to":"a"}}"#, Request::Copy { from: path(), to: path(), replace: false }),
            (r#"{"remove":{"path":"a"}}"#, Request::Remove { path: path(), recursive: false, version: None }),
            (
                r#"{"find":{"path":"a","pattern":"b"}}"#,
                Request::Find { path: path(), pattern: "b".into(), limit: u64::MAX },
            ),
            (
                r#"{"put":{"path":"a"}}"#,
                Request::Put(Put {
                    path: path(),
                    size: None,
                    mtime: None,
                    mode: None,
                    if_exists: IfExists::Refuse,
                    parents: false,
                    basis: Basis::None,
                }),
            ),
            (
                r#"{"hello":{"protocol":1}}"#,
                Request::Hello(Hello { protocol: 1, client: String::new(), features: Features::NONE, seal: None }),
            ),
        ] {
            assert_eq!(decode(json), Ok(request));
        }
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let stat = Request::Stat { path: RemotePath::from_wire(b"a").unwrap() };
        assert_eq!(decode(r#"{"stat":{"path":"a","colour":"red"}}"#), Ok(stat));
    }
}
