//! The last known usage as bytes: a cache that is believed only if it is intact, was written at a clean stop, and
//! belongs to this home.

use serde::{Deserialize, Serialize};

use super::ledger::Tally;

const VERSION: u32 = 2;
/// More than any disk can hold.
const BYTES_MAX: u64 = 1 << 62;

/// The contents of a ledger file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LedgerFile {
    /// The usage.
    pub used: Tally,
    /// Whether nothing could have changed since the file was written.
    pub clean: bool,
    /// The stamp of the home when the file was written: a home restored from a backup has another one.
    pub home: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    bytes: u64,
    files: u64,
    clean: bool,
    home: String,
    checksum: String,
}

impl Written {
    fn expected_checksum(&self) -> String {
        let Self { version, bytes, files, clean, home, .. } = self;
        let text = format!("ferry ledger {version} {bytes} {files} {clean} {home}");
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }
}

impl LedgerFile {
    /// The file's bytes.
    #[must_use]
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let Tally { bytes, files } = self.used;
        let Self { clean, home, .. } = self;
        let mut written = Written { version: VERSION, bytes, files, clean, home, checksum: String::new() };
        written.checksum = written.expected_checksum();
        // Serialising numbers and plain text cannot fail; an empty file would only cause a recount.
        serde_json::to_vec(&written).unwrap_or_default()
    }

    /// Parses `bytes`; `None` if they are truncated, altered or of another version.
    #[must_use]
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(bytes).ok()?;
        let whole = written.version == VERSION && written.checksum == written.expected_checksum();
        let Written { bytes, files, clean, home, .. } = written;
        whole.then_some(Self { used: Tally::new(bytes, files), clean, home })
    }

    /// The usage to believe for the home that now has the stamp `home`; `None` means that the home must be counted.
    #[must_use]
    pub(crate) fn believed(bytes: &[u8], home: &str) -> Option<Tally> {
        Self::read(bytes).filter(|file| file.clean && file.home == home && file.is_possible()).map(|file| file.used)
    }

    fn is_possible(&self) -> bool {
        let Tally { bytes, files } = self.used;
        bytes <= BYTES_MAX && (files > 0 || bytes == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(bytes: u64, files: u64) -> LedgerFile {
        LedgerFile { used: Tally::new(bytes, files), clean: true, home: "a-home".to_owned() }
    }

    fn believed(bytes: &[u8]) -> Option<Tally> {
        LedgerFile::believed(bytes, "a-home")
    }

    #[test]
    fn a_clean_file_is_believed() {
        assert_eq!(believed(&clean(123, 45).into_bytes()), Some(Tally::new(123, 45)));
        assert_eq!(believed(&clean(0, 0).into_bytes()), Some(Tally::default()));
    }

    #[test]
    fn a_file_written_for_another_home_is_not_believed() {
        assert_eq!(LedgerFile::believed(&clean(123, 45).into_bytes(), "another"), None);
    }

    #[test]
    fn impossible_numbers_are_not_believed() {
        for (bytes, files) in [(1, 0), (BYTES_MAX + 1, 1), (u64::MAX, u64::MAX)] {
            assert_eq!(believed(&clean(bytes, files).into_bytes()), None);
        }
        assert!(believed(&clean(BYTES_MAX, 1).into_bytes()).is_some());
    }

    #[test]
    fn a_file_of_a_stop_that_was_not_clean_is_not_believed() {
        let dirty = LedgerFile { clean: false, ..clean(123, 45) }.into_bytes();
        assert_eq!(believed(&dirty), None);
        assert!(LedgerFile::read(&dirty).is_some());
    }

    #[test]
    fn a_torn_file_is_not_believed() {
        let bytes = clean(123, 45).into_bytes();
        for length in 0..bytes.len() {
            assert_eq!(believed(&bytes[..length]), None);
        }
    }

    #[test]
    fn an_altered_file_is_not_believed() {
        let text = String::from_utf8(clean(123, 45).into_bytes()).unwrap();
        for (from, to) in [("123", "124"), ("45", "0"), ("\"version\":2", "\"version\":1"), ("a-home", "b-home")] {
            let altered = text.replacen(from, to, 1);
            assert_ne!(altered, text);
            assert_eq!(believed(altered.as_bytes()), None, "{altered}");
            assert_eq!(LedgerFile::believed(altered.as_bytes(), "b-home"), None, "{altered}");
        }
        let dirty = String::from_utf8(LedgerFile { clean: false, ..clean(123, 45) }.into_bytes()).unwrap();
        assert_eq!(believed(dirty.replace("false", "true").as_bytes()), None);
    }
}
