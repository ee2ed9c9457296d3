//! Converts names between the two sides. A name from a server is untrusted: it must be a single name in the chosen
//! local folder, even if the system gives some names a special meaning.

use std::ffi::{OsStr, OsString};

use ferry_shared::{name::Name, path::RemotePath};

pub(crate) use system::{bytes_of, text_of};

/// The prefix and suffix that an unfinished download adds to its name.
pub(crate) const PART_BEFORE: &[u8] = b".";
pub(crate) const PART_AFTER: &[u8] = b".ferry-part";

/// The name cannot be used on the other side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this system cannot have a file named {shown}: {why}")]
pub struct UnusableName {
    shown: String,
    why: &'static str,
}

/// Converts a remote name to a local name.
///
/// # Errors
/// [`UnusableName`] if this system does not treat it as a single plain name.
pub fn local_name(name: &Name) -> Result<OsString, UnusableName> {
    let unusable = |why| UnusableName { shown: name.display().to_string(), why };
    if is_part_name(name.as_bytes()) {
        return Err(unusable("unfinished downloads have names of this form"));
    }
    text_of(name.as_bytes()).map_err(unusable)
}

/// Converts a local name to a remote name.
///
/// # Errors
/// [`UnusableName`] if it is not a valid [`Name`] (too long, or not Unicode on Windows).
pub fn remote_name(name: &OsStr) -> Result<Name, UnusableName> {
    let unusable = |why| UnusableName { shown: name.to_string_lossy().escape_debug().to_string(), why };
    let bytes = bytes_of(name).map_err(unusable)?;
    Name::new(bytes).map_err(|_| unusable("it is not a valid name on the server"))
}

/// Whether this is the name of an unfinished download.
pub(crate) fn is_part_name(name: &[u8]) -> bool {
    name.len() > PART_BEFORE.len() + PART_AFTER.len() && name.starts_with(PART_BEFORE) && name.ends_with(PART_AFTER)
}

/// At most `most` leading bytes, not ending inside a UTF-8 character.
pub(crate) fn cut(bytes: &[u8], most: usize) -> &[u8] {
    let mut end = most.min(bytes.len());
    while end > 0 && end < bytes.len() && bytes[end] & 0b1100_0000 == 0b1000_0000 {
        end -= 1;
    }
    &bytes[..end]
}

/// A name as filters compare it.
pub(crate) fn shown(name: &Name) -> std::path::PathBuf {
    text_of(name.as_bytes()).map_or_else(|_| name.display().to_string().into(), Into::into)
}

/// A path below a folder as filters compare it.
pub(crate) fn shown_path(below: &RemotePath) -> std::path::PathBuf {
    below.names().filter_map(|name| Name::new(name).ok()).map(|name| shown(&name)).collect()
}

#[cfg(unix)]
mod system {
    use std::{
        ffi::{OsStr, OsString},
        os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    };

    pub(crate) fn text_of(name: &[u8]) -> Result<OsString, &'static str> {
        Ok(OsString::from_vec(name.to_vec()))
    }

    pub(crate) fn bytes_of(name: &OsStr) -> Result<Box<[u8]>, &'static str> {
        Ok(name.as_bytes().into())
    }
}

#[cfg(not(unix))]
mod system {
    use std::ffi::{OsStr, OsString};

    pub(crate) fn text_of(name: &[u8]) -> Result<OsString, &'static str> {
        super::windows_name(name).map(OsString::from)
    }

    pub(crate) fn bytes_of(name: &OsStr) -> Result<Box<[u8]>, &'static str> {
        name.to_str().map(|text| text.as_bytes().into()).ok_or("it is not Unicode")
    }
}

/// Checks a name against the rules of Windows: separators, drive letters and streams (`:`), forbidden characters,
/// device names with any extension, and trailing dots and spaces, which Windows drops silently.
#[cfg(any(not(unix), test))]
fn windows_name(name: &[u8]) -> Result<&str, &'static str> {
    const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
    let text = std::str::from_utf8(name).map_err(|_| "it is not Unicode")?;
    if text.chars().any(|c| c < ' ' || r#"<>:"/\|?*"#.contains(c)) {
        return Err("it contains a character that names cannot have here");
    }
    if text.ends_with(['.', ' ']) {
        return Err("it ends with a dot or a space");
    }
    let stem = text.split('.').next().unwrap_or(text).trim_end().to_uppercase();
    let numbered = ["COM", "LPT"].iter().any(|port| {
        stem.strip_prefix(port).is_some_and(|rest| {
            let mut rest = rest.chars();
            matches!((rest.next(), rest.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
        })
    });
    if numbered || DEVICES.contains(&stem.as_str()) {
        return Err("it is the name of a device");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_special_meaning_on_windows_are_refused() {
        let bad = [
            r"..\up",
            r"a\b",
            "C:",
            "C:x",
            "file:stream",
            "nul",
            "NUL.txt",
            "con .x",
            "com1",
            "LPT9.log",
            "COM¹",
            "CONIN$",
            "trailing.",
            "trailing ",
            "a?b",
            "tab\there",
            "a/b",
            "aux.tar.gz",
        ];
        for name in bad {
            assert!(windows_name(name.as_bytes()).is_err(), "{name:?}");
        }
        assert!(windows_name(b"\xff").is_err());
        for name in ["plain.txt", ".hidden", "com", "com10", "console", "nullable", "ünï", "a b"] {
            assert_eq!(windows_name(name.as_bytes()), Ok(name));
        }
    }

    #[cfg(unix)]
    #[test]
    fn unix_names_round_trip_byte_for_byte() {
        assert!(local_name(&Name::new(*b".x.ferry-part").unwrap()).is_err());
        for bytes in [&b"a b"[..], b"\xff\xfe", b"new\nline", b"C:\\x", b"-rf"] {
            let name = Name::new(bytes).unwrap();
            let local = local_name(&name).unwrap();
            assert_eq!(std::path::Path::new(&local).components().count(), 1);
            assert_eq!(remote_name(&local).unwrap(), name);
        }
    }
}
