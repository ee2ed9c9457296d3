//! Converts names between the system's strings and the bytes of the protocol; the only file with differences between
//! systems.

use std::{borrow::Cow, ffi::OsStr};

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

/// Whether a path was written with a separator at its end.
pub(crate) fn ends_with_separator(path: &OsStr) -> bool {
    path.as_encoded_bytes().last().is_some_and(|b| std::path::is_separator(char::from(*b)))
}
