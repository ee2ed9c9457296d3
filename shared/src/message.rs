//! The messages: one enum a direction, JSON on the wire.
//!
//! A message is one JSON object with one key, its name: `{"list":{"path":"photos"}}`,
//! or a bare string where it has no fields: `"ping"`. Unknown fields are ignored.

pub mod decode;
pub mod notice;
pub mod reply;
pub mod request;

pub use notice::Notice;
pub use reply::Reply;
pub use request::Request;

/// Writes `message` as JSON after what `out` already holds.
///
/// # Errors
/// Only if a value cannot be JSON, which no message of ours can cause.
pub fn encode(message: &impl serde::Serialize, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    serde_json::to_writer(out, message)
}
