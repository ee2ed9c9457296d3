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
