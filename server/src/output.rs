//! The output of `ferryd`: the only place that writes to standard output and standard error.

use std::{
    fmt::Display,
    io::{self, Write as _},
};

use serde::Serialize;

/// Prints a line of the result on standard output.
///
/// # Errors
/// [`io::Error`], for example if the reader has closed the pipe.
pub fn line(text: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Prints the result of a verb: text for people, or one line of JSON for programs.
///
/// # Errors
/// Those of [`line()`].
pub fn result(json: bool, text: impl FnOnce() -> String, value: &impl Serialize) -> io::Result<()> {
    if json { line(serde_json::to_string(value)?) } else { raw(text().as_bytes()) }
}

/// Prints text unchanged.
///
/// # Errors
/// Those of [`line()`].
pub fn raw(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Prints a question on standard error: standard output is for results.
///
/// # Errors
/// [`io::Error`].
pub fn ask(question: &str) -> io::Result<()> {
    let mut out = io::stderr().lock();
    out.write_all(question.as_bytes())?;
    out.flush()
}

/// Prints a fact besides the result on standard error.
pub fn note(text: impl Display) {
    error(format_args!("note: {text}"));
}

/// Prints an error, with `ferryd: ` before each of its lines.
pub fn error(text: impl Display) {
    let mut out = io::stderr().lock();
    for line in text.to_string().lines() {
        // There is no other way to report this.
        let _ = writeln!(out, "ferryd: {line}");
    }
}

/// A size for people, with one decimal.
#[must_use]
pub fn size(bytes: u64) -> String {
    bytesize::ByteSize(bytes).display().iec().to_string()
}

/// A duration for people.
#[must_use]
pub fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        assert_eq!([59, 61, 7300, 200_000].map(span), ["59 s", "1 min", "2 h 1 min", "2 d 7 h"]);
    }
}
