//! Walks of trees, and the preparation of targets.

use std::{collections::HashMap, fmt, sync::Arc};

use ferry_shared::{digest::Digest, entry::Entry, name::Name, path::RemotePath};

use super::content::Found;
use crate::error::ClientError;

/// The options of a walk.
#[derive(Clone)]
pub struct Walk {
    /// Whether to follow symbolic links.
    pub follow: bool,
    /// Whether the pages also contain the digests that the site remembers.
    pub digests: bool,
    /// Decides whether to enter the folder at this path, relative to the start of the walk. A site may ignore this.
    pub enters: Arc<dyn Fn(&RemotePath) -> bool + Send + Sync>,
}

impl fmt::Debug for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walk").field("follow", &self.follow).finish_non_exhaustive()
    }
}

/// Some entries of a folder. Every folder has at least one page, before the pages of its subfolders.
#[derive(Debug, Default)]
pub struct Page {
    /// The folder, relative to the start of the walk.
    pub under: RemotePath,
    /// The entries. If links are followed, a link to a file or folder is an entry of that kind.
    pub entries: Vec<Entry>,
    /// Digests of files that have not changed since they were read, as far as the site remembers them and they were asked
    /// for.
    pub digests: HashMap<Name, Digest>,
    /// The contents that are not regular entries.
    pub left_out: Vec<LeftOut>,
    /// The unreadable folders, relative to the start of the walk.
    pub unreadable: Vec<(RemotePath, ClientError)>,
}

/// Content of a folder that is not a regular entry.
#[derive(Debug)]
pub enum LeftOut {
    /// The query failed.
    Failed(Name, ClientError),
    /// A symbolic link to a folder that contains it.
    LinkLoop(Name),
    /// A symbolic link to a folder, at a site that does not follow such links.
    LinkToFolder(Name),
    /// A name that is not possible at other sites; for display.
    UnusableName(String),
}

/// The content of a target before a job starts.
pub trait Existing: Send {
    /// Returns the file or folder at `below`, relative to the target; `None` if nothing exists there, or it is not
    /// known.
    ///
    /// # Errors
    /// The error of the query.
    fn look(&mut self, below: &RemotePath) -> Result<Option<Found>, ClientError>;

    /// The digest of the file `found` at `below`, if the site remembers it and the file has not changed since it was read.
    fn digest(&mut self, _below: &RemotePath, _found: &Found) -> Option<Digest> {
        None
    }

    /// The bytes of an earlier, unfinished transfer to `below`, which need no additional space.
    fn begun(&mut self, _below: &RemotePath) -> u64 {
        0
    }

    /// Whether [`look`](Self::look) knows all contents; otherwise each transfer queries its own target.
    fn is_complete(&self) -> bool {
        true
    }
}

/// A target that is ready for writing.
pub struct Prepared {
    /// Whether the target existed before. A new target has no content.
    pub there: bool,
    /// Looks up what the target already contains.
    pub existing: Box<dyn Existing>,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("there", &self.there).finish_non_exhaustive()
    }
}

/// The parts of a target that are created before it is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// Nothing: the target is only queried.
    Nothing,
    /// The folder itself; nothing for a file.
    Itself,
    /// The folder, or the file's parent folder, and all missing parent folders.
    WithParents,
}

/// The kind of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A file.
    File,
    /// A folder.
    Folder,
}

/// The free space at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// The number of the disk or account: targets with the same number share the space.
    pub volume: u64,
    /// The free bytes; space reserved by unfinished transfers counts as free.
    pub free: u64,
    /// Whether a quota, not the disk, is the limit.
    pub quota: bool,
    /// The bytes reserved by unfinished transfers.
    pub held: u64,
}
