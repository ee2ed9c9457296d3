//! Patterns that match whole names, from users.

use ferry_shared::limits::PATTERN_MAX;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// The pattern `text`, with `*`, `?` and classes as its only special characters.
///
/// # Errors
/// The reason why it is not a pattern.
pub(crate) fn whole_name(text: &str, any_case: bool) -> Result<GlobSet, String> {
    if text.len() > PATTERN_MAX {
        return Err(format!("it is longer than {PATTERN_MAX} bytes"));
    }
    let bad = |error: globset::Error| error.kind().to_string();
    let glob = GlobBuilder::new(&without_alternatives(text)).case_insensitive(any_case).build().map_err(bad)?;
    // A set with one glob: only a set enforces a limit on its size.
    GlobSetBuilder::new().add(glob).build().map_err(bad)
}

/// Returns `text` with its braces escaped: globset parses nested alternatives by recursion, which could overflow
/// the stack and end the process.
fn without_alternatives(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' => plain.extend(['\\', c]),
            '\\' => {
                plain.push(c);
                plain.extend(chars.next());
            }
            '[' => {
                plain.push(c);
                plain.extend(chars.next_if(|c| matches!(c, '!' | '^')));
                // A `]` in the first position belongs to the class.
                plain.extend(chars.next());
                for c in chars.by_ref() {
                    plain.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        whole_name(pattern, false).unwrap().is_match(name)
    }

    #[test]
    fn braces_stand_for_themselves_also_in_a_class_and_after_a_backslash() {
        assert!(matches("*.{a,b}", "x.{a,b}") && !matches("*.{a,b}", "x.a"));
        assert!(matches("[{]*", "{x") && !matches("[{]*", "x"));
        assert!(matches("[]{]*", "]x") && matches("[!{]*", "x"));
        assert!(matches(r"\{*", "{x") && matches(r"\[{*", "[{x"));
    }
}
