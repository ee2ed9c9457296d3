//! The audit log's file: appended to, cut by size into numbered ones, of which some are kept.
#![expect(clippy::disallowed_methods, reason = "the audit log is a file of the server's own")]

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::chain;
use crate::private_file::folder_of;

/// The file's name in the data folder.
pub(super) const NAME: &str = "audit.jsonl";
/// The longest line looked for at the end of a file.
const LONGEST: u64 = 1 << 20;

/// The file that is written to.
#[derive(Debug)]
pub(super) struct AuditFile {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines in it.
    length: u64,
    max_size: u64,
    keep: u32,
    /// Whether the last attempt to begin another file failed.
    stuck: bool,
    /// The hash of the last line.
    pub(super) before: String,
    /// Whether the last line was cut.
    pub(super) torn: bool,
}

impl AuditFile {
    /// Goes on where the file ends; a line that a crash has cut is closed.
    pub(super) fn open(path: PathBuf, max_size: u64, keep: u32) -> io::Result<Self> {
        let mut file = append(&path)?;
        let length = file.metadata()?.len();
        // Between two files nothing is written yet: the chain goes on from the older one.
        let last = match last_line(&path)? {
            None => last_line(&numbered(&path, 1))?,
            last => last,
        };
        let torn = last.as_ref().is_some_and(|last| !last.whole) && length > 0;
        if torn {
            file.write_all(b"\n")?;
        }
        let before = last.map_or_else(|| chain::FIRST.to_owned(), |last| chain::hash(&last.bytes));
        let length = length + u64::from(torn);
        Ok(Self { path, file, length, max_size, keep, stuck: false, before, torn })
    }

    /// Appends whole lines, or nothing. A file that is too large is grown rather than a line lost
    /// when there can be no new one.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.length > 0 && self.length + lines.len() as u64 > self.max_size {
            self.rotate();
        }
        if let Err(error) = self.file.write_all(lines) {
            // What was written of them would be a torn line in the middle of the file.
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += lines.len() as u64;
        Ok(())
    }

    /// Makes everything so far durable.
    pub(super) fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Goes on in a new file; when that cannot be, in this one, and tries again with the next lines.
    fn rotate(&mut self) {
        match self.next_file() {
            Ok(()) => self.stuck = false,
            Err(error) => {
                if !self.stuck {
                    tracing::error!(%error, "the audit log cannot begin another file; it goes on in the full one");
                }
                self.stuck = true;
            }
        }
    }

    /// Opens the new file before any other is moved: what can fail, fails while all is in its place.
    fn next_file(&mut self) -> io::Result<()> {
        let new = beginning(&self.path);
        match fs::remove_file(&new) {
            // Left by a crash or by an attempt that failed; nothing was written to it.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = append(&new)?;
        self.flush()?;
        self.make_room()?;
        fs::rename(&new, &self.path)?;
        self.file = file;
        self.length = 0;
        File::open(folder_of(&self.path))?.sync_all()
    }

    /// Moves the files on, each to the next number, up to the first number that is free. So what
    /// was moved before a failure is not moved again.
    fn make_room(&self) -> io::Result<()> {
        let name = |number| if number == 0 { self.path.clone() } else { numbered(&self.path, number) };
        let is_free = |number: &u32| fs::symlink_metadata(name(*number)).is_err();
        let free = (0..=self.keep).find(is_free).unwrap_or(self.keep);
        for number in (1..=free).rev() {
            fs::rename(name(number - 1), name(number))?;
        }
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).mode(0o600).custom_flags(NO_FOLLOW).open(path)
}

/// The log is never written through a link.
const NO_FOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

/// What the new file is called until the others have made room.
fn beginning(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// `audit.jsonl.3` and the like; the higher, the older.
pub(super) fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// The files of a log that are there, oldest first.
pub(super) fn files(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = (1..).map(|number| numbered(path, number)).take_while(|file| file.exists()).collect();
    files.reverse();
    files.extend(path.exists().then(|| path.to_owned()));
    files
}

struct Last {
    bytes: Vec<u8>,
    whole: bool,
}

/// The last line of a file, if it is there and not empty.
fn last_line(path: &Path) -> io::Result<Option<Last>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST)))?;
    let mut end = Vec::new();
    file.take(LONGEST).read_to_end(&mut end)?;
    let whole = end.pop_if(|last| *last == b'\n').is_some();
    let start = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    Ok((length > 0).then(|| Last { bytes: end.split_off(start), whole }))
}
