//! The errors of SSH and SFTP, as the rest of the client knows them.

use std::io;

use bytes::Bytes;
use ferry_shared::{
    link::LinkError,
    name::Escaped,
    refusal::{Code, Refusal},
    sftp::{Reply, Status},
};

use crate::error::ClientError;

/// The connection was lost.
pub(super) fn lost(error: russh::Error) -> ClientError {
    match error {
        russh::Error::IO(error) => LinkError::from(error).into(),
        other => LinkError::Io(io::Error::other(other)).into(),
    }
}

/// The server, or a file on it, refuses a request.
pub(super) fn refused(code: Code, message: impl Into<String>) -> ClientError {
    Refusal::new(code, message.into()).into()
}

pub(super) fn bad_path(message: &str) -> ClientError {
    refused(Code::BadPath, message)
}

/// SFTP does not offer this.
pub(super) fn unsupported(what: &str) -> ClientError {
    refused(Code::Unsupported, format!("an SFTP server cannot {what}"))
}

/// The code that a status stands for by itself. Many causes share [`Status::Failure`].
pub(super) fn code(status: Status) -> Code {
    match status {
        Status::NoSuchFile => Code::NotFound,
        Status::PermissionDenied => Code::NotAllowed,
        Status::BadMessage => Code::BadPath,
        Status::OpUnsupported => Code::Unsupported,
        // Codes of later versions, which some servers send nevertheless.
        Status::Other(11) => Code::Exists,
        Status::Other(12) => Code::DiskReadOnly,
        Status::Other(14) => Code::DiskFull,
        Status::Other(15) => Code::OverQuota,
        Status::Other(18) => Code::NotEmpty,
        Status::Other(19) => Code::NotDirectory,
        Status::Other(20) => Code::BadPath,
        Status::Other(24) => Code::IsDirectory,
        _ => Code::Internal,
    }
}

/// The error for a status.
pub(super) fn failed(status: Status, message: &Bytes, path: &[u8]) -> ClientError {
    let text = match message.is_empty() {
        true => format!("{}: {status:?}", Escaped(path)),
        false => format!("{}: {}", Escaped(path), Escaped(message)),
    };
    match code(status) {
        // The server may say the same again and again; only the person can tell.
        Code::Internal => Refusal { retry: false, ..Refusal::new(Code::Internal, text) }.into(),
        code => refused(code, text),
    }
}

/// The server answers with another kind of reply than the request has.
pub(super) fn unexpected(reply: &Reply) -> ClientError {
    let kind = match reply {
        Reply::Status { .. } => "a status",
        Reply::Handle(_) => "a handle",
        Reply::Data(_) => "data",
        Reply::Name(_) => "names",
        Reply::Attributes(_) => "attributes",
        Reply::Extended(_) => "an extended reply",
    };
    ClientError::Protocol(format!("{kind} in reply to another kind of request"))
}

/// Whether the server gave this reason for a refusal.
pub(super) fn is(error: &ClientError, code: Code) -> bool {
    matches!(error, ClientError::Refused(refusal) if refusal.code == code)
}
