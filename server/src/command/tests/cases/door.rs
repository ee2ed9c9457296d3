//! A protocol as the cases drive it: each says the same in its own words.

use ferry_shared::{path::RemotePath, refusal::Code};

/// Why something was not done, as far as every protocol can tell.
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

/// A file that is to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct New<'a> {
    pub(super) path: &'a str,
    /// Its size where it is known before.
    pub(super) size: Option<usize>,
    pub(super) replace: bool,
    /// Whether an unfinished upload is gone on with.
    pub(super) resume: bool,
}

impl<'a> New<'a> {
    /// One that replaces what is there and begins from nothing.
    pub(super) fn of(path: &'a str, size: usize) -> Self {
        Self { path, size: Some(size), replace: true, resume: false }
    }
}

pub(super) type Done<T = ()> = Result<T, Why>;

/// One logged-in connection of a protocol. A write and a read begun are the one under way.
pub(super) trait Door {
    /// Begins to write; how many leading blocks are there already.
    fn begin(&mut self, new: New<'_>) -> Done<u64>;
    /// Writes block `index` of `data`.
    fn block(&mut self, data: &[u8], index: usize) -> Done;
    /// Commits what was written as `data`.
    fn commit(&mut self, data: &[u8]) -> Done;
    /// Ends the write under way, of this path, for good.
    fn abort(&mut self, path: &str) -> Done;
    /// Opens a file to be read, and reads none of it.
    fn open(&mut self, path: &str) -> Done;
    /// Reads what was opened to its end; its digest.
    fn read(&mut self) -> Done<ferry_shared::digest::Digest>;
    fn make_dir(&mut self, path: &str) -> Done;
    fn rename(&mut self, from: &str, to: &str, replace: bool) -> Done;
    fn copy(&mut self, from: &str, to: &str) -> Done;
    fn remove(&mut self, path: &str) -> Done;
    fn touch(&mut self, path: &str) -> Done;
    fn set_mode(&mut self, path: &str, mode: u32) -> Done;
    fn discard(&mut self, path: &str) -> Done;
    /// Bytes used, and bytes that unfinished uploads hold.
    fn usage(&mut self) -> Done<(u64, u64)>;
    /// Names in a folder, in order.
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

/// A path as it comes from a peer.
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
