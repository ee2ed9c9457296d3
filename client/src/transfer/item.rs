//! An item on its way: one file or folder of a job, and the step that comes next for it.

use std::{
    fmt,
    io::{Read, Write},
    sync::Arc,
};

use ferry_shared::{
    digest::Digest,
    entry::{Mtime, Version},
    limits::BLOCK_SIZE,
    message::request::IfExists,
    name::Name,
};

use super::{
    conflict::FileFacts,
    event::{Grown, Outcome},
    fit::Growth,
    job::ItemId,
    local::identity::Identity,
    path::ItemPath,
    source::Opened,
    task::{Direction, Task},
    tries::Tries,
};

/// The permission bits of a folder that gets none.
pub(super) const NO_MODE: u32 = 0;

/// One file or folder of a job.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: ItemId,
    pub(super) task: Arc<Task>,
    pub(super) path: ItemPath,
    pub(super) step: Step,
    /// The source's size and time.
    pub(super) facts: FileFacts,
    /// The source's permission bits.
    pub(super) mode: u32,
    /// The version of the server's file, as far as it matters and is known: of a download the
    /// one that was read, of an upload the one that is at the target.
    pub(super) version: Option<Version>,
    /// The state of this computer's file, likewise: of an upload the one that was read, of a download
    /// the one that was found at the target.
    pub(super) identity: Option<Identity>,
    /// How often what it was to replace turned out to be something else by then.
    pub(super) reconsidered: u8,
    /// The far end of a stream, while nobody uses it.
    pub(super) stream: Option<Stream>,
    /// What it has tried.
    pub(super) tries: Tries,
    /// Where both are kept: the taken name and which name beside it is tried.
    pub(super) beside: Option<Box<(Name, u32)>>,
    /// Bytes of it that travelled in attempts that did not come to their end.
    pub(super) travelled: u64,
    /// Whether all of it may have been sent, and only the answer was lost.
    pub(super) unanswered: bool,
    /// Whether it was told that it is being worked on.
    pub(super) told: bool,
    /// Whether something of it may be at the target already.
    pub(super) begun: bool,
    /// What it adds to where it goes, while that is to come.
    pub(super) growth: Option<Arc<Growth>>,
    /// Bytes of it that its task counts as under way.
    pub(super) counted: u64,
}

/// What comes next for an item.
#[derive(Debug)]
pub(super) enum Step {
    /// Make the folder.
    Folder,
    /// Give the folder, which this job made on the server, its permission bits.
    FolderMode,
    /// Give the folder, in which everything is by now, its source's date.
    FolderDate,
    /// Find out what is at the target; with facts, it is decided to replace a file of which
    /// they are true, and only its version is missing.
    Look(Option<FileFacts>),
    /// Compare the contents of both sides; this is at the target.
    Compare(FileFacts),
    /// Transfer it to where nothing is.
    Fresh,
    /// Transfer it in place of what is there; with facts, only while they are true of that.
    Replace(Option<FileFacts>),
    /// Read the target again and compare.
    Confirm(Done),
    /// Give the target, whose content is equal, the source's time and permission bits.
    Attributes,
    /// Remove the source.
    RemoveSource(Done),
    /// Throw away what was transferred of it.
    Discard,
}

/// What a file may be put in place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    Nothing,
    Anything,
    /// The file that was seen there; of an upload the server knows it by its version.
    This(Option<Identity>),
}

/// How a file arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) root: Digest,
    pub(super) size: u64,
    pub(super) transferred: u64,
    pub(super) reused: u64,
    /// The source grew while it was read.
    pub(super) grown: Option<Grown>,
}

impl Done {
    /// With what travelled in earlier attempts and was found there by the last one.
    pub(super) fn with_earlier(self, travelled: u64) -> Self {
        let earlier = travelled.min(self.reused);
        Self { transferred: self.transferred.saturating_add(earlier), reused: self.reused - earlier, ..self }
    }

    /// What is told of it.
    pub(super) fn verified(self) -> Outcome {
        let Self { root, size, transferred, reused, grown } = self;
        Outcome::Verified { root, size, transferred, reused, grown }
    }
}

/// The local end of a job whose local side is no file.
pub(super) enum Stream {
    Source(Box<dyn Read + Send>),
    Sink(Sink),
}

/// Where a download's bytes are written out in order.
pub(super) struct Sink {
    pub(super) to: Box<dyn Write + Send>,
    /// The digests of the blocks that were written; after a lost link the rest follows.
    pub(super) written: Vec<Digest>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source(_) => "Source",
            Self::Sink(_) => "Sink",
        })
    }
}

/// Which requests an item's next step needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// A few bytes or one block: pipelined with others.
    Quick,
    /// A file of many blocks: has a connection to itself meanwhile.
    Large,
}

impl Item {
    /// What nothing is known of yet.
    pub(super) fn new(id: ItemId, task: Arc<Task>, path: ItemPath) -> Self {
        Self {
            id,
            task,
            path,
            step: Step::Fresh,
            facts: FileFacts { size: 0, mtime: Mtime(0, 0) },
            mode: 0o644,
            version: None,
            identity: None,
            reconsidered: 0,
            stream: None,
            tries: Tries::default(),
            beside: None,
            travelled: 0,
            unanswered: false,
            told: false,
            begun: false,
            growth: None,
            counted: 0,
        }
    }

    pub(super) fn lane(&self) -> Lane {
        let moves = matches!(self.step, Step::Fresh | Step::Replace(_));
        let large = self.facts.size > BLOCK_SIZE || self.task.is_stream();
        if moves && large { Lane::Large } else { Lane::Quick }
    }

    pub(super) fn is_upload(&self) -> bool {
        self.task.direction == Direction::Upload
    }

    /// Whether its source goes when it is at its target.
    pub(super) fn removes_source(&self) -> bool {
        self.task.options.remove_source && !self.task.options.dry_run && !self.task.is_stream()
    }

    /// What it may be put in place of.
    pub(super) fn over(&self) -> Over {
        match self.step {
            Step::Replace(Some(_)) => Over::This(self.identity),
            Step::Replace(None) => Over::Anything,
            _ => Over::Nothing,
        }
    }

    /// The same, as the server is told.
    pub(super) fn if_exists(&self) -> IfExists {
        match (self.over(), &self.version) {
            (Over::Nothing, _) => IfExists::Refuse,
            (Over::This(_), Some(version)) => IfExists::ReplaceVersion(version.clone()),
            (Over::This(_) | Over::Anything, _) => IfExists::Replace,
        }
    }

    /// Whether replacing its target sends only blocks that differ.
    pub(super) fn negotiates(&self) -> bool {
        self.task.options.resume && self.facts.size > BLOCK_SIZE
    }

    /// Whether the folders above its target are made: those of a folder job are the job's
    /// own, those above what the user named only if the user said so.
    pub(super) fn makes_parents(&self) -> bool {
        !self.path.folder().named || self.task.options.parents
    }

    /// The bytes it stands for in the totals.
    pub(super) fn weight(&self) -> u64 {
        match self.step {
            Step::Folder | Step::FolderMode | Step::FolderDate | Step::Discard => 0,
            _ => self.facts.size,
        }
    }

    /// It turned out to have another size: the totals follow.
    pub(super) fn set_size(&mut self, size: u64) {
        self.task.tally.resize(self.facts.size, size);
        self.facts.size = size;
    }

    /// What its local file, a source, turned out to be.
    pub(super) fn set_source(&mut self, opened: &Opened) {
        self.set_size(opened.facts.size);
        (self.facts, self.mode, self.identity) = (opened.facts, opened.mode, Some(opened.identity));
    }

    /// Counts `bytes` of it as under way.
    pub(super) fn count(&mut self, bytes: u64) {
        self.task.tally.under_way(bytes);
        self.counted = self.counted.saturating_add(bytes);
    }

    /// Counts nothing of it as under way any more.
    pub(super) fn uncount(&mut self) {
        self.task.tally.not_under_way(std::mem::take(&mut self.counted));
    }
}
