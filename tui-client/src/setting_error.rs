//! An error in one of the files that the user edits, with its line.

use std::fmt;

/// An error in a file of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettingError {
    /// The line, from 1.
    pub(crate) line: usize,
    /// The message.
    pub(crate) message: String,
}

impl SettingError {
    /// A fault at a byte of `text`.
    pub(crate) fn at(text: &str, byte: usize, message: impl Into<String>) -> Self {
        let before = text.as_bytes().get(..byte).unwrap_or(text.as_bytes());
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        Self { line, message: message.into() }
    }
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}
