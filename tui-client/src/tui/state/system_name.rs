//! A name's bytes as this system's text; the only file of the browser where systems differ in it.

use std::ffi::OsString;

/// The bytes of a name as this system's text; `None` where it cannot have them.
#[cfg(unix)]
pub(crate) fn os_string(bytes: &[u8]) -> Option<OsString> {
    Some(std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec()))
}

/// The bytes of a name as this system's text; `None` where it cannot have them.
#[cfg(not(unix))]
pub(crate) fn os_string(bytes: &[u8]) -> Option<OsString> {
    std::str::from_utf8(bytes).ok().map(OsString::from)
}
