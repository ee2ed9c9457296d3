//! Faults of a single message: its packet is whole, so its sender can be answered.

use super::status::Status;

/// A message that cannot be decoded, and the request that it is or answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("message {id} is invalid: {fault}")]
pub struct Invalid {
    /// The id of the request.
    pub id: u32,
    /// The reason.
    pub fault: Fault,
}

/// The reason why a message cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A field, or a length in it, exceeds the packet.
    #[error("a field reaches beyond the end of the packet")]
    Cut,
    /// A handle longer than the protocol allows.
    #[error("a handle of {0} bytes")]
    HandleTooLong(usize),
    /// A type of packet that is not known, or not valid here.
    #[error("packet type {0} is not expected")]
    UnknownType(u8),
}

impl Fault {
    /// The status code with which a server answers.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::Cut | Self::HandleTooLong(_) => Status::BadMessage,
            Self::UnknownType(_) => Status::OpUnsupported,
        }
    }
}
