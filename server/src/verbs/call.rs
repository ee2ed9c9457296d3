//! The things that a verb works with: the files, the console, and the failures so far.

use std::{ffi::OsStr, fmt::Display, os::unix::ffi::OsStrExt as _};

use ferry_shared::{name::Escaped, path::RemotePath, refusal::Refusal};

use super::console::{Console, pause};
use crate::files::{Error, Files, Step, Work};

/// One call of a verb.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) files: Files,
    pub(super) console: Console,
    /// The name of the verb.
    pub(super) name: String,
    /// Whether a verb without a file reads an empty input.
    pub(super) empty_input: bool,
    has_failed: bool,
}

impl Call {
    pub(super) fn new(files: Files, console: Console, words: &[Vec<u8>], empty_input: bool) -> Self {
        let name = words.first().map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default();
        Self { files, console, name, empty_input, has_failed: false }
    }

    /// Writes results.
    pub(super) async fn print(&self, bytes: impl AsRef<[u8]>) {
        self.console.print(bytes.as_ref()).await;
    }

    /// Writes a message; the verb goes on, and its status will tell.
    pub(super) fn complain(&mut self, message: impl Display) {
        self.has_failed = true;
        self.console.error(&format!("{}: {message}", self.name));
    }

    /// Writes why something could not be done to the file or folder that was named as `typed`.
    pub(super) fn fail(&mut self, typed: &OsStr, error: &Error) {
        let refusal = Refusal::from(error);
        let (counters, audit, who) = self.files.records();
        counters.refused(refusal.code);
        audit.refused(who.clone(), &refusal);
        let typed = Escaped(typed.as_bytes()).to_string();
        if refusal.message.contains(typed.trim_matches('/')) {
            self.complain(refusal.message);
        } else {
            self.complain(format_args!("{typed}: {}", refusal.message));
        }
    }

    /// The path that was named as `typed`; writes a message if there is none. Ends the step, so that a verb with
    /// many arguments takes many steps.
    pub(super) async fn path(&mut self, typed: &OsStr) -> Option<RemotePath> {
        pause().await;
        if typed == "-" {
            self.complain("there is no standard input; a file of the name - is ./-");
            return None;
        }
        match RemotePath::from_typed(typed.as_bytes()) {
            Ok(path) => Some(path),
            Err(error) => {
                self.complain(format_args!("{}: {error}", Escaped(typed.as_bytes())));
                None
            }
        }
    }

    /// The next part of the result of `work`, and whether it is the last one.
    pub(super) async fn next<T>(&self, work: &mut dyn Work<Item = T>) -> Result<(T, bool), Error> {
        loop {
            pause().await;
            match work.step()? {
                Step::Busy => {}
                Step::Item(item) => return Ok((item, false)),
                Step::Last(item) => return Ok((item, true)),
            }
        }
    }

    /// The status of the verb.
    pub(super) fn status(&self) -> u8 {
        u8::from(self.has_failed)
    }
}

/// The name of an entry below a folder that was named as `typed`.
pub(super) fn named_below(typed: &OsStr, below: &RemotePath) -> Vec<u8> {
    let mut name = typed.as_bytes().to_vec();
    if !below.is_home() {
        if name.last() != Some(&b'/') {
            name.push(b'/');
        }
        name.extend_from_slice(below.as_bytes());
    }
    name
}
