//! Walks the chain of an audit log and tells the first line that does not hold.
#![expect(clippy::disallowed_methods, reason = "the audit log is a file of the server's own")]

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{chain, file};

/// What the chain came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Files.
    pub files: usize,
    /// Lines.
    pub lines: u64,
    /// The hash of the last one: noted elsewhere, it shows later that nothing was cut off or rewritten.
    pub last: String,
    /// Whether the very first line of all is there.
    pub from_the_start: bool,
    /// Whether the last line has no end: it is being written, or a crash has cut it.
    pub torn: bool,
}

/// Why a log does not hold.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// A line does not follow on the one before.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// In which file.
        path: PathBuf,
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is nothing.
    #[error("there is no audit log in {}", .0.display())]
    Nothing(PathBuf),
    /// There are files and no line in them; a server writes one at its start.
    #[error("there is no line in the audit log: it was emptied")]
    Empty,
    /// The noted hash is of no line.
    #[error("no line has the noted hash: lines were cut off or rewritten since it was noted")]
    NotNoted,
    /// The noted hash is of no line that is kept.
    #[error(
        "no line that is kept has the noted hash: it is of an older one, or lines were cut off or rewritten; note \
         the last hash more often than audit.keep files are filled"
    )]
    NotKept,
}

/// The files of the log in a data folder, oldest first.
///
/// # Errors
/// [`Broken::Nothing`].
pub fn files(data: &Path) -> Result<Vec<PathBuf>, Broken> {
    let files = file::files(&data.join(file::NAME));
    if files.is_empty() { Err(Broken::Nothing(data.to_owned())) } else { Ok(files) }
}

/// Walks the chain through `files`, oldest first; with `noted`, a line must have this hash.
///
/// # Errors
/// [`Broken`], for the first line that does not hold.
pub fn verify(files: &[PathBuf], noted: Option<&str>) -> Result<Verified, Broken> {
    let mut walk = Walk::default();
    let mut seen = noted.is_none();
    for path in files {
        let failed = |source| Broken::Read { path: path.clone(), source };
        let mut reader = BufReader::new(File::open(path).map_err(failed)?);
        let mut number = 0;
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
            number += 1;
            let whole = line.pop_if(|last| *last == b'\n').is_some();
            walk.line(&line, whole).map_err(|what| Broken::Line { path: path.clone(), line: number, what })?;
            // Also when its line was the last of a file that is kept no more.
            seen |= noted == walk.last.as_deref() || noted.is_some() && noted == walk.before.as_deref();
            line.clear();
        }
    }
    if walk.cut {
        return Err(Broken::Line { path: files.last().cloned().unwrap_or_default(), line: walk.lines, what: GARBLED });
    }
    let Some(last) = walk.last else { return Err(Broken::Empty) };
    if !seen {
        return Err(if walk.from_the_start { Broken::NotNoted } else { Broken::NotKept });
    }
    Ok(Verified { files: files.len(), lines: walk.lines, last, from_the_start: walk.from_the_start, torn: walk.torn })
}

const GARBLED: &str = "is no line of an audit log";

#[derive(Default)]
struct Walk {
    last: Option<String>,
    /// The hash that the first line there is names.
    before: Option<String>,
    lines: u64,
    from_the_start: bool,
    /// The line before is none; the next must say that a crash has cut it.
    cut: bool,
    torn: bool,
}

impl Walk {
    fn line(&mut self, line: &[u8], whole: bool) -> Result<(), &'static str> {
        if self.torn {
            return Err("follows on a line without an end");
        }
        let hash = chain::hash(line);
        let Ok(tie) = serde_json::from_slice::<chain::Tie>(line) else {
            if self.cut || self.lines == 0 && whole {
                return Err(GARBLED);
            }
            (self.cut, self.torn) = (whole, !whole);
            self.lines += 1;
            self.last = Some(hash);
            return Ok(());
        };
        match &self.last {
            None => {
                self.from_the_start = tie.before == chain::FIRST;
                self.before = Some(tie.before);
            }
            Some(last) if *last != tie.before => {
                return Err("does not follow on the line before: one of them was changed, or lines are missing");
            }
            Some(_) => {}
        }
        if self.cut && tie.event != "recovered" {
            return Err("follows on a garbled line");
        }
        self.cut = false;
        self.torn = !whole;
        self.lines += 1;
        self.last = Some(hash);
        Ok(())
    }
}
