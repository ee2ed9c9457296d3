//! The only file that writes to standard output and standard error.

use std::{
    cell::{Cell, RefCell},
    io::{self, BufWriter, IsTerminal as _, Stdout, Write as _},
};

use anstyle::{AnsiColor, Style};
use ferry_shared::{entry::Kind, name::Escaped};
use indicatif::MultiProgress;
use serde::Serialize;

use crate::{
    args::{ColorChoice, Common},
    failure::Failure,
    json::failure::{FailureObject, UsageObject},
    streams,
};

/// The size of the output buffer, so that large listings need few writes.
const BUFFER: usize = 256 << 10;

/// The style of a folder's name on a terminal.
const FOLDER: Style = AnsiColor::Blue.on_default().bold();
/// The style of a symlink's name on a terminal.
const SYMLINK: Style = AnsiColor::Cyan.on_default();
/// The style of the prefix of an error on a terminal.
const ERROR: Style = AnsiColor::Red.on_default().bold();

/// The destination and form of results and messages.
pub(crate) struct Output {
    stdout: RefCell<BufWriter<Stdout>>,
    /// Whether to write one JSON object per line instead of text.
    pub(crate) json: bool,
    quiet: bool,
    verbose: u8,
    stdout_is_terminal: bool,
    stdout_color: bool,
    stderr_color: bool,
    advice: RefCell<Option<String>>,
    /// The hint that was shown with the last error, so that it is not repeated.
    hint: RefCell<Option<String>>,
    /// Whether to continue when standard output is closed by its reader.
    outlives_reader: Cell<bool>,
    bars: MultiProgress,
}

impl Output {
    /// The output according to the command line and the environment.
    pub(crate) fn new(common: &Common) -> Self {
        let stdout_is_terminal = io::stdout().is_terminal();
        Self {
            stdout: RefCell::new(BufWriter::with_capacity(BUFFER, io::stdout())),
            json: common.json,
            quiet: common.quiet,
            verbose: common.verbose,
            stdout_is_terminal,
            stdout_color: wants_color(common.color, stdout_is_terminal),
            stderr_color: wants_color(common.color, io::stderr().is_terminal()),
            advice: RefCell::default(),
            hint: RefCell::default(),
            outlives_reader: Cell::new(false),
            // Nothing is drawn before a bar is added.
            bars: MultiProgress::new(),
        }
    }

    /// The progress bars on standard error; messages are written between them.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Whether standard output is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.stdout_is_terminal
    }

    /// Whether only errors are shown on standard error.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Checks that there is a standard output.
    ///
    /// # Errors
    /// [`Failure::Output`].
    pub(crate) fn check(&self) -> Result<(), Failure> {
        streams::check_output().map_err(Failure::Output)
    }

    /// Continues when standard output is closed by its reader, because the work matters more than its output.
    pub(crate) fn outlive_reader(&self) {
        self.outlives_reader.set(true);
    }

    fn written(&self, result: io::Result<()>) -> Result<(), Failure> {
        match result {
            Err(error) if self.outlives_reader.get() && error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.map_err(Failure::Output),
        }
    }

    /// Writes bytes to standard output unchanged.
    ///
    /// # Errors
    /// [`Failure::Output`].
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.check()?;
        self.written(self.stdout.borrow_mut().write_all(bytes))
    }

    /// Writes a line of text to standard output.
    ///
    /// # Errors
    /// [`Failure::Output`].
    pub(crate) fn line(&self, text: &str) -> Result<(), Failure> {
        self.bytes(text.as_bytes())?;
        self.bytes(b"\n")
    }

    /// Writes a value as one line of JSON to standard output.
    ///
    /// # Errors
    /// [`Failure::Output`].
    pub(crate) fn object(&self, value: &impl Serialize) -> Result<(), Failure> {
        self.check()?;
        self.written(serde_json::to_writer(&mut *self.stdout.borrow_mut(), value).map_err(io::Error::from))?;
        self.bytes(b"\n")
    }

    /// With `--json`, writes a result like [`Output::object`]; otherwise nothing.
    ///
    /// # Errors
    /// [`Failure::Output`].
    pub(crate) fn result(&self, value: &impl Serialize) -> Result<(), Failure> {
        if self.json { self.object(value) } else { Ok(()) }
    }

    /// Appends a name or path to `line`: escaped for a terminal, unchanged for a program.
    pub(crate) fn name(&self, line: &mut Vec<u8>, name: &[u8]) {
        if self.stdout_is_terminal {
            // Writing to memory cannot fail.
            let _ = write!(line, "{}", Escaped(name));
        } else {
            line.extend_from_slice(name);
        }
    }

    /// Appends an entry's name to `line`; on a terminal a suffix and a colour show its kind.
    pub(crate) fn entry(&self, line: &mut Vec<u8>, name: &[u8], kind: Kind) {
        let (style, sign) = match kind {
            Kind::Folder => (Some(FOLDER), "/"),
            Kind::Symlink => (Some(SYMLINK), "@"),
            Kind::File => (None, ""),
            Kind::Other => (None, "?"),
        };
        let style = style.filter(|_| self.stdout_color);
        if let Some(style) = style {
            let _ = write!(line, "{style}");
        }
        self.name(line, name);
        if let Some(style) = style {
            let _ = write!(line, "{style:#}");
        }
        if self.stdout_is_terminal {
            line.extend_from_slice(sign.as_bytes());
        }
    }

    /// Flushes the buffer.
    ///
    /// # Errors
    /// [`Failure::Output`].
    pub(crate) fn flush(&self) -> Result<(), Failure> {
        self.written(self.stdout.borrow_mut().flush())
    }

    /// Shows a message for the user, except with `-q`.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            self.message("", text);
        }
    }

    /// Shows a message only with `-v`.
    pub(crate) fn detail(&self, text: &str) {
        if self.shows_details() {
            self.message("", text);
        }
    }

    /// Whether details are shown.
    pub(crate) fn shows_details(&self) -> bool {
        self.verbose > 0 && !self.quiet
    }

    /// Shows a message always.
    pub(crate) fn warn(&self, text: &str) {
        self.message("", text);
    }

    /// Advice about another reading of an address, shown if the server or the path is not found.
    pub(crate) fn advise(&self, advice: String) {
        self.advice.replace(Some(advice));
    }

    /// Reports a failure like [`Output::error`], and with `--json` also as an object.
    pub(crate) fn failure(&self, failure: &Failure) {
        // If the output itself failed, nothing more can be written to it.
        if self.json && !matches!(failure, Failure::Output(_)) {
            // The next write returns the error again.
            let _ = self.object(&FailureObject::new(failure)).and_then(|()| self.flush());
        }
        self.error(failure);
    }

    /// Shows an error: its cause, and the next step.
    pub(crate) fn error(&self, failure: &Failure) {
        if failure.is_broken_pipe() {
            return;
        }
        let style = if self.stderr_color { ERROR } else { Style::new() };
        let mut text = format!(" {failure}");
        let advice = self.advice.borrow().clone().filter(|_| failure.is_not_found());
        let hint = advice.or_else(|| failure.hint());
        // Show the advice only once if many operations fail in the same way.
        let said = self.hint.replace(hint.clone());
        if let Some(hint) = hint.filter(|hint| said.as_ref() != Some(hint)) {
            text += "\n       ";
            text += &hint;
        }
        self.message(&format!("{style}ferry:{style:#}"), &text);
    }

    /// Writes `head` unchanged and `text` escaped, so that no server can control the terminal.
    fn message(&self, head: &str, text: &str) {
        // Keep the order of events if both outputs go to the same terminal. The next write returns an error again.
        let _ = self.flush();
        // There is no other destination for a message that cannot be shown.
        self.bars.suspend(|| drop(io::stderr().write_all(&plain(head, text))));
    }
}

/// Writes the object of an invalid command line, before there is an [`Output`].
pub(crate) fn usage_object(message: &str) {
    if let Ok(line) = serde_json::to_string(&UsageObject::new(message)) {
        // The text on standard error follows in any case.
        let _ = writeln!(io::stdout(), "{line}");
    }
}

/// Joins `head`, unchanged, and `text`, in which all control characters except newlines are escaped.
fn plain(head: &str, text: &str) -> Vec<u8> {
    let lines: Vec<String> = text.split('\n').map(|line| Escaped(line.as_bytes()).to_string()).collect();
    format!("{head}{}\n", lines.join("\n")).into_bytes()
}

fn wants_color(choice: ColorChoice, is_terminal: bool) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_escaped_whatever_their_source() {
        let shown = String::from_utf8(plain("\u{1b}[31mferry:\u{1b}[0m", " a\u{1b}[2J\u{202e}b\n  hint\r")).unwrap();
        assert_eq!(shown, "\u{1b}[31mferry:\u{1b}[0m a\\u{1b}[2J\\u{202e}b\n  hint\\u{d}\n");
    }
}
