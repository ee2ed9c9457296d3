//! Entries of folders, and the versions of files.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::name::Name;

/// The kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, listed as itself.
    Symlink,
    /// A FIFO, socket or device: listed, never opened.
    #[serde(other)]
    Other,
}

/// A modification time: seconds since 1970 (may be negative) and nanoseconds, as `[s, ns]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mtime(pub i64, pub u32);

impl Mtime {
    /// The time as the standard library's type; `None` if it is out of range.
    #[must_use]
    pub fn to_system(self) -> Option<SystemTime> {
        let nanos = Duration::from_nanos(u64::from(self.1.min(999_999_999)));
        let seconds = Duration::from_secs(self.0.unsigned_abs());
        let base = if self.0 >= 0 { UNIX_EPOCH.checked_add(seconds) } else { UNIX_EPOCH.checked_sub(seconds) };
        base?.checked_add(nanos)
    }
}

impl From<SystemTime> for Mtime {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(i64::try_from(after.as_secs()).unwrap_or(i64::MAX), after.subsec_nanos()),
            Err(before) => {
                let before = before.duration();
                let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
                match before.subsec_nanos() {
                    0 => Self(-seconds, 0),
                    nanos => Self(-seconds - 1, 1_000_000_000 - nanos),
                }
            }
        }
    }
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name in its folder. In a `Stat` reply, the last name of the requested path.
    pub name: Name,
    /// Its kind.
    pub kind: Kind,
    /// The size of a file in bytes; 0 for everything else.
    pub size: u64,
    /// When its content was last changed.
    pub mtime: Mtime,
    /// Permission bits, at most `0o777`.
    pub mode: u32,
}

/// Identifies a state of a file: any change of the content gives another version.
///
/// Opaque to the client; if two versions of one path are equal, the file did not change in between.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mtimes_round_trip_before_and_after_1970() {
        for time in
            [Mtime(0, 0), Mtime(1_700_000_000, 123_456_789), Mtime(-1, 999_999_999), Mtime(-5, 0), Mtime(i64::MAX, 0)]
        {
            assert_eq!(Mtime::from(time.to_system().unwrap()), time);
        }
    }

    #[test]
    fn an_unknown_kind_reads_as_other() {
        assert_eq!(serde_json::from_str::<Kind>("\"door\"").unwrap(), Kind::Other);
    }
}
