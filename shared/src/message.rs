//! The messages: one enum for each direction, encoded as JSON.
//!
//! A message is a JSON object with a single key, its name: `{"list":{"path":"photos"}}`, or a plain string if it
//! has no fields: `"ping"`. Unknown fields are ignored.

pub mod decode;
pub mod notice;
pub mod reply;
pub mod request;

pub use notice::Notice;
pub use reply::Reply;
pub use request::Request;
