//! A search below a folder for entries whose names match, done on the server instead of sending every entry to the
//! client.

use ferry_shared::{limits::PATTERN_MAX, name::Name};
use globset::GlobSet;

use super::{StorageError, WalkPage, Walker};
use crate::glob;

/// Entries that are compared before a page is returned even if nothing matched. With the most expensive pattern and
/// the longest names this takes about a second.
const LOOK_MAX: usize = 2000;

/// A running search.
#[derive(Debug)]
pub struct Finder {
    walker: Walker,
    pattern: Pattern,
    left: u64,
}

impl Finder {
    pub(super) fn new(walker: Walker, pattern: &str, limit: u64) -> Result<Self, StorageError> {
        Ok(Self { walker, pattern: Pattern::new(pattern)?, left: limit })
    }

    /// The next matches, all from one folder; `None` at the end.
    ///
    /// A page may be empty: a long search returns one from time to time, so that it can be cancelled.
    ///
    /// # Errors
    /// Those of [`Walker::next_page`].
    pub fn next_page(&mut self) -> Result<Option<WalkPage>, StorageError> {
        let mut looked = 0;
        while self.left > 0 {
            let Some(mut page) = self.walker.next_page()? else { return Ok(None) };
            looked += page.entries.len();
            page.entries.retain(|entry| self.pattern.matches(&entry.name));
            page.entries.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= page.entries.len() as u64;
            if !page.entries.is_empty() || !page.unreadable.is_empty() || looked >= LOOK_MAX {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }
}

/// The condition that a name has to match.
#[derive(Debug)]
enum Pattern {
    Glob(GlobSet),
    /// The name contains this text.
    Part(String),
    /// The name, in lower case, contains this lower-case text.
    AnyCase(String),
}

impl Pattern {
    fn new(text: &str) -> Result<Self, StorageError> {
        if text.len() > PATTERN_MAX {
            return Err(StorageError::BadPattern(format!("it is longer than {PATTERN_MAX} bytes")));
        }
        let any_case = !text.chars().any(char::is_uppercase);
        if text.contains(['*', '?', '[']) {
            return glob::whole_name(text, any_case).map(Self::Glob).map_err(StorageError::BadPattern);
        }
        Ok(if any_case { Self::AnyCase(text.to_lowercase()) } else { Self::Part(text.to_owned()) })
    }

    /// In names that are not UTF-8, invalid bytes are replaced before the comparison.
    fn matches(&self, name: &Name) -> bool {
        let text = String::from_utf8_lossy(name.as_bytes());
        match self {
            Self::Glob(glob) => glob.is_match(&*text),
            Self::Part(part) => text.contains(part),
            Self::AnyCase(part) => text.to_lowercase().contains(part),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(&Name::try_from(name).unwrap())
    }

    #[test]
    fn a_pattern_without_capitals_matches_any_case() {
        assert!(matches("report", "Annual-REPORT.pdf"));
        assert!(matches("*.PDF".to_lowercase().as_str(), "a.PDF"));
        assert!(matches("ärger", "ÄRGER"));
        assert!(!matches("Report", "report"));
        assert!(!matches("*.PDF", "a.pdf"));
    }

    #[test]
    fn a_glob_matches_the_whole_name_and_a_plain_pattern_a_part() {
        assert!(matches("b", "abc"));
        assert!(!matches("b?", "abc"));
        assert!(matches("a[bc]*", "ac"));
        assert!(!matches("a[bc]*", "ad"));
    }

    #[test]
    fn a_broken_or_endless_pattern_is_refused() {
        for broken in ["a[b", "[z-a]", r"*\"] {
            assert!(matches!(Pattern::new(broken), Err(StorageError::BadPattern(_))), "{broken}");
        }
        for start in ["", "*"] {
            let long = start.to_owned() + &"a".repeat(PATTERN_MAX);
            assert!(Pattern::new(&long[..PATTERN_MAX]).is_ok());
            assert!(matches!(Pattern::new(&(long + "a")), Err(StorageError::BadPattern(_))));
        }
    }
}
