//! Names from one side as names on the other. A name from a server is hostile: it must be
//! one name in the chosen folder here, whatever the system makes of special names.

use std::ffi::{OsStr, OsString};

use ferry_shared::name::Name;

use super::part::is_part_name;
pub(super) use system::bytes_of;
pub(in crate::transfer) use system::text_of;

/// The other side cannot have a file of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this system cannot have a file named {shown}: {why}")]
pub struct UnusableName {
    shown: String,
    why: &'static str,
}

/// A remote name as one local name.
///
/// # Errors
/// [`UnusableName`] where this system would take it for something else than one name.
pub fn local_name(name: &Name) -> Result<OsString, UnusableName> {
    let unusable = |why| UnusableName { shown: name.display().to_string(), why };
    if is_part_name(name.as_bytes()) {
        return Err(unusable("it is how unfinished downloads are named"));
    }
    text_of(name.as_bytes()).map_err(unusable)
}

/// A local name as a remote one.
///
/// # Errors
/// [`UnusableName`] when it is no [`Name`] (too long, or not Unicode on Windows).
pub fn remote_name(name: &OsStr) -> Result<Name, UnusableName> {
    let unusable = |why| UnusableName { shown: name.to_string_lossy().escape_debug().to_string(), why };
    let bytes = bytes_of(name).map_err(unusable)?;
    Name::new(bytes).map_err(|_| unusable("it is not a name on the server"))
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

/// Checks a name against what Windows makes of names: separators, drive letters and
/// streams (`:`), characters it refuses, names of devices with any extension, and ends
/// it drops silently (dots and blanks).
#[cfg(any(not(unix), test))]
fn windows_name(name: &[u8]) -> Result<&str, &'static str> {
    const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
    let text = std::str::from_utf8(name).map_err(|_| "it is not Unicode")?;
    if text.chars().any(|c| c < ' ' || r#"<>:"/\|?*"#.contains(c)) {
        return Err("it has a character that names cannot have here");
    }
    if text.ends_with(['.', ' ']) {
        return Err("it ends with a dot or a blank");
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
    fn windows_takes_no_name_that_means_something_else() {
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
