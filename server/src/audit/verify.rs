//! Verifies the chain of an audit log and reports the first line that is wrong.
#![expect(clippy::disallowed_methods, reason = "the audit log is a file of the server's own")]

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    chain::{self, End, Tie},
    file,
};

/// The result of a successful verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Verified {
    /// Files.
    pub files: usize,
    /// Lines.
    pub lines: u64,
    /// The hash of the last line: noted elsewhere, it proves later that nothing was cut off or rewritten.
    pub last: String,
    /// Whether the very first line of all is present.
    pub from_the_start: bool,
    /// The number of the last line that the server itself removed, if it did.
    pub retired: Option<u64>,
    /// Whether the last line is incomplete: it is being written, or was truncated by a crash.
    pub torn: bool,
}

/// The reason why the verification failed.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// A line does not follow the previous one.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        line: u64,
        /// The fault.
        what: String,
    },
    /// A file of the log is missing.
    #[error("{} is missing: it was removed or moved; the chain of the remaining files is broken", .0.display())]
    Missing(PathBuf),
    /// The first lines are missing, and no line records that the server removed them.
    #[error(
        "{}: the start is missing: what was before {} was removed or moved, and not by the server; if it was moved, \
         name all files, oldest first", path.display(), number.map_or("the first line".to_owned(), |number| format!("line {number}"))
    )]
    Start {
        /// The oldest existing file.
        path: PathBuf,
        /// The number of its first line.
        number: Option<u64>,
    },
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// There is no log.
    #[error("there is no audit log in {}", .0.display())]
    Nothing(PathBuf),
    /// There are files without any line; a server writes one at its start.
    #[error("there is no line in the audit log: it was emptied")]
    Empty,
    /// No line has the noted hash.
    #[error("no line has the noted hash: lines were cut off or rewritten since it was noted")]
    NotNoted,
    /// No remaining line has the noted hash.
    #[error(
        "no line that is kept has the noted hash: it is of an older one, or lines were cut off or rewritten; note \
         the last hash more often than audit.keep files are filled"
    )]
    NotKept,
}

/// The files of the log in a folder, oldest first.
///
/// # Errors
/// [`Broken::Nothing`], [`Broken::Missing`] if the newest file is missing, or an error of the disk.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, Broken> {
    let log = folder.join(file::NAME);
    let files = file::files(&log).map_err(|source| Broken::Read { path: folder.to_owned(), source })?;
    match files.last() {
        None => Err(Broken::Nothing(folder.to_owned())),
        // A crash can leave this state for the next start, with the new file still under its temporary name.
        Some(last) if *last != log && !file::beginning(&log).exists() => Err(Broken::Missing(log)),
        Some(_) => Ok(files),
    }
}

/// Verifies the chain through all files of the log in a folder; with `noted`, a line must have this hash.
///
/// # Errors
/// [`Broken`], for the first wrong line or a missing file.
pub(crate) fn whole(folder: &Path, noted: Option<&str>) -> Result<Verified, Broken> {
    let files = files(folder)?;
    let (verified, walk) = walk(&files, noted)?;
    if !verified.from_the_start && verified.retired.is_none() {
        return Err(Broken::Start { path: files.first().cloned().unwrap_or_default(), number: walk.first });
    }
    Ok(verified)
}

/// Verifies the chain through `files`, oldest first, which may be a part of the log; with `noted`, a line must have
/// this hash.
///
/// # Errors
/// [`Broken`], for the first wrong line.
pub(crate) fn verify(files: &[PathBuf], noted: Option<&str>) -> Result<Verified, Broken> {
    walk(files, noted).map(|(verified, _)| verified)
}

fn walk(files: &[PathBuf], noted: Option<&str>) -> Result<(Verified, Walk), Broken> {
    let mut walk = Walk::default();
    let mut seen = noted.is_none();
    let mut newer: Option<&PathBuf> = None;
    for path in files {
        let failed = |source| Broken::Read { path: path.clone(), source };
        let mut reader = BufReader::new(File::open(path).map_err(failed)?);
        let mut number = 0;
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
            number += 1;
            let whole = line.pop_if(|last| *last == b'\n').is_some();
            walk.line(&line, whole).map_err(|what| match (number, newer.and_then(|newer| between(newer, path))) {
                (1, Some(missing)) => Broken::Missing(missing),
                _ => Broken::Line { path: path.clone(), line: number, what },
            })?;
            // The oldest line contains the hash of the line before it, which may be the last one of a removed file.
            seen |= noted == walk.last.as_deref() || noted.is_some() && noted == walk.before.as_deref();
            line.clear();
        }
        newer = Some(path);
    }
    if walk.cut {
        let path = files.last().cloned().unwrap_or_default();
        return Err(Broken::Line { path, line: walk.lines, what: GARBLED.to_owned() });
    }
    let Some(last) = walk.last.clone() else { return Err(Broken::Empty) };
    if !seen {
        return Err(if walk.from_the_start { Broken::NotNoted } else { Broken::NotKept });
    }
    let retired = walk.retired.iter().find(|end| walk.before.as_ref() == Some(&end.hash)).map(|end| end.number);
    let verified = Verified {
        files: files.len(),
        lines: walk.lines,
        last,
        from_the_start: walk.from_the_start,
        retired,
        torn: walk.torn,
    };
    Ok((verified, walk))
}

/// The missing file between two of one log, according to their numbers.
fn between(older: &Path, newer: &Path) -> Option<PathBuf> {
    let log = newer.with_file_name(file::NAME);
    let older = file::number_of(&log, older)?;
    let newer = if newer == log { 0 } else { file::number_of(&log, newer)? };
    (older > newer + 1).then(|| file::numbered(&log, newer + 1))
}

const GARBLED: &str = "is no line of an audit log";

#[derive(Default)]
struct Walk {
    last: Option<String>,
    /// The hash that the first line contains, and the number of that line.
    before: Option<String>,
    first: Option<u64>,
    /// The number of the last line, if lines have numbers.
    number: Option<u64>,
    lines: u64,
    from_the_start: bool,
    /// The ends of the files that the server itself removed.
    retired: Vec<End>,
    /// The previous line is malformed; the next one must record that a crash truncated it.
    cut: bool,
    torn: bool,
}

impl Walk {
    fn line(&mut self, line: &[u8], whole: bool) -> Result<(), String> {
        if self.torn {
            return Err("follows on a line without an end".to_owned());
        }
        let hash = chain::hash(line);
        let Ok(tie) = serde_json::from_slice::<Tie>(line) else {
            if self.cut || self.lines == 0 && whole {
                return Err(GARBLED.to_owned());
            }
            (self.cut, self.torn) = (whole, !whole);
            self.lines += 1;
            self.number = self.number.map(|number| number.saturating_add(1));
            self.last = Some(hash);
            return Ok(());
        };
        match &self.last {
            None => {
                self.from_the_start = tie.before == chain::FIRST;
                self.first = tie.number;
            }
            Some(last) if *last != tie.before => return Err(self.does_not_follow(&tie)),
            Some(_) => {}
        }
        if self.cut && tie.event != "recovered" {
            return Err("follows on a garbled line".to_owned());
        }
        self.retired.extend(tie.retired());
        self.before.get_or_insert(tie.before);
        self.number = tie.number;
        self.cut = false;
        self.torn = !whole;
        self.lines += 1;
        self.last = Some(hash);
        Ok(())
    }

    fn does_not_follow(&self, tie: &Tie) -> String {
        const WHY: &str = "does not follow on the line before: ";
        match (self.number.map(|last| last.saturating_add(1)), tie.number) {
            (Some(next), Some(number)) if number > next => match number - 1 {
                last if last == next => format!("{WHY}line {next} is missing"),
                last => format!("{WHY}lines {next} to {last} are missing"),
            },
            _ => format!("{WHY}one of them was changed, or lines are missing"),
        }
    }
}
