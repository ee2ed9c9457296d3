//! A protocol as the cases use it, with the same operations for each.

use ferry_shared::{path::RemotePath, refusal::Code};

/// A reason for a failure, as far as every protocol can express it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    OverQuota,
    ReadOnly,
    NotFound,
    Exists,
    Changed,
    Mismatch,
    BadPath,
    Superseded,
    /// The session is over.
    Closed,
    Other,
}

/// A file to write.
#[derive(Debug, Clone, Copy)]
pub(super) struct New<'a> {
    pub(super) path: &'a str,
    /// Its size, if known beforehand.
    pub(super) size: Option<usize>,
    pub(super) replace: bool,
    /// Whether to continue an unfinished upload.
    pub(super) resume: bool,
}

impl<'a> New<'a> {
    /// A file that replaces an existing one and starts from nothing.
    pub(super) fn of(path: &'a str, size: usize) -> Self {
        Self { path, size: Some(size), replace: true, resume: false }
    }
}

pub(super) type Done<T = ()> = Result<T, Why>;

/// One logged-in connection of a protocol, with at most one write and one read in progress.
pub(super) trait Door {
    /// Whether the size of a file is declared before its data, and its digest at its end. A protocol without both
    /// withholds the last block of an unfinished upload, so that it never looks whole.
    fn declares(&self) -> bool {
        true
    }

    /// Starts a write; returns how many leading blocks are present already.
    fn begin(&mut self, new: New<'_>) -> Done<u64>;
    /// Writes block `index` of `data`.
    fn block(&mut self, data: &[u8], index: usize) -> Done;
    /// Commits what was written as `data`.
    fn commit(&mut self, data: &[u8]) -> Done;
    /// Aborts the write in progress, which is for this path.
    fn abort(&mut self, path: &str) -> Done;
    /// Opens a file for reading, without reading any of it.
    fn open(&mut self, path: &str) -> Done;
    /// Reads the open file to its end; returns its digest.
    fn read(&mut self) -> Done<ferry_shared::digest::Digest>;
    fn make_dir(&mut self, path: &str) -> Done;
    fn rename(&mut self, from: &str, to: &str, replace: bool) -> Done;
    fn copy(&mut self, from: &str, to: &str) -> Done;
    fn remove(&mut self, path: &str) -> Done;
    fn touch(&mut self, path: &str) -> Done;
    fn set_mode(&mut self, path: &str, mode: u32) -> Done;
    fn discard(&mut self, path: &str) -> Done;
    /// Bytes used, and bytes reserved for unfinished uploads.
    fn usage(&mut self) -> Done<(u64, u64)>;
    /// The names in a folder, in order.
    fn list(&mut self, path: &str) -> Done<Vec<String>>;

    /// Writes a whole file.
    fn store(&mut self, path: &str, data: &[u8]) -> Done {
        self.begin(New::of(path, data.len()))?;
        self.rest(data, 0)
    }

    /// Writes all blocks from `first` on, and commits.
    fn rest(&mut self, data: &[u8], first: usize) -> Done {
        for index in first..data.len().div_ceil(ferry_shared::limits::BLOCK_LEN) {
            self.block(data, index)?;
        }
        self.commit(data)
    }
}

/// Parses a path from a peer.
pub(super) fn parse(path: &str) -> Done<RemotePath> {
    RemotePath::from_wire(path.as_bytes()).map_err(|_| Why::BadPath)
}

impl From<Code> for Why {
    fn from(code: Code) -> Self {
        match code {
            Code::OverQuota => Self::OverQuota,
            Code::NotAllowed => Self::ReadOnly,
            Code::NotFound => Self::NotFound,
            Code::Exists => Self::Exists,
            Code::Changed => Self::Changed,
            Code::Mismatch => Self::Mismatch,
            Code::BadPath | Code::TooLarge => Self::BadPath,
            Code::Superseded => Self::Superseded,
            Code::AccountClosed => Self::Closed,
            _ => Self::Other,
        }
    }
}
