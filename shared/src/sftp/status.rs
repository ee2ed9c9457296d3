//! Status codes: the outcome of a request.

/// The code of a status reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Done.
    Ok,
    /// The end of a file or listing.
    Eof,
    /// A path of which some part does not exist.
    NoSuchFile,
    /// Not permitted.
    PermissionDenied,
    /// Any other failure; the message says which one.
    Failure,
    /// A malformed packet.
    BadMessage,
    /// No connection: made by clients, never sent.
    NoConnection,
    /// The connection was lost: made by clients, never sent.
    ConnectionLost,
    /// Not supported.
    OpUnsupported,
    /// A code of another version of the protocol, which some servers send nevertheless.
    Other(u32),
}

impl Status {
    /// The code as a number.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Ok => 0,
            Self::Eof => 1,
            Self::NoSuchFile => 2,
            Self::PermissionDenied => 3,
            Self::Failure => 4,
            Self::BadMessage => 5,
            Self::NoConnection => 6,
            Self::ConnectionLost => 7,
            Self::OpUnsupported => 8,
            Self::Other(code) => code,
        }
    }
}

impl From<u32> for Status {
    fn from(code: u32) -> Self {
        match code {
            0 => Self::Ok,
            1 => Self::Eof,
            2 => Self::NoSuchFile,
            3 => Self::PermissionDenied,
            4 => Self::Failure,
            5 => Self::BadMessage,
            6 => Self::NoConnection,
            7 => Self::ConnectionLost,
            8 => Self::OpUnsupported,
            other => Self::Other(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_and_its_number_are_inverse() {
        assert!((0..12).all(|code| Status::from(code).code() == code));
        assert_eq!(Status::from(8), Status::OpUnsupported);
    }
}
