//! A journal's file: locked, appended to and flushed line by line.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use super::line::Line;

/// A locked file of lines.
#[derive(Debug)]
pub(super) struct JournalFile {
    path: PathBuf,
    file: File,
}

impl JournalFile {
    /// Opens and locks a file, and reads it; `None` when another process has it.
    pub(super) fn lock(path: &Path) -> io::Result<Option<(Self, Vec<u8>)>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut text = Vec::new();
        match File::open(kept(path)) {
            Ok(mut whole) => whole.read_to_end(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => file.read_to_end(&mut text)?,
            Err(error) => return Err(error),
        };
        Ok(Some((Self { path: path.to_owned(), file }, text)))
    }

    /// Appends lines and waits until they are on the disk.
    pub(super) fn append(&mut self, lines: &[Line]) -> io::Result<()> {
        self.file.seek(SeekFrom::End(0))?;
        self.file.write_all(&text(lines)?)?;
        self.file.sync_data()
    }

    /// Replaces the whole content with `lines`.
    ///
    /// The lock is on this very file, so a rename cannot replace it. During the rewrite a complete copy lies beside it;
    /// [`Self::lock`] reads the copy if there is one.
    pub(super) fn rewrite(&mut self, lines: &[Line]) -> io::Result<()> {
        let text = text(lines)?;
        let beside = self.path.with_extension("jsonl.new");
        let mut copy = File::create(&beside)?;
        copy.write_all(&text)?;
        copy.sync_all()?;
        fs::rename(&beside, kept(&self.path))?;
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&text)?;
        self.file.sync_all()?;
        fs::remove_file(kept(&self.path))
    }

    /// Removes the file.
    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// The path of the complete copy that exists during a rewrite.
fn kept(path: &Path) -> PathBuf {
    path.with_extension("jsonl.keep")
}

fn text(lines: &[Line]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
    }
    Ok(text)
}
