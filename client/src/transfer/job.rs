//! What the engine is asked to do.

use std::{
    fmt,
    io::{Read, Write},
    path::PathBuf,
};

use ferry_shared::path::RemotePath;

use super::{conflict::ConflictRule, filter::Filter};

/// Names a job of one engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// Names one file or folder of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub u64);

/// What a command of the engine is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Selected {
    /// A whole job.
    Job(JobId),
    /// One item.
    Item(ItemId),
}

impl From<JobId> for Selected {
    fn from(job: JobId) -> Self {
        Self::Job(job)
    }
}

impl From<ItemId> for Selected {
    fn from(item: ItemId) -> Self {
        Self::Item(item)
    }
}

/// Something to move, and how.
#[derive(Debug)]
pub struct Job {
    /// From where to where.
    pub work: Work,
    /// How.
    pub options: JobOptions,
}

/// From where to where. Both ends are exact: a folder is not entered, it becomes `to`
/// (or is merged into it), and a file becomes the file `to`.
pub enum Work {
    /// A local file or folder goes to the server. A symlink here is followed, one inside a folder is not.
    Upload {
        /// The file or folder.
        from: PathBuf,
        /// What it becomes.
        to: RemotePath,
    },
    /// Bytes of unknown number go to the server.
    UploadStream {
        /// Where they come from; read on a thread of its own.
        from: Box<dyn Read + Send>,
        /// The file they become.
        to: RemotePath,
    },
    /// A remote file or folder comes here.
    Download {
        /// The file or folder.
        from: RemotePath,
        /// What it becomes.
        to: PathBuf,
    },
    /// A remote file's bytes are written out, in order; every block is checked before, the whole after.
    DownloadStream {
        /// The file.
        from: RemotePath,
        /// Where its bytes go; written on a thread of its own.
        to: Box<dyn Write + Send>,
    },
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upload { from, to } => write!(f, "Upload({from:?} -> {to:?})"),
            Self::UploadStream { to, .. } => write!(f, "UploadStream(-> {to:?})"),
            Self::Download { from, to } => write!(f, "Download({from:?} -> {to:?})"),
            Self::DownloadStream { from, .. } => write!(f, "DownloadStream({from:?} ->)"),
        }
    }
}

/// How a job is done.
#[derive(Debug, Clone)]
pub struct JobOptions {
    /// What to do where something else is already there.
    pub conflict: ConflictRule,
    /// Go on from what an earlier attempt, or an older version, left there.
    pub resume: bool,
    /// Read the result again after it was written, and compare.
    pub verify: bool,
    /// Change nothing; the events tell what would happen.
    pub dry_run: bool,
    /// Which files of a folder are meant.
    pub filter: Filter,
    /// Remove each file at its source once it is verified at its target, then empty folders.
    pub remove_source: bool,
    /// Give the target the source's modification time and permission bits.
    pub keep_attributes: bool,
    /// Permission bits the target file gets in place of its source's.
    pub mode: Option<u32>,
    /// Make the folders above the target.
    pub parents: bool,
}

impl JobOptions {
    /// The permission bits of a target file whose source has `mode`.
    pub(super) fn mode_for(&self, mode: u32) -> u32 {
        self.mode.unwrap_or(mode)
    }
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            conflict: ConflictRule::Fail,
            resume: true,
            verify: false,
            dry_run: false,
            filter: Filter::default(),
            remove_source: false,
            keep_attributes: true,
            mode: None,
            parents: false,
        }
    }
}
