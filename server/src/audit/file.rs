//! The audit log's file: appended to, cut by size into numbered ones, of which some are kept.
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
/// The longest line looked for at the end of a file.
const LONGEST: u64 = 1 << 20;

/// How much of the log is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    /// Bytes of a file.
    pub(super) max_size: u64,
    /// How many older files stay.
    pub(super) files: u32,
    /// Younger ones than this stay beyond that, up to twice as many.
    pub(super) age: Duration,
}

/// The file that is written to.
#[derive(Debug)]
pub(super) struct AuditFile {
    path: PathBuf,
    /// Nothing as long as the disk does not let it be opened.
    file: Option<File>,
    /// Bytes of whole lines in it.
    length: u64,
    keep: Keep,
    /// Whether the last attempt to begin another file failed.
    stuck: bool,
    /// Older files that go once the log tells of it, oldest first.
    retiring: Vec<PathBuf>,
    /// The last line.
    pub(super) end: End,
    /// Whether that was cut.
    pub(super) torn: bool,
}

impl AuditFile {
    /// Goes on where the file ends; a line that a crash has cut is closed.
    pub(super) fn open(path: PathBuf, keep: Keep) -> io::Result<Self> {
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
        let end = last.map_or_else(End::default, |last| last.end);
        let length = length + u64::from(torn);
        Ok(Self { path, file: Some(file), length, keep, stuck: false, retiring: Vec::new(), end, torn })
    }

    /// Opens nothing for now: [`look`](Self::look) does, as soon as the disk lets it.
    pub(super) fn waiting(path: PathBuf, keep: Keep) -> Self {
        let (retiring, end) = (Vec::new(), End::default());
        Self { path, file: None, length: 0, keep, stuck: false, retiring, end, torn: false }
    }

    /// Keeps as much as this from now on; older files go with the next one.
    pub(super) fn keep(&mut self, keep: Keep) {
        self.keep = keep;
    }

    /// Looks whether the file is still the one under its name, and whole: a program that rotates logs may
    /// have moved it. Then it goes on in another, which begins with the event that comes back.
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
        // Wherever it is now, its lines stay.
        self.flush()?;
        (self.file, self.length) = (Some(file), length + u64::from(is_cut));
        let path = self.path.display();
        tracing::error!(%path, found, "something else moved, removed or cut the audit log; it goes on in a new file");
        Ok(Some(Event::MovedAway { through: self.end.number, hash: self.end.hash.clone(), found }))
    }

    /// Makes room for so many bytes in another file where this one would grow too large; what is to be told
    /// of older ones that go then. A file that is too large is grown rather than a line lost when there can
    /// be no new one.
    pub(super) fn make_room(&mut self, bytes: usize) -> Option<Event> {
        if self.length == 0 || self.length + bytes as u64 <= self.keep.max_size {
            return None;
        }
        let retired = self.next_file().and_then(|()| self.retire());
        if let Err(error) = &retired
            && !self.stuck
        {
            tracing::error!(%error, "the audit log cannot begin another file; it goes on in the full one");
        }
        self.stuck = retired.is_err();
        retired.ok().flatten()
    }

    /// Appends whole lines, or nothing; files whose end they tell of go then.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        if let Err(error) = file.write_all(lines) {
            // What was written of them would be a torn line in the middle of the file.
            file.set_len(self.length)?;
            self.retiring.clear();
            return Err(error);
        }
        self.length += lines.len() as u64;
        self.remove_retired();
        Ok(())
    }

    /// Makes everything so far durable.
    pub(super) fn flush(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_data)
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
        self.move_on()?;
        fs::rename(&new, &self.path)?;
        self.file = Some(file);
        self.length = 0;
        File::open(folder_of(&self.path))?.sync_all()
    }

    /// Moves the files on, each to the next number, up to the first number that is free. So what
    /// was moved before a failure is not moved again.
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

    /// Chooses the files that are to go, oldest first; what is to be told before they do.
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

    /// Removes what the log has told of by now.
    fn remove_retired(&mut self) {
        let retiring = std::mem::take(&mut self.retiring);
        if retiring.is_empty() {
            return;
        }
        let removed = self.flush().and_then(|()| retiring.iter().try_for_each(fs::remove_file));
        if let Err(error) = removed {
            // With the next new file again.
            tracing::error!(%error, "old files of the audit log cannot be removed");
        }
    }
}

fn same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// The log is never written through a link.
fn append(path: &Path) -> io::Result<File> {
    let file = File::options().create(true).append(true).mode(0o600).custom_flags(NO_FOLLOW).open(path)?;
    private_file::give(&file, File::open(folder_of(path))?)?;
    Ok(file)
}

/// What the new file is called until the others have made room.
pub(super) fn beginning(path: &Path) -> PathBuf {
    with(path, ".new")
}

/// `audit.jsonl.3` and the like; the higher, the older.
pub(super) fn numbered(path: &Path, number: u64) -> PathBuf {
    with(path, &format!(".{number}"))
}

fn with(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// The number of an older file of the log at `path`, by its name.
pub(super) fn number_of(path: &Path, file: &Path) -> Option<u64> {
    let (name, log) = (file.file_name()?.to_str()?, path.file_name()?.to_str()?);
    let digits = name.strip_prefix(log)?.strip_prefix('.')?;
    digits.parse().ok().filter(|number: &u64| *number > 0 && number.to_string() == digits)
}

/// The numbers of the older files that are there.
fn numbers(path: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder_of(path))? {
        numbers.extend(number_of(path, &entry?.path()));
    }
    Ok(numbers)
}

/// The files of a log that are there, oldest first.
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

/// The last line of a file, if it is there and not empty.
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
    // A line that was cut has a number all the same.
    let number = number(last).or_else(|| Some(number(lines.next()?)?.saturating_add(1)));
    let end = End { number: number.unwrap_or_default(), hash: chain::hash(last) };
    Ok((length > 0).then_some(Last { end, whole }))
}
