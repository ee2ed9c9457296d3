//! Patterns that select names: a part of a name, or a glob; case matters only if the pattern has capitals.

use globset::{GlobBuilder, GlobMatcher};

/// Selects names by the rules of the server's search.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    text: String,
    sensitive: bool,
    glob: Option<GlobMatcher>,
}

impl Pattern {
    /// A part of a name, or a glob when there is one of `*?[` in it.
    ///
    /// # Errors
    /// The glob is not valid.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let glob = text.contains(['*', '?', '[']);
        Self::make(text, glob)
    }

    /// A name must match as a whole, whether or not there are wildcards.
    ///
    /// # Errors
    /// The glob is not valid.
    pub(crate) fn whole(text: &str) -> Result<Self, String> {
        Self::make(text, true)
    }

    /// A part of a name; `*` and the like mean themselves.
    pub(crate) fn part(text: &str) -> Self {
        let sensitive = text.chars().any(char::is_uppercase);
        Self { text: text.to_owned(), sensitive, glob: None }
    }

    fn make(text: &str, glob: bool) -> Result<Self, String> {
        let mut pattern = Self::part(text);
        if glob {
            let built = GlobBuilder::new(text).case_insensitive(!pattern.sensitive).build();
            pattern.glob = Some(built.map_err(|error| error.to_string())?.compile_matcher());
        }
        Ok(pattern)
    }

    /// The pattern as it was typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether `name` is meant.
    pub(crate) fn picks(&self, name: &[u8]) -> bool {
        match &self.glob {
            Some(glob) => glob.is_match(&*String::from_utf8_lossy(name)),
            None => self.find(&String::from_utf8_lossy(name)).is_some(),
        }
    }

    /// Where in `text` it is found first, as a range of bytes.
    pub(crate) fn find(&self, text: &str) -> Option<(usize, usize)> {
        if self.text.is_empty() {
            return None;
        }
        if self.sensitive {
            return text.find(&self.text).map(|at| (at, at + self.text.len()));
        }
        if text.is_ascii() && self.text.is_ascii() {
            let (text, part) = (text.as_bytes(), self.text.as_bytes());
            let at = text.windows(part.len()).position(|window| window.eq_ignore_ascii_case(part))?;
            return Some((at, at + part.len()));
        }
        text.char_indices().find_map(|(at, _)| starts_folded(&text[at..], &self.text).map(|length| (at, at + length)))
    }
}

/// The length in `text` of a prefix equal to `part` without regard to case; `None` if there is none.
fn starts_folded(text: &str, part: &str) -> Option<usize> {
    let mut chars = text.char_indices();
    for wanted in part.chars() {
        let (_, found) = chars.next()?;
        if !found.to_lowercase().eq(wanted.to_lowercase()) {
            return None;
        }
    }
    Some(chars.next().map_or(text.len(), |(at, _)| at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picks(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern).unwrap().picks(name.as_bytes())
    }

    #[test]
    fn capitals_matter_only_where_there_are_some() {
        assert!(picks("read", "README.md"));
        assert!(picks("README", "README.md"));
        assert!(!picks("Read", "README.md"));
        assert!(picks("über", "ÜBERSICHT"));
    }

    #[test]
    fn wildcards_are_for_the_whole_name() {
        assert!(picks("*.jpg", "A.JPG"));
        assert!(!picks("*.jpg", "a.jpg.txt"));
        assert!(!Pattern::whole("a").unwrap().picks(b"ab"));
        assert!(Pattern::new("a[").is_err());
    }

    #[test]
    fn a_match_is_a_range_of_whole_characters() {
        assert_eq!(Pattern::part("ö").find("aÖb"), Some((1, 3)));
        assert_eq!(Pattern::part("*").find("a*b"), Some((1, 2)));
        assert_eq!(Pattern::part("").find("ab"), None);
    }
}
