//! The last known usage as bytes: a cache, believed only whole and after a clean stop.

use serde::{Deserialize, Serialize};

use super::ledger::Tally;

const VERSION: u32 = 1;

/// What a ledger file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerFile {
    /// What was used.
    pub used: Tally,
    /// Whether nothing could have changed since it was written.
    pub clean: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    bytes: u64,
    files: u64,
    clean: bool,
    checksum: String,
}

impl Written {
    fn expected_checksum(&self) -> String {
        let Self { version, bytes, files, clean, .. } = self;
        let text = format!("ferry ledger {version} {bytes} {files} {clean}");
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }
}

impl LedgerFile {
    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        let Tally { bytes, files } = self.used;
        let mut written = Written { version: VERSION, bytes, files, clean: self.clean, checksum: String::new() };
        written.checksum = written.expected_checksum();
        // Numbers and plain text cannot fail to serialise; an empty file would only mean a recount.
        serde_json::to_vec(&written).unwrap_or_default()
    }

    /// What `bytes` say; `None` when they are torn, altered or of another version.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(bytes).ok()?;
        let whole = written.version == VERSION && written.checksum == written.expected_checksum();
        whole.then_some(Self { used: Tally::new(written.bytes, written.files), clean: written.clean })
    }

    /// What may be believed to be used; `None` means count again.
    #[must_use]
    pub fn believed(bytes: &[u8]) -> Option<Tally> {
        Self::read(bytes).filter(|file| file.clean).map(|file| file.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: LedgerFile = LedgerFile { used: Tally::new(123, 45), clean: true };

    #[test]
    fn a_clean_file_is_believed() {
        assert_eq!(LedgerFile::believed(&CLEAN.to_bytes()), Some(Tally::new(123, 45)));
    }

    #[test]
    fn a_file_of_a_stop_that_was_not_clean_is_not_believed() {
        let dirty = LedgerFile { clean: false, ..CLEAN }.to_bytes();
        assert_eq!(LedgerFile::believed(&dirty), None);
        assert!(LedgerFile::read(&dirty).is_some());
    }

    #[test]
    fn a_torn_file_is_not_believed() {
        let bytes = CLEAN.to_bytes();
        for length in 0..bytes.len() {
            assert_eq!(LedgerFile::believed(&bytes[..length]), None);
        }
    }

    #[test]
    fn an_altered_file_is_not_believed() {
        let text = String::from_utf8(CLEAN.to_bytes()).unwrap();
        for (from, to) in [("123", "124"), ("45", "0"), ("\"version\":1", "\"version\":2")] {
            let altered = text.replacen(from, to, 1);
            assert_ne!(altered, text);
            assert_eq!(LedgerFile::believed(altered.as_bytes()), None, "{altered}");
        }
        let dirty = String::from_utf8(LedgerFile { clean: false, ..CLEAN }.to_bytes()).unwrap();
        assert_eq!(LedgerFile::believed(dirty.replace("false", "true").as_bytes()), None);
    }
}
