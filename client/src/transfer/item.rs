//! An item: one file or folder of a job, and its next step.

use std::{fmt, io::Read, sync::Arc};

use ferry_shared::{digest::Digest, entry::Mtime, limits::BLOCK_SIZE, name::Name};

use super::{
    active::Active,
    conflict::at_precision,
    event::{Grown, Outcome},
    job::ItemId,
    path::ItemPath,
    room::Growth,
    task::{EndKind, Task},
    tries::Tries,
};
use crate::{
    local::stream::Sink,
    site::{Dates, FileFacts, Found, Location, Opened, Over, Proof, Put, Resume, Version},
};

/// Marks a folder whose permission bits are not set.
pub(super) const NO_MODE: u32 = 0;

/// The permission bits of a file whose source has none.
const USUAL_MODE: u32 = 0o644;

/// One file or folder of a job.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: ItemId,
    pub(super) task: Arc<Task>,
    pub(super) path: ItemPath,
    pub(super) step: Step,
    /// The source's size and date.
    pub(super) facts: FileFacts,
    /// The source's permission bits.
    pub(super) mode: u32,
    /// The version of the source that was read, if known.
    pub(super) source_version: Option<Version>,
    /// The version of the file that was seen at the target, if known.
    pub(super) target_version: Option<Version>,
    /// The permission bits of that file, if known.
    pub(super) target_mode: Option<u32>,
    /// Whether its target is known to be equal by remembered digests.
    pub(super) remembered: bool,
    /// How often the file to be replaced had changed since the decision.
    pub(super) reconsidered: u8,
    /// The stream of a stream job, while it is not in use.
    pub(super) stream: Option<Stream>,
    /// The failures so far.
    pub(super) tries: Tries,
    /// When both files are kept: the taken name, and the number in the name that is tried instead.
    pub(super) beside: Option<Box<(Name, u32)>>,
    /// Bytes of it that were sent in unfinished attempts.
    pub(super) sent: u64,
    /// Whether it may have been sent completely and only the answer was lost.
    pub(super) unanswered: bool,
    /// Whether [`Event::ItemStarted`](super::event::Event::ItemStarted) was emitted.
    pub(super) announced: bool,
    /// Whether a part of it may be at the target.
    pub(super) begun: bool,
    /// The claim on the room that it still needs at the target.
    pub(super) growth: Option<Arc<Growth>>,
    /// Bytes of it that its task counts as under way.
    pub(super) counted: u64,
    /// Its progress, while it is a file of one block that is being transferred.
    pub(super) active: Option<Arc<Active>>,
}

/// The next step of an item.
#[derive(Debug)]
pub(super) enum Step {
    /// Create the folder.
    Folder,
    /// Set the permission bits of the folder, which this job created.
    FolderMode,
    /// Set the folder's date to its source's; all its contents are done.
    FolderDate,
    /// Make the same link at the target; everything else in its piece is done.
    Link,
    /// Stat the target. With facts: a file with these facts is to be replaced, and only its version is still needed.
    Stat(Option<FileFacts>),
    /// Compare the contents of both ends; the target has these facts.
    Compare(FileFacts),
    /// Transfer it to a path where nothing exists.
    Fresh,
    /// Transfer it and replace the present file; with facts, only a file with these facts.
    Replace(Option<FileFacts>),
    /// Read the target again and compare.
    Confirm(Done),
    /// Copy the source's time and permission bits to the target, whose content is equal; with [`Done`], this job wrote
    /// the content.
    Attributes(Option<Done>),
    /// Remove the source.
    RemoveSource(Done),
    /// Discard its part at the target.
    Discard,
}

/// The result of a file's transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) root: Digest,
    pub(super) size: u64,
    pub(super) transferred: u64,
    pub(super) reused: u64,
    /// The source grew while it was read.
    pub(super) grown: Option<Grown>,
    /// The proof that the target has the source's content.
    pub(super) proof: Proof,
}

impl Done {
    /// Counts reused bytes as transferred if earlier attempts of this job sent them: `sent` at most.
    pub(super) fn with_earlier(self, sent: u64) -> Self {
        let earlier = sent.min(self.reused);
        Self { transferred: self.transferred.saturating_add(earlier), reused: self.reused - earlier, ..self }
    }

    /// The outcome to report.
    pub(super) fn verified(self) -> Outcome {
        let Self { root, size, transferred, reused, grown, proof } = self;
        Outcome::Verified { root, size, transferred, reused, grown, proof }
    }
}

/// A stream at one end of a job.
pub(super) enum Stream {
    Source(Box<dyn Read + Send>),
    Sink(Sink),
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source(_) => "Source",
            Self::Sink(_) => "Sink",
        })
    }
}

/// The kind of work that an item's next step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// A short request, or a file of at most one block: pipelined with others.
    Quick,
    /// A file of many blocks, which has its sessions to itself.
    Large,
}

impl Item {
    /// An item without known facts.
    pub(super) fn new(id: ItemId, task: Arc<Task>, path: ItemPath) -> Self {
        Self {
            id,
            task,
            path,
            step: Step::Fresh,
            facts: FileFacts { size: 0, mtime: Mtime(0, 0) },
            mode: 0o644,
            source_version: None,
            target_version: None,
            target_mode: None,
            remembered: false,
            reconsidered: 0,
            stream: None,
            tries: Tries::default(),
            beside: None,
            sent: 0,
            unanswered: false,
            announced: false,
            begun: false,
            growth: None,
            counted: 0,
            active: None,
        }
    }

    pub(super) fn lane(&self) -> Lane {
        let moves = matches!(self.step, Step::Fresh | Step::Replace(_));
        let large = self.facts.size > BLOCK_SIZE || self.task.is_stream();
        // A target without digests is read back, which is as much work as the transfer.
        let reads_back = matches!(self.step, Step::Confirm(_)) && !self.task.to.abilities.digest;
        if moves && large || reads_back { Lane::Large } else { Lane::Quick }
    }

    /// Whether its source is removed after the transfer.
    pub(super) fn removes_source(&self) -> bool {
        self.task.options.remove_source && !self.task.options.dry_run && !self.task.is_stream()
    }

    /// Whether the contents of both ends can be compared without a transfer.
    pub(super) fn can_compare(&self) -> bool {
        self.task.from.abilities.digest && self.task.to.abilities.digest && !self.task.is_stream()
    }

    /// The permission bits that its target gets from its source or the options; `None` if it gets none.
    pub(super) fn mode_to_set(&self) -> Option<u32> {
        // A source without permission bits provides none.
        let own = self.task.from.abilities.mode_bits.then_some(self.mode);
        self.task.options.mode.or(own).filter(|_| self.task.to.abilities.mode_bits)
    }

    /// Whether a target with these facts has the time and permission bits that it is to get.
    pub(super) fn has_attributes(&self, target: &FileFacts) -> bool {
        let precision = self.task.to.abilities.mtime;
        let dated = precision == Dates::None || target.mtime == at_precision(self.facts.mtime, precision);
        dated && self.mode_to_set().is_none_or(|mode| self.target_mode == Some(mode))
    }

    /// The existing files that it may replace.
    pub(super) fn over(&self) -> Over {
        match self.step {
            Step::Replace(Some(_)) => Over::This(self.target_version.clone()),
            Step::Replace(None) => Over::Anything,
            _ => Over::Nothing,
        }
    }

    /// The request that writes it to its target.
    pub(super) fn put(&self, at: Location) -> Put {
        let options = &self.task.options;
        Put {
            at,
            over: self.over(),
            resume: options.resume,
            begun: self.begun,
            keep_attributes: options.keep_attributes && !matches!(self.task.from.kind, EndKind::Stream),
            mode: options.mode.or((!self.task.from.abilities.mode_bits).then_some(USUAL_MODE)),
            parents: self.makes_parents(),
            expected: self.facts,
            verify: options.verify,
        }
    }

    /// Whether replacing its target sends only blocks that differ.
    pub(super) fn negotiates(&self) -> bool {
        let resumes = self.task.to.abilities.resume == Resume::Blocks;
        self.task.options.resume && resumes && self.facts.size > BLOCK_SIZE
    }

    /// Whether its source can send it as deltas against the file that it replaces.
    pub(super) fn may_have_deltas(&self) -> bool {
        self.negotiates() && self.task.from.abilities.deltas && !matches!(self.over(), Over::Nothing)
    }

    /// Whether missing folders above its target are created: always inside a piece, above a piece only on request.
    pub(super) fn makes_parents(&self) -> bool {
        !self.path.is_named() || self.task.options.parents
    }

    /// Its bytes in the totals.
    pub(super) fn weight(&self) -> u64 {
        match self.step {
            Step::Folder | Step::FolderMode | Step::FolderDate | Step::Discard => 0,
            _ => self.facts.size,
        }
    }

    /// Changes its size, also in the totals.
    pub(super) fn set_size(&mut self, size: u64) {
        self.task.tally.resize(self.facts.size, size);
        self.facts.size = size;
    }

    /// Takes version and permission bits from what is at the target.
    pub(super) fn see(&mut self, found: Option<&Found>) {
        self.target_version = found.and_then(|found| found.version.clone());
        self.target_mode = found.map(|found| found.mode);
    }

    /// Takes size, date, permission bits and version from the opened source.
    pub(super) fn set_source(&mut self, opened: &Opened) {
        if let Some(size) = opened.size {
            self.set_size(size);
        }
        (self.facts.mtime, self.mode, self.source_version) = (opened.mtime, opened.mode, opened.version.clone());
    }

    /// Counts `bytes` of it as under way.
    pub(super) fn count(&mut self, bytes: u64) {
        self.task.tally.under_way(bytes);
        self.counted = self.counted.saturating_add(bytes);
    }

    /// Stops counting its bytes as under way.
    pub(super) fn uncount(&mut self) {
        self.task.tally.not_under_way(std::mem::take(&mut self.counted));
    }
}
