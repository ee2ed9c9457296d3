//! The files of the audit log: the current one is appended to, and numbered older ones are kept up to a limit.
#![expect(clippy::disallowed_methods, reason = "the audit log is a file of the server's own")]

use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{
    chain::{self, End, Tie},
    event::Event,
};
use crate::private_file::{self, NO_FOLLOW, folder_of};

/// The file's name in the data folder.
pub(super) const NAME: &str = "audit.jsonl";
/// The longest line that is searched for at the end of a file.
const LONGEST: u64 = 1 << 20;

/// How much of the log is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    /// The maximum size of a file in bytes.
    pub(super) max_size: u64,
    /// The number of older files that are kept.
    pub(super) files: u32,
    /// Files younger than this are kept beyond that number, up to twice as many.
    pub(super) age: Duration,
}

/// The current file.
#[derive(Debug)]
pub(super) struct AuditFile {
    path: PathBuf,
    /// `None` while the disk does not allow opening it.
    file: Option<File>,
    /// The length of its complete lines in bytes.
    length: u64,
    keep: Keep,
    /// Whether the last attempt to start another file failed.
    stuck: bool,
    /// Older files that are removed once the log has recorded it, oldest first.
    retiring: Vec<PathBuf>,
    /// The last line.
    pub(super) end: End,
    /// Whether the last line was truncated.
    pub(super) torn: bool,
}

impl AuditFile {
    /// Continues at the end of the file; a line truncated by a crash is terminated.
    pub(super) fn open(path: PathBuf, keep: Keep) -> io::Result<Self> {
        let mut file = append(&path)?;
        let length = file.metadata()?.len();
        // Between two files nothing has been written yet: the chain continues from the older one.
        let last = match last_line(&path)? {
            None => last_line(&numbered(&path, 1))?,
            last => last,
        };
        let torn = last.as_ref().is_some_and(|last| !last.whole) && length > 0;
        if torn {
            file.write_all(b"\n")?;
        }
        let end = last.map_or_else(End::default, |last| last.end);
        let length = length + u64::from(torn);
        Ok(Self { path, file: Some(file), length, keep, stuck: false, retiring: Vec::new(), end, torn })
    }

    /// Opens nothing yet: [`check_in_place`](Self::check_in_place) does, as soon as the disk allows it.
    pub(super) fn waiting(path: PathBuf, keep: Keep) -> Self {
        let (retiring, end) = (Vec::new(), End::default());
        Self { path, file: None, length: 0, keep, stuck: false, retiring, end, torn: false }
    }

    /// Applies these limits from now on; older files are removed with the next new file.
    pub(super) fn keep(&mut self, keep: Keep) {
        self.keep = keep;
    }

    /// Checks that the file is still the one under its name and not truncated: a program that rotates logs may have
    /// moved it. If so, the log continues in another file, which starts with the returned event.
    pub(super) fn check_in_place(&mut self) -> io::Result<Option<Event>> {
        let Some(file) = &self.file else {
            *self = Self::open(self.path.clone(), self.keep)?;
            return Ok(None);
        };
        let found = match fs::symlink_metadata(&self.path) {
            Ok(there) if same(&there, &file.metadata()?) => match there.len() < self.length {
                true => "cut",
                false => return Ok(None),
            },
            Ok(_) => "replaced",
            Err(error) if error.kind() == io::ErrorKind::NotFound => "gone",
            Err(error) => return Err(error),
        };
        let mut file = append(&self.path)?;
        let length = file.metadata()?.len();
        let is_cut = last_line(&self.path)?.is_some_and(|last| !last.whole);
        if is_cut {
            file.write_all(b"\n")?;
        }
        // Wherever the file is now, its lines must be durable.
        self.flush()?;
        (self.file, self.length) = (Some(file), length + u64::from(is_cut));
        let path = self.path.display();
        tracing::error!(%path, found, "something else moved, removed or cut the audit log; it goes on in a new file");
        Ok(Some(Event::MovedAway { through: self.end.number, hash: self.end.hash.clone(), found }))
    }

    /// Starts another file if `bytes` would make this one too large; returns the event that records the removal of
    /// older files. If no new file can be created, the current one grows beyond its limit rather than losing lines.
    pub(super) fn make_room(&mut self, bytes: usize) -> Option<Event> {
        if self.length == 0 || self.length + bytes as u64 <= self.keep.max_size {
            return None;
        }
        let retired = self.next_file().and_then(|()| self.retire());
        if let Err(error) = &retired
            && !self.stuck
        {
            tracing::error!(%error, "the audit log cannot start another file; it continues in the full one");
        }
        self.stuck = retired.is_err();
        retired.ok().flatten()
    }

    /// Appends complete lines, or nothing; then removes the files whose end they record.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        if let Err(error) = file.write_all(lines) {
            // A partial write would leave a truncated line in the middle of the file.
            file.set_len(self.length)?;
            self.retiring.clear();
            return Err(error);
        }
        self.length += lines.len() as u64;
        self.remove_retired();
        Ok(())
    }

    /// Makes all lines written so far durable.
    pub(super) fn flush(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_data)
    }

    /// Creates the new file before moving any other, so that a failure leaves everything in place.
    fn next_file(&mut self) -> io::Result<()> {
        let new = beginning(&self.path);
        match fs::remove_file(&new) {
            // It was left by a crash or by a failed attempt; nothing was written to it.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = append(&new)?;
        self.flush()?;
        self.move_on()?;
        fs::rename(&new, &self.path)?;
        self.file = Some(file);
        self.length = 0;
        File::open(folder_of(&self.path))?.sync_all()
    }

    /// Moves each older file to the next number, up to the first free number. So after a failure, files that were
    /// already moved are not moved again.
    fn move_on(&self) -> io::Result<()> {
        let name = |number| if number == 0 { self.path.clone() } else { numbered(&self.path, number) };
        let mut free = 0;
        loop {
            match fs::symlink_metadata(name(free)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
                Ok(there) if !there.is_file() => return Err(io::ErrorKind::AlreadyExists.into()),
                Ok(_) => free += 1,
            }
        }
        for number in (1..=free).rev() {
            fs::rename(name(number - 1), name(number))?;
        }
        Ok(())
    }

    /// Selects the files to remove, oldest first; returns the event that must be recorded before.
    fn retire(&mut self) -> io::Result<Option<Event>> {
        let (most, twice) = (u64::from(self.keep.files), u64::from(self.keep.files) * 2);
        self.retiring.clear();
        let mut older: Vec<_> = numbers(&self.path)?;
        older.sort_unstable_by(|a, b| b.cmp(a));
        let mut last = None;
        for number in older {
            let path = numbered(&self.path, number);
            let age = SystemTime::now().duration_since(fs::metadata(&path)?.modified()?).unwrap_or_default();
            if number <= most || number <= twice && age < self.keep.age {
                break;
            }
            last = last_line(&path)?.or(last);
            self.retiring.push(path);
        }
        Ok(last.map(|Last { end, .. }| Event::Retired { through: end.number, hash: end.hash }))
    }

    /// Removes the files whose removal the log has recorded.
    fn remove_retired(&mut self) {
        let retiring = std::mem::take(&mut self.retiring);
        if retiring.is_empty() {
            return;
        }
        let removed = self.flush().and_then(|()| retiring.iter().try_for_each(fs::remove_file));
        if let Err(error) = removed {
            // This is tried again with the next new file.
            tracing::error!(%error, "old files of the audit log cannot be removed");
        }
    }
}

fn same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Opens the log for appending, never through a symlink.
fn append(path: &Path) -> io::Result<File> {
    let file = File::options().create(true).append(true).mode(0o600).custom_flags(NO_FOLLOW).open(path)?;
    private_file::give(&file, File::open(folder_of(path))?)?;
    Ok(file)
}

/// The name of a new file until the others have made room.
pub(super) fn beginning(path: &Path) -> PathBuf {
    with(path, ".new")
}

/// `audit.jsonl.3` and so on; higher numbers are older.
pub(super) fn numbered(path: &Path, number: u64) -> PathBuf {
    with(path, &format!(".{number}"))
}

fn with(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// The number of an older file of the log at `path`, from its name.
pub(super) fn number_of(path: &Path, file: &Path) -> Option<u64> {
    let (name, log) = (file.file_name()?.to_str()?, path.file_name()?.to_str()?);
    let digits = name.strip_prefix(log)?.strip_prefix('.')?;
    digits.parse().ok().filter(|number: &u64| *number > 0 && number.to_string() == digits)
}

/// The numbers of the existing older files.
fn numbers(path: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder_of(path))? {
        numbers.extend(number_of(path, &entry?.path()));
    }
    Ok(numbers)
}

/// The existing files of a log, oldest first.
pub(super) fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut numbers = match numbers(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        numbers => numbers?,
    };
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    let mut files: Vec<_> = numbers.into_iter().map(|number| numbered(path, number)).collect();
    files.extend(path.exists().then(|| path.to_owned()));
    Ok(files)
}

struct Last {
    end: End,
    whole: bool,
}

/// The last line of a file, if the file exists and is not empty.
fn last_line(path: &Path) -> io::Result<Option<Last>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST)))?;
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    let whole = bytes.pop_if(|last| *last == b'\n').is_some();
    let mut lines = bytes.rsplit(|byte| *byte == b'\n');
    let last = lines.next().unwrap_or_default();
    let number = |line: &[u8]| serde_json::from_slice::<Tie>(line).ok().and_then(|tie| tie.number);
    // A truncated line counts with the next number.
    let number = number(last).or_else(|| Some(number(lines.next()?)?.saturating_add(1)));
    let end = End { number: number.unwrap_or_default(), hash: chain::hash(last) };
    Ok((length > 0).then_some(Last { end, whole }))
}
