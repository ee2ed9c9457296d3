//! Names between the system's strings and the bytes the protocol carries; the only file where systems differ in it.

use std::{borrow::Cow, ffi::OsStr};

/// A string of the system as the bytes a server shall see.
#[cfg(unix)]
pub(crate) fn bytes_of(text: &OsStr) -> Cow<'_, [u8]> {
    Cow::Borrowed(std::os::unix::ffi::OsStrExt::as_bytes(text))
}

/// A string of the system as the bytes a server shall see; what is no Unicode is replaced.
#[cfg(not(unix))]
pub(crate) fn bytes_of(text: &OsStr) -> Cow<'_, [u8]> {
    match text.to_string_lossy() {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// Whether a path was typed as a folder's: with a separator at its end.
pub(crate) fn ends_with_separator(path: &OsStr) -> bool {
    path.as_encoded_bytes().last().is_some_and(|b| std::path::is_separator(char::from(*b)))
}
