//! Jobs, the orders that the engine carries out, and their options.

use std::{
    fmt,
    io::{Read, Write},
    sync::Arc,
};

use super::{
    conflict::{ConflictRule, Skip},
    filter::Filter,
    trees::Trees,
};
use crate::site::{Site, SitePath};

/// Names a job of one engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// Names one file or folder of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub u64);

/// The job or item that an engine command applies to.
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

/// One person's order: a copy or move between two sites, or a transfer to or from a stream.
#[derive(Debug)]
pub struct Job {
    /// The files to transfer, and the ends.
    pub work: Work,
    /// The options.
    pub options: JobOptions,
}

/// The files that a job transfers, and its ends.
pub enum Work {
    /// Copies files and folders from one site to another, or within one.
    Copy {
        /// The source site.
        from: Arc<dyn Site>,
        /// The target site.
        to: Arc<dyn Site>,
        /// The files and folders.
        pieces: Vec<Piece>,
    },
    /// Writes a stream of unknown size to a file.
    FromStream {
        /// The stream; read on its own thread.
        from: Box<dyn Read + Send>,
        /// The target site.
        to: Arc<dyn Site>,
        /// The target file.
        path: SitePath,
    },
    /// Writes a file's bytes to a stream, in order. The content is verified only after the last byte.
    ToStream {
        /// The source site.
        from: Arc<dyn Site>,
        /// The source file.
        path: SitePath,
        /// The stream; written on its own thread.
        to: Box<dyn Write + Send>,
    },
}

/// A file or folder of a job. Both paths are exact: a folder becomes `to` or is merged into it, and a file becomes the
/// file `to`. If `from` is a symbolic link, it is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The file or folder.
    pub from: SitePath,
    /// Its path at the target.
    pub to: SitePath,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Copy { from, to, pieces } => write!(f, "Copy({} -> {}: {pieces:?})", from.name(), to.name()),
            Self::FromStream { to, path, .. } => write!(f, "FromStream(-> {} {path:?})", to.name()),
            Self::ToStream { from, path, .. } => write!(f, "ToStream({} {path:?} ->)", from.name()),
        }
    }
}

/// The treatment of symbolic links inside a folder. A link that is itself a piece is always followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LinkRule {
    /// Leave links out, as [`Skip::Symlink`]: no rule was given.
    #[default]
    LeaveOut,
    /// Leave links out, as [`Skip::LinkAsAsked`]: the person asked for that.
    Skip,
    /// Follow links. A move follows none, because it would remove files outside the folder.
    Follow,
    /// Make the same links at the target, after everything else. For copies between sites that both have links.
    Keep,
}

/// The options of a job.
#[derive(Debug, Clone)]
pub struct JobOptions {
    /// The rule for targets that already exist.
    pub conflict: ConflictRule,
    /// Resume from the part that an earlier attempt left, or from an older version of the file.
    pub resume: bool,
    /// Read each file back after it was written, and compare.
    pub verify: bool,
    /// Change nothing; only report the transfers that would happen.
    pub dry_run: bool,
    /// Selects files of a folder.
    pub filter: Filter,
    /// The treatment of symbolic links inside a folder.
    pub links: LinkRule,
    /// Remove each source file once its target is verified, then the emptied folders.
    pub remove_source: bool,
    /// Copy the source's modification time and permission bits to the target.
    pub keep_attributes: bool,
    /// Permission bits for target files, instead of those of their sources.
    pub mode: Option<u32>,
    /// Create missing folders above the target.
    pub parents: bool,
    /// If a file grows while it is sent, accept its beginning, without a second reading that proves that the file had
    /// this content at one time.
    pub growing: bool,
    /// The job continues an interrupted one, which may have written a target: compare an existing file before a rule
    /// skips it.
    pub again: bool,
    /// Transfer the files that fit when not all do. Otherwise such a job is refused, or stopped, as a whole.
    pub fill: bool,
    /// The trees, if the owner of the job has listed them already.
    pub trees: Option<Arc<dyn Trees>>,
}

impl JobOptions {
    /// Whether links inside a folder are followed.
    pub(super) fn follows_links(&self) -> bool {
        self.links == LinkRule::Follow && !self.remove_source
    }

    /// The reason that is reported when a link inside a folder is left out.
    pub(super) fn skips_link(&self) -> Skip {
        if self.links == LinkRule::Skip { Skip::LinkAsAsked } else { Skip::Symlink }
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
            trees: None,
        }
    }
}
