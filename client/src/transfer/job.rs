//! What the engine is asked to do.

use std::{
    fmt,
    io::{Read, Write},
    path::PathBuf,
};

use ferry_shared::path::RemotePath;

use super::{conflict::ConflictRule, event::Skip, filter::Filter};

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

/// What becomes of symbolic links inside a folder. One that a person named is followed in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LinkRule {
    /// They are left out, and nobody asked for that.
    #[default]
    LeaveOut,
    /// They are left out, as was asked.
    Skip,
    /// What they lead to is taken. A move follows none: it would remove what lies elsewhere.
    Follow,
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
    /// What becomes of symbolic links inside a folder.
    pub links: LinkRule,
    /// Remove each file at its source once it is verified at its target, then empty folders.
    pub remove_source: bool,
    /// Give the target the source's modification time and permission bits.
    pub keep_attributes: bool,
    /// Permission bits the target file gets in place of its source's.
    pub mode: Option<u32>,
    /// Make the folders above the target.
    pub parents: bool,
    /// Send the beginning of a file that grows meanwhile without reading it twice to prove that it was so at one time.
    pub growing: bool,
    /// It was begun before and cut off: what is at a target may be its work, so it is compared before a rule
    /// that would leave it alone does so.
    pub again: bool,
    /// Carry what fits where not all does; else such a job is refused, or stopped, as a whole.
    pub fill: bool,
}

impl JobOptions {
    /// Whether links inside a folder are followed.
    pub(super) fn follows_links(&self) -> bool {
        self.links == LinkRule::Follow && !self.remove_source
    }

    /// Why a link inside a folder is left out.
    pub(super) fn skips_link(&self) -> Skip {
        if self.links == LinkRule::Skip { Skip::LinkAsAsked } else { Skip::Symlink }
    }
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
            links: LinkRule::LeaveOut,
            remove_source: false,
            keep_attributes: true,
            mode: None,
            parents: false,
            growing: false,
            again: false,
            fill: false,
        }
    }
}
