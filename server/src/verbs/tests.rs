//! Tests of the verbs, on a real disk and, where there is a program of the same name, compared with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step of a test should end it")]

mod changing;
mod looking;
mod running;
mod tar;

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use tokio_util::sync::CancellationToken;

use super::blocking::{Closed, Output, run};
use crate::{
    audit::{Audit, event::Who},
    files::Files,
    storage::{Durability, Storage},
    user_state::UserStates,
    users::{Users, store_file},
};

/// The home of a user with a quota of 64 MiB.
struct Place {
    folder: tempfile::TempDir,
    files: Files,
    stop: CancellationToken,
}

/// The output of a command.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ran {
    out: Vec<u8>,
    err: Vec<u8>,
    status: u8,
}

impl Output for Ran {
    fn out(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn err(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        self.err.extend_from_slice(bytes);
        Ok(())
    }
}

impl Ran {
    fn text(&self) -> String {
        assert_eq!(self.message(), "");
        assert_eq!(self.status, 0);
        String::from_utf8(self.out.clone()).unwrap()
    }

    fn message(&self) -> String {
        String::from_utf8(self.err.clone()).unwrap()
    }
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let users = r#"{"version":1,"users":{"alice":{"password":null,"quota":"64 MiB","created":"2026-01-01T00:00:00Z"}},"invites":{}}"#;
        fs::write(store_file(folder.path()), users).unwrap();
        let users = Users::load(store_file(folder.path())).unwrap();
        let states = UserStates::new(Storage::open(folder.path(), Durability::Rename).unwrap(), users);
        let user = states.get(&"alice".parse().unwrap()).unwrap();
        let stop = CancellationToken::new();
        let files = Files::new(user, Audit::default(), Arc::default(), Who::default(), stop.clone());
        Self { folder, files, stop }
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("users/alice/home")
    }

    /// Makes a file, and its parents, as an upload would.
    fn put(&self, name: impl AsRef<OsStr>, content: impl AsRef<[u8]>) {
        let path = self.home().join(Path::new(name.as_ref()));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn run(&self, words: &[impl AsRef<[u8]>]) -> Ran {
        let words: Vec<_> = words.iter().map(|word| word.as_ref().to_vec()).collect();
        let mut ran = Ran::default();
        ran.status = run(&self.files, &words, &mut ran);
        ran
    }

    /// The same with words that contain no blank.
    fn line(&self, line: &str) -> Ran {
        self.run(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// The program of the same name in the same folder.
    fn program(&self, words: &[impl AsRef<[u8]>]) -> Ran {
        let words: Vec<OsString> = words.iter().map(|word| OsString::from_vec(word.as_ref().to_vec())).collect();
        let ran =
            Command::new(&words[0]).args(&words[1..]).current_dir(self.home()).env("LC_ALL", "C").output().unwrap();
        let status = ran.status.code().unwrap().try_into().unwrap();
        Ran { out: ran.stdout, err: ran.stderr, status }
    }

    /// Checks that the verb prints what the program prints, and has its status.
    #[track_caller]
    fn assert_as_program(&self, words: &[impl AsRef<[u8]>]) {
        let shown = words.iter().map(|word| String::from_utf8_lossy(word.as_ref()).into_owned()).collect::<Vec<_>>();
        let (ours, theirs) = (self.run(words), self.program(words));
        let text = |ran: &Ran| String::from_utf8_lossy(&ran.out[..ran.out.len().min(1000)]).into_owned();
        assert_eq!((text(&ours), ours.status), (text(&theirs), theirs.status), "{shown:?}\n{}", ours.message());
        assert!(ours.out == theirs.out, "{shown:?}: {} bytes, {} bytes", ours.out.len(), theirs.out.len());
        assert_eq!(ours.err.is_empty(), theirs.err.is_empty(), "{shown:?}: {}", ours.message());
    }

    #[track_caller]
    fn assert_line_as_program(&self, line: &str) {
        self.assert_as_program(&line.split_whitespace().collect::<Vec<_>>());
    }
}

/// Text of `lines` lines that do not all have the same length.
fn lines(lines: usize) -> String {
    (1..=lines).map(|line| format!("{line} {}\n", "x y ".repeat(line % 7))).collect()
}

/// Whether there is a program of this name; else the test says that it was skipped.
fn has_program(name: &str) -> bool {
    let is_there = Command::new(name).arg("--version").output().is_ok();
    if !is_there {
        crate::skipped::skipped(&format!("there is no {name}"));
    }
    is_there
}

/// The bytes of a name.
fn name(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}
