//! The journal of unfinished uploads: where their parts are, and the digests of the blocks that the server confirmed.
//!
//! SFTP has no digests, so nothing proves that a part still has the content that was sent. It is used only if it is
//! not shorter than what was confirmed, and only for blocks of the source that are equal, by digest, to those that were
//! sent: a changed source is never mixed into it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use ferry_shared::{digest::Digest, limits::BLOCK_SIZE};
use serde::{Deserialize, Serialize};

/// The version of the format.
const VERSION: u32 = 1;

/// The records of one account on one server.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    folder: Option<Arc<Path>>,
    site: Arc<str>,
}

/// The first line of a record.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    version: u32,
    site: String,
    /// The target and the part, as bytes.
    path: Vec<u8>,
    part: Vec<u8>,
    /// The size of the whole file.
    size: u64,
}

/// A block that the server confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    /// Its digest as a block of the whole file.
    pub(super) digest: Digest,
    /// Whether it has only zeros, and was left as a hole.
    pub(super) hole: bool,
}

/// The record of one part, locked against other uploads of the same file.
#[derive(Debug)]
pub(super) struct Record {
    file: File,
    path: PathBuf,
    head: Head,
    /// The blocks, from the first on.
    pub(super) blocks: Vec<Sent>,
    /// The part of an earlier attempt, which is of no use any more.
    pub(super) stale: Option<Bytes>,
}

impl Parts {
    pub(super) fn new(folder: Option<&Path>, site: &str) -> Self {
        Self { folder: folder.map(Arc::from), site: site.into() }
    }

    fn file(&self, path: &[u8]) -> Option<PathBuf> {
        let name = Digest::of(&[self.site.as_bytes(), b"\0", path].concat());
        Some(self.folder.as_ref()?.join(format!("{}.part", &name.to_string()[..32])))
    }

    /// Bytes of the part of the file at `path` that the server confirmed.
    pub(super) fn begun(&self, path: &[u8]) -> u64 {
        let Some(file) = self.file(path).and_then(|file| File::open(file).ok()) else { return 0 };
        let read = read(&file, &self.site, path);
        read.map_or(0, |(head, blocks)| head.size.min(BLOCK_SIZE.saturating_mul(blocks.len() as u64)))
    }

    /// The record for an upload of `size` bytes to `path`, with an earlier one's blocks if it `resumes`; otherwise the
    /// part is to be at `part`. `None` without a folder, or if another upload has it.
    ///
    /// # Errors
    /// An error of the disk.
    pub(super) fn open(&self, path: &[u8], size: u64, part: &[u8], resumes: bool) -> io::Result<Option<Record>> {
        let Some(file_path) = self.file(path) else { return Ok(None) };
        if let Some(folder) = file_path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&file_path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let earlier = read(&file, &self.site, path);
        let stale = earlier.as_ref().map(|(head, _)| Bytes::copy_from_slice(&head.part));
        if let Some((head, blocks)) = earlier.filter(|(head, _)| resumes && head.size == size) {
            file.seek(SeekFrom::End(0))?;
            let mut record = Record { file, path: file_path, head, blocks: Vec::new(), stale: None };
            // Written again, because the last line may be cut.
            record.restart()?;
            record.add(&blocks)?;
            return Ok(Some(record));
        }
        let (site, version) = (self.site.to_string(), VERSION);
        let head = Head { version, site, path: path.to_vec(), part: part.to_vec(), size };
        let mut record = Record { file, path: file_path, head, blocks: Vec::new(), stale };
        record.restart()?;
        Ok(Some(record))
    }

    /// Forgets the part of the file at `path`; returns where it is.
    ///
    /// # Errors
    /// An error of the disk.
    pub(super) fn forget(&self, path: &[u8]) -> io::Result<Option<Bytes>> {
        let Some(file_path) = self.file(path) else { return Ok(None) };
        let Ok(file) = File::open(&file_path) else { return Ok(None) };
        let part = read(&file, &self.site, path).map(|(head, _)| head.part.into());
        fs::remove_file(file_path)?;
        Ok(part)
    }
}

impl Record {
    /// The path of the part.
    pub(super) fn part(&self) -> Bytes {
        Bytes::copy_from_slice(&self.head.part)
    }

    /// Forgets all blocks.
    ///
    /// # Errors
    /// An error of the disk.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        self.blocks.clear();
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        let mut line = serde_json::to_vec(&self.head)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }

    /// Adds blocks that the server confirmed.
    ///
    /// # Errors
    /// An error of the disk.
    pub(super) fn add(&mut self, blocks: &[Sent]) -> io::Result<()> {
        let mut lines = String::new();
        for Sent { digest, hole } in blocks {
            lines.push_str(&format!("{digest} {}\n", u8::from(*hole)));
        }
        self.file.write_all(lines.as_bytes())?;
        self.blocks.extend_from_slice(blocks);
        Ok(())
    }

    /// Removes the record: the file is complete, or its part is gone.
    pub(super) fn remove(self) {
        // At worst, a later upload finds a record without a part.
        drop(fs::remove_file(&self.path));
    }
}

/// The content of a record; `None` if it is not the one of `path`.
fn read(file: &File, site: &str, path: &[u8]) -> Option<(Head, Vec<Sent>)> {
    let mut lines = BufReader::new(file).lines();
    let head: Head = serde_json::from_str(&lines.next()?.ok()?).ok()?;
    if head.version != VERSION || head.site != site || head.path != path {
        return None;
    }
    let block = |line: String| {
        let (digest, hole) = line.split_once(' ')?;
        let hole = match hole {
            "0" => false,
            "1" => true,
            _ => return None,
        };
        Some(Sent { digest: digest.parse().ok()?, hole })
    };
    let most = head.size.div_ceil(BLOCK_SIZE);
    let blocks = lines.map_while(|line| block(line.ok()?)).take(usize::try_from(most).unwrap_or(usize::MAX));
    let blocks = blocks.collect();
    Some((head, blocks))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(number: u8) -> Sent {
        Sent { digest: Digest::of(&[number]), hole: number.is_multiple_of(2) }
    }

    #[test]
    fn a_record_is_found_again_and_only_for_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let parts = Parts::new(Some(folder.path()), "sftp://a@h:22");
        let size = 3 * BLOCK_SIZE;
        let mut record = parts.open(b"/x", size, b"/.part", true).unwrap().unwrap();
        record.add(&[sent(1), sent(2)]).unwrap();
        assert!(parts.open(b"/x", size, b"/.other", true).unwrap().is_none(), "another upload has it");
        drop(record);
        assert_eq!((parts.begun(b"/x"), parts.begun(b"/y")), (2 * BLOCK_SIZE, 0));
        let again = parts.open(b"/x", size, b"/.other", true).unwrap().unwrap();
        assert_eq!((&again.part()[..], again.blocks.len()), (&b"/.part"[..], 2));
        drop(again);
        for (size, resumes) in [(size + 1, true), (size, false)] {
            let fresh = parts.open(b"/x", size, b"/.new", resumes).unwrap().unwrap();
            assert_eq!((&fresh.part()[..], fresh.blocks.len()), (&b"/.new"[..], 0));
            assert!(fresh.stale.is_some(), "the earlier part is to be removed");
        }
        assert_eq!(Parts::new(Some(folder.path()), "sftp://b@h:22").begun(b"/x"), 0);
        assert_eq!(parts.forget(b"/x").unwrap().unwrap(), &b"/.new"[..]);
        assert!(parts.forget(b"/x").unwrap().is_none());
    }

    #[test]
    fn a_cut_line_is_no_block() {
        let folder = tempfile::tempdir().unwrap();
        let parts = Parts::new(Some(folder.path()), "s");
        let mut record = parts.open(b"/x", 9 * BLOCK_SIZE, b"/p", true).unwrap().unwrap();
        record.add(&[sent(1), sent(2)]).unwrap();
        record.file.write_all(&sent(3).digest.to_string().as_bytes()[..20]).unwrap();
        drop(record);
        let mut again = parts.open(b"/x", 9 * BLOCK_SIZE, b"/q", true).unwrap().unwrap();
        assert_eq!(again.blocks, [sent(1), sent(2)]);
        again.add(&[sent(4)]).unwrap();
        drop(again);
        assert_eq!(parts.begun(b"/x"), 3 * BLOCK_SIZE);
    }
}
