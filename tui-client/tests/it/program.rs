//! Runs the program away from the user's own files and from any terminal.

use std::{path::Path, process::Stdio};

use assert_cmd::{Command, assert::Assert};

/// A `ferry` with an empty home of its own.
pub(crate) struct Ferry {
    pub(crate) home: tempfile::TempDir,
}

impl Ferry {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.home.path()
    }

    /// Runs with the words of `line` as arguments.
    pub(crate) fn run(&self, line: &str) -> Assert {
        self.command(line).assert()
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ferry"));
        command.env("FERRY_HOME", self.path()).current_dir(self.path()).args(line.split_whitespace());
        command.stdin(Stdio::null());
        Command::from_std(command)
    }
}

/// The output of the program.
pub(crate) fn stderr(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

pub(crate) fn stdout(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}
