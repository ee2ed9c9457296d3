//! What a user may do with files, whatever the protocol: storage, quota and account put together.
//!
//! Knows no message, frame or connection. Everything in it blocks, as storage does.

mod error;
pub(crate) mod publish;

pub use self::{error::Error, publish::Placed};
