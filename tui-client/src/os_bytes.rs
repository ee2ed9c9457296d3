//! Converts names between the system's strings and the bytes of the protocol; the only file with differences between
//! systems.

use std::{
    borrow::Cow,
    ffi::{OsStr, OsString},
};

/// Converts a string of the system to bytes for the server.
#[cfg(unix)]
pub(crate) fn bytes_of(text: &OsStr) -> Cow<'_, [u8]> {
    Cow::Borrowed(std::os::unix::ffi::OsStrExt::as_bytes(text))
}

/// Converts a string of the system to bytes for the server; replaces invalid Unicode.
#[cfg(not(unix))]
pub(crate) fn bytes_of(text: &OsStr) -> Cow<'_, [u8]> {
    match text.to_string_lossy() {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// Converts bytes to a string of the system; `None` if it has no such strings.
#[cfg(unix)]
pub(crate) fn os_string_of(bytes: Vec<u8>) -> Option<OsString> {
    Some(std::os::unix::ffi::OsStringExt::from_vec(bytes))
}

/// Converts bytes to a string of the system; `None` if they are not UTF-8.
#[cfg(not(unix))]
pub(crate) fn os_string_of(bytes: Vec<u8>) -> Option<OsString> {
    String::from_utf8(bytes).ok().map(OsString::from)
}

/// Whether a path was written with a separator at its end.
pub(crate) fn ends_with_separator(path: &OsStr) -> bool {
    path.as_encoded_bytes().last().is_some_and(|b| std::path::is_separator(char::from(*b)))
}
